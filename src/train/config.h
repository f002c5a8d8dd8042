#ifndef SHN_TRAIN_CONFIG_H
#define SHN_TRAIN_CONFIG_H

#include "shinden/train.h"

/** 1 if key i changes nothing that is trained (threads, checkpoints); i below the number of keys. */
int shn_train_key_free_of_bits(size_t i);
/** shn_train_config_yaml of the n keys named only, in the table's order. */
SHN_NODISCARD shn_status shn_train_config_yaml_keys(const shn_train_config *config, int bits_only, const char *const *keys, size_t n, char **yaml,
                                                    shn_error *err);

#endif
