/**
 * The dozen oneDNN calls that the engine needs, written once for both generations of its C interface: 2.6 (Debian 12)
 * has descriptors by value and operation descriptors, 3.x (Debian 13) has opaque descriptors and none. Each difference
 * is one small function below; nothing else in the library knows which one it runs on.
 */
#include "compute/conv.h"

#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define V3 (DNNL_VERSION_MAJOR >= 3)

struct shn_compute {
    dnnl_engine_t  engine;
    dnnl_stream_t *streams;             /* [n_threads] */
    unsigned       n_threads;
};

struct shn_layout {
#if V3
    dnnl_memory_desc_t md;
#else
    dnnl_memory_desc_t md[1];           /* an array, so that `layout->md` is a pointer in both */
#endif
};

enum { ARGS_MAX = 5 };

/** A primitive with one set of memory objects per thread. */
typedef struct job {
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t      primitive;
    shn_compute          *compute;
    int                   n_args;
    int                   names[ARGS_MAX];          /* DNNL_ARG_... */
    dnnl_memory_t        *memory;                   /* [n_threads][n_args] */
    size_t                scratch_bytes;
} job;

struct shn_conv    { job job; shn_layout weights; shn_conv_spec spec; const char *kernel; };
struct shn_reorder { job job; };

static const char where[] = "compute";

static shn_status device(shn_error *err, dnnl_status_t st, const char *what)
{
    if (st == dnnl_out_of_memory) return shn_fail_nomem(err, where);
    if (st == dnnl_unimplemented)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "oneDNN has no kernel for %s on this CPU; use f32", what);
    return shn_fail(err, SHN_DEVICE, SHN_REASON_NONE, where, "oneDNN status %d in %s", (int)st, what);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char           version[32];
static void         (*omp_set)(int);        /* of the OpenMP library that oneDNN brought in, if it did */
static int          (*omp_get)(void);

static void find_out(void)
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(version, sizeof version, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    *(void **)&omp_set = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    *(void **)&omp_get = dlsym(RTLD_DEFAULT, "omp_get_max_threads");
}

const char *shn_compute_version(void)
{
    pthread_once(&once, find_out);
    return version;
}

shn_compute_mode shn_compute_enter(void)
{
    shn_compute_mode before = { 0 };
    pthread_once(&once, find_out);
    if (omp_set && omp_get) {
        before.omp_threads = omp_get();
        if (before.omp_threads != 1) omp_set(1);
    }
#if defined(__x86_64__)
    before.csr = _mm_getcsr();
    _mm_setcsr((unsigned)before.csr | 0x8040);        /* flush to zero, denormals are zero: some gradients would crawl otherwise */
#elif defined(__aarch64__)
    __asm__ volatile("mrs %0, fpcr" : "=r"(before.csr));
    __asm__ volatile("msr fpcr, %0" : : "r"(before.csr | UINT64_C(1) << 24));       /* FZ: the same in one bit */
#endif
    return before;
}

void shn_compute_leave(shn_compute_mode before)
{
    if (before.omp_threads > 1) omp_set(before.omp_threads);
#if defined(__x86_64__)
    _mm_setcsr((unsigned)before.csr);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(before.csr));
#endif
}

#if defined(__x86_64__)
/** Unmasked, newer instructions than our four names and ONEDNN_MAX_CPU_ISA keep their say; a baseline build stays at its own. */
static dnnl_status_t mask_onednn(shn_isa isa)
{
    static const dnnl_cpu_isa_t of[] = { dnnl_cpu_isa_sse41, dnnl_cpu_isa_avx2, dnnl_cpu_isa_avx512_core_bf16,
                                         dnnl_cpu_isa_avx512_core_amx };
    return SHN_X86_KERNELS && isa == shn_isa_host() ? dnnl_success : dnnl_set_max_cpu_isa(of[isa]);
}
#else
static dnnl_status_t mask_onednn(shn_isa isa) { return (void)isa, dnnl_success; }       /* one instruction set, nothing to mask */
#endif

/** oneDNN takes one mask per process, before its first use. */
static shn_status mask(shn_isa isa, shn_error *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int             in_force = -1;
    shn_status st = SHN_OK;
    pthread_mutex_lock(&lock);
    if (in_force < 0) {
        if (mask_onednn(isa) == dnnl_success) in_force = (int)isa;
        else st = shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where,
                           "oneDNN was used before in this process, too late for isa %s", shn_isa_name(isa));
    } else if (in_force != (int)isa)
        st = shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "isa %s: this process already runs with %s; start another",
                      shn_isa_name(isa), shn_isa_name((shn_isa)in_force));
    pthread_mutex_unlock(&lock);
    return st;
}

