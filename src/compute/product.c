/**
 * The inner product of oneDNN as a tile: weights in the layout that its kernel asks for, so that packing is paid once per
 * block of weights and not once per call, as in a plain gemm. oneDNN 2.6 and 3.x differ in three calls (see conv.c).
 */
#include "compute/product.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

#define V3 (DNNL_VERSION_MAJOR >= 3)

static const char where[] = "compute.product";

enum { ARG_SRC, ARG_WEIGHTS, ARG_DST, ARG_SCRATCH, N_ARGS };
enum { REORDER_FROM, REORDER_TO, REORDER_SCRATCH, N_REORDER };

struct shn_product {
    dnnl_engine_t         engine;
    dnnl_primitive_desc_t pd, pack_pd;
    dnnl_primitive_t      run, pack;
    dnnl_stream_t        *streams;      /* [n_threads] */
    dnnl_memory_t        *memory;       /* [n_threads][N_ARGS + N_REORDER]; NULL where there is no scratch */
    unsigned              n_threads;
    size_t                packed_bytes, scratch_bytes;
    const char           *kernel;
};

static shn_status device(shn_error *err, dnnl_status_t st, const char *what)
{
    if (st == dnnl_out_of_memory) return shn_fail_nomem(err, where);
    if (st == dnnl_unimplemented)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "oneDNN has no kernel for %s on this CPU; use f32", what);
    return shn_fail(err, SHN_DEVICE, SHN_REASON_NONE, where, "oneDNN status %d in %s", (int)st, what);
}

/* ---- the two generations ---- */

#if V3
typedef const_dnnl_memory_desc_t any_md;
typedef dnnl_memory_desc_t       own_md;
static dnnl_status_t md_make(own_md *md, size_t a, size_t b, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    const dnnl_dims_t dims = { (dnnl_dim_t)a, (dnnl_dim_t)b };
    return dnnl_memory_desc_create_with_tag(md, 2, dims, type, tag);
}
static any_md md_of(const own_md *md) { return *md; }
static void   md_free(own_md *md) { if (*md) dnnl_memory_desc_destroy(*md); }
#else
typedef const dnnl_memory_desc_t *any_md;
typedef dnnl_memory_desc_t        own_md;
static dnnl_status_t md_make(own_md *md, size_t a, size_t b, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    const dnnl_dims_t dims = { (dnnl_dim_t)a, (dnnl_dim_t)b };
    return dnnl_memory_desc_init_by_tag(md, 2, dims, type, tag);
}
static any_md md_of(const own_md *md) { return md; }
static void   md_free(own_md *md) { (void)md; }
#endif

static dnnl_status_t inner_product_pd(shn_product *p, any_md x, any_md w, any_md y, dnnl_primitive_attr_t attr)
{
#if V3
    return dnnl_inner_product_forward_primitive_desc_create(&p->pd, p->engine, dnnl_forward_inference, x, w, NULL, y, attr);
#else
    dnnl_inner_product_desc_t d;
    const dnnl_status_t st = dnnl_inner_product_forward_desc_init(&d, dnnl_forward_inference, x, w, NULL, y);
    return st != dnnl_success ? st : dnnl_primitive_desc_create(&p->pd, &d, attr, p->engine, NULL);
#endif
}

/* ---- making ---- */

