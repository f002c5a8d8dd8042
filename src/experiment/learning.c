/** How training went, from the runs' log.jsonl: the loss of every epoch, mean and range over seeds and parts; and what varying one setting did to it. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "experiment/results.h"

enum { EPOCHS_MAX = 100000, LOG_MAX = 1 << 30 };

/** Loss by epoch over the runs of a system. */
typedef struct course { double *sum, *low, *high; size_t n, capacity, n_runs; } course;

static void course_free(course *c)
{
    free(c->sum);
    free(c->low);
    free(c->high);
}

static int make_room(course *c, size_t need)
{
    size_t a = c->capacity, b = c->capacity, d = c->capacity;
    if (shn_grow(&c->sum, &a, need, sizeof *c->sum) != 0 || shn_grow(&c->low, &b, need, sizeof *c->low) != 0 || shn_grow(&c->high, &d, need, sizeof *c->high) != 0) return 0;
    c->capacity = a;
    return 1;
}

/** Takes in the epochs of one run; a line that is not JSON (a log that somebody edited) is passed over. */
static shn_status add_log(const char *text, course *c, shn_error *err)
{
    size_t epoch = 0;
    for (const char *line = text; *line; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n')) {
        const size_t n = strcspn(line, "\n");
        if (strncmp(line, "{\"event\": \"epoch\"", 17) != 0 || epoch == EPOCHS_MAX) continue;
        json_t      *one = json_loadb(line, n, 0, NULL);
        const double loss = json_number_value(json_object_get(one, "epoch_loss"));
        json_decref(one);
        if (!one) continue;
        if (!make_room(c, epoch + 1)) return shn_fail_nomem(err, "experiment.learning");
        if (c->n_runs == 0) c->n = epoch + 1;
        c->sum[epoch] += loss;
        c->low[epoch] = c->n_runs ? fmin(c->low[epoch], loss) : loss;
        c->high[epoch] = c->n_runs ? fmax(c->high[epoch], loss) : loss;
        epoch++;
    }
    if (epoch < c->n) c->n = epoch;
    c->n_runs++;
    return SHN_OK;
}

static shn_status read_course(const xp_grid *g, size_t system, course *c, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t i = 0; i < g->n_runs && st == SHN_OK; i++) {
        char     path[SHN_PATH_MAX];
        uint8_t *bytes = NULL;
        size_t   n;
        if (g->runs[i].system != system) continue;
        st = xp_run_path(&g->runs[i], "log.jsonl", path, err);
        if (st == SHN_OK && !shn_path_exists(path)) continue;       /* deleted: the models are there, only the curve is not */
        if (st == SHN_OK) st = shn_file_read(path, LOG_MAX, &bytes, &n, err);
        if (st == SHN_OK) st = add_log((const char *)bytes, c, err);
        free(bytes);
    }
    return st;
}

/** The points of a system's sweep, begun where it is the first of them; NULL: out of memory. */
static json_t *points_of(const xp_system *s, json_t *sweeps)
{
    size_t  i;
    json_t *one;
    json_array_foreach(sweeps, i, one)
        if (strcmp(json_string_value(json_object_get(one, "base")), s->base) == 0 && strcmp(json_string_value(json_object_get(one, "key")), s->varied) == 0) return json_object_get(one, "points");
    one = json_pack("{s:s, s:s, s:[]}", "base", s->base, "key", s->varied, "points");
    return xp_append(sweeps, one, NULL) == SHN_OK ? json_object_get(one, "points") : NULL;
}

/** A system whose config list varied one setting over numbers is a point of a sweep. */
static shn_status add_point(const xp_system *s, const course *c, json_t *sweeps, shn_error *err)
{
    char        *end;
    const double x = s->n_varied == 1 ? strtod(s->varied_value, &end) : NAN;
    if (s->n_varied != 1 || end == s->varied_value || *end || c->n == 0) return SHN_OK;
    const size_t last = c->n - 1;
    return xp_append(points_of(s, sweeps), json_pack("{s:f, s:s, s:o, s:o, s:o}", "x", x, "system", s->name, "loss", xp_short(c->sum[last] / (double)c->n_runs), "low",
                                                     xp_short(c->low[last]), "high", xp_short(c->high[last])), err);
}

static shn_status add_course(const xp_system *s, const course *c, json_t *learning, shn_error *err)
{
    json_t    *points = json_array();
    shn_status st = xp_append(learning, json_pack("{s:s, s:I, s:o}", "system", s->name, "n_runs", (json_int_t)c->n_runs, "epochs", points), err);
    for (size_t e = 0; e < c->n && st == SHN_OK; e++)
        st = xp_append(points, json_pack("[I, o, o, o]", (json_int_t)(e + 1), xp_short(c->sum[e] / (double)c->n_runs), xp_short(c->low[e]), xp_short(c->high[e])), err);
    return st;
}

shn_status xp_learning(const xp_grid *g, json_t *learning, json_t *sweeps, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t i = 0; i < g->plan->n_systems && st == SHN_OK; i++) {
        course c = { 0 };
        st = read_course(g, i, &c, err);
        if (st == SHN_OK && c.n_runs) st = add_course(&g->plan->systems[i], &c, learning, err);
        if (st == SHN_OK && c.n_runs) st = add_point(&g->plan->systems[i], &c, sweeps, err);
        course_free(&c);
    }
    return st;
}
