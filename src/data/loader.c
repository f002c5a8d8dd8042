#include "data/loader.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "shinden/signal.h"

enum { SLOTS = 3, PURPOSE_ORDER = 0x6f72646572, PURPOSE_ITEM = 0x6974656d };    /* "order", "item" */

typedef struct slot { uint64_t step, epoch; size_t part; uint32_t *items; float *x; shn_crop *crops; } slot;

struct shn_loader {
    shn_loader_source  source;
    shn_loader_options o;
    size_t             B;
    uint64_t           steps_per_epoch, n_handouts;
    uint32_t          *order;           /* the thread's: order of epoch order_epoch */
    slot               slots[SLOTS];
    pthread_t          thread;
    int                started;
    pthread_mutex_t    lock;            /* guards what follows */
    pthread_cond_t     changed;
    uint64_t           made, taken;     /* hand-outs below made are ready; below taken are done with */
    uint64_t           next;            /* the caller's: number of the next */
    int                stop;
    double             waited, worked;
};

size_t shn_loader_batch(size_t n, size_t batch) { return n < batch ? n : batch; }

uint64_t shn_loader_steps(size_t n, size_t batch)
{
    const size_t B = shn_loader_batch(n, batch);
    return B ? n / B : 0;
}

void shn_loader_order(uint64_t seed, uint64_t epoch, size_t n, uint32_t *order)
{
    shn_rng rng = shn_rng_stream(seed, PURPOSE_ORDER, epoch, 0);
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    shn_rng_shuffle(&rng, order, n);
}

void shn_loader_crop(const shn_loader_source *source, const shn_loader_options *o, uint64_t epoch, size_t item, size_t view, shn_crop *crop)
{
    const shn_packed row = source->row(source->context, item);
    shn_rng rng = shn_rng_stream(o->seed, PURPOSE_ITEM + (view << 32), epoch, item);
    crop->row = (uint32_t)item;
    crop->start = row.n_valid > o->input.window ? (uint32_t)shn_rng_below(&rng, row.n_valid - o->input.window + 1) : 0;
    crop->n_valid = (uint32_t)row.n_valid;
    shn_window_scaling(&o->input, &row, crop->gain, crop->shift);
    shn_augment_draw(&o->augment, &o->input, &rng, crop);
}

void shn_loader_item(const shn_loader_source *source, const shn_loader_options *o, uint64_t epoch, size_t item, size_t view, float *x)
{
    const shn_packed row = source->row(source->context, item);
    shn_rng rng = shn_rng_stream(o->seed, PURPOSE_ITEM + (view << 32), epoch, item);
    const size_t start = row.n_valid > o->input.window ? (size_t)shn_rng_below(&rng, row.n_valid - o->input.window + 1) : 0;
    shn_window_fill(&o->input, &row, start, x);
    shn_augment_window(&o->augment, &o->input, &row, start, &rng, x);
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/** Hand-outs of a step: one, or every part twice. */
static size_t per_step(const shn_loader *l) { return l->o.parts && l->o.n_parts > 1 ? 2 * l->o.n_parts : 1; }

/** Rows [*first, *last) of a part. */
static void part_rows(const shn_loader *l, size_t part, size_t *first, size_t *last)
{
    *first = l->o.parts ? l->o.parts[part] : 0;
    *last = l->o.parts ? l->o.parts[part + 1] : l->o.take ? l->o.n_take : l->o.views * l->B;
}

/** Hand-out number k since the first step. */
static void make(shn_loader *l, uint64_t k, slot *s)
{
    const uint64_t step = l->o.first_step + k / per_step(l), epoch = step / l->steps_per_epoch, at = step % l->steps_per_epoch;
    const size_t   place = (size_t)(k % per_step(l));
    size_t         first, last;
    if (place == 0 && (at == 0 || k == 0)) shn_loader_order(l->o.seed, epoch, l->source.n, l->order);
    s->step = step;
    s->epoch = epoch;
    s->part = l->o.parts ? place % l->o.n_parts : 0;
    memcpy(s->items, l->order + at * l->B, l->B * sizeof *s->items);
    part_rows(l, s->part, &first, &last);
    for (size_t i = first; i < last; i++) {
        const size_t in_batch = l->o.take ? l->o.take[i] : i;
        const uint32_t item = s->items[in_batch % l->B];
        if (l->o.crops) shn_loader_crop(&l->source, &l->o, epoch, item, in_batch / l->B, s->crops + (i - first));
        else shn_loader_item(&l->source, &l->o, epoch, item, in_batch / l->B, s->x + (i - first) * l->o.input.window * SHN_LEADS);
    }
}

static void *work(void *context)
{
    shn_loader *l = context;
    for (uint64_t k = 0; k < l->n_handouts; k++) {
        pthread_mutex_lock(&l->lock);
        while (!l->stop && k >= l->taken + SLOTS) pthread_cond_wait(&l->changed, &l->lock);
        const int stop = l->stop;
        pthread_mutex_unlock(&l->lock);
        if (stop) break;
        make(l, k, &l->slots[k % SLOTS]);
        pthread_mutex_lock(&l->lock);
        l->made = k + 1;
        l->worked = seconds(CLOCK_THREAD_CPUTIME_ID);
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->lock);
    }
    return NULL;
}

