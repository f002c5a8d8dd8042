/**
 * Status codes, reason codes and the error object that every fallible call of Shinden fills.
 *
 * A status says what class of failure happened; a reason, from a closed list that is the same in the import
 * manifest, in `predict` and `check` output and in errors, says it to a program; the text says it to a person, in
 * one line that names the place and the remedy. The error travels in an object that the caller passes, so threads
 * and retries cannot mix errors up. The library neither prints nor exits.
 */
#ifndef SHINDEN_STATUS_H
#define SHINDEN_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SHN_NODISCARD __attribute__((warn_unused_result))
#define SHN_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define SHN_NODISCARD
#define SHN_PRINTF(fmt, first)
#endif

#define SHN_STATUS_MAP(X)                                                                                            \
    X(OK, "success")                                 X(NOMEM, "out of memory")                                       \
    X(IO, "read or write failed")                    X(FORMAT, "bytes contradict the file format")                   \
    X(UNSUPPORTED, "valid, but not in this build")   X(RANGE, "argument outside its range")                          \
    X(MISMATCH, "two inputs do not fit together")    X(DEVICE, "accelerator call failed")                            \
    X(CANCELLED, "stopped by the caller")

#define X(name, text) SHN_##name,
typedef enum shn_status { SHN_STATUS_MAP(X) } shn_status;
#undef X

/** Closed list: machine-readable causes. Add at the end, never rename: manifests on disk carry these words. */
#define SHN_REASON_MAP(X)                                                                                            \
    X(NONE, "none")                           X(NOT_FOUND, "not_found")                                              \
    X(NO_PERMISSION, "no_permission")         X(DISK_FULL, "disk_full")                                              \
    X(READ_ERROR, "read_error")               X(TRUNCATED, "truncated")                                              \
    X(BAD_HEADER, "bad_header")               X(BAD_VALUE, "bad_value")                                              \
    X(UNKNOWN_FORMAT, "unknown_format")       X(UNSUPPORTED, "unsupported")                                          \
    X(CHECKSUM, "checksum")                   X(NO_UNIT, "no_unit")                                                  \
    X(LIMIT, "limit")                         X(NO_ECG, "no_ecg_lead")                                               \
    X(MISSING_LEAD, "missing_lead")           X(DUPLICATE_LEAD, "duplicate_lead")                                    \
    X(LEAD_ORDER, "lead_order")               X(LEADS_SWAPPED, "leads_swapped")                                      \
    X(LEAD_DERIVED, "lead_derived")           X(FLAT_LEAD, "flat_lead")                                              \
    X(CLIPPED, "clipped")                     X(GAPS, "gaps")                                                        \
    X(NAN_AND_INF, "nan_and_inf")             X(TOO_SHORT, "too_short")                                              \
    X(AMPLITUDE, "implausible_amplitude")     X(UNIT_SUSPECT, "unit_suspect")                                        \
    X(FS_MISMATCH, "fs_mismatch")             X(UPSAMPLING, "upsampling")                                            \
    X(NO_LABEL, "no_label")                   X(UNKNOWN_LABEL, "unknown_label")                                      \
    X(DUPLICATE_ID, "duplicate_id")           X(PATIENT_OVERLAP, "patient_overlap")                                  \
    X(NO_SPLIT, "no_split")                   X(EXCLUDED, "excluded")                                                \
    X(COMPANION, "companion_file")            X(NOISE, "noise")                                                      \
    X(LIMB_REVERSED, "limb_leads_reversed")   X(MODEL_MISMATCH, "model_mismatch")                                    \
    X(NO_MEMORY, "no_memory")                 X(CANCELLED, "cancelled")                                              \
    X(RANK_LOST, "rank_lost")

#define X(name, text) SHN_REASON_##name,
typedef enum shn_reason { SHN_REASON_MAP(X) SHN_REASON_COUNT } shn_reason;
#undef X

typedef struct shn_error {
    shn_status status;
    shn_reason reason;
    char       where[64];   /**< the part of the library and the place, such as "wfdb.header line 3" */
    char       text[448];   /**< one line for a person: what is wrong, in which file, what to do */
} shn_error;

/** Borrowed, static: the words of a status or the machine word of a reason; "unknown" outside the list. */
const char *shn_status_text(shn_status status);
const char *shn_reason_name(shn_reason reason);
/** The reason with this machine word, or SHN_REASON_COUNT. */
shn_reason shn_reason_from_name(const char *name);

#ifdef __cplusplus
}
#endif
#endif
