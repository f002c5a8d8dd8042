/** shinden convert: ECG files of any format as WFDB 16, EDF+ or CSV, or all of them as one cohort. */
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/inputs.h"
#include "cli/json_text.h"
#include "cli/record_flags.h"
#include "shinden/convert.h"

enum { STEM_MAX = 180 };
typedef enum target { TO_WFDB, TO_EDF, TO_CSV, TO_COHORT, TO_COUNT } target;
static const struct { const char *name, *ending; } targets[TO_COUNT] = { { "wfdb", ".hea" }, { "edf", ".edf" }, { "csv", ".csv" }, { "cohort", ".h5" } };

static void help(void)
{
    puts("usage: shinden convert FILE|DIR... -o FOLDER [--to wfdb|edf|csv|cohort] [options]\n\n"
         "  Writes each record under its own name: WFDB with 16 bits (the default), EDF+ or CSV. Stored integers, gain and baseline are kept where the\n"
         "  format can hold them; what it cannot is counted, and docs/formats.md says what happens then. Of two records of one name the second is\n"
         "  called NAME_2. One file that cannot be read or written does not stop the others.\n\n"
         "  --to FORMAT              wfdb, edf, csv; cohort: all files of the folders DIR into FOLDER/cohort.h5, as shinden import does\n"
         "  --force                  write over files of an earlier run (never over the input)\n"
         "  --keep-identifiers       write patient and record ids, too. Without it they are left behind, but file names, times of recording, ages,\n"
         "                           devices and statements stay: this is no de-identification (shinden deidentify). A cohort always has patient\n"
         "                           ids, which its splits need\n"
         "  --json                   one JSON object for each record, one a line\n"
         RECORD_HELP
         "\nexit code: 0 done, 1 some files are refused, 2 bad usage\n"
         "example: shinden convert exports/ -o edf/ --to edf");
}

typedef struct arguments {
    const char         *folder;
    target              to;
    int                 force, json;
    shn_convert_options options;
    record_flags        flags;
    const char         *assume;         /* the word, for import */
} arguments;

/** Names given in this run, so that two records of one name do not become one file. */
typedef struct names { char **stems; size_t n, capacity; } names;

typedef struct session { const arguments *a; names taken; size_t n_written, n_refused; } session;

/** "exams.hdf5#12" -> "exams_12": letters, digits, '_' and '-' only, as WFDB demands; the other formats have the same names. */
static void make_stem(const char *path, char out[STEM_MAX + 1])
{
    const char *base = shn_path_base(path), *row = strrchr(base, '#'), *end = row ? row : base + strlen(base);
    const char *dot = NULL;
    for (const char *p = base + 1; p < end; p++)
        if (*p == '.') dot = p;
    size_t n = 0;
    for (const char *p = base; p < (dot ? dot : end) && n < STEM_MAX - 24; p++) out[n++] = isalnum((unsigned char)*p) || *p == '-' ? *p : '_';
    out[n] = '\0';
    if (n == 0) strcpy(out, "record");
    if (row) snprintf(out + strlen(out), 24, "_%.20s", row + 1);
}

static int is_taken(const names *taken, const char *stem)
{
    for (size_t i = 0; i < taken->n; i++)
        if (strcasecmp(taken->stems[i], stem) == 0) return 1;      /* file systems there are that fold case */
    return 0;
}

static shn_status take_name(names *taken, const char *path, char stem[STEM_MAX + 1], shn_error *err)
{
    char first[STEM_MAX + 1];
    make_stem(path, first);
    snprintf(stem, STEM_MAX + 1, "%s", first);
    for (unsigned k = 2; is_taken(taken, stem); k++) snprintf(stem, STEM_MAX + 1, "%.160s_%u", first, k);
    if (shn_grow(&taken->stems, &taken->capacity, taken->n + 1, sizeof *taken->stems) != 0 || !(taken->stems[taken->n] = shn_strdup(stem)))
        return shn_fail_nomem(err, "convert");
    taken->n++;
    return SHN_OK;
}

