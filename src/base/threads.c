#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/fail.h"

typedef struct member { struct shn_team *team; pthread_t thread; unsigned index; } member;

struct shn_team {
    unsigned        n;
    member         *members;            /* [n]; members[0] is the caller and has no thread of its own */
    pthread_mutex_t lock;
    pthread_cond_t  wake, done;
    unsigned long   round;              /* raised once per run */
    unsigned        running;            /* members still inside fn */
    int             quit;
    shn_team_fn    *fn;
    void           *context;
    atomic_uint     waiting;            /* barrier: arrivals of this phase */
    atomic_uint     phase;
};

unsigned shn_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    const int n = CPU_COUNT(&set);
    return n < 1 ? 1 : (unsigned)n;
}

static void *member_main(void *arg)
{
    member       *m = arg;
    shn_team     *t = m->team;
    unsigned long seen = 0;
    for (;;) {
        pthread_mutex_lock(&t->lock);
        while (t->round == seen && !t->quit) pthread_cond_wait(&t->wake, &t->lock);
        if (t->quit) {
            pthread_mutex_unlock(&t->lock);
            return NULL;
        }
        seen = t->round;
        pthread_mutex_unlock(&t->lock);
        t->fn(t->context, m->index, t->n);
        pthread_mutex_lock(&t->lock);
        if (--t->running == 0) pthread_cond_signal(&t->done);
        pthread_mutex_unlock(&t->lock);
    }
}

/** Member i goes to the i-th usable core; left alone where there are fewer cores than members. */
static void pin(pthread_t thread, unsigned index, unsigned n)
{
    cpu_set_t usable, one;
    if (sched_getaffinity(0, sizeof usable, &usable) != 0 || (unsigned)CPU_COUNT(&usable) < n) return;
    unsigned seen = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &usable) || seen++ != index) continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        (void)pthread_setaffinity_np(thread, sizeof one, &one);   /* a refusal costs speed only */
        return;
    }
}

shn_status shn_team_new(unsigned n_threads, shn_team **out, shn_error *err)
{
    *out = NULL;
    if (n_threads == 0) n_threads = shn_cores();
    if (n_threads > SHN_THREADS_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "threads", "%u threads, at most %d", n_threads, SHN_THREADS_MAX);
    shn_team *t = shn_alloc(1, sizeof *t);
    if (t) t->members = shn_alloc(n_threads, sizeof *t->members);
    if (!t || !t->members) {
        free(t);
        return shn_fail_nomem(err, "threads");
    }
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    pthread_cond_init(&t->done, NULL);
    for (t->n = 1; t->n < n_threads; t->n++) {
        member *m = &t->members[t->n];
        *m = (member){ .team = t, .index = t->n };
        if (pthread_create(&m->thread, NULL, member_main, m) != 0) {
            shn_team_free(t);
            return shn_fail(err, SHN_NOMEM, SHN_REASON_NO_MEMORY, "threads", "thread %u of %u did not start; ask for fewer",
                            t->n, n_threads);
        }
        pin(m->thread, t->n, n_threads);
    }
    *out = t;
    return SHN_OK;
}

void shn_team_free(shn_team *t)
{
    if (!t) return;
    pthread_mutex_lock(&t->lock);
    t->quit = 1;
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
    for (unsigned i = 1; i < t->n; i++) pthread_join(t->members[i].thread, NULL);
    pthread_cond_destroy(&t->done);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t->members);
    free(t);
}

unsigned shn_team_size(const shn_team *t) { return t->n; }

void shn_team_run(shn_team *t, shn_team_fn *fn, void *context)
{
    if (t->n > 1) {
        pthread_mutex_lock(&t->lock);
        t->fn = fn;
        t->context = context;
        t->running = t->n - 1;
        t->round++;
        pthread_cond_broadcast(&t->wake);
        pthread_mutex_unlock(&t->lock);
    }
    fn(context, 0, t->n);
    if (t->n > 1) {
        pthread_mutex_lock(&t->lock);
        while (t->running) pthread_cond_wait(&t->done, &t->lock);
        pthread_mutex_unlock(&t->lock);
    }
}

void shn_team_barrier(shn_team *t)
{
    enum { SPINS_BEFORE_YIELD = 4000 };         /* some 20 us: longer than a balanced step's skew */
    if (t->n == 1) return;
    const unsigned phase = atomic_load(&t->phase);
    if (atomic_fetch_add(&t->waiting, 1) + 1 == t->n) {
        atomic_store(&t->waiting, 0);
        atomic_fetch_add(&t->phase, 1);
        return;
    }
    for (unsigned spins = 0; atomic_load_explicit(&t->phase, memory_order_acquire) == phase; spins++)
        if (spins > SPINS_BEFORE_YIELD) sched_yield();
}

void shn_team_share(size_t n, unsigned thread, unsigned n_threads, size_t *first, size_t *last)
{
    const size_t each = n / n_threads, extra = n % n_threads;
    *first = each * thread + (thread < extra ? thread : extra);
    *last = *first + each + (thread < extra ? 1 : 0);
}
