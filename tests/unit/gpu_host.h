/**
 * A device for the cuda engine that needs no GPU: the kernels' own source as loops over blocks, phases and threads, convolutions and
 * products as plain loops. A recording copies the arguments of its calls, as CUDA does, and runs them later, so that a value that should
 * have been read from device memory shows. The n-th call can be made to fail, and the device's memory has an end.
 */
#ifndef SHN_TESTS_GPU_HOST_H
#define SHN_TESTS_GPU_HOST_H

#include <stdlib.h>

#include "base/fail.h"
#include "engine/cuda/device.h"
#include "engine/cuda/kernels_body.h"

enum { HOST_CALLS_MAX = 4096, HOST_BLOCKS_MAX = 8 };

typedef struct host_conv { gpu_conv base; gpu_conv_spec spec; } host_conv;
typedef enum host_what { HOST_LAUNCH, HOST_CONV, HOST_PRODUCT, HOST_CLEAR } host_what;
typedef struct host_call {
    host_what   what;
    gpu_kernel  kernel;
    uint32_t    n_blocks;
    host_conv  *conv;
    gpu_product shape;
    const void *a, *b;
    void       *c;
    size_t      bytes;
    int         backwards;
    _Alignas(16) char args[GPU_ARGS_MAX];
} host_call;
struct gpu_graph { size_t n; host_call calls[]; };

typedef struct host_device {
    gpu_device base;
    long       calls, fail_at;          /* the fail_at-th call fails; 0 none */
    size_t     memory, used;            /* bytes; memory 0: no limit */
    int        dw_bf16;                 /* weight gradients come in the operands' type */
    int         backwards;              /* threads run in the other order */
    int        recording;
    size_t     n_recorded, replays, n_open;     /* n_open: blocks, plans and graphs that were not given back */
    host_call *recorded;
} host_device;

/** What tests read and set: of the device that was opened last. */
static host_device *host_last;
static host_device  host_wish;          /* fail_at, memory, dw_bf16, backwards of the next device */

static shn_status host_count(gpu_device *d, const char *call, shn_error *err)
{
    host_device *h = (host_device *)d;
    if (++h->calls == h->fail_at) return shn_fail(err, SHN_DEVICE, SHN_REASON_NONE, "engine.cuda", "%s failed: made to fail", call);
    return SHN_OK;
}

/* ---- the kernels ---- */

/** backwards: the last block and thread first. On a GPU there is no order, so nothing may depend on it. */
static void host_launch(gpu_kernel kernel, uint32_t n_blocks, const void *args, int backwards)
{
    static _Alignas(16) char shared[GPU_THREADS * GPU_LANE * 4 * GPU_SUMS_MAX];
    switch (kernel) {
#define X(name, phases, bytes)                                                                                            \
    case GPU_KERNEL_##name:                                                                                               \
        for (uint32_t b = 0; b < n_blocks; b++) {                                                                         \
            const uint32_t block = backwards ? n_blocks - 1 - b : b;                                                      \
            memset(shared, 0xa5, sizeof shared);                  /* what a thread did not write is not there */                 \
            for (int phase = 0; phase < (phases); phase++)                                                                \
                for (uint32_t t = 0; t < GPU_THREADS; t++)                                                                \
                    gpu_body_##name(args, block, backwards ? GPU_THREADS - 1 - t : t, phase, shared);                     \
        }                                                                                                                 \
        break;
        GPU_KERNELS(X)
#undef X
    case GPU_KERNEL_COUNT: break;
    }
}

/* ---- convolutions and products ---- */

static float host_value(const void *p, size_t at, gpu_type type)
{
    return type == GPU_BF16 ? gpu_from_bits((uint32_t)((const uint16_t *)p)[at] << 16) : ((const float *)p)[at];
}

static void host_put(void *p, size_t at, gpu_type type, double v)
{
    if (type == GPU_BF16) ((uint16_t *)p)[at] = (uint16_t)gpu_bf16((float)v);
    else ((float *)p)[at] = (float)v;
}

