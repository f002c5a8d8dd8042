/** Inside of a registry, shared by the reader, the look-ups and the program that compiles the table in. */
#ifndef SHN_LABELS_REGISTRY_H
#define SHN_LABELS_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

#include "base/csv.h"
#include "shinden/findings.h"

#define SHN_REGISTRY_RELEASE   "2"                  /* raised when a finding is added; ids never change */
#define SHN_REGISTRY_BYTES_MAX ((size_t)16 << 20)

/**
 * Coding systems in the order of shn_coding: name of the coding (and of its column, but for "id"), field of shn_finding, how a search finds a code: by any
 * PART of it, or only WHOLE, for a code of one or two letters would be part of nearly every word.
 */
#define SHN_CODINGS(X)                                                                                                            \
    X(ID, id, PART) X(SCP, scp, PART) X(SNOMED, snomed, PART) X(CINC, cinc, PART) X(LUDB, ludb, PART)                             \
    X(MINNESOTA, minnesota, WHOLE) X(CODE15, code15, WHOLE) X(MITDB_RHYTHM, mitdb_rhythm, WHOLE) X(MITDB_BEAT, mitdb_beat, WHOLE)

typedef int16_t shn_parent_row[SHN_FINDING_PARENTS_MAX];   /* indices, -1 after the last */

struct shn_registry {
    const shn_finding    *findings;     /* [n] */
    const shn_parent_row *parents;      /* [n] */
    size_t                n, n_base;    /* rows; how many of them come first from the registry that was added to */
    const char           *version;
    /* owned by a registry that was read, NULL in the compiled-in one */
    shn_finding    *owned_findings;
    shn_parent_row *owned_parents;
    char           *owned_version;
    shn_csv        *csv;                /* holds all strings */
};

/** Made at build time from findings.csv by embed/embed_findings.c. */
extern const shn_registry shn_registry_compiled;

/** The columns in the order of findings.csv: column name, field of shn_finding. "flags" is apart, for it is not a string there. */
#define SHN_REGISTRY_COLUMNS(X)                                                                                                   \
    X(id) X(name_en) X(name_ja) X(synonyms_en) X(synonyms_ja) X(criterion_en) X(criterion_ja) X(scp) X(snomed) X(cinc) X(ludb)    \
    X(minnesota) X(code15) X(mitdb_rhythm) X(mitdb_beat) X(parents) X(ja_source)

/** As shn_registry_read, from bytes, rows added to those of base (NULL: none; it must outlive the result); release begins the version. */
SHN_NODISCARD shn_status shn_registry_parse(const uint8_t *bytes, size_t n_bytes, const shn_registry *base, const char *release,
                                            shn_registry **out, shn_error *err);

#endif
