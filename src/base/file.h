/**
 * Files as the library meets them: read whole with a named limit, mapped read-only, or written under a temporary
 * name, synced and renamed, so that a killed program never leaves half a file under the final name.
 */
#ifndef SHN_BASE_FILE_H
#define SHN_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "shinden/status.h"

#define SHN_PATH_MAX 4096

/**
 * Reads a whole file. *out is owned by the caller (free()), NUL-terminated past n_bytes for text use.
 * Errors  SHN_IO missing, unreadable, a folder; SHN_RANGE (limit) longer than max_bytes; SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_file_read(const char *path, size_t max_bytes, uint8_t **out, size_t *n_bytes,
                                       shn_error *err);

/** A read-only mapping; bytes is NULL only for an empty file. Release with shn_file_unmap (accepts NULL fields). */
typedef struct shn_mapping { const uint8_t *bytes; size_t n_bytes; } shn_mapping;
SHN_NODISCARD shn_status shn_file_map(const char *path, shn_mapping *out, shn_error *err);
void shn_file_unmap(shn_mapping *mapping);

/**
 * A file being written beside its final name. Write through `stream`; shn_writer_commit() flushes, syncs and renames
 * (and syncs the folder); shn_writer_abort() removes the temporary file and is safe after a commit or on a zeroed
 * struct. Every failed write is found at commit at the latest.
 */
typedef struct shn_writer { FILE *stream; char path[SHN_PATH_MAX]; char temporary[SHN_PATH_MAX + 16]; } shn_writer;
SHN_NODISCARD shn_status shn_writer_open(shn_writer *w, const char *path, shn_error *err);
SHN_NODISCARD shn_status shn_writer_commit(shn_writer *w, shn_error *err);
void shn_writer_abort(shn_writer *w);

/** Writes bytes to path by the rule above. */
SHN_NODISCARD shn_status shn_file_write(const char *path, const void *bytes, size_t n_bytes, shn_error *err);
/** Makes a folder and its parents; an existing one is fine. */
SHN_NODISCARD shn_status shn_dir_make(const char *path, shn_error *err);
/** Checks that the folder of path has room for n_bytes more; one that cannot tell has. SHN_IO (disk_full), with both numbers. */
SHN_NODISCARD shn_status shn_file_room(const char *path, size_t n_bytes, shn_error *err);
int shn_path_is_dir(const char *path);
int shn_path_exists(const char *path);
/** Joins folder and name into out (size SHN_PATH_MAX); an absolute name stands alone. SHN_RANGE if too long. */
SHN_NODISCARD shn_status shn_path_join(char out[SHN_PATH_MAX], const char *folder, const char *name, shn_error *err);
/** Borrowed tail of path: what follows the last '/'. */
const char *shn_path_base(const char *path);

#endif
