#include "train/run_log.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/file.h"

uint32_t shn_crc32c(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
    }
    return ~crc;
}

/** TensorFlow stores CRCs rotated and shifted, so that a CRC of bytes that hold CRCs stays meaningful. */
static uint32_t masked_crc(const void *bytes, size_t n)
{
    const uint32_t crc = shn_crc32c(bytes, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* --- protobuf, as much as is needed: append to a fixed buffer that the caller made large enough --- */

enum { EVENT_MAX = 4096, VALUE_MAX = 160 };
typedef struct message { uint8_t bytes[EVENT_MAX]; size_t n; } message;

static void put_varint(message *m, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) m->bytes[m->n++] = (uint8_t)(v | 0x80);
    m->bytes[m->n++] = (uint8_t)v;
}

static void put_bytes(message *m, unsigned field, const void *bytes, size_t n)
{
    put_varint(m, field << 3 | 2);
    put_varint(m, n);
    memcpy(m->bytes + m->n, bytes, n);
    m->n += n;
}

static void put_double(message *m, unsigned field, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_varint(m, field << 3 | 1);
    write_u64le(m->bytes + m->n, bits);
    m->n += 8;
}

static void put_float(message *m, unsigned field, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_varint(m, field << 3 | 5);
    write_u32le(m->bytes + m->n, bits);
    m->n += 4;
}

static double wall_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void write_record(FILE *f, const message *m)
{
    uint8_t head[12], tail[4];
    write_u64le(head, m->n);
    write_u32le(head + 8, masked_crc(head, 8));
    write_u32le(tail, masked_crc(m->bytes, m->n));
    fwrite(head, 1, sizeof head, f);
    fwrite(m->bytes, 1, m->n, f);
    fwrite(tail, 1, sizeof tail, f);
}

static shn_status check(FILE *f, const char *name, shn_error *err)
{
    return ferror(f) ? shn_fail_errno(err, errno ? errno : EIO, "train.log", name) : SHN_OK;
}

/* --- files --- */

static shn_status open_at(const char *folder, const char *name, uint64_t at, FILE **out, shn_error *err)
{
    char path[SHN_PATH_MAX];
    const shn_status st = shn_path_join(path, folder, name, err);
    if (st != SHN_OK) return st;
    *out = fopen(path, at ? "r+be" : "w+be");
    if (!*out && at && errno == ENOENT) *out = fopen(path, "w+be");         /* the log was deleted: the run matters more */
    if (!*out) return shn_fail_errno(err, errno, "train.log", path);
    if (fseek(*out, 0, SEEK_END) != 0) return shn_fail_errno(err, errno, "train.log", path);
    const long size = ftell(*out);
    if (size >= 0 && (uint64_t)size > at && (ftruncate(fileno(*out), (off_t)at) != 0 || fseek(*out, 0, SEEK_END) != 0))
        return shn_fail_errno(err, errno, "train.log", path);
    return SHN_OK;
}

shn_status shn_run_log_open(const char *folder, uint64_t json_at, uint64_t events_at, shn_run_log *log, shn_error *err)
{
    memset(log, 0, sizeof *log);
    shn_status st = open_at(folder, "log.jsonl", json_at, &log->json, err);
    if (st == SHN_OK) st = open_at(folder, "events.out.tfevents.0.shinden", events_at, &log->events, err);
    if (st == SHN_OK && ftell(log->events) == 0) {
        message m = { .n = 0 };
        put_double(&m, 1, wall_time());
        put_bytes(&m, 3, "brain.Event:2", strlen("brain.Event:2"));
        write_record(log->events, &m);
        st = check(log->events, "event file", err);
    }
    if (st != SHN_OK) shn_run_log_close(log);
    return st;
}

static void write_event(FILE *f, uint64_t step, const shn_scalar *scalars, size_t n)
{
    message event = { .n = 0 }, summary = { .n = 0 };
    for (size_t i = 0; i < n && summary.n + VALUE_MAX < EVENT_MAX / 2; i++) {
        message value = { .n = 0 };
        put_bytes(&value, 1, scalars[i].name, strnlen(scalars[i].name, 64));
        put_float(&value, 2, (float)scalars[i].value);
        put_bytes(&summary, 1, value.bytes, value.n);
    }
    put_double(&event, 1, wall_time());
    put_varint(&event, 2 << 3);
    put_varint(&event, step);
    put_bytes(&event, 5, summary.bytes, summary.n);
    write_record(f, &event);
}

shn_status shn_run_log_scalars(shn_run_log *log, const char *event, uint64_t step, const shn_scalar *scalars, size_t n, shn_error *err)
{
    fprintf(log->json, "{\"event\": \"%s\", \"step\": %" PRIu64, event, step);
    for (size_t i = 0; i < n; i++) {
        if (isfinite(scalars[i].value)) fprintf(log->json, ", \"%s\": %.9g", scalars[i].name, scalars[i].value);
        else fprintf(log->json, ", \"%s\": null", scalars[i].name);
    }
    fputs("}\n", log->json);
    write_event(log->events, step, scalars, n);
    const shn_status st = check(log->json, "log.jsonl", err);
    return st == SHN_OK ? check(log->events, "event file", err) : st;
}

shn_status shn_run_log_note(shn_run_log *log, const char *event, const char *const *pairs, size_t n_pairs, shn_error *err)
{
    json_t *object = json_object();
    int failed = !object || json_object_set_new(object, "event", json_string(event)) != 0;
    for (size_t i = 0; i < n_pairs && !failed; i++) failed = json_object_set_new(object, pairs[2 * i], json_string(pairs[2 * i + 1])) != 0;
    char *line = failed ? NULL : json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (!line) return shn_fail_nomem(err, "train.log");
    fprintf(log->json, "%s\n", line);
    free(line);
    return check(log->json, "log.jsonl", err);
}

static shn_status sync_one(FILE *f, const char *name, uint64_t *at, shn_error *err)
{
    if (fflush(f) != 0 || fsync(fileno(f)) != 0) return shn_fail_errno(err, errno, "train.log", name);
    *at = (uint64_t)ftell(f);
    return SHN_OK;
}

shn_status shn_run_log_sync(shn_run_log *log, uint64_t *json_at, uint64_t *events_at, shn_error *err)
{
    const shn_status st = sync_one(log->json, "log.jsonl", json_at, err);
    return st == SHN_OK ? sync_one(log->events, "event file", events_at, err) : st;
}

void shn_run_log_close(shn_run_log *log)
{
    if (log->json) fclose(log->json);
    if (log->events) fclose(log->events);
    memset(log, 0, sizeof *log);
}
