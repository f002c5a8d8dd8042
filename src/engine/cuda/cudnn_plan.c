/** See cudnn_plan.h. One-dimensional layers are two-dimensional ones of height 1; layouts are NHWC and KRSC, given by strides. */
#include "engine/cuda/cudnn_plan.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

enum { UID_A = 'a', UID_B = 'b', UID_C = 'c', CANDIDATES = 32 };
static const size_t workspace_most = (size_t)1 << 30;

typedef cudnnBackendDescriptor_t desc;

typedef struct cudnn_conv { gpu_conv base; desc plan; } cudnn_conv;

shn_status gpu_cudnn_status(cudnnStatus_t status, const char *call, shn_error *err)
{
    char detail[160] = "";
    if (status == CUDNN_STATUS_SUCCESS) return SHN_OK;
    cudnnGetLastErrorString(detail, sizeof detail);
    const int memory = status == CUDNN_STATUS_ALLOC_FAILED || status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ||
                       status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    return shn_fail(err, memory ? SHN_NOMEM : SHN_DEVICE, memory ? SHN_REASON_NO_MEMORY : SHN_REASON_NONE, "engine.cuda", "%s: %s%s%s; %s", call,
                    cudnnGetErrorString(status), *detail ? ", " : "", detail, memory ? "a smaller batch needs less memory" : "the engine cpu needs no GPU");
}

#define TRY(st, call)                                                                   \
    do {                                                                                \
        if ((st) == SHN_OK) (st) = gpu_cudnn_status(call, #call, err);                   \
    } while (0)
#define SET(st, d, name, type, n, value) TRY(st, cudnnBackendSetAttribute(d, CUDNN_ATTR_##name, CUDNN_TYPE_##type, n, value))

static void destroy(desc *d, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (d[i]) cudnnBackendDestroyDescriptor(d[i]);
}

/** A tensor [n][1][length][channels] in memory. */
static shn_status tensor(int64_t uid, cudnnDataType_t type, size_t n, size_t length, size_t channels, desc *out, shn_error *err)
{
    const int64_t row = (int64_t)(length * channels), dims[] = { (int64_t)n, (int64_t)channels, 1, (int64_t)length }, strides[] = { row, 1, row, (int64_t)channels },
                  alignment = 16;
    shn_status st = SHN_OK;
    TRY(st, cudnnBackendCreateDescriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR, out));
    SET(st, *out, TENSOR_DATA_TYPE, DATA_TYPE, 1, &type);
    SET(st, *out, TENSOR_DIMENSIONS, INT64, 4, dims);
    SET(st, *out, TENSOR_STRIDES, INT64, 4, strides);
    SET(st, *out, TENSOR_UNIQUE_ID, INT64, 1, &uid);
    SET(st, *out, TENSOR_BYTE_ALIGNMENT, INT64, 1, &alignment);
    TRY(st, cudnnBackendFinalize(*out));
    return st;
}

static shn_status convolution(const gpu_conv_spec *s, desc *out, shn_error *err)
{
    const cudnnDataType_t        sums = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const int64_t n_dims = 2, dilation[] = { 1, 1 }, stride[] = { 1, (int64_t)s->stride }, pad[] = { 0, (int64_t)s->pad };
    shn_status    st = SHN_OK;
    TRY(st, cudnnBackendCreateDescriptor(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, out));
    SET(st, *out, CONVOLUTION_COMP_TYPE, DATA_TYPE, 1, &sums);
    SET(st, *out, CONVOLUTION_CONV_MODE, CONVOLUTION_MODE, 1, &mode);
    SET(st, *out, CONVOLUTION_SPATIAL_DIMS, INT64, 1, &n_dims);
    SET(st, *out, CONVOLUTION_DILATIONS, INT64, 2, dilation);
    SET(st, *out, CONVOLUTION_FILTER_STRIDES, INT64, 2, stride);
    SET(st, *out, CONVOLUTION_PRE_PADDINGS, INT64, 2, pad);
    SET(st, *out, CONVOLUTION_POST_PADDINGS, INT64, 2, pad);
    TRY(st, cudnnBackendFinalize(*out));
    return st;
}