static dnnl_status_t make_primitives(shn_product *p, shn_dtype dtype, size_t K, size_t N)
{
    const dnnl_data_type_t type = dtype == SHN_BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_primitive_attr_t  attr = NULL;
    own_md x, w, plain, y;
    memset(&x, 0, sizeof x), memset(&w, 0, sizeof w), memset(&plain, 0, sizeof plain), memset(&y, 0, sizeof y);
    dnnl_status_t st = dnnl_primitive_attr_create(&attr);
    if (st == dnnl_success) st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (st == dnnl_success) st = md_make(&x, SHN_PRODUCT_ROWS, K, type, dnnl_ab);
    if (st == dnnl_success) st = md_make(&w, N, K, type, dnnl_format_tag_any);
    if (st == dnnl_success) st = md_make(&plain, N, K, dnnl_f32, dnnl_ab);
    if (st == dnnl_success) st = md_make(&y, SHN_PRODUCT_ROWS, N, dnnl_f32, dnnl_ab);
    if (st == dnnl_success) st = inner_product_pd(p, md_of(&x), md_of(&w), md_of(&y), attr);
    if (st == dnnl_success)
        st = dnnl_reorder_primitive_desc_create(&p->pack_pd, md_of(&plain), p->engine,
                                                dnnl_primitive_desc_query_md(p->pd, dnnl_query_weights_md, 0), p->engine, attr);
    if (st == dnnl_success) st = dnnl_primitive_create(&p->run, p->pd);
    if (st == dnnl_success) st = dnnl_primitive_create(&p->pack, p->pack_pd);
    if (st == dnnl_success) st = dnnl_primitive_desc_query(p->pd, dnnl_query_impl_info_str, 0, (void *)&p->kernel);
    md_free(&x), md_free(&w), md_free(&plain), md_free(&y);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return st;
}

/** One set of memory objects per thread; their data is set at every run. */
static dnnl_status_t make_memory(shn_product *p)
{
    const any_md mds[N_ARGS + N_REORDER] = {
        dnnl_primitive_desc_query_md(p->pd, dnnl_query_src_md, 0),      dnnl_primitive_desc_query_md(p->pd, dnnl_query_weights_md, 0),
        dnnl_primitive_desc_query_md(p->pd, dnnl_query_dst_md, 0),      dnnl_primitive_desc_query_md(p->pd, dnnl_query_scratchpad_md, 0),
        dnnl_primitive_desc_query_md(p->pack_pd, dnnl_query_src_md, 0), dnnl_primitive_desc_query_md(p->pack_pd, dnnl_query_dst_md, 0),
        dnnl_primitive_desc_query_md(p->pack_pd, dnnl_query_scratchpad_md, 0),
    };
    size_t bytes[N_ARGS + N_REORDER];
    for (int a = 0; a < N_ARGS + N_REORDER; a++) bytes[a] = mds[a] ? dnnl_memory_desc_get_size(mds[a]) : 0;
    p->packed_bytes = bytes[ARG_WEIGHTS];
    p->scratch_bytes = bytes[ARG_SCRATCH] > bytes[N_ARGS + REORDER_SCRATCH] ? bytes[ARG_SCRATCH] : bytes[N_ARGS + REORDER_SCRATCH];
    for (unsigned t = 0; t < p->n_threads; t++)
        for (int a = 0; a < N_ARGS + N_REORDER; a++) {
            if (bytes[a] == 0) continue;
            const dnnl_status_t st = dnnl_memory_create(&p->memory[t * (N_ARGS + N_REORDER) + (unsigned)a], mds[a], p->engine, DNNL_MEMORY_NONE);
            if (st != dnnl_success) return st;
        }
    return dnnl_success;
}

static dnnl_status_t make(shn_product *p, unsigned n_threads, shn_dtype dtype, size_t K, size_t N)
{
    dnnl_status_t st = dnnl_engine_create(&p->engine, dnnl_cpu, 0);
    for (; st == dnnl_success && p->n_threads < n_threads; p->n_threads += st == dnnl_success)
        st = dnnl_stream_create(&p->streams[p->n_threads], p->engine, dnnl_stream_default_flags);
    if (st == dnnl_success) st = make_primitives(p, dtype, K, N);
    return st == dnnl_success ? make_memory(p) : st;
}

