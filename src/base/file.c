#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"

static shn_status open_regular(const char *path, int *fd, size_t *n_bytes, shn_error *err)
{
    struct stat info;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0) return shn_fail_errno(err, errno, "file.open", path);
    if (fstat(*fd, &info) != 0) {
        const int code = errno;
        close(*fd);
        return shn_fail_errno(err, code, "file.open", path);
    }
    if (!S_ISREG(info.st_mode)) {
        close(*fd);
        return shn_fail(err, SHN_IO, SHN_REASON_READ_ERROR, "file.open", "%s: not a regular file; name a file", path);
    }
    *n_bytes = (size_t)info.st_size;
    return SHN_OK;
}

shn_status shn_file_read(const char *path, size_t max_bytes, uint8_t **out, size_t *n_bytes, shn_error *err)
{
    int    fd;
    size_t size;
    *out = NULL;
    *n_bytes = 0;
    shn_status st = open_regular(path, &fd, &size, err);
    if (st != SHN_OK) return st;
    if (size > max_bytes) {
        close(fd);
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "file.read", "%s: %zu bytes, the limit here is %zu", path,
                        size, max_bytes);
    }
    uint8_t *bytes = shn_alloc(size + 1, 1);
    if (!bytes) {
        close(fd);
        return shn_fail_nomem(err, "file.read");
    }
    size_t done = 0;
    while (done < size) {
        const ssize_t got = read(fd, bytes + done, size - done);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        done += (size_t)got;
    }
    const int code = errno;
    close(fd);
    if (done < size) {
        free(bytes);
        return shn_fail_errno(err, code ? code : EIO, "file.read", path);
    }
    *out = bytes;
    *n_bytes = size;
    return SHN_OK;
}

shn_status shn_file_map(const char *path, shn_mapping *out, shn_error *err)
{
    int    fd;
    size_t size;
    memset(out, 0, sizeof *out);
    shn_status st = open_regular(path, &fd, &size, err);
    if (st != SHN_OK) return st;
    if (size > 0) {
        void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED) {
            const int code = errno;
            close(fd);
            if (code == ENOMEM)
                return shn_fail(err, SHN_NOMEM, SHN_REASON_NO_MEMORY, "file.map", "%s: %zu bytes do not fit the address space; raise its limit (ulimit -v)",
                                path, size);
            return shn_fail_errno(err, code, "file.map", path);
        }
        out->bytes = p;
        out->n_bytes = size;
    }
    close(fd);
    return SHN_OK;
}

void shn_file_unmap(shn_mapping *mapping)
{
    if (mapping && mapping->bytes) munmap((void *)(uintptr_t)mapping->bytes, mapping->n_bytes);
    if (mapping) memset(mapping, 0, sizeof *mapping);
}

shn_status shn_writer_open(shn_writer *w, const char *path, shn_error *err)
{
    memset(w, 0, sizeof *w);
    if (strlen(path) >= sizeof w->path)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "file.write", "path of %zu bytes", strlen(path));
    strcpy(w->path, path);
    snprintf(w->temporary, sizeof w->temporary, "%s.part", path);
    w->stream = fopen(w->temporary, "wbe");
    if (!w->stream) return shn_fail_errno(err, errno, "file.write", w->temporary);
    return SHN_OK;
}

static void folder_of(const char *path, char folder[SHN_PATH_MAX])
{
    snprintf(folder, SHN_PATH_MAX, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash) strcpy(folder, ".");
    else if (slash == folder) folder[1] = '\0';
    else *slash = '\0';
}

/** A rename is durable only once the folder that holds the name is synced. */
static void sync_folder_of(const char *path)
{
    char folder[SHN_PATH_MAX];
    folder_of(path, folder);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);                    /* some file systems refuse; the rename itself has happened */
    close(fd);
}

shn_status shn_writer_commit(shn_writer *w, shn_error *err)
{
    int failed = ferror(w->stream);
    errno = failed ? (errno ? errno : EIO) : 0;
    if (!failed && (fflush(w->stream) != 0 || fsync(fileno(w->stream)) != 0)) failed = 1;
    int code = errno;
    if (fclose(w->stream) != 0 && !failed) {
        failed = 1;
        code = errno;
    }
    w->stream = NULL;
    if (!failed && rename(w->temporary, w->path) != 0) {
        failed = 1;
        code = errno;
    }
    if (failed) {
        const shn_status st = shn_fail_errno(err, code ? code : EIO, "file.write", w->path);
        shn_writer_abort(w);
        return st;
    }
    sync_folder_of(w->path);
    w->temporary[0] = '\0';
    return SHN_OK;
}

void shn_writer_abort(shn_writer *w)
{
    if (w->stream) fclose(w->stream);
    w->stream = NULL;
    if (w->temporary[0]) unlink(w->temporary);
    w->temporary[0] = '\0';
}

shn_status shn_file_write(const char *path, const void *bytes, size_t n_bytes, shn_error *err)
{
    shn_writer w;
    shn_status st = shn_writer_open(&w, path, err);
    if (st != SHN_OK) return st;
    if (n_bytes && fwrite(bytes, 1, n_bytes, w.stream) != n_bytes) {
        st = shn_fail_errno(err, errno, "file.write", path);
        shn_writer_abort(&w);
        return st;
    }
    return shn_writer_commit(&w, err);
}

shn_status shn_dir_make(const char *path, shn_error *err)
{
    char part[SHN_PATH_MAX];
    if (strlen(path) >= sizeof part)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "file.mkdir", "path of %zu bytes", strlen(path));
    strcpy(part, path);
    for (char *p = part + 1; ; p++) {
        if (*p != '/' && *p != '\0') continue;
        const char ended = *p;
        *p = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) return shn_fail_errno(err, errno, "file.mkdir", part);
        if (ended == '\0') break;
        *p = '/';
    }
    if (!shn_path_is_dir(path)) return shn_fail_errno(err, ENOTDIR, "file.mkdir", path);
    return SHN_OK;
}

shn_status shn_file_room(const char *path, size_t n_bytes, shn_error *err)
{
    char           folder[SHN_PATH_MAX];
    struct statvfs info;
    folder_of(path, folder);
    if (statvfs(folder, &info) != 0) return shn_fail_errno(err, errno, "file.room", folder);
    const uint64_t left = (uint64_t)info.f_bavail * info.f_frsize;
    if (info.f_blocks == 0 || n_bytes <= left) return SHN_OK;           /* some file systems count nothing */
    return shn_fail(err, SHN_IO, SHN_REASON_DISK_FULL, "file.room", "%s: needs %zu bytes, %" PRIu64 " are free; free some or write elsewhere", folder, n_bytes,
                    left);
}

int shn_path_is_dir(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

int shn_path_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

shn_status shn_path_join(char out[SHN_PATH_MAX], const char *folder, const char *name, shn_error *err)
{
    const char *slash = *folder && folder[strlen(folder) - 1] == '/' ? "" : "/";
    const int n = name[0] == '/' || !*folder ? snprintf(out, SHN_PATH_MAX, "%s", name)
                                             : snprintf(out, SHN_PATH_MAX, "%s%s%s", folder, slash, name);
    if (n < 0 || n >= SHN_PATH_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "file.path", "path of %d bytes, at most %d", n, SHN_PATH_MAX - 1);
    return SHN_OK;
}

const char *shn_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
