/**
 * The finding registry: what each finding is called, in English and Japanese and in the coding systems, and how the
 * labels of a data source map to findings. The built-in table is compiled in from src/labels/findings.csv; ids are frozen
 * (docs/findings.md says what the columns mean and how codes were matched).
 */
#ifndef SHINDEN_FINDINGS_H
#define SHINDEN_FINDINGS_H

#include <stddef.h>

#include "shinden/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SHN_FINDINGS_MAX        4096    /**< rows of a registry */
#define SHN_FINDING_ID_MAX      63      /**< bytes of an id */
#define SHN_FINDING_PARENTS_MAX 8

typedef struct shn_registry shn_registry;

enum {
    SHN_FINDING_UBIQUITOUS = 1,         /**< normal ECG, sinus rhythm: left out of "_specific" scores */
    SHN_FINDING_URGENT     = 2,         /**< must not be missed */
    SHN_FINDING_CLINICAL   = 4          /**< a diagnosis or measurement that the trace alone does not establish */
};

typedef struct shn_finding {
    const char *id;                     /**< frozen, lower case and underscores: "atrial_fibrillation" */
    const char *name_en, *name_ja;
    const char *synonyms_en, *synonyms_ja;  /**< separated by ';', may be empty */
    const char *scp;                    /**< PTB-XL statement such as "AFIB", empty if none */
    const char *snomed;                 /**< SNOMED CT codes separated by ';' (several codes may mean one finding) */
    const char *cinc;                   /**< Challenge abbreviations separated by ';', empty if none */
    const char *parents;                /**< finding ids separated by ';' */
    unsigned    flags;
    const char *criterion_en, *criterion_ja;    /**< one line, empty where none was written */
    const char *ludb;                   /**< LUDB's wordings separated by ';', empty if none */
    const char *minnesota;              /**< Minnesota codes separated by ';' ("7-1-1"), empty if none */
    const char *code15;                 /**< column of CODE-15's table ("1dAVb"), empty if none */
    const char *mitdb_rhythm, *mitdb_beat;  /**< WFDB rhythm texts without parenthesis ("AFIB"), beat symbols ("V"), ';' between several */
    const char *ja_source;              /**< where name_ja is from: "vocabulary", "disease_names", "unchecked" (made here), "" */
} shn_finding;

/** Borrowed, for the life of the program: the compiled-in table; never NULL. */
const shn_registry *shn_registry_builtin(void);
/**
 * A user's table with the same columns; id, name_en and name_ja are required, the others may be left out, a column "note"
 * is skipped. Errors name line and column. Release with shn_registry_free (not the built-in).
 *
 * @param path  the table, which stands for itself alone; "+FILE": its rows are added to the built-in registry's, whose ids and codes they may
 *              not take and which they may name as parents. A file whose name begins with '+' is reached as ./+NAME.
 * Errors  SHN_FORMAT  not CSV, an unknown column, an id that is no id or stands twice, a name missing, a code malformed or given
 *                     to two findings, a parent that does not exist or a circle of parents, an unknown flag
 *         SHN_RANGE   a limit above;  SHN_IO;  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_registry_read(const char *path, shn_registry **out, shn_error *err);
void               shn_registry_free(shn_registry *reg);                /**< accepts NULL */
/** Borrowed: release and the first digits of the table's SHA-256, such as "2.0a1b2c3d4e5f"; "user." for users' tables, "2+user." for added ones. */
const char        *shn_registry_version(const shn_registry *reg);
size_t             shn_registry_size(const shn_registry *reg);
const shn_finding *shn_registry_at(const shn_registry *reg, size_t i);
/** By id; -1 if there is none. */
int shn_registry_find(const shn_registry *reg, const char *id);

/** Index of the k-th direct parent of finding i; -1 past the last. */
int shn_registry_parent(const shn_registry *reg, size_t i, size_t k);
/** 1 if finding i is `ancestor` or lies below it through any chain of parents. */
int shn_registry_is_a(const shn_registry *reg, size_t i, size_t ancestor);

/** Coding systems that labels come in; SHN_CODE_COUNT is their number. */
typedef enum shn_coding {
    SHN_CODE_ID, SHN_CODE_SCP, SHN_CODE_SNOMED, SHN_CODE_CINC, SHN_CODE_LUDB, SHN_CODE_MINNESOTA, SHN_CODE_CODE15, SHN_CODE_MITDB_RHYTHM,
    SHN_CODE_MITDB_BEAT, SHN_CODE_COUNT
} shn_coding;
/** All names, blanks between, for messages: "id scp snomed cinc ludb minnesota code15 mitdb_rhythm mitdb_beat". Borrowed. */
const char *shn_coding_names(void);
/** "id" "scp" ... as in shn_coding_names; NULL outside the list. Borrowed. */
const char *shn_coding_name(shn_coding coding);
/** The coding of this name, -1 if there is none. */
int shn_coding_from_name(const char *name);
/**
 * Finding index for a source's label, exact after trimming; -1: unknown to the registry. LUDB's wordings also without regard
 * to case and to a final full stop, for its own header files and table differ in these; rhythms with or without WFDB's "(".
 */