/** 1 if both are there and the same file, by whatever path. */
static int same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/** May this file be written? The input itself never: of a WFDB record its signal file neither. */
static shn_status check_output(const arguments *a, const char *input, const char *path, shn_error *err)
{
    char companion[SHN_PATH_MAX + 8], header[SHN_PATH_MAX + 8];
    const char  *dot = strrchr(shn_path_base(input), '.');
    const size_t stem = dot ? (size_t)(dot - input) : strlen(input);
    if (!shn_path_exists(path)) return SHN_OK;
    snprintf(companion, sizeof companion, "%.*s.dat", (int)stem, input);
    snprintf(header, sizeof header, "%.*s.hea", (int)stem, input);
    if (same_file(input, path) || same_file(companion, path) || same_file(header, path))
        return shn_fail(err, SHN_RANGE, SHN_REASON_DUPLICATE_ID, "convert", "%s: is the input itself; name another folder", path);
    if (!a->force) return shn_fail(err, SHN_IO, SHN_REASON_DUPLICATE_ID, "convert", "%s: is there already; --force writes over it", path);
    return SHN_OK;
}

static shn_status write_record(const arguments *a, const shn_record *rec, const char *input, const char *stem, char out_path[SHN_PATH_MAX], shn_convert_report *report,
                               shn_error *err)
{
    char       file[STEM_MAX + 8], data[SHN_PATH_MAX];
    snprintf(file, sizeof file, "%s%s", stem, targets[a->to].ending);
    shn_status st = shn_path_join(out_path, a->folder, file, err);
    if (st == SHN_OK) st = check_output(a, input, out_path, err);
    if (st != SHN_OK) return st;
    if (a->to == TO_EDF) return shn_edf_write(rec, out_path, &a->options, report, err);
    if (a->to == TO_CSV) return shn_csv_write(rec, out_path, &a->options, report, err);
    snprintf(file, sizeof file, "%s.dat", stem);
    st = shn_path_join(data, a->folder, file, err);
    if (st == SHN_OK) st = check_output(a, input, data, err);
    return st == SHN_OK ? shn_wfdb_write(rec, a->folder, stem, &a->options, report, err) : st;
}

/** What was lost, in words; "" if nothing. */
static void loss_words(const shn_convert_report *r, char *out, size_t size)
{
    int n = 0;
    *out = '\0';
    if (r->n_rounded) n += snprintf(out + n, size - (size_t)n, ", %zu samples rounded to a step", r->n_rounded);
    if (r->n_clipped) n += snprintf(out + n, size - (size_t)n, ", %zu samples beyond the range", r->n_clipped);
    if (r->n_padding) n += snprintf(out + n, size - (size_t)n, ", %zu samples of padding", r->n_padding);
    if (r->gain_error > 1e-9) n += snprintf(out + n, size - (size_t)n, ", gain off by %.2g", r->gain_error);
    if (r->baseline_error > 1e-3) n += snprintf(out + n, size - (size_t)n, ", baseline off by %.2g steps", r->baseline_error);
    if (r->fs_error > 0) snprintf(out + n, size - (size_t)n, ", rate off by %.2g", r->fs_error);
}

