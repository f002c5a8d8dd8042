/**
 * Makes ISHNE and NumPy files from one real record for bench/formats.sh: formats of which no real file is at hand, at a size at which
 * reading takes time. FOLDER/made.ecg: ISHNE, at most twelve leads, steps of 2500 nV, with its CRC. FOLDER/made.npy and made.npy.json: float32 mV, leads first.
 * usage: make_records RECORD FOLDER
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "formats/open.h"
#include "ishne_writer.h"

static int write_all(const char *folder, const char *name, const void *head, size_t n_head, const void *body, size_t n_body)
{
    char path[SHN_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f) return perror(path), 1;
    const int short_of = fwrite(head, 1, n_head, f) != n_head || (n_body && fwrite(body, 1, n_body, f) != n_body);
    if (fclose(f) != 0 || short_of) return fprintf(stderr, "make_records: %s was not written\n", path), 1;
    return 0;
}

static int make_ishne(const shn_record *rec, const char *folder)
{
    static ishne_made m;
    const size_t      leads = shn_record_n_leads(rec) < 12 ? shn_record_n_leads(rec) : 12, n = shn_record_n_samples(rec);
    int16_t          *samples = malloc(leads * n * sizeof *samples);
    if (!samples) return 1;
    for (size_t l = 0; l < leads; l++)
        for (size_t i = 0; i < n; i++) samples[i * leads + l] = (int16_t)lrintf(shn_record_lead(rec, l)[i] * 400);
    ishne_make(&m, (int)leads, 1);
    ishne_put(&m, 14, (long)n, 4);
    ishne_put(&m, 272, (long)shn_record_fs_hz(rec), 2);
    ishne_sign(&m);
    const int failed = write_all(folder, "made.ecg", m.b, m.ecg, samples, leads * n * sizeof *samples);
    free(samples);
    return failed;
}

static int make_npy(const shn_record *rec, const char *folder)
{
    enum { HEAD = 128 };
    const size_t leads = shn_record_n_leads(rec), n = shn_record_n_samples(rec);
    char         head[HEAD + 1], text[512];
    float       *samples = malloc(leads * n * sizeof *samples);
    if (!samples) return 1;
    snprintf(text, sizeof text, "{\"fs_hz\": %g, \"unit\": \"mV\", \"leads\": [", shn_record_fs_hz(rec));
    memset(head, ' ', HEAD);
    memcpy(head, "\x93NUMPY\x01\x00\x76\x00", 10);
    const int used = snprintf(head + 10, HEAD - 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }", leads, n);
    head[10 + used] = ' ';
    head[HEAD - 1] = '\n';
    for (size_t l = 0; l < leads; l++) {
        memcpy(samples + l * n, shn_record_lead(rec, l), n * sizeof *samples);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s\"%s\"", l ? ", " : "", shn_record_name(rec, l));
    }
    snprintf(text + strlen(text), sizeof text - strlen(text), "]}\n");
    const int failed = write_all(folder, "made.npy", head, HEAD, samples, leads * n * sizeof *samples) | write_all(folder, "made.npy.json", text, strlen(text), NULL, 0);
    free(samples);
    return failed;
}

int main(int argc, char **argv)
{
    shn_record *rec;
    shn_error   err;
    if (argc != 3) return fputs("usage: make_records RECORD FOLDER\n", stderr), 2;
    if (shn_record_read(argv[1], NULL, &rec, &err) != SHN_OK) return fprintf(stderr, "make_records: %s\n", err.text), 1;
    const int failed = make_ishne(rec, argv[2]) | make_npy(rec, argv[2]);
    shn_record_free(rec);
    return failed;
}