int shn_registry_map(const shn_registry *reg, shn_coding coding, const char *label);
/** Borrowed: what finding i is called in a coding system, items separated by ';', empty if it has no name there. */
const char *shn_registry_codes(const shn_registry *reg, shn_coding coding, size_t i);
/**
 * Findings whose id, names, synonyms or codes contain the text, without regard to case and width (NFKC), in registry order.
 * @param[out] found  [max] indices
 * @return the number of matches, which may exceed max; 0 when the text is not UTF-8
 */
size_t shn_registry_search(const shn_registry *reg, const char *text, size_t *found, size_t max);

/** What is wrong with a registry, counted; every count of faults is 0 in a sound one. */
typedef struct shn_registry_faults {
    size_t n_findings, n_parents;                       /**< examined */
    size_t n_codes[SHN_CODE_COUNT];                     /**< codes of each system, examined */
    size_t n_ja_unchecked;                              /**< Japanese names that come from no table: no fault, but nobody has checked them */
    size_t name_missing, name_twice;                    /**< a language is missing; two findings have one name */
    size_t code_malformed, code_twice;                  /**< ids are codes of the system "id" */
    size_t parent_missing, in_circle;                   /**< a parent that is no finding; findings on or below a circle of parents */
    char   first[160];                                  /**< the first fault in words, "" without one */
} shn_registry_faults;
/** Examines everything that a registry promises, the built-in one as any other, from its strings alone. Never fails. */
void shn_registry_check(const shn_registry *reg, shn_registry_faults *out);
/** 1 if no fault was counted. */
int shn_registry_sound(const shn_registry_faults *faults);

/** What is put into words about a finding; "random" knowledge is none of these, but vectors that know nothing. */
typedef enum shn_text_form { SHN_TEXT_CODE, SHN_TEXT_NAME, SHN_TEXT_NAME_CRITERION } shn_text_form;
#define SHN_FINDING_TEXT_MAX 1024       /**< bytes of a finding's text, with its end */
/** "code" "name" "name+criterion"; NULL outside the list. Borrowed. */
const char *shn_text_form_name(shn_text_form form);
/** The form of this name, -1 if there is none. */
int shn_text_form_from_name(const char *name);
/**
 * The text of finding i: its code (SCP statement; else a Challenge abbreviation that is no other finding's statement; else a SNOMED CT
 * id; else the finding's id), its name, or "name: criterion" (the name alone where no criterion was written).
 * @return 1; 0 if the text is longer than SHN_FINDING_TEXT_MAX - 1 bytes (a user's table) and was cut
 */
int shn_registry_text(const shn_registry *reg, size_t i, shn_text_form form, int japanese, char out[SHN_FINDING_TEXT_MAX]);
/** The same of a finding that reg may not have (a cohort's, shn_cohort_finding), beside those of reg. */
int shn_finding_text(const shn_registry *reg, const shn_finding *f, shn_text_form form, int japanese, char out[SHN_FINDING_TEXT_MAX]);
/** What a record without findings is called. Borrowed. */
const char *shn_text_none(int japanese);

/**
 * Walks a list of items separated by ';', each trimmed of blanks; empty items are passed over.
 * @param[in,out] rest  where to go on; starts as the list
 * @param[out]    n     bytes of the item
 * @return borrowed start of the item (not terminated), NULL at the end
 */
const char *shn_list_next(const char **rest, size_t *n);
/**
 * 1 if the code has the form of its system: SNOMED CT a valid identifier, a Minnesota code one that the classification has room for; an id as
 * docs/findings.md says; the others are words, any of them is well formed.
 */
int shn_code_valid(shn_coding coding, const char *code, size_t n);
/** 1 if two codes are one to a look-up: LUDB's wordings without case and final full stop, a rhythm with or without its parenthesis. n, m: bytes. */
int shn_code_same(shn_coding coding, const char *a, size_t n, const char *b, size_t m);
/** 1 if it reads as a Minnesota code: category 1-9, a number and perhaps a third ("7-1-1", "9-2"), none beyond those of the classification. */
int shn_minnesota_valid(const char *code, size_t n);
/** 1 if the SNOMED CT identifier is 6 to 18 digits without leading zero whose last is a valid Verhoeff check digit. */
int shn_snomed_valid(const char *code, size_t n);

#ifdef __cplusplus
}
#endif
#endif