/** How cuDNN calls the operation of a pass, its convolution, tensors a, b and c of gpu_device_ops.conv_run, and its factors. */
static const struct { cudnnBackendDescriptorType_t operation; cudnnBackendAttributeName_t conv, tensor[3], alpha, beta; } operations[] = {
#define OPERATION(type, prefix, A, B, C)                                                                                                          \
    { CUDNN_BACKEND_OPERATION_CONVOLUTION_##type##_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_CONV_DESC,                              \
      { CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##A, CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##B, CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##C }, \
      CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_BETA }
    [GPU_CONV_FORWARD] = OPERATION(FORWARD, FORWARD, X, W, Y),
    [GPU_CONV_DATA]    = OPERATION(BACKWARD_DATA, BWD_DATA, DY, W, DX),
    [GPU_CONV_WEIGHTS] = OPERATION(BACKWARD_FILTER, BWD_FILTER, X, DY, DW),
#undef OPERATION
};

static shn_status operation(gpu_pass pass, desc conv, const desc tensors[3], desc *out, shn_error *err)
{
    const float one = 1, zero = 0;
    shn_status  st = SHN_OK;
    TRY(st, cudnnBackendCreateDescriptor(operations[pass].operation, out));
    TRY(st, cudnnBackendSetAttribute(*out, operations[pass].conv, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &conv));
    for (int i = 0; i < 3; i++) TRY(st, cudnnBackendSetAttribute(*out, operations[pass].tensor[i], CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &tensors[i]));
    TRY(st, cudnnBackendSetAttribute(*out, operations[pass].alpha, CUDNN_TYPE_FLOAT, 1, &one));
    TRY(st, cudnnBackendSetAttribute(*out, operations[pass].beta, CUDNN_TYPE_FLOAT, 1, &zero));
    TRY(st, cudnnBackendFinalize(*out));
    return st;
}

/** The graph of one convolution. d: receives six descriptors to destroy, also on failure; d[5] is the graph. */
static shn_status graph_of(cudnnHandle_t handle, const gpu_conv_spec *s, gpu_type dw_type, desc d[6], shn_error *err)
{
    const cudnnDataType_t type = s->type == GPU_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    const int   weights = s->pass == GPU_CONV_WEIGHTS, data = s->pass == GPU_CONV_DATA;
    shn_status  st = SHN_OK;
    /* x, or d_y where the data gradient is asked for */
    st = data ? tensor(UID_A, type, s->n, s->out_length, s->out, &d[0], err) : tensor(UID_A, type, s->n, s->in_length, s->in, &d[0], err);
    if (st == SHN_OK)
        st = weights ? tensor(UID_B, type, s->n, s->out_length, s->out, &d[1], err) : tensor(UID_B, type, s->out, s->kernel, s->in, &d[1], err);
    if (st == SHN_OK)
        st = weights ? tensor(UID_C, dw_type == GPU_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT, s->out, s->kernel, s->in, &d[2], err)
             : data  ? tensor(UID_C, type, s->n, s->in_length, s->in, &d[2], err)
                     : tensor(UID_C, type, s->n, s->out_length, s->out, &d[2], err);
    if (st == SHN_OK) st = convolution(s, &d[3], err);
    if (st == SHN_OK) st = operation(s->pass, d[3], d, &d[4], err);
    TRY(st, cudnnBackendCreateDescriptor(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, &d[5]));
    SET(st, d[5], OPERATIONGRAPH_OPS, BACKEND_DESCRIPTOR, 1, &d[4]);
    if (handle) SET(st, d[5], OPERATIONGRAPH_HANDLE, HANDLE, 1, &handle);
    TRY(st, cudnnBackendFinalize(d[5]));
    return st;
}

/** Whether an engine keeps what the spec asks for: the same bits every time, f32 products where f32 was asked for. *number: cuDNN's of it. */
static int allowed(desc config, const gpu_conv_spec *s, int64_t *number)
{
    cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    desc    engine = NULL;
    int64_t n = 0, got = 0;
    int     ok = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) == CUDNN_STATUS_SUCCESS &&
             cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &got, &engine) == CUDNN_STATUS_SUCCESS &&
             cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &got, number) == CUDNN_STATUS_SUCCESS &&
             cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n, notes) == CUDNN_STATUS_SUCCESS;
    for (int64_t i = 0; ok && i < n; i++) {
        const cudnnBackendNumericalNote_t note = notes[i];
        if (note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) ok = s->fast;
        else if (note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) ok = 0;
        else if (s->type == GPU_F32) {
            const int rounded = note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE || note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
            ok = rounded ? s->tf32 : note == CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP;
        }
    }
    destroy(&engine, 1);
    return ok;
}

/** A plan of one configuration; SHN_UNSUPPORTED where cuDNN has none after all, or it needs too much memory. */
static shn_status finalize(cudnnHandle_t handle, desc device, desc config, desc *plan, size_t *workspace, shn_error *err)
{
    shn_status st = SHN_OK;
    int64_t    bytes = 0, got = 0;
    TRY(st, cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, plan));
    SET(st, *plan, EXECUTION_PLAN_ENGINE_CONFIG, BACKEND_DESCRIPTOR, 1, &config);
    if (handle) SET(st, *plan, EXECUTION_PLAN_HANDLE, HANDLE, 1, &handle);
    else SET(st, *plan, EXECUTION_PLAN_DEVICEPROP, BACKEND_DESCRIPTOR, 1, &device);
    if (st == SHN_OK && cudnnBackendFinalize(*plan) != CUDNN_STATUS_SUCCESS) st = SHN_UNSUPPORTED;
    TRY(st, cudnnBackendGetAttribute(*plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &got, &bytes));
    if (st == SHN_OK && (size_t)bytes > workspace_most) st = SHN_UNSUPPORTED;
    if (st != SHN_OK) destroy(plan, 1), *plan = NULL;
    *workspace = (size_t)bytes;
    return st;
}