shn_status shn_product_new(unsigned n_threads, shn_dtype dtype, size_t K, size_t N, shn_product **out, shn_error *err)
{
    char what[64];
    *out = NULL;
    if (K == 0 || N == 0 || K > (size_t)1 << 20 || N > (size_t)1 << 20 || n_threads == 0)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "a product of %zu x %zu for %u threads", N, K, n_threads);
    shn_product *p = shn_alloc(1, sizeof *p);
    if (!p) return shn_fail_nomem(err, where);
    p->streams = shn_alloc(n_threads, sizeof *p->streams);
    p->memory = shn_alloc(n_threads, (N_ARGS + N_REORDER) * sizeof *p->memory);
    if (!p->streams || !p->memory) {
        shn_product_free(p);
        return shn_fail_nomem(err, where);
    }
    snprintf(what, sizeof what, "%s product %zux%zu", dtype == SHN_BF16 ? "bf16" : "f32", N, K);
    const shn_compute_mode before = shn_compute_enter();
    const dnnl_status_t    st = make(p, n_threads, dtype, K, N);
    shn_compute_leave(before);
    if (st != dnnl_success) {
        shn_product_free(p);
        return device(err, st, what);
    }
    *out = p;
    return SHN_OK;
}

void shn_product_free(shn_product *p)
{
    if (!p) return;
    for (size_t i = 0; p->memory && i < (size_t)p->n_threads * (N_ARGS + N_REORDER); i++)
        if (p->memory[i]) dnnl_memory_destroy(p->memory[i]);
    if (p->run) dnnl_primitive_destroy(p->run);
    if (p->pack) dnnl_primitive_destroy(p->pack);
    if (p->pd) dnnl_primitive_desc_destroy(p->pd);
    if (p->pack_pd) dnnl_primitive_desc_destroy(p->pack_pd);
    for (unsigned t = 0; t < p->n_threads; t++) dnnl_stream_destroy(p->streams[t]);
    if (p->engine) dnnl_engine_destroy(p->engine);
    free(p->streams);
    free(p->memory);
    free(p);
}

size_t      shn_product_packed_bytes(const shn_product *p) { return p->packed_bytes; }
size_t      shn_product_scratch_bytes(const shn_product *p) { return p->scratch_bytes; }
const char *shn_product_kernel(const shn_product *p) { return p->kernel; }

/* ---- running ---- */

/** The scratchpad is the last of n_args and is left out where the primitive needs none. */
static shn_status execute(shn_product *p, dnnl_primitive_t primitive, unsigned thread, int first, int n_args, const int *names,
                          const void *const *data, shn_error *err)
{
    dnnl_exec_arg_t args[N_ARGS];
    dnnl_memory_t  *memory = p->memory + (size_t)thread * (N_ARGS + N_REORDER) + first;
    dnnl_status_t   st = dnnl_success;
    int             n = 0;
    for (int a = 0; a < n_args && st == dnnl_success; a++) {
        void *handle;
        if (!memory[a]) continue;
        memcpy(&handle, &data[a], sizeof handle);       /* inputs come as const; oneDNN's interface has no such thing */
        st = dnnl_memory_set_data_handle(memory[a], handle);
        args[n++] = (dnnl_exec_arg_t){ names[a], memory[a] };
    }
    if (st == dnnl_success) st = dnnl_primitive_execute(primitive, p->streams[thread], n, args);
    if (st == dnnl_success) st = dnnl_stream_wait(p->streams[thread]);
    return st == dnnl_success ? SHN_OK : device(err, st, "execution");
}

shn_status shn_product_pack(shn_product *p, unsigned thread, const float *w, void *packed, void *scratch, shn_error *err)
{
    static const int  names[N_REORDER] = { DNNL_ARG_FROM, DNNL_ARG_TO, DNNL_ARG_SCRATCHPAD };
    const void *const data[N_REORDER] = { w, packed, scratch };
    return execute(p, p->pack, thread, N_ARGS, N_REORDER, names, data, err);
}

shn_status shn_product_run(shn_product *p, unsigned thread, const void *x, const void *packed, float *y, void *scratch, shn_error *err)
{
    static const int  names[N_ARGS] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD };
    const void *const data[N_ARGS] = { x, packed, y, scratch };
    return execute(p, p->run, thread, 0, N_ARGS, names, data, err);
}

void shn_bf16_from_f32(const float *x, size_t n, uint16_t *out)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &x[i], sizeof u);
        const uint32_t rounded = u + 0x7fffu + (u >> 16 & 1);
        out[i] = (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? (u >> 16 | 0x40) : rounded >> 16);
    }
}
