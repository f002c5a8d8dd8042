/**
 * Downloading a documented slice of PTB-XL 1.0.3 from PhysioNet, so that a newcomer has real ECGs: resumable, every file
 * checked against the publisher's SHA-256 list, laid out as the original (`import --preset ptbxl-original` takes the folder).
 */
#ifndef SHINDEN_FETCH_H
#define SHINDEN_FETCH_H

#include <stdint.h>

#include "shinden/progress.h"
#include "shinden/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SHN_FETCH_URL         "https://physionet.org/files/ptb-xl/1.0.3"
#define SHN_FETCH_RECORDS_MAX 100000
#define SHN_FETCH_JOBS_MAX    32

typedef struct shn_fetch_options {
    const char *base_url;           /**< NULL: SHN_FETCH_URL; http or https, at most 1023 bytes */
    uint32_t    n_records;          /**< 2000: a tenth from each of the ten folds, lowest ecg_id first; 0: all */
    uint32_t    n_jobs;             /**< 8: downloads at a time, 1..SHN_FETCH_JOBS_MAX */
    double      connect_timeout_s;  /**< 10 */
    double      stall_timeout_s;    /**< 30: a transfer that brings nothing for so long is broken off and resumed */
    double      retry_wait_s;       /**< 0.5: before the first retry without progress; doubles each time */
    shn_watcher watcher;            /**< counts files */
} shn_fetch_options;
void shn_fetch_defaults(shn_fetch_options *options);

typedef struct shn_fetch_summary {
    uint32_t n_records;             /**< records of the slice, all there now */
    uint32_t n_files, n_present;    /**< files of the slice; those that were there already and are sound */
    uint32_t n_resumed;             /**< transfers that went on where an earlier one had stopped */
    uint64_t n_bytes;               /**< downloaded now */
} shn_fetch_summary;

/** Borrowed: name, version, authors, DOI and licence of what is fetched, several lines; programs must show it. */
const char *shn_fetch_licence(void);

/**
 * Fetches into folder (made if absent):
 *
 *   SHA256SUMS.txt, LICENSE.txt, scp_statements.csv     as published
 *   original/ptbxl_database.csv                         as published: all 21,799 rows
 *   ptbxl_database.csv                                  the rows of the slice, same columns
 *   records100/NNNNN/NNNNN_lr.hea, .dat                 100 Hz signals of the slice
 *
 * Files under way are named "*.part"; stopped at any moment, the same call goes on. A file gets its name only when its
 * SHA-256 is the published one; one that is there with another content is fetched anew. PTB-XL keeps a patient in one fold,
 * so a slice by folds keeps patients apart.
 *
 * Errors  SHN_IO (not_found) no connection or the server lacks the file; (read_error) it broke off too often; (disk_full) ...
 *         SHN_FORMAT (checksum) a file arrives with another SHA-256 twice;  (bad_value) the publisher's table is not as expected
 *         SHN_RANGE  an option outside its range, a file beyond its limit;  SHN_CANCELLED;  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_fetch_ptbxl(const char *folder, const shn_fetch_options *options, shn_fetch_summary *summary,
                                         shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
