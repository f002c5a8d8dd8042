#include "experiment/lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "shinden/findings.h"

typedef struct candidate { const char *id; size_t n_pos; } candidate;

static int by_positives(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->n_pos != y->n_pos) return x->n_pos < y->n_pos ? 1 : -1;
    return strcmp(x->id, y->id);
}

/** Findings that can be judged on the split, commonest first: out [K]. */
static shn_status find_candidates(const xp_list *l, const shn_cohort *c, candidate *out, size_t *n, shn_error *err)
{
    uint32_t  *rows = NULL;
    size_t     n_rows = 0;
    shn_status st = shn_cohort_split_rows(c, l->split, &rows, &n_rows, err);
    *n = 0;
    for (size_t k = 0; st == SHN_OK && k < shn_cohort_n_findings(c); k++) {
        size_t positive = 0, known = 0;
        for (size_t i = 0; i < n_rows; i++) {
            known += shn_cohort_known(c, rows[i])[k] != 0;
            positive += shn_cohort_known(c, rows[i])[k] && shn_cohort_labels(c, rows[i])[k];
        }
        if (positive >= l->min_positives && known - positive >= l->min_positives && !(shn_cohort_finding(c, k)->flags & SHN_FINDING_UBIQUITOUS))
            out[(*n)++] = (candidate){ shn_cohort_finding_id(c, k), positive };
    }
    free(rows);
    if (*n) qsort(out, *n, sizeof *out, by_positives);
    return st;
}

static shn_status deal(xp_plan *p, xp_list *l, const candidate *found, size_t n, shn_error *err)
{
    for (size_t g = 0; g < l->n; g++) {
        char   text[SHN_TRAIN_VALUE_MAX] = "";
        size_t used = 0;
        for (size_t i = g; i < n; i += l->n) {
            if (used + strlen(found[i].id) + 2 > sizeof text)
                return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "experiment", "label list '%.60s': a group's ids have more than %d letters; ask for more groups", l->name, SHN_TRAIN_VALUE_MAX - 1);
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? "," : "", found[i].id);
        }
        l->group[g] = shn_pool_add(&p->pool, text, used);
        if (!l->group[g]) return shn_fail_nomem(err, "experiment");
    }
    return SHN_OK;
}

static shn_status draw(xp_plan *p, xp_list *l, shn_error *err)
{
    const shn_cohort *c = p->cohorts[l->cohort].open;
    candidate *found = shn_alloc(shn_cohort_n_findings(c), sizeof *found);
    size_t     n = 0;
    shn_status st = found ? find_candidates(l, c, found, &n, err) : shn_fail_nomem(err, "experiment");
    if (st == SHN_OK && n < l->n)
        st = shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "experiment", "label list '%.60s': %zu findings have %zu positives or more in split '%.40s' of '%.60s', %zu groups were asked for; ask for "
                      "fewer groups or positives", l->name, n, l->min_positives, l->split, p->cohorts[l->cohort].name, l->n);
    if (st == SHN_OK) st = deal(p, l, found, n < l->n_drawn ? n : l->n_drawn, err);
    free(found);
    return st;
}

static size_t column_of(const shn_cohort *c, const char *id, size_t n)
{
    size_t k = 0;
    while (k < shn_cohort_n_findings(c) && (strncmp(shn_cohort_finding_id(c, k), id, n) != 0 || shn_cohort_finding_id(c, k)[n])) k++;
    return k;
}

/** Every id of the group must be a finding of the cohort. */
static shn_status check_group(const xp_system *s, const char *group, const shn_cohort *c, shn_error *err)
{
    for (const char *p = group; *p;) {
        const size_t n = strcspn(p, ",");
        if (column_of(c, p, n) == shn_cohort_n_findings(c))
            return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "experiment", "system '%.60s' leaves out '%.*s', which is no finding of %s", s->name, (int)(n < 80 ? n : 80), p, shn_cohort_path(c));
        p += n + (p[n] == ',');
    }
    return SHN_OK;
}

/** A finding that an evaluation names may be absent from its cohort, but not unknown altogether: that is a slip of the pen. */
static shn_status check_judged_findings(const xp_plan *p, const xp_evaluation *e, shn_error *err)
{
    const shn_cohort *c = p->cohorts[e->cohort].open;
    for (size_t i = 0; i < e->n_findings; i++)
        if (shn_registry_find(shn_registry_builtin(), e->finding[i]) < 0 && column_of(c, e->finding[i], strlen(e->finding[i])) == shn_cohort_n_findings(c))
            return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "experiment", "evaluation '%.60s' names '%.60s', which neither the registry nor %s knows", e->name, e->finding[i], shn_cohort_path(c));
    return SHN_OK;
}

shn_status xp_lists_settle(xp_plan *p, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t i = 0; i < p->n_lists && st == SHN_OK; i++)
        if (p->lists[i].n_drawn) st = draw(p, &p->lists[i], err);
    for (size_t i = 0; i < p->n_systems && st == SHN_OK; i++) {
        const xp_system *s = &p->systems[i];
        for (size_t g = 0; s->list < p->n_lists && g < p->lists[s->list].n && st == SHN_OK; g++)
            st = check_group(s, p->lists[s->list].group[g], p->cohorts[s->cohort].open, err);
    }
    for (size_t i = 0; i < p->n_evaluations && st == SHN_OK; i++) st = check_judged_findings(p, &p->evaluations[i], err);
    return st;
}
