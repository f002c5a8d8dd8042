#include "data/plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/hash.h"
#include "data/identity.h"

#define NAMED_PATIENTS 5                        /* shown in the error */

shn_status shn_tally_add(shn_tally *t, const char *source, const char *name, size_t n)
{
    size_t i = 0;
    while (i < t->n && (strcmp(t->items[i].name, name) != 0 || strcmp(t->items[i].source, source) != 0)) i++;
    if (i == t->n) {
        const char *own = shn_pool_add(t->pool, name, strlen(name)), *from = shn_pool_add(t->pool, source, strlen(source));
        if (!own || !from || shn_grow(&t->items, &t->capacity, t->n + 1, sizeof *t->items) != 0) return SHN_NOMEM;
        t->items[t->n++] = (shn_import_count){ .source = from, .name = own };
    }
    t->items[i].n += n;
    return SHN_OK;
}

static shn_status number_sources(shn_plan *p, shn_error *err)
{
    for (size_t c = 0; c < p->n_collections; c++)
        for (size_t i = 0; i < p->collections[c]->n_entries; i++) {
            shn_entry *e = &p->collections[c]->entries[i];
            if (!*e->source_name) e->source_name = "unnamed";
            size_t s = i > 0 ? p->collections[c]->entries[i - 1].source : 0;
            if (s >= p->n_sources || strcmp(p->sources[s], e->source_name) != 0)
                for (s = 0; s < p->n_sources && strcmp(p->sources[s], e->source_name) != 0;) s++;
            if (s == p->n_sources) {
                if (s >= 10000)
                    return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "import", "more than 10000 sources; does 'source' name a column of ids?");
                if (shn_grow(&p->sources, &p->sources_capacity, s + 1, sizeof *p->sources) != 0) return shn_fail_nomem(err, "import");
                p->sources[p->n_sources++] = e->source_name;
            }
            e->source = (uint32_t)s;
        }
    if (p->n_sources == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, "import", "no records found; check the folder and the table");
    return SHN_OK;
}

static int has_source(const shn_plan *p, const char *name)
{
    for (size_t s = 0; s < p->n_sources; s++)
        if (strcmp(p->sources[s], name) == 0) return 1;
    return 0;
}

static int in_list(const char *const *names, size_t n, const char *name)
{
    size_t i = 0;
    while (i < n && strcmp(names[i], name) != 0) i++;
    return i < n;
}

/** Sources that only repeat another one that takes part itself, here or beside this cohort. */
static void leave_out(shn_plan *p, const shn_import_options *o)
{
    for (size_t c = 0; c < p->n_collections; c++) {
        shn_collection_data *data = p->collections[c];
        for (size_t k = 0; k < data->map->n_leave_out; k++) {
            int there = 0;
            for (size_t b = 0; b < data->map->leave_out[k].beside.n; b++) {
                const char *name = data->map->leave_out[k].beside.items[b];
                there |= has_source(p, name) || in_list(o->beside, o->n_beside, name);
            }
            for (size_t i = 0; there && i < data->n_entries; i++) {
                shn_entry *e = &data->entries[i];
                if (e->refused != SHN_REASON_NONE || strcmp(e->source_name, data->map->leave_out[k].source) != 0) continue;
                e->refused = SHN_REASON_EXCLUDED;
                e->detail = "this source repeats records of another that takes part itself";
            }
        }
    }
}

static shn_status refuse_doubles(shn_plan *p, shn_error *err)
{
    shn_identities set = { 0 };
    shn_status     st = SHN_OK;
    for (size_t c = 0; c < p->n_collections; c++)
        for (size_t i = 0; i < p->collections[c]->n_entries && st == SHN_OK; i++) {
            shn_entry *e = &p->collections[c]->entries[i];
            if (e->refused != SHN_REASON_NONE) continue;
            shn_identity *s = shn_identity_of(&set, e->source_name, e->id);
            if (!s) st = shn_fail_nomem(err, "import");
            else if (s->value) {
                e->refused = SHN_REASON_DUPLICATE_ID;
                e->detail = "an earlier record of this source has the same id";
            } else s->value = e->path;
        }
    shn_identities_free(&set);
    return st;
}

shn_status shn_plan_check_patients(const shn_plan *p, shn_error *err)
{
    shn_identities set = { 0 };
    char           names[240] = "";
    size_t         n = 0;
    shn_status     st = SHN_OK;
    for (size_t c = 0; c < p->n_collections; c++)
        for (size_t i = 0; i < p->collections[c]->n_entries && st == SHN_OK; i++) {
            const shn_entry *e = &p->collections[c]->entries[i];
            if (e->refused != SHN_REASON_NONE || !*e->patient) continue;
            shn_identity *s = shn_identity_of(&set, e->source_name, e->patient);
            if (!s) st = shn_fail_nomem(err, "import");
            else if (!s->value) s->value = e->split;
            else if (*s->value && strcmp(s->value, e->split) != 0) {
                const size_t used = strlen(names);
                if (n++ < NAMED_PATIENTS)
                    snprintf(names + used, sizeof names - used, "%s%s of %s (%s, %s)", used ? ", " : "", e->patient, e->source_name, s->value, e->split);
                s->value = "";                  /* counted once */
            }
        }
    shn_identities_free(&set);
    if (st == SHN_OK && n)
        st = shn_fail(err, SHN_MISMATCH, SHN_REASON_PATIENT_OVERLAP, "import", "%zu patients are in more than one split: %s%s; mend the table's split column",
                      n, names, n > NAMED_PATIENTS ? " ..." : "");
    return st;
}

