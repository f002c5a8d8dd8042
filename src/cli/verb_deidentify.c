/** shinden deidentify: copies of ECG files without direct identifiers, and a list of what was taken out. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/inputs.h"
#include "cli/json_text.h"
#include "shinden/deidentify.h"

static void help(void)
{
    puts("usage: shinden deidentify FILE|DIR... --key KEYFILE -o FOLDER [options]\n\n"
         "  Writes copies without names, ids, addresses, dates of birth, operators and free text; samples stay bit for bit as they are. A patient id\n"
         "  becomes a keyed hash, dates move by 1 to 365 days, the same for all files of a patient; ages over 89 become 90. File names are hashed too.\n"
         "  FOLDER/audit.csv lists every change: which file it became, the place, what it was, what was done; never the old value. What cannot be\n"
         "  vouched for is refused and not written. An ECG can identify a person even so: this removes direct identifiers, no more.\n\n"
         "  --key KEYFILE            16 bytes or more, kept secret: head -c 32 /dev/urandom >KEYFILE\n"
         "  --link FILE              CSV of old path and new path, itself an identifying file: keep it where the key is\n"
         "  --json                   one JSON object for each record, one a line\n\n"
         "exit code: 0 done, 1 some files are refused, 2 bad usage\n"
         "example: shinden deidentify exports/ --key secret.key -o shared/");
}

typedef struct arguments { const char *key_path, *folder, *link_path; int json; } arguments;

/** Where the answers go while the files are done. */
typedef struct session { const arguments *a; shn_deid *deid; FILE *audit, *link; size_t n_written, n_refused; } session;

static void put_audit(session *s, const char *out_path)
{
    const char *base = strrchr(out_path, '/');
    for (size_t i = 0; i < shn_deid_n_changes(s->deid); i++) {
        const shn_deid_change c = shn_deid_change_at(s->deid, i);
        const char *fields[4] = { base ? base + 1 : out_path, c.place, c.what, c.done };
        shn_csv_put_row(s->audit, fields, 4, ',');
    }
}

static int print_json(const session *s, const char *path, const char *out_path, const shn_error *err)
{
    json_t *out;
    if (err) out = json_pack("{s:i, s:b, s:o, s:o, s:s}", "schema_version", 1, "research_use_only", 1, "path", cli_json_text(path), "error", cli_json_text(err->text),
                             "reason", shn_reason_name(err->reason));
    else {
        json_t *changes = json_array();
        for (size_t i = 0; i < shn_deid_n_changes(s->deid); i++) {
            const shn_deid_change c = shn_deid_change_at(s->deid, i);
            json_array_append_new(changes, json_pack("{s:o, s:o, s:o}", "place", cli_json_text(c.place), "what", cli_json_text(c.what), "done", cli_json_text(c.done)));
        }
        out = json_pack("{s:i, s:b, s:o, s:o, s:s, s:o}", "schema_version", 1, "research_use_only", 1, "path", cli_json_text(path), "out", cli_json_text(out_path),
                        "patient", shn_deid_patient_of(s->deid), "changes", changes);
    }
    return out ? cli_json_print(out, JSON_COMPACT) : -1;
}

/** 0 go on, -1 the answers cannot be written. */
static int do_file(session *s, const cli_input *input)
{
    shn_error  err = input->error;
    char       out_path[SHN_DEID_PATH_MAX] = "";
    shn_status st = input->failed ? err.status : shn_deid_file(s->deid, input->path, s->a->folder, out_path, &err);
    if (st == SHN_OK) {
        s->n_written++;
        put_audit(s, out_path);
        const char *link[2] = { input->path, out_path };
        if (s->link) shn_csv_put_row(s->link, link, 2, ',');
    } else s->n_refused++;
    int failed = 0;
    if (s->a->json) failed = print_json(s, input->path, out_path, st == SHN_OK ? NULL : &err);
    else if (st == SHN_OK) printf("%s -> %s: %zu changes\n", input->path, out_path, shn_deid_n_changes(s->deid));
    else cli_fail("deidentify", &err);
    return failed || ferror(stdout) || ferror(s->audit) || (s->link && ferror(s->link)) ? -1 : 0;
}

