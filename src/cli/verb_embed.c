/** shinden embed: ECG vectors for other programs, as NPY with a table of rows beside it, or as safetensors. */
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/npy.h"
#include "base/safetensors.h"
#include "cli/cli.h"
#include "cli/inputs.h"
#include "cli/json_text.h"
#include "cli/record_flags.h"
#include "shinden/embed.h"
#include "shinden/predict.h"

#define ROWS_AT_ONCE 2048       /* rows of a cohort embedded between two reductions: bounds the memory for windows */
#define BATCH        64

static void help(void)
{
    puts("usage: shinden embed MODEL COHORT.h5|FILE|DIR... -o OUT.npy|OUT.safetensors [options]\n\n"
         "  Writes one vector of E floats per record: the encoder's output, averaged over the record's test windows, as it is\n"
         "  (--unit: scaled to length 1). NPY: float32 [n][E], and OUT.npy.csv says which record each row is. safetensors: tensor\n"
         "  'embeddings' and the same table in the metadata ('rows', JSON). A file that cannot be read has no row, is named on\n"
         "  stderr, and the exit code is 1. No patient ids are written.\n\n"
         "  -o OUT                   the array; its ending names the format\n"
         "  --split NAME             of a cohort (all)\n"
         "  --unit                   vectors of length 1\n"
         "  --engine NAME            cpu (default), ref, cuda or cuda-fast\n"
         "  --threads N              one per core\n" RECORD_HELP "\n"
         "example: shinden embed run/model.safetensors cohort.h5 --split val -o val.npy");
}

typedef struct arguments {
    const char        *model, *out, *split;
    char *const       *words;
    size_t             n_words;
    int                unit;
    shn_engine_options engine;
    record_flags       record;
} arguments;

/** The rows so far: vectors [n][E], and for each row its columns of the table. */
typedef struct table {
    size_t  n, E, capacity, row_capacity;
    float  *z;
    char *(*row)[4];                    /**< id, path, source, split */
} table;

static const char *const table_columns[] = { "row", "id", "path", "source", "split" };

static shn_status add_row(table *t, const float *z, const char *id, const char *path, const char *source, const char *split, shn_error *err)
{
    const char *words[4] = { id, path, source, split };
    if (shn_grow(&t->row, &t->row_capacity, t->n + 1, sizeof *t->row) != 0 ||
        shn_grow(&t->z, &t->capacity, (t->n + 1) * t->E, sizeof *t->z) != 0)
        return shn_fail_nomem(err, "embed");
    memcpy(t->z + t->n * t->E, z, t->E * sizeof *z);
    t->n++;
    for (size_t c = 0; c < 4; c++)
        if (!(t->row[t->n - 1][c] = shn_strdup(words[c]))) return shn_fail_nomem(err, "embed");
    return SHN_OK;
}

static void free_table(table *t)
{
    for (size_t r = 0; r < t->n; r++)
        for (size_t c = 0; c < 4; c++) free(t->row[r][c]);
    free(t->row);
    free(t->z);
}

/** Mean of W windows in double, into the first; and to unit length where asked (a zero vector stays). */
static void reduce(float *z, size_t W, size_t E, int unit)
{
    double square = 0;
    for (size_t e = 0; e < E; e++) {
        double sum = 0;
        for (size_t w = 0; w < W; w++) sum += z[w * E + e];
        z[e] = (float)(sum / (double)W);
        square += (double)z[e] * z[e];
    }
    if (!unit || square == 0) return;
    for (size_t e = 0; e < E; e++) z[e] = (float)(z[e] / sqrt(square));
}

static shn_status embed_rows(const arguments *a, const shn_model *m, const shn_cohort *c, shn_engine *eng, const uint32_t *rows, size_t n,
                             table *t, shn_error *err)
{
    const size_t W = m->input.n_windows, at_once = n < ROWS_AT_ONCE ? n : ROWS_AT_ONCE;
    const shn_watcher watcher = cli_watcher();
    float *z = shn_alloc(at_once * W, m->E * sizeof *z);
    shn_status st = z ? SHN_OK : shn_fail_nomem(err, "embed");
    for (size_t first = 0; first < n && st == SHN_OK; first += at_once) {
        const size_t some = n - first < at_once ? n - first : at_once;
        st = shn_embed_cohort(m, eng, c, rows + first, some, z, NULL, err);
        for (size_t i = 0; i < some && st == SHN_OK; i++) {
            const uint32_t r = rows[first + i];
            reduce(z + i * W * m->E, W, m->E, a->unit);
            st = add_row(t, z + i * W * m->E, shn_cohort_id(c, r), shn_cohort_record_path(c, r), shn_cohort_source(c, r),
                         shn_cohort_split(c, r), err);
        }
        const shn_progress p = { .what = "embed", .done = first + some, .total = n, .unit = "records" };
        if (st == SHN_OK && watcher.fn(watcher.context, &p) != 0)
            st = shn_fail(err, SHN_CANCELLED, SHN_REASON_CANCELLED, "embed", "stopped at record %zu of %zu; nothing was written", first + some, n);
    }
    cli_progress_end();
    free(z);
    return st;
}