/** Windows of T samples in a record of n: as many as fit, and a shorter last one where it is long enough by itself. */
static uint32_t count_windows(const shn_plan *p, size_t collection, const shn_entry *e, const shn_import_options *o)
{
    if (!shn_plan_windows_all(p, collection) || e->refused != SHN_REASON_NONE || e->fs_hz <= 0) return 1;
    const size_t n = (size_t)ceil((double)e->n_samples * p->fs_hz / e->fs_hz - 1e-9);
    const size_t rest = n % p->n_samples;
    const size_t windows = n / p->n_samples + (rest > 0 && (double)rest >= o->signal.min_seconds * p->fs_hz);
    return windows > 1 ? windows < UINT32_MAX ? (uint32_t)windows : UINT32_MAX : 1;
}

shn_stretch shn_plan_stretch(const shn_plan *p, size_t row)
{
    const shn_entry    *e = shn_plan_entry(p, row);
    const shn_plan_row *r = &p->rows[row];
    const int    many = r->window > 0 || (row + 1 < p->n_rows && r[1].collection == r->collection && r[1].entry == r->entry);
    const double T = (double)p->n_samples, length = e->fs_hz > 0 ? ceil((double)e->n_samples * p->fs_hz / e->fs_hz - 1e-9) : T;
    const double start = many ? r->window * T : length > T ? floor((length - T) / 2) : 0;
    return (shn_stretch){ start / p->fs_hz, fmin(start + T, length) / p->fs_hz };
}

static shn_status lay_rows(shn_plan *p, const shn_import_options *o, shn_error *err)
{
    for (size_t c = 0; c < p->n_collections; c++)
        for (size_t i = 0; i < p->collections[c]->n_entries; i++) {
            const uint32_t n = count_windows(p, c, &p->collections[c]->entries[i], o);
            if (shn_grow(&p->rows, &p->rows_capacity, p->n_rows + n, sizeof *p->rows) != 0) return shn_fail_nomem(err, "import");
            for (uint32_t w = 0; w < n; w++) p->rows[p->n_rows++] = (shn_plan_row){ (uint32_t)c, (uint32_t)i, w };
        }
    return SHN_OK;
}

/** Names and SHA-256 of every table and mapping, one per line. */
static shn_status hash_sources(shn_plan *p, shn_error *err)
{
    char  *text = NULL;
    size_t size = 0;
    FILE  *out = open_memstream(&text, &size);
    shn_status st = out ? SHN_OK : shn_fail_nomem(err, "import");
    for (size_t c = 0; st == SHN_OK && c < p->n_collections; c++) {
        const shn_collection_data *data = p->collections[c];
        char hex[65];
        st = shn_map_digest(data->name, hex, err);
        if (st == SHN_OK) fprintf(out, "%s %s\n", shn_preset_text(data->name) ? data->name : shn_path_base(data->name), hex);
        for (size_t t = 0; st == SHN_OK && t < data->n_tables; t++) {
            st = shn_sha256_file(data->table_paths[t], hex, err);
            if (st == SHN_OK) fprintf(out, "%s/%s %s\n", p->sources[data->n_entries ? data->entries[0].source : 0], data->map->tables[t].file, hex);
        }
    }
    if (out && fclose(out) != 0 && st == SHN_OK) st = shn_fail_nomem(err, "import");
    p->hashes = text;
    return st;
}

static void add_text(shn_sha256 *h, const char *s) { shn_sha256_add(h, s ? s : "", s ? strlen(s) + 1 : 1); }

static void add_marks(shn_sha256 *h, const shn_annotations *set)
{
    for (size_t i = 0; set && i < shn_annotations_count(set); i++) {
        const shn_annotation *a = shn_annotations_at(set, i);
        shn_sha256_add(h, &a->sample, sizeof a->sample);
        shn_sha256_add(h, &a->code, sizeof a->code);
        add_text(h, a->aux);
    }
}

