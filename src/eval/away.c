#include "eval/away.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/calibrate.h"

/* ---- nodes ---- */

/** 1 for every finding that a listed one is or lies below. */
static void mark_up(const shn_registry *reg, const char *const *ids, size_t n, uint8_t *up)
{
    for (size_t i = 0; i < n; i++) {
        const int r = shn_registry_find(reg, ids[i]);
        for (size_t a = 0; r >= 0 && a < shn_registry_size(reg); a++) up[a] |= (uint8_t)shn_registry_is_a(reg, (size_t)r, a);
    }
}

/** Marks the lowest shared self-or-ancestors of each listed finding. */
static void mark_lowest(const shn_registry *reg, const char *const *ids, size_t n, const uint8_t *shared, uint8_t *is_node)
{
    const size_t R = shn_registry_size(reg);
    for (size_t i = 0; i < n; i++) {
        const int r = shn_registry_find(reg, ids[i]);
        for (size_t a = 0; r >= 0 && a < R; a++) {
            int lowest = shared[a] && shn_registry_is_a(reg, (size_t)r, a);
            for (size_t b = 0; lowest && b < R; b++)
                if (b != a && shared[b] && shn_registry_is_a(reg, (size_t)r, b) && shn_registry_is_a(reg, b, a)) lowest = 0;
            is_node[a] |= (uint8_t)lowest;
        }
    }
}

/** Ids of a list at or below a node, as "a, b"; "..." where they do not fit. */
static void list_below(const shn_registry *reg, const char *const *ids, size_t n, size_t node, char *out, size_t size)
{
    size_t used = 0;
    *out = '\0';
    for (size_t i = 0; i < n; i++) {
        const int r = shn_registry_find(reg, ids[i]);
        if (r < 0 || !shn_registry_is_a(reg, (size_t)r, node)) continue;
        if (used + strlen(ids[i]) + 8 > size) {
            snprintf(out + used, size - used, "%s", ", ...");
            return;
        }
        used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", ids[i]);
    }
}

static shn_status describe_node(away_nodes *o, size_t at, const char *const *home, size_t n_home, const char *const *here, size_t n_here, shn_error *err)
{
    char ours[1024], theirs[1024], text[2100];
    list_below(o->registry, home, n_home, o->node[at], ours, sizeof ours);
    list_below(o->registry, here, n_here, o->node[at], theirs, sizeof theirs);
    snprintf(text, sizeof text, "home: %s; here: %s", ours, theirs);
    o->pairs[at] = shn_strdup(text);
    return o->pairs[at] ? SHN_OK : shn_fail_nomem(err, "eval.away");
}