/** The audit of an earlier run is never written over. */
static FILE *open_new(const char *path)
{
    FILE *f = fopen(path, "wxe");
    if (!f) fprintf(stderr, "shinden deidentify: %s cannot be made, or is there already; name an empty folder\n", path);
    return f;
}

static int run(const arguments *a, shn_deid *deid, const cli_input *inputs, size_t n)
{
    session s = { .a = a, .deid = deid };
    char    path[SHN_DEID_PATH_MAX];
    int     broken = 0;
    static const char *const audit_columns[4] = { "file", "place", "what", "done" }, *const link_columns[2] = { "path", "out" };
    snprintf(path, sizeof path, "%s/audit.csv", a->folder);
    s.audit = open_new(path);
    if (s.audit && a->link_path) s.link = open_new(a->link_path);
    if (!s.audit || (a->link_path && !s.link)) {
        if (s.audit) fclose(s.audit);
        return CLI_FAILED;
    }
    shn_csv_put_row(s.audit, audit_columns, 4, ',');
    if (s.link) shn_csv_put_row(s.link, link_columns, 2, ',');
    for (size_t i = 0; i < n && !broken; i++) broken = do_file(&s, &inputs[i]);
    broken |= fclose(s.audit);
    if (s.link) broken |= fclose(s.link);
    if (!a->json) printf("%zu files written, %zu refused; %s lists the changes\n", s.n_written, s.n_refused, path);
    if (broken) fputs("shinden deidentify: the audit or standard output could not be written; the disk may be full\n", stderr);
    return broken || s.n_refused ? CLI_FAILED : CLI_DONE;
}

static shn_status open_deid(const char *key_path, shn_deid **out, shn_error *err)
{
    uint8_t *key = NULL;
    size_t   n = 0;
    shn_status st = shn_file_read(key_path, SHN_DEID_KEY_MAX, &key, &n, err);
    if (st == SHN_OK) st = shn_deid_new(key, n, out, err);
    if (key) explicit_bzero(key, n);
    free(key);
    return st;
}

cli_verb verb_deidentify;
int verb_deidentify(int argc, char **argv)
{
    static const struct option longs[] = {
        { "key", required_argument, NULL, 'k' }, { "link", required_argument, NULL, 'l' }, { "out", required_argument, NULL, 'o' },
        { "json", no_argument, NULL, 'j' },      { "help", no_argument, NULL, 'h' },       { NULL, 0, NULL, 0 },
    };
    arguments a = { .json = 0 };
    shn_error err;
    opterr = 0;
    for (int o; (o = getopt_long(argc, argv, "o:h", longs, NULL)) != -1;) {
        switch (o) {
        case 'k': a.key_path = optarg; break;
        case 'l': a.link_path = optarg; break;
        case 'o': a.folder = optarg; break;
        case 'j': a.json = 1; break;
        case 'h': return help(), CLI_DONE;
        default: return cli_usage("deidentify", "unknown or incomplete option");
        }
    }
    if (optind == argc || !a.key_path || !a.folder) return cli_usage("deidentify", "needs FILE or DIR, --key KEYFILE and -o FOLDER");
    cli_input *inputs = NULL;
    size_t     n = 0;
    shn_deid  *deid = NULL;
    shn_status st = open_deid(a.key_path, &deid, &err);
    if (st == SHN_OK) st = shn_dir_make(a.folder, &err);
    if (st == SHN_OK) st = cli_inputs_list(argv + optind, (size_t)(argc - optind), &inputs, &n, NULL, &err);
    const int code = st == SHN_OK ? run(&a, deid, inputs, n) : cli_fail("deidentify", &err);
    cli_inputs_free(inputs, n);
    shn_deid_free(deid);
    return code;
}
