/**
 * A YAML document as a tree whose every node knows its line and column, so that a mistake in a user's file can be
 * pointed at. (libcyaml has no dictionaries with free keys; mapping files need them.)
 * Hostile input: bytes and entries limited, double keys and NUL bytes refused, one document only.
 */
#ifndef SHN_BASE_YAML_H
#define SHN_BASE_YAML_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

#define SHN_YAML_BYTES_MAX   ((size_t)1 << 20)
#define SHN_YAML_ENTRIES_MAX 4096               /* of one list or dictionary */

typedef struct shn_yaml shn_yaml;
typedef int shn_yaml_node;                      /* 0: none */
typedef enum shn_yaml_kind { SHN_YAML_SCALAR, SHN_YAML_LIST, SHN_YAML_DICT } shn_yaml_kind;

/** Errors SHN_FORMAT (bad_header, with line and column), SHN_RANGE (limit), SHN_NOMEM. */
SHN_NODISCARD shn_status shn_yaml_open(const uint8_t *bytes, size_t n_bytes, shn_yaml **out, shn_error *err);
void          shn_yaml_close(shn_yaml *y);      /* accepts NULL */
shn_yaml_node shn_yaml_root(const shn_yaml *y);
shn_yaml_kind shn_yaml_kind_of(const shn_yaml *y, shn_yaml_node node);
/** Entries of a list or dictionary; 0 for a scalar. */
size_t        shn_yaml_size(const shn_yaml *y, shn_yaml_node node);
/** i-th item of a list, or value of a dictionary. */
shn_yaml_node shn_yaml_at(const shn_yaml *y, shn_yaml_node node, size_t i);
/** Borrowed: i-th key of a dictionary. */
const char   *shn_yaml_key(const shn_yaml *y, shn_yaml_node node, size_t i);
/** Value of a key of a dictionary; 0 if there is none. */
shn_yaml_node shn_yaml_find(const shn_yaml *y, shn_yaml_node node, const char *key);
/** Borrowed text of a scalar; "" for other kinds. */
const char   *shn_yaml_text(const shn_yaml *y, shn_yaml_node node);
/** SHN_FORMAT with "line 3, column 5: ..." for a node. */
shn_status    shn_yaml_fail(const shn_yaml *y, shn_yaml_node node, shn_error *err, const char *fmt, ...) SHN_PRINTF(4, 5);

#endif
