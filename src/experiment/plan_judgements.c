/** What a config judges: evaluations, tables, claims, example cases. */
#include "experiment/plan_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/summary.h"

static shn_status read_evaluation(const xp_reader *r, shn_yaml_node one, xp_evaluation *e)
{
    static const char *const keys[] = { "cohort", "split", "home", "findings", "min_positives", NULL };
    xp_plan   *p = r->p;
    shn_status st = xp_check_keys(r, one, keys);
    if (st != SHN_OK) return st;
    const shn_yaml_node cohort = xp_find(r, one, "cohort"), split = xp_find(r, one, "split"), home = xp_find(r, one, "home"), findings = xp_find(r, one, "findings");
    const shn_yaml_node least = xp_find(r, one, "min_positives");
    e->split = split ? xp_text_of(r, split) : "val";
    e->cohort = cohort ? xp_index_of_cohort(p, xp_text_of(r, cohort)) : 0;
    e->home = home ? xp_index_of_cohort(p, xp_text_of(r, home)) : p->n_cohorts;
    if (strchr(e->name, '@')) return shn_yaml_fail(r->y, one, r->err, "an evaluation's name may not hold '@'");
    if (e->cohort == p->n_cohorts) return shn_yaml_fail(r->y, cohort, r->err, "no cohort '%.60s'", xp_text_of(r, cohort));
    if (home && e->home == p->n_cohorts) return shn_yaml_fail(r->y, home, r->err, "no cohort '%.60s'", xp_text_of(r, home));
    if (home && (p->cohorts[e->home].n_folds || p->cohorts[e->cohort].n_folds)) return shn_yaml_fail(r->y, home, r->err, "'home' does not go with a cohort that has cross_validate");
    if (p->cohorts[e->cohort].n_folds && strcmp(e->split, "val") != 0) return shn_yaml_fail(r->y, one, r->err, "a cohort with cross_validate is judged on its held-out parts: split val");
    if (findings) st = xp_words_of(r, findings, &e->finding, &e->n_findings);
    if (st == SHN_OK && least) st = xp_count_of(r, least, 1, 1e6, &e->min_positives);
    return st;
}

static shn_status read_evaluations(const xp_reader *r)
{
    shn_yaml_node node;
    size_t        n;
    shn_status    st = xp_entries(r, "evaluations", 1, &node, &n);
    if (st != SHN_OK) return st;
    r->p->evaluations = shn_alloc(n, sizeof *r->p->evaluations);
    if (!r->p->evaluations) return shn_fail_nomem(r->err, "experiment");
    for (; r->p->n_evaluations < n && st == SHN_OK; r->p->n_evaluations++) {
        xp_evaluation *e = &r->p->evaluations[r->p->n_evaluations];
        e->name = shn_yaml_key(r->y, node, r->p->n_evaluations);
        st = read_evaluation(r, shn_yaml_at(r->y, node, r->p->n_evaluations), e);
    }
    return st;
}

static shn_status row_of(const xp_reader *r, shn_yaml_node node, xp_row *out)
{
    const char  *t = xp_text_of(r, node), *at = strchr(t, '@');
    const size_t n = at ? (size_t)(at - t) : strlen(t);
    *out = (xp_row){ 0, at ? shn_readout_from_name(at + 1) : SHN_READOUT_COUNT, t };
    while (out->system < r->p->n_systems && (strlen(r->p->systems[out->system].name) != n || strncmp(r->p->systems[out->system].name, t, n) != 0)) out->system++;
    if (out->system == r->p->n_systems) return shn_yaml_fail(r->y, node, r->err, "no system '%.*s'", (int)n, t);
    if (at && out->readout == SHN_READOUT_COUNT) return shn_yaml_fail(r->y, node, r->err, "no read-out '%.60s'", at + 1);
    return SHN_OK;
}

static shn_status evaluation_of(const xp_reader *r, shn_yaml_node node, size_t *out)
{
    const xp_plan *p = r->p;
    for (*out = 0; node && *out < p->n_evaluations && strcmp(p->evaluations[*out].name, xp_text_of(r, node)) != 0;) ++*out;
    return *out < p->n_evaluations ? SHN_OK : shn_yaml_fail(r->y, node, r->err, "no evaluation '%.60s'", xp_text_of(r, node));
}