shn_status shn_compute_new(shn_isa isa, unsigned n_threads, shn_compute **out, shn_error *err)
{
    *out = NULL;
    shn_status st = mask(isa, err);
    if (st != SHN_OK) return st;
    shn_compute *c = shn_alloc(1, sizeof *c);
    if (c) c->streams = shn_alloc(n_threads, sizeof *c->streams);
    if (!c || !c->streams) {
        free(c);
        return shn_fail_nomem(err, where);
    }
    dnnl_status_t ds = dnnl_engine_create(&c->engine, dnnl_cpu, 0);
    for (; ds == dnnl_success && c->n_threads < n_threads; c->n_threads++)
        ds = dnnl_stream_create(&c->streams[c->n_threads], c->engine, dnnl_stream_default_flags);
    if (ds != dnnl_success) {
        if (c->n_threads) c->n_threads--;       /* the last one did not come to be */
        shn_compute_free(c);
        return device(err, ds, "engine");
    }
    *out = c;
    return SHN_OK;
}

void shn_compute_free(shn_compute *c)
{
    if (!c) return;
    for (unsigned t = 0; t < c->n_threads; t++) dnnl_stream_destroy(c->streams[t]);
    if (c->engine) dnnl_engine_destroy(c->engine);
    free(c->streams);
    free(c);
}

/* ---- the two generations ---- */

#if V3
typedef const_dnnl_memory_desc_t any_md;
static dnnl_status_t md_by_tag(shn_layout *l, dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(&l->md, 3, dims, type, tag);
}
static dnnl_status_t md_copy(shn_layout *l, any_md from) { return dnnl_memory_desc_clone(&l->md, from); }
static void          md_free(shn_layout *l) { if (l->md) dnnl_memory_desc_destroy(l->md); }
static dnnl_status_t append_sum(dnnl_post_ops_t po, dnnl_data_type_t type) { return dnnl_post_ops_append_sum(po, 1.f, 0, type); }
static dnnl_status_t append_relu(dnnl_post_ops_t po) { return dnnl_post_ops_append_eltwise(po, dnnl_eltwise_relu, 0, 0); }
#else
typedef const dnnl_memory_desc_t *any_md;
static dnnl_status_t md_by_tag(shn_layout *l, dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_init_by_tag(l->md, 3, dims, type, tag);
}
static dnnl_status_t md_copy(shn_layout *l, any_md from)
{
    l->md[0] = *from;
    return dnnl_success;
}
static void          md_free(shn_layout *l) { (void)l; }
static dnnl_status_t append_sum(dnnl_post_ops_t po, dnnl_data_type_t type) { return dnnl_post_ops_append_sum_v2(po, 1.f, type); }
static dnnl_status_t append_relu(dnnl_post_ops_t po) { return dnnl_post_ops_append_eltwise(po, 1.f, dnnl_eltwise_relu, 0, 0); }
#endif

typedef struct descs { shn_layout src, weights, bias, dst; } descs;

/** The forward primitive descriptor, which is also the hint of both backward ones. */
static dnnl_status_t forward_pd(const shn_compute *c, const shn_conv_spec *s, const descs *d, dnnl_primitive_attr_t attr,
                                dnnl_primitive_desc_t *pd)
{
    const dnnl_dims_t      stride = { (dnnl_dim_t)s->stride }, pad = { (dnnl_dim_t)s->pad };
    const int              infer = s->pass == SHN_CONV_INFERENCE;
    const dnnl_prop_kind_t kind = infer ? dnnl_forward_inference : dnnl_forward_training;
    const any_md           bias = infer ? d->bias.md : NULL;
#if V3
    const dnnl_dims_t none = { 0 };
    return dnnl_convolution_forward_primitive_desc_create(pd, c->engine, kind, dnnl_convolution_direct, d->src.md, d->weights.md, bias,
                                                          d->dst.md, stride, none, pad, pad, attr);
#else
    dnnl_convolution_desc_t cd;
    const dnnl_status_t st = dnnl_convolution_forward_desc_init(&cd, kind, dnnl_convolution_direct, d->src.md, d->weights.md, bias,
                                                                d->dst.md, stride, pad, pad);
    return st != dnnl_success ? st : dnnl_primitive_desc_create(pd, &cd, attr, c->engine, NULL);
#endif
}

