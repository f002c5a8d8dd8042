/**
 * A simulated collection on disk: records/NNN/NAME.hea and .dat, labels.csv with labels and true numbers, mapping.yaml for
 * import, README. Records are made by a team in blocks; the table is written by one hand, in order, and appears last, so
 * a folder with a table is a whole one.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/threads.h"
#include "shinden/findings.h"
#include "shinden/simulate.h"
#include "shinden/wfdb.h"
#include "simulate/heart.h"

enum { BLOCK = 512, PER_FOLDER = 1000, SPLIT_STREAM = 0x7370 };

typedef struct row { shn_truth truth; double age; char sex; } row;
typedef struct writer {
    const shn_simulate_options *options;
    const char *folder;
    uint32_t    first, n;               /* records of this block */
    uint32_t    count[64 * 2];          /* records with finding k, so far */
    row        *rows;                   /* [BLOCK] */
    shn_status *st;                     /* [threads] */
    shn_error  *err;                    /* [threads] */
} writer;

static void name_of(const shn_simulate_options *o, uint32_t index, char name[48])
{
    snprintf(name, 48, "sim%llu_%06u", (unsigned long long)o->seed, index);
}

static shn_status write_one(writer *w, uint32_t i, shn_error *err)
{
    const uint32_t index = w->first + i;
    row           *out = &w->rows[i];
    shn_record    *rec;
    char           name[48], sub[32], path[SHN_PATH_MAX], age[32], sex[32];
    shn_status     st = shn_simulate_record(w->options, index, &rec, &out->truth, err);
    if (st != SHN_OK) return st;
    out->age = shn_record_meta_of(rec)->age_years;
    out->sex = shn_record_meta_of(rec)->sex;
    snprintf(age, sizeof age, "Age: %.0f", out->age);
    snprintf(sex, sizeof sex, "Sex: %s", out->sex == 'M' ? "Male" : "Female");
    const char *const comments[] = { age, sex, "SIMULATED by shinden simulate: this is not a recording of a person" };
    name_of(w->options, index, name);
    snprintf(sub, sizeof sub, "records/%03u", index / PER_FOLDER);
    st = shn_path_join(path, w->folder, sub, err);
    if (st == SHN_OK) st = shn_wfdb_write16(rec, path, name, comments, 3, err);
    shn_record_free(rec);
    return st;
}

static void write_share(void *context, unsigned thread, unsigned n_threads)
{
    writer *w = context;
    size_t  first, last;
    shn_team_share(w->n, thread, n_threads, &first, &last);
    for (size_t i = first; i < last && w->st[thread] == SHN_OK; i++) w->st[thread] = write_one(w, (uint32_t)i, &w->err[thread]);
}

/** By patient: 80 / 10 / 10, drawn from seed and patient alone. */
static const char *split_of(const shn_simulate_options *o, uint32_t number)
{
    shn_rng      r = shn_rng_stream(o->seed, SPLIT_STREAM, number, 0);
    const double u = shn_rng_uniform(&r);
    return u < 0.8 ? "train" : u < 0.9 ? "val" : "test";
}

static void put_number(FILE *f, const char *format, double x)
{
    fputc(',', f);
    if (isfinite(x)) fprintf(f, format, x);
}

static void write_row(FILE *f, const shn_simulate_options *o, const char *split, uint32_t index, const row *r)
{
    const uint32_t person = index / o->records_per_patient;
    const char    *between_labels = "";
    char           name[48];
    name_of(o, index, name);
    fprintf(f, "records/%03u/%s,%s,sim%llu_p%06u,%s,%.0f,%c,", index / PER_FOLDER, name, name, (unsigned long long)o->seed, person,
            split ? split : split_of(o, person), r->age, r->sex);
    for (size_t k = 0; shn_simulate_finding(k); k++) {
        if (!(r->truth.findings[k / 64] >> (k % 64) & 1)) continue;
        fprintf(f, "%s%s", between_labels, shn_simulate_finding(k));
        between_labels = ";";
    }
    put_number(f, "%.2f", r->truth.rate_bpm);
    put_number(f, "%.1f", r->truth.pr_ms);
    put_number(f, "%.1f", r->truth.qrs_ms);
    put_number(f, "%.1f", r->truth.qt_ms);
    put_number(f, "%.1f", r->truth.axis_deg);
    fputc('\n', f);
}