static shn_status allocate(shn_loader *l, shn_error *err)
{
    l->order = shn_alloc(l->source.n, sizeof *l->order);
    int    missing = !l->order;
    size_t most = 0;
    for (size_t p = 0; p < (l->o.parts ? l->o.n_parts : 1); p++) {
        size_t first, last;
        part_rows(l, p, &first, &last);
        if (last - first > most) most = last - first;
    }
    for (int i = 0; i < SLOTS; i++) {
        l->slots[i].items = shn_alloc(l->B, sizeof *l->slots[i].items);
        if (l->o.crops) l->slots[i].crops = shn_alloc(most, sizeof *l->slots[i].crops);
        else l->slots[i].x = shn_alloc_aligned(most, (size_t)l->o.input.window * SHN_LEADS * sizeof(float));
        missing |= !l->slots[i].items || (!l->slots[i].x && !l->slots[i].crops);
    }
    return missing ? shn_fail_nomem(err, "loader") : SHN_OK;
}

shn_status shn_loader_new(const shn_loader_source *source, const shn_loader_options *o, shn_loader **out, shn_error *err)
{
    *out = NULL;
    if (source->n < 2 || source->n > UINT32_MAX || o->batch < 2 || o->input.window == 0)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "loader", "%zu records, batches of %zu, window %u: needs two records and a "
                        "batch of two at least", source->n, o->batch, o->input.window);
    shn_loader *l = shn_alloc(1, sizeof *l);
    if (!l) return shn_fail_nomem(err, "loader");
    l->source = *source;
    l->o = *o;
    if (l->o.views == 0) l->o.views = 1;
    l->B = shn_loader_batch(source->n, o->batch);
    l->steps_per_epoch = shn_loader_steps(source->n, o->batch);
    l->n_handouts = o->n_steps > o->first_step ? (o->n_steps - o->first_step) * per_step(l) : 0;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    shn_status st = allocate(l, err);
    if (st == SHN_OK && pthread_create(&l->thread, NULL, work, l) != 0)
        st = shn_fail(err, SHN_NOMEM, SHN_REASON_NO_MEMORY, "loader", "no thread could be started");
    l->started = st == SHN_OK;
    if (st != SHN_OK) shn_loader_free(l);
    else *out = l;
    return st;
}

shn_status shn_loader_next(shn_loader *l, shn_batch *batch, shn_error *err)
{
    const double begin = seconds(CLOCK_MONOTONIC);
    pthread_mutex_lock(&l->lock);
    const uint64_t asked = l->next;
    l->taken = asked;                   /* the batch handed out before is now free */
    pthread_cond_broadcast(&l->changed);
    while (asked < l->n_handouts && l->made <= asked) pthread_cond_wait(&l->changed, &l->lock);
    l->waited += seconds(CLOCK_MONOTONIC) - begin;
    pthread_mutex_unlock(&l->lock);
    if (asked >= l->n_handouts)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "loader", "step %llu is past the last", (unsigned long long)l->o.n_steps);
    const slot *s = &l->slots[asked % SLOTS];
    l->next = asked + 1;
    *batch = (shn_batch){ .step = s->step, .epoch = s->epoch, .part = s->part, .B = l->B, .items = s->items, .x = s->x, .crops = s->crops };
    return SHN_OK;
}

void shn_loader_cost(shn_loader *l, double *waited, double *worked)
{
    pthread_mutex_lock(&l->lock);
    *waited = l->waited;
    *worked = l->worked;
    pthread_mutex_unlock(&l->lock);
}

void shn_loader_free(shn_loader *l)
{
    if (!l) return;
    if (l->started) {
        pthread_mutex_lock(&l->lock);
        l->stop = 1;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->thread, NULL);
    }
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    for (int i = 0; i < SLOTS; i++) {
        free(l->slots[i].items);
        free(l->slots[i].x);
        free(l->slots[i].crops);
    }
    free(l->order);
    free(l);
}
