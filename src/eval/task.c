#include "eval/task.h"

#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "shinden/findings.h"

/* scp_statements.csv of PTB-XL 1.0.3, column "rhythm" */
static const char *const rhythm_statements[] = { "SR", "AFIB", "STACH", "SARRH", "SBRAD", "PACE", "SVARR", "BIGU", "AFLT", "SVTAC", "PSVT", "TRIGU" };

static int is_rhythm(const shn_registry *reg, size_t finding)
{
    const char *scp = shn_registry_at(reg, finding)->scp;
    for (size_t i = 0; i < sizeof rhythm_statements / sizeof *rhythm_statements; i++)
        if (strcmp(rhythm_statements[i], scp) == 0) return 1;
    return 0;
}

static int has_code(const shn_registry *reg, size_t finding, int coding) { return *shn_registry_codes(reg, (shn_coding)coding, finding) != '\0'; }

/** 1: finding is part of the task; 0: not; -1: no such task. */
static int is_part(const char *task, const shn_registry *reg, size_t finding)
{
    if (strcmp(task, "rhythm") == 0) return is_rhythm(reg, finding);
    if (strcmp(task, "mitdb") == 0) return has_code(reg, finding, SHN_CODE_MITDB_RHYTHM) || has_code(reg, finding, SHN_CODE_MITDB_BEAT);
    const int coding = shn_coding_from_name(task);
    return coding < 0 ? -1 : has_code(reg, finding, coding);
}

static shn_status select_task(const char *task, const char *const *id, size_t K, uint8_t *selected, shn_error *err)
{
    const shn_registry *reg = shn_registry_builtin();
    size_t              n = 0;
    if (is_part(task, reg, 0) < 0)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "eval.findings", "'@%s' is no task; there are @rhythm, @mitdb, and @ with one of: %s", task, shn_coding_names());
    for (size_t k = 0; k < K; k++) {
        const int f = shn_registry_find(reg, id[k]);
        if (f < 0 || !is_part(task, reg, (size_t)f)) continue;
        selected[k] = 1;
        n++;
    }
    return n ? SHN_OK : shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "eval.findings", "none of the model's findings is part of '@%s'", task);
}

shn_status task_select(const char *list, const char *const *id, size_t K, uint8_t *selected, shn_error *err)
{
    shn_status st = SHN_OK;
    memset(selected, 0, K);
    if (!*list) return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "eval.findings", "an empty list of findings; name some, or leave it out to judge all");
    for (const char *p = list; st == SHN_OK && *p;) {
        char         item[80];
        const size_t n = strcspn(p, ",");
        size_t       k = 0;
        snprintf(item, sizeof item, "%.*s", (int)(n < sizeof item ? n : sizeof item - 1), p);
        p += n + (p[n] == ',');
        if (*item == '@') {
            st = select_task(item + 1, id, K, selected, err);
            continue;
        }
        while (k < K && strcmp(id[k], item) != 0) k++;
        if (k == K) st = shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "eval.findings", "'%s' is no finding of the model ('shinden model show' lists them)", item);
        else selected[k] = 1;
    }
    return st;
}