static shn_status fill_nodes(away_nodes *o, const uint8_t *is_node, const char *const *home, size_t n_home, const char *const *here, size_t n_here, shn_error *err)
{
    const size_t R = shn_registry_size(o->registry);
    size_t       n = 0, used = 0;
    for (size_t r = 0; r < R; r++) n += is_node[r];
    if (n == 0) return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "eval.away", "the model's findings and the cohort's share nothing, not even a parent");
    o->node = shn_alloc(n, sizeof *o->node);
    o->below = shn_alloc(n * n_home, sizeof *o->below);
    o->below_start = shn_alloc(n + 1, sizeof *o->below_start);
    o->pairs = shn_alloc(n, sizeof *o->pairs);
    if (!o->node || !o->below || !o->below_start || !o->pairs) return shn_fail_nomem(err, "eval.away");
    for (size_t r = 0; r < R; r++) {
        if (!is_node[r]) continue;
        o->node[o->n] = (uint32_t)r;
        for (size_t k = 0; k < n_home; k++) {
            const int f = shn_registry_find(o->registry, home[k]);
            if (f >= 0 && shn_registry_is_a(o->registry, (size_t)f, r)) o->below[used++] = (uint32_t)k;
        }
        const shn_status st = describe_node(o, o->n, home, n_home, here, n_here, err);
        o->below_start[++o->n] = used;
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

shn_status away_nodes_find(const shn_registry *registry, const char *const *home, size_t n_home, const char *const *here, size_t n_here, away_nodes *out, shn_error *err)
{
    const size_t R = shn_registry_size(registry);
    uint8_t     *ours = shn_alloc(R, 1), *theirs = shn_alloc(R, 1), *is_node = shn_alloc(R, 1);
    shn_status   st = ours && theirs && is_node ? SHN_OK : shn_fail_nomem(err, "eval.away");
    *out = (away_nodes){ .registry = registry };
    if (st == SHN_OK) {
        mark_up(registry, home, n_home, ours);
        mark_up(registry, here, n_here, theirs);
        for (size_t r = 0; r < R; r++) ours[r] &= theirs[r];
        mark_lowest(registry, home, n_home, ours, is_node);
        mark_lowest(registry, here, n_here, ours, is_node);
        st = fill_nodes(out, is_node, home, n_home, here, n_here, err);
    }
    free(ours);
    free(theirs);
    free(is_node);
    return st;
}

void away_nodes_free(away_nodes *o)
{
    for (size_t i = 0; o->pairs && i < o->n; i++) free(o->pairs[i]);
    free(o->node);
    free(o->below);
    free(o->below_start);
    free(o->pairs);
    *o = (away_nodes){ 0 };
}

/* ---- labels ---- */

int away_close(const shn_registry *reg, const int8_t *state, size_t finding)
{
    const size_t R = shn_registry_size(reg);
    size_t       children = 0;
    for (size_t r = 0; r < R; r++)
        if (state[r] == 1 && shn_registry_is_a(reg, r, finding)) return 1;
    if (state[finding] == 0) return 0;
    for (size_t r = 0; r < R; r++)
        for (size_t k = 0; shn_registry_parent(reg, r, k) >= 0; k++) {
            if ((size_t)shn_registry_parent(reg, r, k) != finding) continue;
            const int child = away_close(reg, state, r);
            if (child == AWAY_NO_FINDING) continue;
            if (child != 0) return -1;
            children++;
        }
    return children ? 0 : state[finding] == AWAY_NO_FINDING ? AWAY_NO_FINDING : -1;
}

shn_status away_close_rows(const away_nodes *o, const shn_cohort *c, const uint32_t *rows, size_t n, int outside, uint8_t *label, uint8_t *known, shn_error *err)
{
    const size_t R = shn_registry_size(o->registry), K = shn_cohort_n_findings(c);
    int8_t      *state = shn_alloc(R, 1);
    int         *at = shn_alloc(K, sizeof *at);
    if (!state || !at) {
        free(state);
        free(at);
        return shn_fail_nomem(err, "eval.away");
    }
    for (size_t k = 0; k < K; k++) at[k] = shn_registry_find(o->registry, shn_cohort_finding_id(c, k));
    for (size_t i = 0; i < n; i++) {
        const uint8_t *l = shn_cohort_labels(c, rows[i]), *kn = shn_cohort_known(c, rows[i]);
        memset(state, outside, R);
        for (size_t k = 0; k < K; k++)
            if (at[k] >= 0) state[at[k]] = kn[k] ? l[k] != 0 : -1;
        for (size_t j = 0; j < o->n; j++) {
            const int s = away_close(o->registry, state, o->node[j]);
            known[i * o->n + j] = s >= 0;
            label[i * o->n + j] = s == 1;
        }
    }
    free(state);
    free(at);
    return SHN_OK;
}

void away_node_scores(const away_nodes *o, const float *score, size_t n, size_t K, float *out)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < o->n; j++) {
            float best = -INFINITY;
            for (size_t b = o->below_start[j]; b < o->below_start[j + 1]; b++)
                if (score[i * K + o->below[b]] > best) best = score[i * K + o->below[b]];
            out[i * o->n + j] = best;
        }
}

/* ---- judging ---- */

/** One split of a cohort at the nodes. */
typedef struct side { uint32_t *rows; size_t n; uint8_t *label, *known; float *score; } side;

static void side_free(side *s)
{
    free(s->rows);
    free(s->label);
    free(s->known);
    free(s->score);
}

static shn_status side_labels(const away_nodes *o, const shn_cohort *c, const char *split, side *s, shn_error *err)
{
    shn_status st = shn_cohort_split_rows(c, split, &s->rows, &s->n, err);
    if (st != SHN_OK) return st;
    s->label = shn_alloc(s->n * o->n, 1);
    s->known = shn_alloc(s->n * o->n, 1);
    if (!s->label || !s->known) return shn_fail_nomem(err, "eval.away");
    return away_close_rows(o, c, s->rows, s->n, -1, s->label, s->known, err);
}

static shn_status side_scores(const away_nodes *o, const shn_model *m, shn_engine *eng, const shn_cohort *c, shn_readout readout, const shn_watcher *watcher, side *s,
                              shn_error *err)
{
    float *z = shn_alloc(s->n * m->input.n_windows * m->E, sizeof *z), *raw = shn_alloc(s->n * m->K, sizeof *raw);
    s->score = shn_alloc(s->n * o->n, sizeof *s->score);
    shn_status st = z && raw && s->score ? shn_embed_cohort(m, eng, c, s->rows, s->n, z, watcher, err) : shn_fail_nomem(err, "eval.away");
    if (st == SHN_OK) st = shn_readout_scores(m, readout, z, s->n, raw, err);
    if (st == SHN_OK) away_node_scores(o, raw, s->n, m->K, s->score);
    free(z);
    free(raw);
    return st;
}