static int print_done(const session *s, const char *path, const char *out_path, const shn_record *rec, const shn_convert_report *r)
{
    char words[256];
    const size_t n_leads = shn_record_n_leads(rec), n = shn_record_n_samples(rec);
    loss_words(r, words, sizeof words);
    if (!s->a->json) {
        printf("%s -> %s: %zu lead%s, %zu samples%s\n", path, out_path, n_leads, n_leads == 1 ? "" : "s", n, words);
        return 0;
    }
    json_t *notes = json_array();
    for (size_t i = 0; i < shn_record_n_notes(rec); i++)
        json_array_append_new(notes, json_pack("{s:s, s:o}", "reason", shn_reason_name(shn_record_note(rec, i)->reason), "text", cli_json_text(shn_record_note(rec, i)->text)));
    json_t *out = json_pack("{s:i, s:b, s:o, s:o, s:s, s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:o}", "schema_version", 1, "research_use_only", 1, "path",
                            cli_json_text(path), "out", cli_json_text(out_path), "to", targets[s->a->to].name, "n_leads", (json_int_t)n_leads, "n_samples", (json_int_t)n,
                            "fs_hz", shn_record_fs_hz(rec), "n_gaps", (json_int_t)r->n_gaps, "n_rounded", (json_int_t)r->n_rounded, "n_clipped",
                            (json_int_t)r->n_clipped, "n_padding", (json_int_t)r->n_padding, "gain_error", r->gain_error, "baseline_error", r->baseline_error,
                            "fs_error", r->fs_error, "notes", notes);
    return out ? cli_json_print(out, JSON_COMPACT) : -1;
}

static int print_failed(const session *s, const char *path, const shn_error *err)
{
    if (!s->a->json) return cli_fail("convert", err), 0;
    json_t *out = json_pack("{s:i, s:b, s:o, s:o, s:s}", "schema_version", 1, "research_use_only", 1, "path", cli_json_text(path), "error", cli_json_text(err->text), "reason",
                            shn_reason_name(err->reason));
    return out ? cli_json_print(out, JSON_COMPACT) : -1;
}

/** 0 go on, -1 the answers cannot be written. */
static int do_record(session *s, const cli_input *input)
{
    const arguments   *a = s->a;
    shn_convert_report report = { 0 };
    shn_record        *rec = NULL;
    shn_error          err = input->error;
    char               stem[STEM_MAX + 1], out_path[SHN_PATH_MAX] = "";
    shn_status st = input->failed ? err.status : shn_record_read(input->path, &a->flags.format, &rec, &err);
    if (st == SHN_OK && a->flags.assume_mv_per_unit > 0) shn_record_assume_unit(rec, a->flags.assume_mv_per_unit);
    if (st == SHN_OK) st = take_name(&s->taken, input->path, stem, &err);
    if (st == SHN_OK) {
        st = write_record(a, rec, input->path, stem, out_path, &report, &err);
        if (st != SHN_OK && !strstr(err.text, input->path)) shn_error_prefix(&err, "%s", input->path);
    }
    int failed;
    if (st == SHN_OK) {
        s->n_written++;
        failed = print_done(s, input->path, out_path, rec, &report);
    } else {
        s->n_refused++;
        failed = print_failed(s, input->path, &err);
    }
    shn_record_free(rec);
    return failed || ferror(stdout) ? -1 : 0;
}

static int convert_all(const arguments *a, char *const *words, size_t n_words)
{
    session      s = { .a = a };
    cli_input   *inputs = NULL;
    size_t       n = 0;
    cli_left_out left = { 0 };
    shn_error    err;
    int          broken = 0;
    shn_status   st = shn_dir_make(a->folder, &err);
    if (st == SHN_OK) st = cli_inputs_list(words, n_words, &inputs, &n, &left, &err);
    if (st != SHN_OK) return cli_fail("convert", &err);
    for (size_t i = 0; i < n && !broken; i++) broken = do_record(&s, &inputs[i]);
    if (!a->json && n > 1) {
        printf("%zu records written, %zu refused\n", s.n_written, s.n_refused);
        if (left.n_others) printf("%zu files of no ECG format were left out, the first is %s\n", left.n_others, left.first_other);
    }
    if (broken) fputs("shinden convert: standard output cannot be written; the disk may be full\n", stderr);
    for (size_t i = 0; i < s.taken.n; i++) free(s.taken.stems[i]);
    free(s.taken.stems);
    free(left.first_other);
    cli_inputs_free(inputs, n);
    return broken || s.n_refused ? CLI_FAILED : CLI_DONE;
}

