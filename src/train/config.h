#ifndef SHN_TRAIN_CONFIG_H
#define SHN_TRAIN_CONFIG_H

#include <stddef.h>

/** 1 if key i changes nothing that is trained (threads, checkpoints); i below the number of keys. */
int shn_train_key_free_of_bits(size_t i);

#endif