static shn_status make_folders(const shn_simulate_options *o, const char *folder, shn_error *err)
{
    shn_status st = shn_dir_make(folder, err);
    for (uint32_t k = 0; st == SHN_OK && k <= (o->n_records - 1) / PER_FOLDER; k++) {
        char sub[32], path[SHN_PATH_MAX];
        snprintf(sub, sizeof sub, "records/%03u", k);
        st = shn_path_join(path, folder, sub, err);
        if (st == SHN_OK) st = shn_dir_make(path, err);
    }
    return st;
}

static shn_status write_text(const writer *about, const char *name, void (*print)(FILE *f, const writer *about), shn_error *err)
{
    shn_writer w = { 0 };
    char       path[SHN_PATH_MAX];
    shn_status st = shn_path_join(path, about->folder, name, err);
    if (st == SHN_OK) st = shn_writer_open(&w, path, err);
    if (st != SHN_OK) return st;
    print(w.stream, about);
    st = shn_writer_commit(&w, err);
    shn_writer_abort(&w);
    return st;
}

static void print_mapping(FILE *f, const writer *w)
{
    (void)w;
    fputs("# SIMULATED records of shinden simulate, not recordings: import --map mapping.yaml (see docs/mapping.md)\n"
          "version: 1\nsource: simulated\ntable: labels.csv\npath: path\nid: id\npatient: patient\nage: age\nsex: sex\nsplit: split\n"
          "labels:\n  - {column: labels, list: \";\", coding: id}\n"
          "# every record is known to have or not to have each of these\nknown:\n", f);
    for (size_t k = 0; shn_simulate_finding(k); k++) fprintf(f, "  - %s\n", shn_simulate_finding(k));
}

static void print_readme(FILE *f, const writer *w)
{
    const shn_simulate_options *o = w->options;
    fprintf(f, "SIMULATED ECGs. NOT RECORDINGS. NO PERSON IS BEHIND ANY OF THESE FILES.\n\n"
               "Made by: shinden simulate, seed %llu, %u records, %u per patient, %g Hz, %g s, noise scale %g.\n"
               "They come from a model of a moving heart dipole (docs/simulate.md of Shinden). They are good for testing programs\n"
               "and for teaching; they say nothing about how well anything reads the ECGs of patients. Do not mix them with\n"
               "recordings, and do not report results on them without saying that they are simulated.\n\n"
               "records/      WFDB, format 16, 1000 adu/mV\n"
               "labels.csv    path, id, patient, split, age, sex, labels (finding ids, ';' between them), and the true rate_bpm, pr_ms,\n"
               "              qrs_ms, qt_ms, axis_deg (empty: there is none, such as PR without P waves)\n"
               "findings.csv  the findings' names in English and Japanese, and how many records have each\n"
               "mapping.yaml  for: shinden import --map mapping.yaml\n",
            (unsigned long long)o->seed, o->n_records, o->records_per_patient, o->fs_hz, o->seconds, o->noise);
}

/** Names of the findings in both languages, the registry's criterion, and how many records have each. */
static void print_findings(FILE *f, const writer *w)
{
    const shn_registry *reg = shn_registry_builtin();
    fputs("id,name_en,name_ja,criterion_en,criterion_ja,n_records\n", f);
    for (size_t k = 0; shn_simulate_finding(k); k++) {
        const int          at = shn_registry_find(reg, shn_simulate_finding(k));
        const shn_finding *x = shn_registry_at(reg, (size_t)at);
        char               count[16];
        snprintf(count, sizeof count, "%u", w->count[k]);
        const char *const fields[] = { x->id, x->name_en, x->name_ja, x->criterion_en, x->criterion_ja, count };
        shn_csv_put_row(f, fields, 6, ',');
    }
}