static shn_status embed_cohort(const arguments *a, const shn_model *m, const char *path, table *t, shn_error *err)
{
    shn_cohort *c = NULL;
    shn_engine *eng = NULL;
    uint32_t   *rows = NULL;
    size_t      n = 0;
    shn_status  st = shn_cohort_open(path, &c, err);
    if (st == SHN_OK) st = shn_cohort_split_rows(c, a->split, &rows, &n, err);
    if (st == SHN_OK) st = shn_model_engine(m, BATCH, &a->engine, &eng, err);
    if (st == SHN_OK && n) st = embed_rows(a, m, c, eng, rows, n, t, err);
    shn_engine_free(eng);
    free(rows);
    shn_cohort_close(c);
    return st;
}

/** One file; its failure is told and counted, not passed on. */
static shn_status embed_file(const arguments *a, const shn_model *m, shn_predictor *p, const cli_input *input, shn_prediction *findings,
                             float *z, table *t, size_t *n_failed, shn_error *err)
{
    shn_record *rec = NULL;
    shn_error   why = input->error;
    shn_status  st = input->failed ? why.status : shn_record_read_middle(input->path, &a->record.format, shn_predict_seconds(m), &rec, &why);
    if (st == SHN_OK) st = shn_predict(p, rec, findings, NULL, z, &why);
    if (st != SHN_OK) {
        cli_fail("embed", &why);
        (*n_failed)++;
        shn_record_free(rec);
        return SHN_OK;
    }
    const char *id = shn_record_meta_of(rec)->id;
    reduce(z, m->input.n_windows, m->E, a->unit);
    st = add_row(t, z, *id ? id : shn_path_base(input->path), input->path, "", "", err);
    shn_record_free(rec);
    return st;
}

static shn_status embed_files(const arguments *a, const shn_model *m, table *t, size_t *n_failed, shn_error *err)
{
    shn_predict_options options;
    shn_predictor  *p = NULL;
    shn_prediction *findings = shn_alloc(m->K, sizeof *findings);
    float          *z = shn_alloc(m->input.n_windows, m->E * sizeof *z);
    cli_input      *inputs = NULL;
    size_t          n = 0;
    const shn_watcher watcher = cli_watcher();

    shn_predict_defaults(&options);
    options.allow_missing_leads = a->record.allow_missing_leads;
    options.assume_mv_per_unit = a->record.assume_mv_per_unit;
    shn_status st = findings && z ? cli_inputs_list(a->words, a->n_words, &inputs, &n, NULL, err) : shn_fail_nomem(err, "embed");
    if (st == SHN_OK) st = shn_predictor_new(m, &options, &a->engine, &p, err);
    for (size_t i = 0; i < n && st == SHN_OK; i++) {
        st = embed_file(a, m, p, &inputs[i], findings, z, t, n_failed, err);
        const shn_progress at = { .what = "embed", .done = i + 1, .total = n, .unit = "records" };
        if (st == SHN_OK && watcher.fn(watcher.context, &at) != 0)
            st = shn_fail(err, SHN_CANCELLED, SHN_REASON_CANCELLED, "embed", "stopped at record %zu of %zu; nothing was written", i + 1, n);
    }
    if (st == SHN_OK && t->n == 0)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, "embed", "none of %zu files could be read; nothing was written", n);
    cli_progress_end();
    shn_predictor_free(p);
    cli_inputs_free(inputs, n);
    free(findings);
    free(z);
    return st;
}

/** The table beside an NPY file. It is written first: an array never stands without it. */
static shn_status write_csv(const table *t, const char *out, shn_error *err)
{
    char       path[SHN_PATH_MAX], number[32];
    shn_writer w;
    if (snprintf(path, sizeof path, "%s.csv", out) >= (int)sizeof path)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "embed", "path of %zu bytes", strlen(out) + 4);
    const shn_status st = shn_writer_open(&w, path, err);
    if (st != SHN_OK) return st;
    shn_csv_put_row(w.stream, table_columns, 5, ',');
    for (size_t r = 0; r < t->n; r++) {
        const char *row[5] = { number, t->row[r][0], t->row[r][1], t->row[r][2], t->row[r][3] };
        snprintf(number, sizeof number, "%zu", r);
        shn_csv_put_row(w.stream, row, 5, ',');
    }
    return shn_writer_commit(&w, err);
}

