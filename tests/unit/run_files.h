/** Counts what a run has left: lines of log.jsonl, whole records of an event file. */
#ifndef SHN_TESTS_RUN_FILES_H
#define SHN_TESTS_RUN_FILES_H

#include "base/bytes.h"
#include "base/file.h"
#include "harness.h"
#include "train/run_log.h"

static inline uint32_t masked(const uint8_t *p, size_t n)
{
    const uint32_t crc = shn_crc32c(p, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/** Walks an event file by the record format; returns how many records are whole. */
static inline int count_events(const char *path)
{
    uint8_t  *bytes;
    size_t    n, at = 0;
    shn_error err = { 0 };
    int       events = 0;
    assert_ok(shn_file_read(path, 1 << 24, &bytes, &n, &err));
    while (at < n) {
        const size_t size = read_u32le(bytes + at);
        assert_true(at + 16 + size <= n);
        assert_int_equal(read_u32le(bytes + at + 8), masked(bytes + at, 8));
        assert_int_equal(read_u32le(bytes + at + 12 + size), masked(bytes + at + 12, size));
        at += 16 + size;
        events++;
    }
    free(bytes);
    return events;
}

static inline int count_lines(const char *path)
{
    FILE *f = fopen(path, "r");
    int   lines = 0;
    assert_non_null(f);
    for (int c; (c = fgetc(f)) != EOF;) lines += c == '\n';
    fclose(f);
    return lines;
}

#endif
