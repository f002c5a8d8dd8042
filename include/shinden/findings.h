/**
 * The finding registry: what each finding is called, in English and Japanese and in the coding systems, and how the
 * labels of a data source map to findings. The built-in table is compiled in from src/labels/findings.csv; ids are frozen.
 */
#ifndef SHINDEN_FINDINGS_H
#define SHINDEN_FINDINGS_H

#include <stddef.h>

#include "shinden/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shn_registry shn_registry;

enum { SHN_FINDING_UBIQUITOUS = 1, SHN_FINDING_URGENT = 2 };

typedef struct shn_finding {
    const char *id;                     /**< frozen, lower case and underscores: "atrial_fibrillation" */
    const char *name_en, *name_ja;
    const char *synonyms_en, *synonyms_ja;  /**< separated by ';', may be empty */
    const char *scp;                    /**< PTB-XL statement such as "AFIB", empty if none */
    const char *snomed;                 /**< SNOMED CT codes separated by ';' (several codes may mean one finding) */
    const char *cinc;                   /**< Challenge abbreviation, empty if none */
    const char *parents;                /**< finding ids separated by ';' */
    unsigned    flags;
} shn_finding;

/** Borrowed, for the life of the program: the compiled-in table; never NULL. */
const shn_registry *shn_registry_builtin(void);
/** A user's table with the same columns. Errors name line and column. Release with shn_registry_free (not the built-in). */
SHN_NODISCARD shn_status shn_registry_read(const char *path, shn_registry **out, shn_error *err);
void               shn_registry_free(shn_registry *reg);
const char        *shn_registry_version(const shn_registry *reg);
size_t             shn_registry_size(const shn_registry *reg);
const shn_finding *shn_registry_at(const shn_registry *reg, size_t i);
/** By id; -1 if there is none. */
int shn_registry_find(const shn_registry *reg, const char *id);

/** Coding systems that labels come in. `text` is a source's own wording (LUDB). */
typedef enum shn_coding { SHN_CODE_ID, SHN_CODE_SCP, SHN_CODE_SNOMED, SHN_CODE_CINC, SHN_CODE_LUDB } shn_coding;
/** Finding index for a source's label, exact after trimming; -1: unknown to the registry. */
int shn_registry_map(const shn_registry *reg, shn_coding coding, const char *label);

#ifdef __cplusplus
}
#endif
#endif