/** Counts and prevalence of the nodes in the home cohort's training records. */
static shn_status count_home(judged *j, const shn_cohort *home, shn_error *err)
{
    const size_t N = j->nodes->n;
    side         train = { 0 };
    shn_status   st = side_labels(j->nodes, home, "train", &train, err);
    for (size_t k = 0; st == SHN_OK && k < N; k++) {
        size_t known = 0;
        for (size_t i = 0; i < train.n; i++) {
            known += train.known[i * N + k];
            j->node_n_pos[k] += train.label[i * N + k];
        }
        j->prevalence[k] = known ? (double)j->node_n_pos[k] / (double)known : 0;
        j->specific[k] = !(shn_registry_at(j->nodes->registry, j->nodes->node[k])->flags & SHN_FINDING_UBIQUITOUS);
    }
    side_free(&train);
    return st;
}

/** Thresholds and calibration of the nodes, from the home cohort's `val`. */
static shn_status fit_home(judged *j, const shn_model *m, shn_engine *eng, const shn_cohort *home, shn_readout readout, shn_calibration *out, shn_error *err)
{
    side       val = { 0 };
    shn_status st = side_labels(j->nodes, home, "val", &val, err);
    if (st == SHN_OK) st = side_scores(j->nodes, m, eng, home, readout, &j->o.watcher, &val, err);
    if (st == SHN_OK && !shn_calibration_alloc(out, j->nodes->n)) st = shn_fail_nomem(err, "eval.away");
    const shn_scored raw = { val.score, val.label, val.known, val.n, j->nodes->n };
    if (st == SHN_OK) st = shn_calibration_fit(&raw, NULL, j->prevalence, out, err);
    side_free(&val);
    return st;
}

static shn_status find_nodes(judged *j, const shn_model *m, const shn_cohort *away, shn_error *err)
{
    const size_t K = shn_cohort_n_findings(away);
    const char **here = shn_alloc(K, sizeof *here);
    j->nodes = shn_alloc(1, sizeof *j->nodes);
    if (!here || !j->nodes) {
        free(here);
        return shn_fail_nomem(err, "eval.away");
    }
    for (size_t k = 0; k < K; k++) here[k] = shn_cohort_finding_id(away, k);
    const shn_status st = away_nodes_find(shn_registry_builtin(), (const char *const *)m->finding_id, m->K, here, K, j->nodes, err);
    free(here);
    if (st != SHN_OK) return st;
    j->set.model = m;
    j->set.cohort = away;
    j->set.K = j->nodes->n;
    j->prevalence = shn_alloc(j->set.K, sizeof *j->prevalence);
    j->specific = shn_alloc(j->set.K, 1);
    j->node_n_pos = shn_alloc(j->set.K, sizeof *j->node_n_pos);
    return j->prevalence && j->specific && j->node_n_pos ? SHN_OK : shn_fail_nomem(err, "eval.away");
}

static shn_status ask_nodes(judged *j, shn_error *err)
{
    const char **ids = shn_alloc(j->nodes->n, sizeof *ids);
    if (!ids) return shn_fail_nomem(err, "eval.away");
    for (size_t k = 0; k < j->nodes->n; k++) ids[k] = shn_registry_at(j->nodes->registry, j->nodes->node[k])->id;
    const shn_status st = judged_ask(j, ids, err);
    free(ids);
    return st;
}

shn_status judged_open_away(const shn_model *m, shn_engine *eng, const shn_cohort *away, const shn_cohort *home, const shn_eval_options *options, judged *j, shn_error *err)
{
    const shn_readout readout = options->readout == SHN_READOUT_COUNT ? m->readout_default : options->readout;
    shn_calibration   fit = { 0 };
    side              here = { 0 };
    memset(j, 0, sizeof *j);
    j->o = *options;
    if (!(m->readouts >> readout & 1))
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "eval.away", "the read-out '%s' does not apply to a '%s' model", shn_readout_name(readout), m->loss);
    shn_status st = find_nodes(j, m, away, err);
    if (st == SHN_OK) st = count_home(j, home, err);
    if (st == SHN_OK) st = fit_home(j, m, eng, home, readout, &fit, err);
    if (st == SHN_OK) st = side_labels(j->nodes, away, options->split, &here, err);
    if (st == SHN_OK) st = side_scores(j->nodes, m, eng, away, readout, &options->watcher, &here, err);
    if (st == SHN_OK && !(j->set.patient = shn_alloc(here.n, sizeof *j->set.patient))) st = shn_fail_nomem(err, "eval.away");
    if (st == SHN_OK) st = shn_cohort_patients(away, here.rows, here.n, j->set.patient, &j->set.n_patients, err);
    if (st == SHN_OK) st = decide_with(&fit, here.score, here.n, j->set.K, &j->decided, err);
    if (st == SHN_OK) {
        j->decided.readout = readout;
        j->set.rows = here.rows;
        j->set.n = here.n;
        j->set.label = here.label;
        j->set.known = here.known;
        j->set.n_shared = j->nodes->n;
        here.rows = NULL;
        here.label = here.known = NULL;
        snprintf(j->fitted_on, sizeof j->fitted_on, "home cohort's val, labels closed upward to %zu shared findings", j->nodes->n);
        st = ask_nodes(j, err);
    }
    shn_calibration_release(&fit);
    side_free(&here);
    return st;
}