cli_verb verb_import;
/** A cohort is import's business: the same words, said to it. */
static int make_cohort(const arguments *a, char **words, size_t n_words)
{
    char       path[SHN_PATH_MAX], manifest[SHN_PATH_MAX + 16];
    shn_error  err;
    for (size_t i = 0; i < n_words; i++)
        if (shn_path_exists(words[i]) && !shn_path_is_dir(words[i])) return cli_usage("convert", "--to cohort takes folders; '%s' is a file", words[i]);
    shn_status st = shn_dir_make(a->folder, &err);
    if (st == SHN_OK) st = shn_path_join(path, a->folder, "cohort.h5", &err);
    if (st == SHN_OK) st = check_output(a, "", path, &err);
    if (st != SHN_OK) return cli_fail("convert", &err);
    if (a->flags.format.raw_microvolts || !a->flags.format.verify_checksums)
        return cli_usage("convert", "--raw-microvolts and --ignore-checksums are not for a cohort; name them in a mapping (shinden import)");
    snprintf(manifest, sizeof manifest, "%s.manifest.csv", path);
    if (shn_path_exists(path) && (remove(path) != 0 || (shn_path_exists(manifest) && remove(manifest) != 0)))
        return shn_fail(&err, SHN_IO, SHN_REASON_NO_PERMISSION, "convert", "%s: cannot be replaced", path), cli_fail("convert", &err);
    char **argv = shn_alloc(n_words + 8, sizeof *argv);
    if (!argv) return shn_fail_nomem(&err, "convert"), cli_fail("convert", &err);
    int argc = 0;
    argv[argc++] = "import";
    for (size_t i = 0; i < n_words; i++) argv[argc++] = words[i];
    argv[argc++] = "-o";
    argv[argc++] = path;
    if (a->json) argv[argc++] = "--json";
    if (a->flags.allow_missing_leads) argv[argc++] = "--allow-missing-leads";
    if (a->assume) {
        argv[argc++] = "--assume-unit";
        argv[argc++] = (char *)a->assume;
    }
    const int code = verb_import(argc, argv);
    free(argv);
    return code;
}

static int take_target(arguments *a, const char *word)
{
    for (a->to = 0; a->to < TO_COUNT; a->to++)
        if (strcmp(targets[a->to].name, word) == 0) return 1;
    cli_usage("convert", "--to takes wfdb, edf, csv or cohort, not '%s'", word);
    return -1;
}

cli_verb verb_convert;
int verb_convert(int argc, char **argv)
{
    static const struct option longs[] = {
        { "to", required_argument, NULL, 't' }, { "out", required_argument, NULL, 'o' }, { "force", no_argument, NULL, 'f' },
        { "keep-identifiers", no_argument, NULL, 'k' }, { "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' }, RECORD_LONG_OPTIONS, { NULL, 0, NULL, 0 },
    };
    arguments a = { .to = TO_WFDB };
    record_flags_defaults(&a.flags);
    opterr = 0;
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "o:h", longs, NULL)) != -1;) {
        int taken = 1;
        switch (o) {
        case 't': taken = take_target(&a, optarg); break;
        case 'o': a.folder = optarg; break;
        case 'f': a.force = 1; break;
        case 'k': a.options.keep_identifiers = 1; break;
        case 'j': a.json = 1; break;
        case 'h': return help(), CLI_DONE;
        default:
            if (o == FLAG_ASSUME) a.assume = optarg;
            taken = record_flags_take(&a.flags, "convert", o, optarg);
        }
        if (taken == 0) return cli_usage("convert", "unknown or incomplete option");
        if (taken < 0) return CLI_USAGE;
    }
    if (optind == argc || !a.folder) return cli_usage("convert", "needs FILE or DIR, and -o FOLDER");
    return a.to == TO_COHORT ? make_cohort(&a, argv + optind, (size_t)(argc - optind)) : convert_all(&a, argv + optind, (size_t)(argc - optind));
}