static char *rows_json(const table *t)
{
    json_t *list = json_array();
    for (size_t r = 0; r < t->n; r++) {
        json_t *one = json_object();
        for (size_t c = 0; c < 4; c++) json_object_set_new(one, table_columns[c + 1], cli_json_text(t->row[r][c]));
        json_array_append_new(list, one);
    }
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

static shn_status write_safetensors(const arguments *a, const shn_model *m, const table *t, shn_error *err)
{
    shn_st_writer *w = NULL;
    const size_t shape[2] = { t->n, t->E };
    char *rows = rows_json(t);
    shn_status st = rows ? shn_st_writer_new(&w, err) : shn_fail_nomem(err, "embed");
    if (st == SHN_OK) st = shn_st_writer_tensor(w, "embeddings", "F32", 2, shape, t->z, err);
    if (st == SHN_OK) st = shn_st_writer_metadata(w, "rows", rows, err);
    if (st == SHN_OK) st = shn_st_writer_metadata(w, "vectors", a->unit ? "mean over test windows, unit length" : "mean over test windows", err);
    if (st == SHN_OK) st = shn_st_writer_metadata(w, "loss", m->loss, err);
    if (st == SHN_OK) st = shn_st_writer_metadata(w, "schema_version", "1", err);
    if (st == SHN_OK) st = shn_st_writer_metadata(w, "research_use_only", "true", err);
    if (st == SHN_OK) st = shn_st_writer_commit(w, a->out, err);
    shn_st_writer_free(w);
    free(rows);
    return st;
}

/** HDF5 begins with this, whatever the file is called. */
static int is_hdf5(const char *path)
{
    char  magic[8] = "";
    FILE *f = fopen(path, "rb");
    if (!f) return 0;
    const size_t n = fread(magic, 1, sizeof magic, f);
    fclose(f);
    return n == sizeof magic && memcmp(magic, "\x89HDF\r\n\x1a\n", sizeof magic) == 0;
}

static int ends_in(const char *path, const char *ending)
{
    const size_t n = strlen(path), e = strlen(ending);
    return n > e && strcmp(path + n - e, ending) == 0;
}

static shn_status embed(const arguments *a, size_t *n_failed, shn_error *err)
{
    shn_model *m = NULL;
    table      t = { .n = 0 };
    shn_status st = shn_model_read(a->model, &m, err);
    if (st != SHN_OK) return st;
    t.E = m->E;
    st = a->n_words == 1 && is_hdf5(a->words[0]) ? embed_cohort(a, m, a->words[0], &t, err) : embed_files(a, m, &t, n_failed, err);
    if (st == SHN_OK && ends_in(a->out, ".safetensors")) st = write_safetensors(a, m, &t, err);
    else if (st == SHN_OK) {
        const size_t shape[2] = { t.n, t.E };
        st = write_csv(&t, a->out, err);
        if (st == SHN_OK) st = shn_npy_write(a->out, t.z, 2, shape, err);
    }
    if (st == SHN_OK) printf("%zu vectors of %zu floats: %s\n", t.n, t.E, a->out);
    free_table(&t);
    shn_model_free(m);
    return st;
}

/** 1 go on, 0 a value was bad (already said), -1 help was shown. */
static int take(arguments *a, int option, const char *value)
{
    uint64_t count;
    switch (option) {
    case 'o': a->out = value; return 1;
    case 's': a->split = value; return 1;
    case 'u': a->unit = 1; return 1;
    case 'e': a->engine.name = value; return 1;
    case 'T':
        if (!cli_count("embed", "--threads", value, 1, 256, &count)) return 0;
        a->engine.n_threads = (unsigned)count;
        return 1;
    case 'h': help(); return -1;
    default: break;
    }
    const int taken = record_flags_take(&a->record, "embed", option, value);
    if (taken == 0) cli_usage("embed", "unknown or incomplete option");
    return taken == 1;
}

cli_verb verb_embed;
int verb_embed(int argc, char **argv)
{
    static const struct option longs[] = {
        { "out", required_argument, NULL, 'o' },    { "split", required_argument, NULL, 's' },   { "unit", no_argument, NULL, 'u' },
        { "engine", required_argument, NULL, 'e' }, { "threads", required_argument, NULL, 'T' }, { "help", no_argument, NULL, 'h' },
        RECORD_LONG_OPTIONS,                        { NULL, 0, NULL, 0 },
    };
    arguments a = { .split = "all" };
    shn_error err = { .status = SHN_OK };
    size_t    n_failed = 0;
    shn_engine_defaults(&a.engine);
    record_flags_defaults(&a.record);
    opterr = 0;
    for (int o; (o = getopt_long(argc, argv, "o:h", longs, NULL)) != -1;) {
        const int go_on = take(&a, o, optarg);
        if (go_on != 1) return go_on < 0 ? CLI_DONE : CLI_USAGE;
    }
    if (argc - optind < 2) return cli_usage("embed", "needs a MODEL and a COHORT.h5, FILE or DIR");
    if (!a.out || (!ends_in(a.out, ".npy") && !ends_in(a.out, ".safetensors")))
        return cli_usage("embed", "needs -o OUT.npy or OUT.safetensors");
    a.model = argv[optind];
    a.words = argv + optind + 1;
    a.n_words = (size_t)(argc - optind - 1);
    if (embed(&a, &n_failed, &err) != SHN_OK) return cli_fail("embed", &err);
    return n_failed ? CLI_FAILED : CLI_DONE;
}