/** What was cross-validated is judged on its held-out parts and nowhere else; what saw those records is not judged on them. */
static shn_status check_judged(const xp_reader *r, shn_yaml_node node, const xp_row *row, size_t evaluation)
{
    const xp_plan       *p = r->p;
    const xp_system     *s = &p->systems[row->system];
    const xp_evaluation *e = &p->evaluations[evaluation];
    const int folded = p->cohorts[s->cohort].n_folds > 0;
    if (folded != (p->cohorts[e->cohort].n_folds > 0) || (folded && s->cohort != e->cohort))
        return shn_yaml_fail(r->y, node, r->err, "'%.60s' on '%.60s': a system trained by cross-validation and its evaluation need the same cohort", row->text, e->name);
    if (s->list < p->n_lists && e->home < p->n_cohorts)
        return shn_yaml_fail(r->y, node, r->err, "'%.60s': findings that were left out are judged at home, not at another institution", row->text);
    return SHN_OK;
}

static shn_status metric_of(const xp_reader *r, shn_yaml_node node, int *out)
{
    for (*out = 0; *out < METRIC_COUNT && strcmp(summary_metric_name(*out), xp_text_of(r, node)) != 0;) ++*out;
    return *out < METRIC_COUNT ? SHN_OK : shn_yaml_fail(r->y, node, r->err, "no metric '%.60s' (docs/metrics.md)", xp_text_of(r, node));
}

/** Which rows are drawn: those that `plots` names, else the first few. */
static shn_status read_plots(const xp_reader *r, shn_yaml_node plots, xp_table *t)
{
    for (size_t i = 0; !plots && i < t->n_rows && i < XP_PLOT_ROWS; i++) t->plotted[i] = 1;
    for (size_t k = 0; plots && k < shn_yaml_size(r->y, plots); k++) {
        const char *name = xp_text_of(r, shn_yaml_at(r->y, plots, k));
        size_t      i = 0;
        while (i < t->n_rows && strcmp(t->rows[i].text, name) != 0) i++;
        if (i == t->n_rows) return shn_yaml_fail(r->y, plots, r->err, "table '%.60s' has no row '%.60s' to draw", t->name, name);
        t->plotted[i] = 1;
    }
    return SHN_OK;
}

/** The supervised baseline stands in every table that it can be judged in. */
static shn_status add_baseline(const xp_reader *r, shn_yaml_node baseline, int drawn, xp_table *t)
{
    xp_row     row;
    shn_status st = row_of(r, baseline, &row);
    if (st != SHN_OK) return st;
    for (size_t i = 0; i < t->n_rows; i++)
        if (t->rows[i].system == row.system) return SHN_OK;
    if (check_judged(&(xp_reader){ r->p, r->y, r->data, NULL }, baseline, &row, t->evaluation) != SHN_OK) return SHN_OK;
    if (r->p->systems[row.system].cohort != r->p->systems[t->rows[0].system].cohort || r->p->systems[t->rows[0].system].list < r->p->n_lists) return SHN_OK;
    t->plotted[t->n_rows] = (uint8_t)drawn;
    t->rows[t->n_rows++] = row;
    return SHN_OK;
}