/** Tries the configurations that one mode of the heuristics names, best first. c->plan stays NULL where none serves. */
static shn_status search(cudnnHandle_t handle, desc device, desc graph, cudnnBackendHeurMode_t mode, const gpu_conv_spec *s, cudnn_conv *c, shn_error *err)
{
    desc       heuristics = NULL, configs[CANDIDATES] = { NULL };
    int64_t    n = 0, number = 0;
    shn_status st = SHN_OK;
    TRY(st, cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heuristics));
    SET(st, heuristics, ENGINEHEUR_OPERATION_GRAPH, BACKEND_DESCRIPTOR, 1, &graph);
    SET(st, heuristics, ENGINEHEUR_MODE, HEUR_MODE, 1, &mode);
    if (!handle) SET(st, heuristics, ENGINEHEUR_DEVICEPROP, BACKEND_DESCRIPTOR, 1, &device);
    if (st == SHN_OK && cudnnBackendFinalize(heuristics) != CUDNN_STATUS_SUCCESS) goto cleanup;     /* nothing of this kind for this graph */
    for (size_t i = 0; i < CANDIDATES; i++) TRY(st, cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configs[i]));
    TRY(st, cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, CANDIDATES, &n, configs));
    for (int64_t i = 0; i < n && i < CANDIDATES && st == SHN_OK && !c->plan; i++) {
        if (!allowed(configs[i], s, &number)) continue;
        st = finalize(handle, device, configs[i], &c->plan, &c->base.workspace, err);
        if (st == SHN_UNSUPPORTED) st = SHN_OK;
        snprintf(c->base.text, sizeof c->base.text, "cuDNN engine %d", (int)number);
    }
cleanup:
    destroy(configs, CANDIDATES);
    destroy(&heuristics, 1);
    return st;
}

shn_status gpu_cudnn_plan(cudnnHandle_t handle, cudnnBackendDescriptor_t device, const gpu_conv_spec *s, gpu_conv **out, shn_error *err)
{
    static const cudnnBackendHeurMode_t modes[] = { CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK };
    static const char *const            passes[] = { "forward", "data gradient", "weight gradient" };
    cudnn_conv *c = shn_alloc(1, sizeof *c);
    shn_status  st = SHN_OK;
    *out = NULL;
    if (!c) return shn_fail_nomem(err, "engine.cuda");
    /* a weight gradient in f32 where cuDNN gives one for bf16 operands, else in bf16 */
    for (int round = 0; round < (s->pass == GPU_CONV_WEIGHTS && s->type == GPU_BF16 ? 2 : 1) && st == SHN_OK && !c->plan; round++) {
        desc d[6] = { NULL };
        c->base.dw_type = round ? GPU_BF16 : GPU_F32;
        st = graph_of(handle, s, c->base.dw_type, d, err);
        for (size_t m = 0; m < sizeof modes / sizeof *modes && st == SHN_OK && !c->plan; m++) st = search(handle, device, d[5], modes[m], s, c, err);
        destroy(d, 6);
    }
    if (st == SHN_OK && !c->plan)
        st = shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "engine.cuda", "cuDNN has no %s%s engine for %zu x %zu channels, %zu taps, stride %zu, %zu records of %zu; "
                      "try another precision or batch", s->fast ? "" : "deterministic ", passes[s->pass], s->in, s->out, s->kernel, s->stride, s->n, s->in_length);
    if (st != SHN_OK) {
        gpu_cudnn_free(&c->base);
        return st;
    }
    *out = &c->base;
    return SHN_OK;
}

shn_status gpu_cudnn_run(cudnnHandle_t handle, gpu_conv *conv, const void *a, const void *b, void *c, void *workspace, shn_error *err)
{
    const int64_t uids[] = { UID_A, UID_B, UID_C };
    const void   *pointers[] = { a, b, c };
    desc          pack = NULL;
    shn_status    st = SHN_OK;
    TRY(st, cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack));
    SET(st, pack, VARIANT_PACK_UNIQUE_IDS, INT64, 3, uids);
    SET(st, pack, VARIANT_PACK_DATA_POINTERS, VOID_PTR, 3, pointers);
    SET(st, pack, VARIANT_PACK_WORKSPACE, VOID_PTR, 1, &workspace);
    TRY(st, cudnnBackendFinalize(pack));
    TRY(st, cudnnBackendExecute(handle, ((cudnn_conv *)conv)->plan, pack));
    destroy(&pack, 1);
    return st;
}

void gpu_cudnn_free(gpu_conv *conv)
{
    if (!conv) return;
    destroy(&((cudnn_conv *)conv)->plan, 1);
    free(conv);
}