/** One output channel block of a pass at a time, in double: the sum over what the other two tensors share. */
static void host_convolve(const host_conv *conv, const void *a, const void *b, void *c)
{
    const gpu_conv_spec *s = &conv->spec;
    const size_t         n_c = s->pass == GPU_CONV_FORWARD ? s->n * s->out_length * s->out : s->pass == GPU_CONV_DATA ? s->n * s->in_length * s->in : s->out * s->kernel * s->in;
    double *sum = calloc(n_c, sizeof *sum);
    for (size_t r = 0; r < s->n; r++)
        for (size_t t = 0; t < s->out_length; t++)
            for (size_t k = 0; k < s->kernel; k++) {
                const size_t at = t * s->stride + k;
                if (at < s->pad || at - s->pad >= s->in_length) continue;
                const size_t x = (r * s->in_length + at - s->pad) * s->in, y = (r * s->out_length + t) * s->out;
                for (size_t o = 0; o < s->out; o++)
                    for (size_t i = 0; i < s->in; i++) {
                        const size_t w = (o * s->kernel + k) * s->in + i;
                        if (s->pass == GPU_CONV_FORWARD) sum[y + o] += (double)host_value(a, x + i, s->type) * host_value(b, w, s->type);
                        else if (s->pass == GPU_CONV_DATA) sum[x + i] += (double)host_value(a, y + o, s->type) * host_value(b, w, s->type);
                        else sum[w] += (double)host_value(a, x + i, s->type) * host_value(b, y + o, s->type);
                    }
            }
    for (size_t i = 0; i < n_c; i++) host_put(c, i, s->pass == GPU_CONV_WEIGHTS ? conv->base.dw_type : s->type, sum[i]);
    free(sum);
}

static void host_multiply(const gpu_product *p, const float *a, const float *b, float *c)
{
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++) {
            double sum = p->add ? c[i * p->n + j] : 0;
            for (size_t k = 0; k < p->k; k++) sum += (double)a[p->trans_a ? k * p->m + i : i * p->k + k] * b[p->trans_b ? j * p->k + k : k * p->n + j];
            c[i * p->n + j] = (float)sum;
        }
}

static void host_run(const host_call *call)
{
    switch (call->what) {
    case HOST_LAUNCH: host_launch(call->kernel, call->n_blocks, call->args, call->backwards); break;
    case HOST_CONV: host_convolve(call->conv, call->a, call->b, call->c); break;
    case HOST_PRODUCT: host_multiply(&call->shape, call->a, call->b, call->c); break;
    case HOST_CLEAR: memset(call->c, 0, call->bytes); break;
    }
}

static shn_status host_do(gpu_device *d, const host_call *call, const char *name, shn_error *err)
{
    host_device     *h = (host_device *)d;
    const shn_status st = host_count(d, name, err);
    if (st != SHN_OK) return st;
    if (!h->recording) host_run(call);
    else if (h->n_recorded == HOST_CALLS_MAX) abort();
    else h->recorded[h->n_recorded++] = *call;
    return SHN_OK;
}

/* ---- the table ---- */

static void host_close(gpu_device *d)
{
    host_device *h = (host_device *)d;
    if (h->n_open != 0) {
        fprintf(stderr, "%zu objects of the device were not given back\n", h->n_open);
        abort();
    }
    free(h->recorded);
    free(h);
    host_last = NULL;
}

/** Zeroed, as the real device does. */
static shn_status host_take(gpu_device *d, size_t bytes, void **out, shn_error *err)
{
    host_device *h = (host_device *)d;
    *out = NULL;
    const shn_status st = host_count(d, "cudaMalloc", err);
    if (st != SHN_OK) return st;
    if (h->memory && h->used + bytes > h->memory) return shn_fail(err, SHN_NOMEM, SHN_REASON_NO_MEMORY, "engine.cuda", "cudaMalloc of %zu bytes: cudaErrorMemoryAllocation", bytes);
    *out = aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (!*out) return shn_fail_nomem(err, "engine.cuda");
    memset(*out, 0, bytes);
    h->used += bytes;
    h->n_open++;
    return SHN_OK;
}

static void host_release(gpu_device *d, void *p)
{
    if (p) ((host_device *)d)->n_open--;
    free(p);
}

static shn_status host_copy(gpu_device *d, void *to, const void *from, size_t bytes, shn_error *err)
{
    const shn_status st = host_count(d, "cudaMemcpyAsync", err);
    if (((host_device *)d)->recording) abort();     /* transfers are never part of a recording */
    if (st == SHN_OK) memcpy(to, from, bytes);
    return st;
}

static shn_status host_clear(gpu_device *d, void *to, size_t bytes, shn_error *err)
{
    return host_do(d, &(host_call){ .what = HOST_CLEAR, .c = to, .bytes = bytes }, "cudaMemsetAsync", err);
}