static shn_status tell(const shn_simulate_options *o, uint32_t done, shn_error *err)
{
    const shn_progress p = { .what = "simulate", .done = done, .total = o->n_records, .unit = "records" };
    if (!o->watcher.fn || o->watcher.fn(o->watcher.context, &p) == 0) return SHN_OK;
    return shn_fail(err, SHN_CANCELLED, SHN_REASON_CANCELLED, "simulate", "stopped after %u of %u records; there is no labels.csv yet: run it again",
                    done, o->n_records);
}

static shn_status write_block(writer *w, shn_team *team, shn_error *err)
{
    for (unsigned t = 0; t < shn_team_size(team); t++) w->st[t] = SHN_OK;
    shn_team_run(team, write_share, w);
    for (unsigned t = 0; t < shn_team_size(team); t++)
        if (w->st[t] != SHN_OK) {
            if (err) *err = w->err[t];
            return w->st[t];
        }
    return SHN_OK;
}

static shn_status write_all(writer *w, shn_team *team, const char *split, FILE *table, shn_error *err)
{
    const shn_simulate_options *o = w->options;
    fputs("path,id,patient,split,age,sex,labels,rate_bpm,pr_ms,qrs_ms,qt_ms,axis_deg\n", table);
    for (w->first = 0; w->first < o->n_records; w->first += w->n) {
        w->n = o->n_records - w->first < BLOCK ? o->n_records - w->first : BLOCK;
        shn_status st = write_block(w, team, err);
        if (st != SHN_OK) return st;
        for (uint32_t i = 0; i < w->n; i++) {
            write_row(table, o, split, w->first + i, &w->rows[i]);
            for (size_t k = 0; shn_simulate_finding(k); k++) w->count[k] += w->rows[i].truth.findings[k / 64] >> (k % 64) & 1;
        }
        st = tell(o, w->first + w->n, err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static int plain_word(const char *s)
{
    const size_t n = strlen(s);
    return n > 0 && n < 64 && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n;
}

shn_status shn_simulate_write(const shn_simulate_options *options, const char *split, const char *folder, shn_error *err)
{
    shn_team  *team = NULL;
    shn_writer table = { 0 };
    writer     w = { .options = options, .folder = folder };
    char       path[SHN_PATH_MAX];
    if (options->n_records == 0 || options->n_records > 999999)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "simulate.options", "%u records: choose 1 to 999999", options->n_records);
    if (split && !plain_word(split))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "simulate.options", "split '%.64s': use letters, digits, '_' and '-'", split);
    shn_status st = shn_team_new(options->n_threads, &team, err);
    if (st != SHN_OK) return st;
    w.rows = shn_alloc(BLOCK, sizeof *w.rows);
    w.st = shn_alloc(shn_team_size(team), sizeof *w.st);
    w.err = shn_alloc(shn_team_size(team), sizeof *w.err);
    if (!w.rows || !w.st || !w.err) st = shn_fail_nomem(err, "simulate");
    if (st == SHN_OK) st = make_folders(options, folder, err);
    if (st == SHN_OK) st = write_text(&w, "README", print_readme, err);
    if (st == SHN_OK) st = write_text(&w, "mapping.yaml", print_mapping, err);
    if (st == SHN_OK) st = shn_path_join(path, folder, "labels.csv", err);
    if (st == SHN_OK) st = shn_writer_open(&table, path, err);
    if (st == SHN_OK) st = write_all(&w, team, split, table.stream, err);
    if (st == SHN_OK) st = write_text(&w, "findings.csv", print_findings, err);
    if (st == SHN_OK) st = shn_writer_commit(&table, err);
    shn_writer_abort(&table);
    free(w.rows);
    free(w.st);
    free(w.err);
    shn_team_free(team);
    return st;
}