static shn_status read_table(const xp_reader *r, shn_yaml_node node, xp_table *t)
{
    static const char *const keys[] = { "title", "rows", "evaluation", "metrics", "plots", "controls", NULL };
    shn_status st = xp_check_keys(r, node, keys);
    if (st != SHN_OK) return st;
    const shn_yaml_node title = xp_find(r, node, "title"), rows = xp_find(r, node, "rows"), metrics = xp_find(r, node, "metrics"), controls = xp_find(r, node, "controls");
    const shn_yaml_node baseline = xp_find(r, shn_yaml_root(r->y), "baseline"), plots = xp_find(r, node, "plots");
    const size_t n_rows = rows ? shn_yaml_size(r->y, rows) : 0;
    t->title = title ? xp_text_of(r, title) : t->name;
    t->n_metrics = metrics ? shn_yaml_size(r->y, metrics) : 0;
    t->controls = 1;
    st = xp_flag_of(r, controls, &t->controls);
    if (st != SHN_OK) return st;
    if (n_rows == 0 || t->n_metrics == 0) return shn_yaml_fail(r->y, node, r->err, "table '%.60s' needs lists 'rows' and 'metrics'", t->name);
    st = evaluation_of(r, xp_find(r, node, "evaluation"), &t->evaluation);
    t->rows = shn_alloc(n_rows + 1, sizeof *t->rows);
    t->plotted = shn_alloc(n_rows + 1, 1);
    t->metrics = shn_alloc(t->n_metrics, sizeof *t->metrics);
    if (!t->rows || !t->plotted || !t->metrics) return shn_fail_nomem(r->err, "experiment");
    for (; t->n_rows < n_rows && st == SHN_OK; t->n_rows++) {
        const shn_yaml_node row = shn_yaml_at(r->y, rows, t->n_rows);
        st = row_of(r, row, &t->rows[t->n_rows]);
        if (st == SHN_OK) st = check_judged(r, row, &t->rows[t->n_rows], t->evaluation);
        if (st == SHN_OK && (r->p->systems[t->rows[t->n_rows].system].list < r->p->n_lists) != (r->p->systems[t->rows[0].system].list < r->p->n_lists))
            st = shn_yaml_fail(r->y, row, r->err, "table '%.60s': rows with findings left out and rows without them do not go together", t->name);
    }
    for (size_t i = 0; i < t->n_metrics && st == SHN_OK; i++) st = metric_of(r, shn_yaml_at(r->y, metrics, i), &t->metrics[i]);
    if (st == SHN_OK) st = read_plots(r, plots, t);
    return st == SHN_OK && baseline ? add_baseline(r, baseline, !plots, t) : st;
}

/** The files of two tables must be called differently: NAME.csv and NAME-findings.csv of each. */
static shn_status check_table_names(const xp_reader *r, shn_yaml_node node)
{
    static const char *const endings[] = { "", "-findings" };
    const xp_plan *p = r->p;
    char one[XP_NAME_MAX + 1], other[XP_NAME_MAX + 1], file[2][XP_NAME_MAX + 16];
    for (size_t i = 0; i < p->n_tables; i++)
        for (size_t k = 0; k < 4 * i; k++) {
            xp_file_name(p->tables[i].name, one, sizeof one);
            xp_file_name(p->tables[k / 4].name, other, sizeof other);
            snprintf(file[0], sizeof file[0], "%s%s", one, endings[k % 2]);
            snprintf(file[1], sizeof file[1], "%s%s", other, endings[k / 2 % 2]);
            if (strcmp(file[0], file[1]) == 0)
                return shn_yaml_fail(r->y, shn_yaml_at(r->y, node, i), r->err, "tables '%.60s' and '%.60s' would both write %.80s.csv", p->tables[k / 4].name, p->tables[i].name, file[0]);
        }
    return SHN_OK;
}

/** Where a claim is judged: on one evaluation, or as the drop from one to another. */
static shn_status read_place(const xp_reader *r, shn_yaml_node node, xp_claim *c)
{
    const shn_yaml_node drop = xp_find(r, node, "drop"), evaluation = xp_find(r, node, "evaluation");
    c->away = r->p->n_evaluations;
    if (!drop) return evaluation_of(r, evaluation, &c->evaluation);
    if (evaluation || shn_yaml_size(r->y, drop) != 2) return shn_yaml_fail(r->y, node, r->err, "claim '%.60s' needs an 'evaluation', or 'drop: [HOME, AWAY]'", c->name);
    const shn_status st = evaluation_of(r, shn_yaml_at(r->y, drop, 0), &c->evaluation);
    return st == SHN_OK ? evaluation_of(r, shn_yaml_at(r->y, drop, 1), &c->away) : st;
}

/** One row of a claim, everywhere that it is judged. */
static shn_status check_side(const xp_reader *r, shn_yaml_node node, const xp_claim *c, const xp_row *row)
{
    shn_status st = check_judged(r, node, row, c->evaluation);
    if (st == SHN_OK && c->away < r->p->n_evaluations) st = check_judged(r, node, row, c->away);
    const xp_system *s = &r->p->systems[row->system];
    if (st == SHN_OK && s->list < r->p->n_lists && s->n_parts > 1 && summary_metric_ranks(c->metric))
        st = shn_yaml_fail(r->y, node, r->err, "claim '%.60s': %s ranks findings against each other, and each group that '%.60s' leaves out is scored by a model of its own", c->name,
                           summary_metric_name(c->metric), row->text);
    return st;
}