static shn_status host_sync(gpu_device *d, shn_error *err) { return host_count(d, "cudaStreamSynchronize", err); }

static shn_status host_launch_call(gpu_device *d, gpu_kernel kernel, uint32_t n_blocks, const void *args, shn_error *err)
{
    host_call call = { .what = HOST_LAUNCH, .kernel = kernel, .n_blocks = n_blocks, .backwards = ((host_device *)d)->backwards };
    memcpy(call.args, args, gpu_args_size(kernel));
    return host_do(d, &call, gpu_kernel_name(kernel), err);
}

static shn_status host_conv_new(gpu_device *d, const gpu_conv_spec *spec, gpu_conv **out, shn_error *err)
{
    host_device     *h = (host_device *)d;
    const shn_status st = host_count(d, "cudnnBackendFinalize", err);
    *out = NULL;
    if (st != SHN_OK) return st;
    host_conv *c = calloc(1, sizeof *c);
    c->spec = *spec;
    c->base.workspace = 1000;
    c->base.dw_type = h->dw_bf16 ? spec->type : GPU_F32;
    snprintf(c->base.text, sizeof c->base.text, "loops");
    h->n_open++;
    *out = &c->base;
    return SHN_OK;
}

static void host_conv_free(gpu_device *d, gpu_conv *conv) { host_release(d, conv); }

static shn_status host_conv_run(gpu_device *d, gpu_conv *conv, const void *a, const void *b, void *c, void *workspace, shn_error *err)
{
    if (!workspace || !a || !b || !c) abort();
    return host_do(d, &(host_call){ .what = HOST_CONV, .conv = (host_conv *)conv, .a = a, .b = b, .c = c }, "cudnnBackendExecute", err);
}

static shn_status host_product(gpu_device *d, const gpu_product *shape, const float *a, const float *b, float *c, shn_error *err)
{
    return host_do(d, &(host_call){ .what = HOST_PRODUCT, .shape = *shape, .a = a, .b = b, .c = c }, "cublasSgemm", err);
}

static shn_status host_capture_begin(gpu_device *d, shn_error *err)
{
    host_device     *h = (host_device *)d;
    const shn_status st = host_count(d, "cudaStreamBeginCapture", err);
    if (st != SHN_OK) return st;
    if (!h->recorded) h->recorded = calloc(HOST_CALLS_MAX, sizeof *h->recorded);
    h->recording = 1;
    h->n_recorded = 0;
    return SHN_OK;
}

static shn_status host_capture_end(gpu_device *d, int keep, gpu_graph **out, shn_error *err)
{
    host_device *h = (host_device *)d;
    *out = NULL;
    h->recording = 0;
    const shn_status st = host_count(d, "cudaStreamEndCapture", err);
    if (st != SHN_OK || !keep) return st;
    *out = calloc(1, sizeof **out + h->n_recorded * sizeof(host_call));
    (*out)->n = h->n_recorded;
    memcpy((*out)->calls, h->recorded, h->n_recorded * sizeof(host_call));
    h->n_open++;
    return SHN_OK;
}

static shn_status host_graph_run(gpu_device *d, gpu_graph *graph, shn_error *err)
{
    const shn_status st = host_count(d, "cudaGraphLaunch", err);
    if (st != SHN_OK) return st;
    for (size_t i = 0; i < graph->n; i++) host_run(&graph->calls[i]);
    ((host_device *)d)->replays++;
    return SHN_OK;
}

static void host_graph_free(gpu_device *d, gpu_graph *graph) { host_release(d, graph); }

static const gpu_device_ops host_ops = {
    .close = host_close, .alloc = host_take, .release = host_release, .alloc_pinned = host_take, .release_pinned = host_release, .upload = host_copy,
    .download = host_copy, .clear = host_clear, .sync = host_sync, .launch = host_launch_call, .conv_new = host_conv_new, .conv_free = host_conv_free,
    .conv_run = host_conv_run, .product = host_product, .capture_begin = host_capture_begin, .capture_end = host_capture_end,
    .graph_run = host_graph_run, .graph_free = host_graph_free,
};

static gpu_device *host_open(void)
{
    host_device *h = calloc(1, sizeof *h);
    *h = host_wish;
    h->base = (gpu_device){ .ops = &host_ops, .name = "host loops", .libraries = "no libraries" };
    host_last = h;
    return &h->base;
}

#endif
