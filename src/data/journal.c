#include "data/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/file.h"

#define MAGIC       "SHNJ1\n"
#define HEADER_SIZE (6 + 64 + 1)
#define FIXED_SIZE  8                           /* row, status, reason, length */
#define CHECK_SIZE  4
#define FILE_LIMIT  ((size_t)1 << 34)

static uint32_t check_of(const uint8_t *p, size_t n)
{
    uint32_t h = 0x811c9dc5u;                   /* FNV-1a: finds a torn entry, not an attacker */
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x01000193u;
    return h;
}

/** Bytes of the entry at p, 0 when it is torn or not one. */
static size_t parse_entry(const uint8_t *p, size_t left, size_t n_rows, shn_journal_entry *e, char detail[SHN_JOURNAL_DETAIL_MAX])
{
    if (left < FIXED_SIZE + CHECK_SIZE) return 0;
    const size_t n = read_u16le(p + 6), size = FIXED_SIZE + n + CHECK_SIZE;
    if (n >= SHN_JOURNAL_DETAIL_MAX || left < size || read_u32le(p + size - CHECK_SIZE) != check_of(p, size - CHECK_SIZE)) return 0;
    e->row = read_u32le(p);
    e->status = (shn_row_status)p[4];
    e->reason = (shn_reason)p[5];
    memcpy(detail, p + FIXED_SIZE, n);
    detail[n] = '\0';
    e->detail = detail;
    const int good = e->row < n_rows && (e->status == SHN_ROW_KEPT || e->status == SHN_ROW_REFUSED) && p[5] < SHN_REASON_COUNT;
    return good ? size : 0;
}

shn_status shn_journal_resume(shn_journal *j, const char *path, const char digest[65], size_t n_rows, shn_journal_fn *visit, void *context,
                              int *found, shn_error *err)
{
    uint8_t   *bytes = NULL;
    size_t     n = 0;
    shn_status st = SHN_OK;
    *found = 0;
    j->fd = -1;
    snprintf(j->path, sizeof j->path, "%s", path);
    if (!shn_path_exists(path)) return SHN_OK;
    st = shn_file_read(path, FILE_LIMIT, &bytes, &n, err);
    if (st != SHN_OK) return st;
    if (n < HEADER_SIZE || memcmp(bytes, MAGIC, 6) != 0 || memcmp(bytes + 6, digest, 64) != 0) {
        free(bytes);
        return SHN_OK;
    }
    size_t at = HEADER_SIZE;
    char   detail[SHN_JOURNAL_DETAIL_MAX];
    shn_journal_entry e;
    for (size_t size; st == SHN_OK && (size = parse_entry(bytes + at, n - at, n_rows, &e, detail)) > 0; at += size) st = visit(context, &e);
    free(bytes);
    if (st != SHN_OK) return st;
    j->fd = open(path, O_WRONLY | O_CLOEXEC);
    if (j->fd < 0 || ftruncate(j->fd, (off_t)at) != 0 || lseek(j->fd, 0, SEEK_END) < 0) return shn_fail_errno(err, errno, "import.journal", path);
    *found = 1;
    return SHN_OK;
}

static shn_status write_all(shn_journal *j, const uint8_t *p, size_t n, shn_error *err)
{
    while (n) {
        const ssize_t done = write(j->fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return shn_fail_errno(err, done < 0 ? errno : EIO, "import.journal", j->path);
        p += done;
        n -= (size_t)done;
    }
    return fdatasync(j->fd) == 0 ? SHN_OK : shn_fail_errno(err, errno, "import.journal", j->path);
}

shn_status shn_journal_begin(shn_journal *j, const char *path, const char digest[65], shn_error *err)
{
    uint8_t header[HEADER_SIZE + 1];
    snprintf(j->path, sizeof j->path, "%s", path);
    j->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (j->fd < 0) return shn_fail_errno(err, errno, "import.journal", path);
    snprintf((char *)header, sizeof header, MAGIC "%.64s\n", digest);
    return write_all(j, header, HEADER_SIZE, err);
}

shn_status shn_journal_append(shn_journal *j, const shn_journal_entry *entries, size_t n, shn_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++) total += FIXED_SIZE + strnlen(entries[i].detail, SHN_JOURNAL_DETAIL_MAX - 1) + CHECK_SIZE;
    if (total == 0) return SHN_OK;
    uint8_t *bytes = shn_alloc(total, 1), *p = bytes;
    if (!bytes) return shn_fail_nomem(err, "import.journal");
    for (size_t i = 0; i < n; i++) {
        const size_t len = strnlen(entries[i].detail, SHN_JOURNAL_DETAIL_MAX - 1);
        write_u32le(p, entries[i].row);
        p[4] = (uint8_t)entries[i].status;
        p[5] = (uint8_t)entries[i].reason;
        write_u16le(p + 6, (uint16_t)len);
        memcpy(p + FIXED_SIZE, entries[i].detail, len);
        write_u32le(p + FIXED_SIZE + len, check_of(p, FIXED_SIZE + len));
        p += FIXED_SIZE + len + CHECK_SIZE;
    }
    const shn_status st = write_all(j, bytes, total, err);
    free(bytes);
    return st;
}

void shn_journal_close(shn_journal *j, int remove_file)
{
    if (j->fd >= 0) close(j->fd);
    j->fd = -1;
    if (remove_file) unlink(j->path);
}
