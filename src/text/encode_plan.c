#include "text/encode_plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

/** (row of the token before, id) -> row; open addressing, at most half full. Row 0 of the table's numbering means empty. */
typedef struct slot { uint32_t before, row_and_1; int32_t id; } slot;
typedef struct table { slot *slots; size_t size; } table;

static const uint32_t NOTHING_BEFORE = UINT32_MAX;

static slot *find(const table *t, uint32_t before, int32_t id)
{
    uint64_t h = ((uint64_t)before << 32 | (uint32_t)id) * 0x9e3779b97f4a7c15u;
    for (size_t at = (size_t)(h >> 20) & (t->size - 1);; at = (at + 1) & (t->size - 1)) {
        slot *s = &t->slots[at];
        if (s->row_and_1 == 0 || (s->before == before && s->id == id)) return s;
    }
}

/** How many leading tokens of a text stand in the table, their rows into row[]. */
static size_t known(const table *t, const int32_t *ids, size_t P, uint32_t *row)
{
    uint32_t before = NOTHING_BEFORE;
    size_t   p = 0;
    for (; t->slots && p < P; p++) {
        const slot *s = find(t, before, ids[p]);
        if (s->row_and_1 == 0) break;
        before = row[p] = s->row_and_1 - 1;
    }
    return p;
}

/** Gives new rows, from `next` on, to the tokens of a text past those known. */
static void add(const table *t, const int32_t *ids, size_t shared, size_t P, size_t next, uint32_t *row)
{
    for (size_t p = shared; p < P; p++, next++) {
        row[p] = (uint32_t)next;
        if (!t->slots) continue;
        const uint32_t before = p ? row[p - 1] : NOTHING_BEFORE;
        *find(t, before, ids[p]) = (slot){ before, (uint32_t)next + 1, ids[p] };
    }
}

/** A table with room for the rows of any chunk. */
static int make_table(const shn_encode_tokens *tokens, size_t rows_max, table *t)
{
    size_t longest = 0;
    for (size_t i = 0; i < tokens->n; i++)
        if (tokens->start[i + 1] - tokens->start[i] > longest) longest = tokens->start[i + 1] - tokens->start[i];
    const size_t most = rows_max < tokens->n_tokens ? rows_max : tokens->n_tokens;
    for (t->size = 64; t->size < 2 * (most > longest ? most : longest);) t->size *= 2;
    t->slots = shn_alloc(t->size, sizeof *t->slots);
    return t->slots != NULL;
}

static void share_rows(const shn_encode_tokens *tokens, table *t, size_t rows_max, size_t texts_max, shn_encode_plan *plan)
{
    size_t rows = 0;
    for (size_t i = 0; i < tokens->n; i++) {
        const int32_t *ids = tokens->ids + tokens->start[i];
        uint32_t      *row = plan->row + tokens->start[i];
        const size_t   P = tokens->start[i + 1] - tokens->start[i];
        size_t         shared = known(t, ids, P, row);
        if (i > plan->first[plan->n_chunks] && (i - plan->first[plan->n_chunks] == texts_max || rows + P - shared > rows_max)) {
            plan->rows_before[plan->n_chunks + 1] = plan->n_rows;
            plan->first[++plan->n_chunks] = i;
            rows = shared = 0;
            if (t->slots) memset(t->slots, 0, t->size * sizeof *t->slots);
        }
        add(t, ids, shared, P, rows, row);
        plan->shared[i] = shared;
        rows += P - shared;
        plan->n_rows += P - shared;
        if (rows > plan->longest) plan->longest = rows;
    }
    plan->rows_before[++plan->n_chunks] = plan->n_rows;
    plan->first[plan->n_chunks] = tokens->n;
}

shn_status shn_encode_plan_make(const shn_encode_tokens *tokens, int share, size_t rows_max, size_t texts_max, shn_encode_plan *out, shn_error *err)
{
    table t = { 0 };
    memset(out, 0, sizeof *out);
    out->first = shn_alloc(tokens->n + 1, sizeof *out->first);
    out->rows_before = shn_alloc(tokens->n + 1, sizeof *out->rows_before);
    out->row = shn_alloc(tokens->n_tokens, sizeof *out->row);
    out->shared = shn_alloc(tokens->n, sizeof *out->shared);
    if (!out->first || !out->rows_before || !out->row || !out->shared || (share && !make_table(tokens, rows_max, &t))) {
        shn_encode_plan_free(out);
        return shn_fail_nomem(err, "text.encode");
    }
    share_rows(tokens, &t, rows_max, texts_max, out);
    free(t.slots);
    return SHN_OK;
}

void shn_encode_plan_free(shn_encode_plan *p)
{
    free(p->first), free(p->rows_before);
    free(p->row), free(p->shared);
    memset(p, 0, sizeof *p);
}