static shn_status read_claim(const xp_reader *r, shn_yaml_node node, xp_claim *c)
{
    static const char *const keys[] = { "claim", "higher", "lower", "same", "metric", "evaluation", "drop", "caveat", NULL };
    shn_status st = xp_check_keys(r, node, keys);
    if (st != SHN_OK) return st;
    const shn_yaml_node claim = xp_find(r, node, "claim"), higher = xp_find(r, node, "higher"), lower = xp_find(r, node, "lower"), same = xp_find(r, node, "same");
    const shn_yaml_node metric = xp_find(r, node, "metric"), caveat = xp_find(r, node, "caveat");
    if (!claim || !metric) return shn_yaml_fail(r->y, node, r->err, "claim '%.60s' needs its words ('claim') and a metric", c->name);
    c->text = xp_text_of(r, claim);
    c->caveat = caveat ? xp_text_of(r, caveat) : "";
    c->equal = same != 0;
    if (same ? (higher || lower || shn_yaml_size(r->y, same) != 2) : (!higher || !lower))
        return shn_yaml_fail(r->y, node, r->err, "claim '%.60s' needs 'higher' and 'lower', or 'same: [A, B]'", c->name);
    st = row_of(r, same ? shn_yaml_at(r->y, same, 0) : higher, &c->higher);
    if (st == SHN_OK) st = row_of(r, same ? shn_yaml_at(r->y, same, 1) : lower, &c->lower);
    if (st == SHN_OK) st = metric_of(r, metric, &c->metric);
    if (st == SHN_OK) st = read_place(r, node, c);
    if (st == SHN_OK) st = check_side(r, node, c, &c->higher);
    if (st == SHN_OK) st = check_side(r, node, c, &c->lower);
    if (st == SHN_OK && c->higher.system == c->lower.system && c->higher.readout == c->lower.readout)
        st = shn_yaml_fail(r->y, node, r->err, "claim '%.60s' compares a system with itself", c->name);
    return st;
}

/** The first table's first row, unless the config says whose examples it wants, or none. */
static shn_status read_examples(const xp_reader *r)
{
    static const char *const keys[] = { "row", "evaluation", "each", NULL };
    xp_plan            *p = r->p;
    const shn_yaml_node node = xp_find(r, shn_yaml_root(r->y), "examples");
    p->examples = (xp_examples){ .each = 0 };
    if (p->n_tables) p->examples = (xp_examples){ p->tables[0].rows[0], p->tables[0].evaluation, 2 };
    if (!node) {
        if (p->n_tables && p->evaluations[p->examples.evaluation].home < p->n_cohorts) p->examples.each = 0;
        return SHN_OK;
    }
    shn_status st = xp_check_keys(r, node, keys);
    if (st != SHN_OK) return st;
    const shn_yaml_node row = xp_find(r, node, "row"), evaluation = xp_find(r, node, "evaluation"), each = xp_find(r, node, "each");
    if (each) st = xp_count_of(r, each, 0, 20, &p->examples.each);
    if (st == SHN_OK && row) st = row_of(r, row, &p->examples.row);
    if (st == SHN_OK && evaluation) st = evaluation_of(r, evaluation, &p->examples.evaluation);
    if (st == SHN_OK && !p->n_tables && (!row || !evaluation)) st = shn_yaml_fail(r->y, node, r->err, "'examples' needs a row and an evaluation where there is no table");
    if (st == SHN_OK && p->evaluations[p->examples.evaluation].home < p->n_cohorts)
        st = shn_yaml_fail(r->y, node, r->err, "examples are drawn where the model's own findings are judged, not at another institution");
    return st == SHN_OK ? check_judged(r, node, &p->examples.row, p->examples.evaluation) : st;
}

/** A row that one model makes, judged where its own findings are: what subgroups and supersets start from. */
static shn_status read_home_row(const xp_reader *r, shn_yaml_node node, size_t evaluation, xp_row *row)
{
    const xp_plan *p = r->p;
    shn_status     st = row_of(r, node, row);
    if (st == SHN_OK) st = check_judged(r, node, row, evaluation);
    if (st != SHN_OK) return st;
    if (p->systems[row->system].n_parts > 1) return shn_yaml_fail(r->y, node, r->err, "'%.60s' is put together from several models; name a system that is trained once for each seed", row->text);
    if (p->evaluations[evaluation].home < p->n_cohorts || p->evaluations[evaluation].finding || p->evaluations[evaluation].min_positives)
        return shn_yaml_fail(r->y, node, r->err, "subgroups and supersets are judged at home with all findings; evaluation '%.60s' asks for something else", p->evaluations[evaluation].name);
    return SHN_OK;
}

