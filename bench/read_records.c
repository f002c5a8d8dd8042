/**
 * How fast one thread reads ECG files: each file again and again for a while, from the page cache, through shn_record_read (open, map, recognise,
 * decode). Prints one line per file: format, bytes of the file and of its companions, samples of all leads, median seconds, MB of input and millions
 * of samples a second, and how far the quartiles lie apart.
 * usage: read_records SECONDS_EACH FILE...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "formats/open.h"
#include "formats/wfdb/header.h"

enum { TIMES_MAX = 100000, TIMES_MIN = 5 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double size_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (double)info.st_size : 0;
}

/** A header is little; the signal files that it names are what is read. */
static double input_bytes(const char *path)
{
    char        name[SHN_PATH_MAX];
    double      total;
    uint8_t    *bytes;
    size_t      n;
    wfdb_header h = { 0 };
    snprintf(name, sizeof name, "%s", path);
    if (strrchr(name, '#') && size_of(name) == 0) *strrchr(name, '#') = '\0';
    total = size_of(name);
    if (!shn_path_ends(name, ".hea") || shn_file_read(name, 1 << 20, &bytes, &n, NULL) != SHN_OK) return total;
    if (wfdb_header_parse(bytes, n, &h, NULL) == SHN_OK)
        for (size_t i = 0; i < h.n_signals; i++) {
            char file[SHN_PATH_MAX];
            if (i > 0 && strcmp(h.signals[i].file, h.signals[i - 1].file) == 0) continue;
            snprintf(file, sizeof file, "%.*s%s", (int)(shn_path_base(name) - name), name, h.signals[i].file);
            total += size_of(file);
        }
    wfdb_header_free(&h);
    free(bytes);
    return total;
}

static int time_file(const char *path, double seconds)
{
    static double times[TIMES_MAX];
    shn_error     err;
    size_t        n = 0;
    double        samples = 0;
    const char   *format = shn_format_of(path);
    for (const double end = now() + seconds; n < TIMES_MAX && (now() < end || n < TIMES_MIN); n++) {
        shn_record  *rec;
        const double start = now();
        if (shn_record_read(path, NULL, &rec, &err) != SHN_OK) {
            fprintf(stderr, "read_records: %s\n", err.text);
            return 1;
        }
        times[n] = now() - start;
        samples = (double)shn_record_n_leads(rec) * (double)shn_record_n_samples(rec);
        shn_record_free(rec);
    }
    qsort(times, n, sizeof *times, by_value);
    const double median = times[n / 2], bytes = input_bytes(path);
    printf("%s\t%s\t%.0f\t%.0f\t%.6f\t%.1f\t%.1f\t%.2f\n", path, format ? format : "-", bytes, samples, median, bytes / median / 1e6, samples / median / 1e6,
           (times[3 * n / 4] - times[n / 4]) / median);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = 0;
    if (argc < 3) {
        fputs("usage: read_records SECONDS_EACH FILE...\n", stderr);
        return 2;
    }
    for (int i = 2; i < argc; i++) failed |= time_file(argv[i], strtod(argv[1], NULL));
    return failed;
}