/** Over everything that decides a byte of the cohort; its first number counts the layouts of the file: 2 has what is said of the findings. */
static shn_status digest_plan(shn_plan *p, const shn_import_options *o, shn_error *err)
{
    uint8_t     digest[32];
    char        numbers[256];
    shn_sha256 *h = shn_sha256_new();
    if (!h) return shn_fail_nomem(err, "import");
    snprintf(numbers, sizeof numbers, "2 %.17g %zu %d %d %d %.17g %.17g %d %.17g %.17g %d", p->fs_hz, p->n_samples, p->windows_all,
             o->signal.allow_upsampling, o->signal.allow_missing_leads, o->signal.highpass_hz, o->signal.lowpass_hz, o->signal.remove_baseline,
             o->signal.assume_mv_per_unit, o->signal.min_seconds, o->simulated);
    add_text(h, numbers);
    add_text(h, o->command);
    add_text(h, shn_registry_version(p->registry));
    add_text(h, p->hashes);
    for (size_t c = 0; c < p->n_collections; c++) add_text(h, p->collections[c]->folder);
    for (size_t r = 0; r < p->n_rows; r++) {
        const shn_entry *e = shn_plan_entry(p, r);
        add_text(h, e->path);
        add_text(h, e->id);
        add_text(h, e->split);
        add_text(h, e->header_labels);
        if (p->rows[r].window == 0) add_marks(h, e->marks);
        shn_sha256_add(h, &p->rows[r].window, sizeof p->rows[r].window);
        add_text(h, e->refused == SHN_REASON_EXCLUDED ? "left out" : "");
    }
    shn_sha256_end(h, digest);
    shn_sha256_hex(digest, p->digest);
    return SHN_OK;
}

static shn_status open_collections(shn_plan *p, const shn_collection *given, size_t n, const shn_import_options *o, shn_error *err)
{
    p->collections = shn_alloc(n, sizeof *p->collections);
    if (!p->collections) return shn_fail_nomem(err, "import");
    for (size_t c = 0; c < n; c++) {
        const shn_status st = shn_collection_open(&given[c], o->signal.fs_hz, &p->collections[c], err);
        if (st != SHN_OK) return st;
        p->n_collections = c + 1;
        p->n_entries += p->collections[c]->n_entries;
    }
    return SHN_OK;
}

static shn_status make_plan(shn_plan *p, const shn_collection *given, size_t n, const shn_import_options *o, shn_error *err)
{
    p->registry = shn_registry_builtin();
    p->unknown.pool = &p->pool;
    p->windows_all = o->windows_all;
    p->seconds = o->seconds;
    shn_status st = o->registry_path ? shn_registry_read(o->registry_path, &p->own_registry, err) : SHN_OK;
    if (p->own_registry) p->registry = p->own_registry;
    if (st == SHN_OK) st = open_collections(p, given, n, o, err);
    if (st == SHN_OK) st = number_sources(p, err);
    if (st != SHN_OK) return st;
    leave_out(p, o);
    st = refuse_doubles(p, err);
    if (st == SHN_OK) st = shn_plan_scan(p, o, err);
    for (size_t c = 0; st == SHN_OK && c < p->n_collections; c++)      /* a walked file may have named its patient */
        for (size_t i = 0; p->collections[c]->n_tables == 0 && i < p->collections[c]->n_entries; i++)
            p->collections[c]->entries[i].split = shn_entry_hash_split(&p->collections[c]->entries[i]);
    if (st == SHN_OK && !o->allow_patient_overlap) st = shn_plan_check_patients(p, err);
    if (st == SHN_OK) st = shn_plan_findings(p, err);
    if (st != SHN_OK) return st;
    p->n_samples = (size_t)llround(p->seconds * p->fs_hz);
    if (p->n_samples == 0) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "import", "%g s at %g Hz is no sample at all", p->seconds, p->fs_hz);
    st = lay_rows(p, o, err);
    if (st == SHN_OK) st = hash_sources(p, err);
    return st == SHN_OK ? digest_plan(p, o, err) : st;
}

shn_status shn_plan_new(const shn_collection *collections, size_t n, const shn_import_options *o, shn_plan **out, shn_error *err)
{
    *out = NULL;
    if (n == 0 || n > SHN_COLLECTIONS_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "import", "%zu collections; name 1 to %d", n, SHN_COLLECTIONS_MAX);
    if (!(o->seconds > 0) || !(o->seconds <= 86400) || o->signal.fs_hz < 0)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "import", "%g seconds at %g Hz is out of range", o->seconds, o->signal.fs_hz);
    shn_plan *p = shn_alloc(1, sizeof *p);
    if (!p) return shn_fail_nomem(err, "import");
    const shn_status st = make_plan(p, collections, n, o, err);
    if (st != SHN_OK) {
        shn_plan_free(p);
        return st;
    }
    *out = p;
    return SHN_OK;
}

void shn_plan_free(shn_plan *p)
{
    if (!p) return;
    for (size_t c = 0; c < p->n_collections; c++) {
        if (p->nameable) free(p->nameable[c]);
        shn_collection_close(p->collections[c]);
    }
    free(p->collections);
    shn_registry_free(p->own_registry);
    free(p->sources);
    free(p->column);
    free(p->column_of);
    free(p->finding_ids);
    free(p->findings);
    free(p->below);
    free(p->below_start);
    free(p->nameable);
    free(p->rows);
    free(p->unknown.items);
    free(p->hashes);
    shn_pool_free(&p->pool);
    free(p);
}