static shn_status read_subgroups(const xp_reader *r)
{
    static const char *const keys[] = { "row", "evaluation", "metrics", NULL };
    xp_subgroup_table  *t = &r->p->subgroups;
    const shn_yaml_node node = xp_find(r, shn_yaml_root(r->y), "subgroups");
    if (!node) return SHN_OK;
    shn_status st = xp_check_keys(r, node, keys);
    const shn_yaml_node row = xp_find(r, node, "row"), metrics = xp_find(r, node, "metrics");
    const size_t n = metrics ? shn_yaml_size(r->y, metrics) : 0;
    if (st == SHN_OK && (!row || n == 0)) st = shn_yaml_fail(r->y, node, r->err, "'subgroups' needs a row, an evaluation and a list of metrics");
    if (st == SHN_OK) st = evaluation_of(r, xp_find(r, node, "evaluation"), &t->evaluation);
    if (st == SHN_OK) st = read_home_row(r, row, t->evaluation, &t->row);
    if (st == SHN_OK && !(t->metrics = shn_alloc(n, sizeof *t->metrics))) st = shn_fail_nomem(r->err, "experiment");
    for (; t->n_metrics < n && st == SHN_OK; t->n_metrics++) st = metric_of(r, shn_yaml_at(r->y, metrics, t->n_metrics), &t->metrics[t->n_metrics]);
    return st;
}

static shn_status read_supersets(const xp_reader *r)
{
    static const char *const keys[] = { "rows", "evaluation", NULL };
    xp_superset_table  *t = &r->p->supersets;
    const shn_yaml_node node = xp_find(r, shn_yaml_root(r->y), "supersets");
    if (!node) return SHN_OK;
    shn_status st = xp_check_keys(r, node, keys);
    const shn_yaml_node rows = xp_find(r, node, "rows");
    const size_t n = rows ? shn_yaml_size(r->y, rows) : 0;
    if (st == SHN_OK && n == 0) st = shn_yaml_fail(r->y, node, r->err, "'supersets' needs a list of rows and an evaluation");
    if (st == SHN_OK) st = evaluation_of(r, xp_find(r, node, "evaluation"), &t->evaluation);
    if (st == SHN_OK && !(t->rows = shn_alloc(n, sizeof *t->rows))) st = shn_fail_nomem(r->err, "experiment");
    for (; t->n_rows < n && st == SHN_OK; t->n_rows++) st = read_home_row(r, shn_yaml_at(r->y, rows, t->n_rows), t->evaluation, &t->rows[t->n_rows]);
    return st;
}

shn_status xp_read_judgements(const xp_reader *r)
{
    xp_plan      *p = r->p;
    shn_yaml_node tables, claims;
    size_t        n_tables, n_claims;
    shn_status    st = read_evaluations(r);
    if (st == SHN_OK) st = xp_entries(r, "tables", 0, &tables, &n_tables);
    if (st == SHN_OK) st = xp_entries(r, "claims", 0, &claims, &n_claims);
    if (st != SHN_OK) return st;
    p->tables = shn_alloc(n_tables, sizeof *p->tables);
    p->claims = shn_alloc(n_claims, sizeof *p->claims);
    if (!p->tables || !p->claims) return shn_fail_nomem(r->err, "experiment");
    for (; p->n_tables < n_tables && st == SHN_OK; p->n_tables++) {
        p->tables[p->n_tables].name = shn_yaml_key(r->y, tables, p->n_tables);
        st = read_table(r, shn_yaml_at(r->y, tables, p->n_tables), &p->tables[p->n_tables]);
    }
    if (st == SHN_OK) st = check_table_names(r, tables);
    for (; p->n_claims < n_claims && st == SHN_OK; p->n_claims++) {
        p->claims[p->n_claims].name = shn_yaml_key(r->y, claims, p->n_claims);
        st = read_claim(r, shn_yaml_at(r->y, claims, p->n_claims), &p->claims[p->n_claims]);
    }
    if (st == SHN_OK) st = read_examples(r);
    if (st == SHN_OK) st = read_subgroups(r);
    return st == SHN_OK ? read_supersets(r) : st;
}