static dnnl_status_t backward_pd(const shn_compute *c, const shn_conv_spec *s, const descs *d, dnnl_primitive_attr_t attr,
                                 dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *pd)
{
    const dnnl_dims_t stride = { (dnnl_dim_t)s->stride }, pad = { (dnnl_dim_t)s->pad };
    const int         data = s->pass == SHN_CONV_BACKWARD_DATA;
#if V3
    const dnnl_dims_t none = { 0 };
    return data ? dnnl_convolution_backward_data_primitive_desc_create(pd, c->engine, dnnl_convolution_direct, d->src.md, d->weights.md,
                                                                       d->dst.md, stride, none, pad, pad, hint, attr)
                : dnnl_convolution_backward_weights_primitive_desc_create(pd, c->engine, dnnl_convolution_direct, d->src.md,
                                                                          d->weights.md, NULL, d->dst.md, stride, none, pad, pad, hint,
                                                                          attr);
#else
    dnnl_convolution_desc_t cd;
    const dnnl_status_t st =
        data ? dnnl_convolution_backward_data_desc_init(&cd, dnnl_convolution_direct, d->src.md, d->weights.md, d->dst.md, stride, pad, pad)
             : dnnl_convolution_backward_weights_desc_init(&cd, dnnl_convolution_direct, d->src.md, d->weights.md, NULL, d->dst.md,
                                                           stride, pad, pad);
    return st != dnnl_success ? st : dnnl_primitive_desc_create(pd, &cd, attr, c->engine, hint);
#endif
}

static dnnl_status_t reorder_pd(const shn_compute *c, any_md from, any_md to, dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *pd)
{
    return dnnl_reorder_primitive_desc_create(pd, from, c->engine, to, c->engine, attr);
}

/* ---- what is common to all primitives ---- */

static dnnl_status_t make_attr(dnnl_primitive_attr_t *attr, int add, int relu, dnnl_data_type_t type)
{
    dnnl_post_ops_t po = NULL;
    dnnl_status_t   st = dnnl_primitive_attr_create(attr);
    if (st == dnnl_success) st = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    if (st == dnnl_success && (add || relu)) {
        st = dnnl_post_ops_create(&po);
        if (st == dnnl_success && add) st = append_sum(po, type);
        if (st == dnnl_success && relu) st = append_relu(po);
        if (st == dnnl_success) st = dnnl_primitive_attr_set_post_ops(*attr, po);
        if (po) dnnl_post_ops_destroy(po);
    }
    return st;
}

static void job_free(job *j)
{
    if (j->memory)
        for (size_t i = 0; i < (size_t)j->compute->n_threads * (size_t)j->n_args; i++)
            if (j->memory[i]) dnnl_memory_destroy(j->memory[i]);
    free(j->memory);
    if (j->primitive) dnnl_primitive_destroy(j->primitive);
    if (j->pd) dnnl_primitive_desc_destroy(j->pd);
}

/** From a primitive descriptor to something runnable; the scratchpad is the last argument. */
static shn_status job_make(job *j, int n_args, const int *names, const any_md *mds, const char *what, shn_error *err)
{
    const any_md scratch = dnnl_primitive_desc_query_md(j->pd, dnnl_query_scratchpad_md, 0);
    j->scratch_bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    j->n_args = n_args + (j->scratch_bytes > 0);
    memcpy(j->names, names, (size_t)n_args * sizeof *names);
    if (j->scratch_bytes) j->names[n_args] = DNNL_ARG_SCRATCHPAD;
    const dnnl_status_t made = dnnl_primitive_create(&j->primitive, j->pd);
    if (made != dnnl_success) return device(err, made, what);
    j->memory = shn_alloc((size_t)j->compute->n_threads * (size_t)j->n_args, sizeof(dnnl_memory_t));
    if (!j->memory) return shn_fail_nomem(err, where);
    for (unsigned t = 0; t < j->compute->n_threads; t++)
        for (int a = 0; a < j->n_args; a++) {
            const dnnl_status_t st = dnnl_memory_create(&j->memory[t * (unsigned)j->n_args + (unsigned)a], a < n_args ? mds[a] : scratch,
                                                        j->compute->engine, DNNL_MEMORY_NONE);
            if (st != dnnl_success) return device(err, st, what);
        }
    return SHN_OK;
}

static shn_status job_run(job *j, unsigned thread, const void *const *data, shn_error *err)
{
    dnnl_exec_arg_t args[ARGS_MAX];
    dnnl_memory_t  *memory = j->memory + (size_t)thread * (size_t)j->n_args;
    dnnl_status_t   st = dnnl_success;
    for (int a = 0; a < j->n_args && st == dnnl_success; a++) {
        void *handle;
        memcpy(&handle, &data[a], sizeof handle);       /* inputs come as const; oneDNN's interface has no such thing */
        st = dnnl_memory_set_data_handle(memory[a], handle);
        args[a] = (dnnl_exec_arg_t){ j->names[a], memory[a] };
    }
    if (st == dnnl_success) st = dnnl_primitive_execute(j->primitive, j->compute->streams[thread], j->n_args, args);
    if (st == dnnl_success) st = dnnl_stream_wait(j->compute->streams[thread]);
    return st == dnnl_success ? SHN_OK : device(err, st, "execution");
}

