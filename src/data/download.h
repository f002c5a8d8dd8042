/**
 * Many small files from one HTTP server, several at a time, each resumed where it stopped and checked by SHA-256. Knows
 * nothing of what the files are.
 */
#ifndef SHN_DATA_DOWNLOAD_H
#define SHN_DATA_DOWNLOAD_H

#include <stddef.h>

#include "shinden/fetch.h"

#define SHN_DOWNLOAD_PATH_MAX 200

typedef struct shn_download {
    char   path[SHN_DOWNLOAD_PATH_MAX];     /* below the base URL */
    char   save[SHN_DOWNLOAD_PATH_MAX];     /* below the folder; checked by the caller to stay inside */
    char   sha256[65];                      /* lower-case hex; empty: not known */
    size_t max_bytes;                       /* a longer file is refused */
} shn_download;

/**
 * Brings every file, in order of the list as far as parallel transfers allow. Adds to summary (n_files, n_present,
 * n_resumed, n_bytes). Errors as shn_fetch_ptbxl; the files that are complete stay, the others stay as "*.part".
 */
SHN_NODISCARD shn_status shn_download_all(const char *folder, const shn_fetch_options *options, const shn_download *files, size_t n,
                                          shn_fetch_summary *summary, shn_error *err);

#endif
