#ifndef SHN_TRAIN_CONFIG_H
#define SHN_TRAIN_CONFIG_H

#include "shinden/train.h"

/** 1 if key i changes nothing that is trained (threads, checkpoints); i below the number of keys. */
int shn_train_key_free_of_bits(size_t i);
/** The settings that a kind of training has: names of the table's keys. whose: "pretrain". */
typedef struct shn_train_keys { const char *whose, *const *name; size_t n; } shn_train_keys;
/** shn_train_config_yaml of those keys only, in the table's order; NULL: all. */
SHN_NODISCARD shn_status shn_train_config_yaml_keys(const shn_train_config *config, int bits_only, const shn_train_keys *only, char **yaml, shn_error *err);
/** shn_train_config_parse, to which a key that is not among those is no setting; NULL: all are. */
SHN_NODISCARD shn_status shn_train_config_parse_keys(shn_train_config *config, const char *yaml, size_t n_bytes, const shn_train_keys *only, shn_error *err);

#endif