/* ---- convolutions ---- */

static dnnl_status_t conv_descs(const shn_conv_spec *s, dnnl_data_type_t weights, descs *d)
{
    const dnnl_data_type_t type = s->dtype == SHN_BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_dims_t            src = { (dnnl_dim_t)s->n, (dnnl_dim_t)s->in, (dnnl_dim_t)s->in_length };
    dnnl_dims_t            dst = { (dnnl_dim_t)s->n, (dnnl_dim_t)s->out, (dnnl_dim_t)s->out_length };
    dnnl_dims_t            wei = { (dnnl_dim_t)s->out, (dnnl_dim_t)s->in, (dnnl_dim_t)s->kernel };
    dnnl_status_t          st = md_by_tag(&d->src, src, type, dnnl_nwc);
    if (st == dnnl_success) st = md_by_tag(&d->dst, dst, type, dnnl_nwc);
    if (st == dnnl_success) st = md_by_tag(&d->weights, wei, weights, dnnl_format_tag_any);
    if (st != dnnl_success) return st;
    dnnl_dims_t out = { (dnnl_dim_t)s->out };
#if V3
    return dnnl_memory_desc_create_with_tag(&d->bias.md, 1, out, dnnl_f32, dnnl_a);
#else
    return dnnl_memory_desc_init_by_tag(d->bias.md, 1, out, dnnl_f32, dnnl_a);
#endif
}

static dnnl_status_t conv_pd(shn_conv *v, descs *d)
{
    const shn_conv_spec   *s = &v->spec;
    const shn_compute     *c = v->job.compute;
    const dnnl_data_type_t type = s->dtype == SHN_BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_primitive_attr_t  attr = NULL;
    dnnl_status_t          st = make_attr(&attr, s->add, s->relu, type);
    if (st == dnnl_success) st = conv_descs(s, type, d);
    if (st == dnnl_success && (s->pass == SHN_CONV_FORWARD || s->pass == SHN_CONV_INFERENCE)) st = forward_pd(c, s, d, attr, &v->job.pd);
    else if (st == dnnl_success) {
        dnnl_primitive_desc_t hint = NULL;
        st = forward_pd(c, s, d, attr, &hint);
        if (st == dnnl_success && s->pass == SHN_CONV_BACKWARD_WEIGHTS) {       /* f32 gradient whatever the activations are */
            md_free(&d->weights);
            memset(&d->weights, 0, sizeof d->weights);
            dnnl_dims_t wei = { (dnnl_dim_t)s->out, (dnnl_dim_t)s->in, (dnnl_dim_t)s->kernel };
            st = md_by_tag(&d->weights, wei, dnnl_f32, dnnl_format_tag_any);
        }
        if (st == dnnl_success) st = backward_pd(c, s, d, attr, hint, &v->job.pd);
        if (hint) dnnl_primitive_desc_destroy(hint);
    }
    if (attr) dnnl_primitive_attr_destroy(attr);
    return st;
}

shn_status shn_conv_new(shn_compute *c, const shn_conv_spec *spec, shn_conv **out, shn_error *err)
{
    static const int names[4][4] = {
        [SHN_CONV_FORWARD]          = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST },
        [SHN_CONV_INFERENCE]        = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS },
        [SHN_CONV_BACKWARD_DATA]    = { DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST },
        [SHN_CONV_BACKWARD_WEIGHTS] = { DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST },
    };
    descs d;
    char  what[96];
    memset(&d, 0, sizeof d);
    *out = NULL;
    snprintf(what, sizeof what, "%s convolution %zux%zu k%zu", spec->dtype == SHN_BF16 ? "bf16" : "f32", spec->in, spec->out, spec->kernel);
    shn_conv *v = shn_alloc(1, sizeof *v);
    if (!v) return shn_fail_nomem(err, where);
    v->spec = *spec;
    v->job.compute = c;
    const shn_compute_mode before = shn_compute_enter();
    dnnl_status_t ds = conv_pd(v, &d);
    shn_status    st = SHN_OK;
    if (ds == dnnl_success)
        ds = md_copy(&v->weights, dnnl_primitive_desc_query_md(v->job.pd, spec->pass == SHN_CONV_BACKWARD_WEIGHTS
                                                                              ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0));
    if (ds == dnnl_success) ds = dnnl_primitive_desc_query(v->job.pd, dnnl_query_impl_info_str, 0, (void *)&v->kernel);
    if (ds != dnnl_success) st = device(err, ds, what);
    if (st == SHN_OK) {
        const any_md mds[4] = { d.src.md, v->weights.md, d.dst.md, d.bias.md };
        st = job_make(&v->job, spec->pass == SHN_CONV_INFERENCE ? 4 : 3, names[spec->pass], mds, what, err);
    }
    shn_compute_leave(before);
    md_free(&d.src), md_free(&d.dst), md_free(&d.weights), md_free(&d.bias);
    if (st != SHN_OK) {
        shn_conv_free(v);
        return st;
    }
    *out = v;
    return SHN_OK;
}

void shn_conv_free(shn_conv *v)
{
    if (!v) return;
    job_free(&v->job);
    md_free(&v->weights);
    free(v);
}

const shn_layout *shn_conv_layout(const shn_conv *v) { return &v->weights; }
size_t            shn_conv_scratch_bytes(const shn_conv *v) { return v->job.scratch_bytes; }
const char       *shn_conv_kernel(const shn_conv *v) { return v->kernel; }

shn_status shn_conv_run(shn_conv *v, unsigned thread, const void *src, const void *weights, const float *bias, const void *dst,
                        void *scratch, shn_error *err)
{
    const void *data[ARGS_MAX] = { src, weights, dst, scratch };
    if (v->spec.pass == SHN_CONV_INFERENCE) {
        data[3] = bias;
        data[4] = scratch;
    }
    return job_run(&v->job, thread, data, err);
}

/* ---- layouts and reorders ---- */

shn_status shn_layout_plain(shn_compute *c, size_t out, size_t in, size_t kernel, shn_layout **layout, shn_error *err)
{
    (void)c;
    *layout = NULL;
    dnnl_dims_t dims = { (dnnl_dim_t)out, (dnnl_dim_t)in, (dnnl_dim_t)kernel };
    shn_layout *l = shn_alloc(1, sizeof *l);
    if (!l) return shn_fail_nomem(err, where);
    const dnnl_status_t st = md_by_tag(l, dims, dnnl_f32, dnnl_oiw);
    if (st != dnnl_success) {
        free(l);
        return device(err, st, "layout");
    }
    *layout = l;
    return SHN_OK;
}

void shn_layout_free(shn_layout *l)
{
    if (!l) return;
    md_free(l);
    free(l);
}

size_t shn_layout_bytes(const shn_layout *l) { return dnnl_memory_desc_get_size(l->md); }
int    shn_layout_equal(const shn_layout *a, const shn_layout *b) { return dnnl_memory_desc_equal(a->md, b->md); }

shn_status shn_reorder_new(shn_compute *c, const shn_layout *from, const shn_layout *to, shn_reorder **out, shn_error *err)
{
    static const int names[2] = { DNNL_ARG_FROM, DNNL_ARG_TO };
    *out = NULL;
    shn_reorder *r = shn_alloc(1, sizeof *r);
    if (!r) return shn_fail_nomem(err, where);
    r->job.compute = c;
    const shn_compute_mode before = shn_compute_enter();
    dnnl_primitive_attr_t  attr = NULL;
    dnnl_status_t          ds = make_attr(&attr, 0, 0, dnnl_f32);
    if (ds == dnnl_success) ds = reorder_pd(c, from->md, to->md, attr, &r->job.pd);
    if (attr) dnnl_primitive_attr_destroy(attr);
    shn_status st = ds == dnnl_success ? SHN_OK : device(err, ds, "reorder of weights");
    if (st == SHN_OK) {
        const any_md mds[2] = { from->md, to->md };
        st = job_make(&r->job, 2, names, mds, "reorder of weights", err);
    }
    shn_compute_leave(before);
    if (st != SHN_OK) {
        shn_reorder_free(r);
        return st;
    }
    *out = r;
    return SHN_OK;
}

void shn_reorder_free(shn_reorder *r)
{
    if (!r) return;
    job_free(&r->job);
    free(r);
}

size_t shn_reorder_scratch_bytes(const shn_reorder *r) { return r->job.scratch_bytes; }

shn_status shn_reorder_run(shn_reorder *r, unsigned thread, const void *from, void *to, void *scratch, shn_error *err)
{
    const void *data[ARGS_MAX] = { from, to, scratch };
    return job_run(&r->job, thread, data, err);
}
