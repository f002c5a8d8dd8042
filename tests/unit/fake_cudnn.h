/**
 * A cuDNN that does what the backend descriptors say and no more: a convolution over tensors given by dimensions, strides and unique ids.
 * So a wrong stride, padding, operand or id in cudnn_plan.c gives wrong numbers here, as it would on a GPU. It names three engines: one that
 * is not deterministic, one that rounds its operands, one that does neither; and none gives an f32 weight gradient of bf16 operands.
 */
#ifndef SHN_TESTS_FAKE_CUDNN_H
#define SHN_TESTS_FAKE_CUDNN_H

#include <cudnn.h>

#include "fake_cuda.h"

enum { FAKE_ATTRIBUTES = 16, FAKE_ENGINES = 3 };

typedef struct fake_attribute { cudnnBackendAttributeName_t name; int64_t n; char value[64]; } fake_attribute;
typedef struct fake_tensor { int64_t dims[4], strides[4], uid; cudnnDataType_t type; } fake_tensor;
typedef struct fake_desc {
    cudnnBackendDescriptorType_t type;
    int            finalized, number;       /* number: of an engine or its configuration */
    size_t         n;
    fake_attribute attributes[FAKE_ATTRIBUTES];
    gpu_pass       pass;                    /* of a plan, with what it needs: descriptors may be gone when it runs */
    fake_tensor    x, w, y;
    int64_t        stride, pad;
} fake_desc;

struct cudnnContext { cudaStream_t stream; };

static size_t fake_size(cudnnBackendAttributeType_t type)
{
    return type == CUDNN_TYPE_INT64 || type == CUDNN_TYPE_VOID_PTR || type == CUDNN_TYPE_BACKEND_DESCRIPTOR || type == CUDNN_TYPE_HANDLE ? 8 : 4;
}

static const fake_attribute *fake_find(const fake_desc *d, cudnnBackendAttributeName_t name)
{
    for (size_t i = 0; d && i < d->n; i++)
        if (d->attributes[i].name == name) return &d->attributes[i];
    return NULL;
}

static const void *fake_get(const fake_desc *d, cudnnBackendAttributeName_t name)
{
    const fake_attribute *a = fake_find(d, name);
    return a ? a->value : NULL;
}

static fake_desc *fake_child(const fake_desc *d, cudnnBackendAttributeName_t name)
{
    fake_desc *child = NULL;
    const void *p = fake_get(d, name);
    if (p) memcpy(&child, p, sizeof child);
    return child;
}

static int64_t fake_number(const fake_desc *d, cudnnBackendAttributeName_t name, int at)
{
    int64_t v = -1;
    const char *p = fake_get(d, name);
    if (p) memcpy(&v, p + 8 * at, sizeof v);
    return v;
}

static fake_tensor fake_tensor_of(const fake_desc *d)
{
    fake_tensor t = { .uid = fake_number(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, 0) };
    for (int i = 0; i < 4; i++) {
        t.dims[i] = fake_number(d, CUDNN_ATTR_TENSOR_DIMENSIONS, i);
        t.strides[i] = fake_number(d, CUDNN_ATTR_TENSOR_STRIDES, i);
    }
    memcpy(&t.type, fake_get(d, CUDNN_ATTR_TENSOR_DATA_TYPE), sizeof t.type);
    if (fake_number(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 0) != 16) abort();
    return t;
}

/** What a plan's graph asks for; 0 where shapes contradict one another or an engine of this kind is not there. */
static int fake_understand(fake_desc *plan)
{
    const fake_desc *config = fake_child(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG), *graph = fake_child(config, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    const fake_desc *op = fake_child(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS), *conv, *x, *w, *y;
    const float     *alpha, *beta;
    if (op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR) {
        plan->pass = GPU_CONV_FORWARD;
        conv = fake_child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC), x = fake_child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X);
        w = fake_child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W), y = fake_child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y);
        alpha = fake_get(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA), beta = fake_get(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA);
    } else if (op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR) {
        plan->pass = GPU_CONV_DATA;
        conv = fake_child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC), x = fake_child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX);
        w = fake_child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W), y = fake_child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY);
        alpha = fake_get(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA), beta = fake_get(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA);
    } else {
        plan->pass = GPU_CONV_WEIGHTS;
        conv = fake_child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC), x = fake_child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X);
        w = fake_child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW), y = fake_child(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY);
        alpha = fake_get(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA), beta = fake_get(op, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA);
    }
    cudnnConvolutionMode_t mode;
    memcpy(&mode, fake_get(conv, CUDNN_ATTR_CONVOLUTION_CONV_MODE), sizeof mode);
    plan->x = fake_tensor_of(x), plan->w = fake_tensor_of(w), plan->y = fake_tensor_of(y);
    plan->stride = fake_number(conv, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 1);
    plan->pad = fake_number(conv, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 1);
    const int64_t length = (plan->x.dims[3] + plan->pad + fake_number(conv, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, 1) - plan->w.dims[3]) / plan->stride + 1;
    return *alpha == 1 && *beta == 0 && mode == CUDNN_CROSS_CORRELATION && fake_number(conv, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 0) == 2 &&
           plan->x.dims[2] == 1 && plan->w.dims[2] == 1 && plan->y.dims[2] == 1 && plan->x.dims[0] == plan->y.dims[0] && plan->x.dims[1] == plan->w.dims[1] &&
           plan->y.dims[1] == plan->w.dims[0] && plan->y.dims[3] == length && plan->x.type == plan->y.type && plan->w.type == plan->x.type;
}

/** Elements at their strides; sums in double, stored as the tensor's type. */
static void fake_convolve(const void *plan, const void *const pointers[3])
{
    const fake_desc *p = plan;
    const fake_tensor *const result = p->pass == GPU_CONV_FORWARD ? &p->y : p->pass == GPU_CONV_DATA ? &p->x : &p->w;
    const void *at[3] = { NULL };           /* x, w, y by their unique ids */
    const fake_tensor *const tensors[3] = { &p->x, &p->w, &p->y };
    for (int t = 0; t < 3; t++) at[t] = pointers[tensors[t]->uid - 'a'];
    const size_t n_result = (size_t)(result->dims[0] * result->dims[1] * result->dims[3]);
    double      *sum = calloc(n_result, sizeof *sum);
    const gpu_type type = p->x.type == CUDNN_DATA_BFLOAT16 ? GPU_BF16 : GPU_F32;
    for (int64_t n = 0; n < p->x.dims[0]; n++)
        for (int64_t t = 0; t < p->y.dims[3]; t++)
            for (int64_t k = 0; k < p->w.dims[3]; k++) {
                const int64_t from = t * p->stride + k - p->pad;
                if (from < 0 || from >= p->x.dims[3]) continue;
                for (int64_t o = 0; o < p->y.dims[1]; o++)
                    for (int64_t i = 0; i < p->x.dims[1]; i++) {
                        const size_t x = (size_t)(n * p->x.strides[0] + i * p->x.strides[1] + from * p->x.strides[3]);
                        const size_t w = (size_t)(o * p->w.strides[0] + i * p->w.strides[1] + k * p->w.strides[3]);
                        const size_t y = (size_t)(n * p->y.strides[0] + o * p->y.strides[1] + t * p->y.strides[3]);
                        if (p->pass == GPU_CONV_FORWARD) sum[y] += (double)host_value(at[0], x, type) * host_value(at[1], w, type);
                        else if (p->pass == GPU_CONV_DATA) sum[x] += (double)host_value(at[2], y, type) * host_value(at[1], w, type);
                        else sum[w] += (double)host_value(at[0], x, type) * host_value(at[2], y, type);
                    }
            }
    void *to;
    memcpy(&to, &at[p->pass == GPU_CONV_FORWARD ? 2 : p->pass == GPU_CONV_DATA ? 0 : 1], sizeof to);
    for (size_t i = 0; i < n_result; i++) host_put(to, i, result->type == CUDNN_DATA_BFLOAT16 ? GPU_BF16 : GPU_F32, sum[i]);
    free(sum);
}

/* ---- the functions ---- */

#define FAKE_DNN() do { if (fake_fails()) return CUDNN_STATUS_EXECUTION_FAILED; } while (0)

const char *cudnnGetErrorString(cudnnStatus_t s) { return s == CUDNN_STATUS_EXECUTION_FAILED ? "CUDNN_STATUS_EXECUTION_FAILED, made to fail" : "CUDNN_STATUS_NOT_SUPPORTED"; }
void cudnnGetLastErrorString(char *text, size_t n) { snprintf(text, n, "the last error"); }
size_t cudnnGetVersion(void) { return 90801; }
cudnnStatus_t cudnnCreate(cudnnHandle_t *h)
{
    FAKE_DNN();
    *h = calloc(1, sizeof **h);
    fake.open++;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t h) { return fake.open--, free(h), CUDNN_STATUS_SUCCESS; }
cudnnStatus_t cudnnSetStream(cudnnHandle_t h, cudaStream_t s)
{
    FAKE_DNN();
    h->stream = s;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *out)
{
    FAKE_DNN();
    fake_desc *d = calloc(1, sizeof *d);
    d->type = type;
    fake.open++;
    *out = d;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d) { return fake.open--, free(d), CUDNN_STATUS_SUCCESS; }

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t n, const void *value)
{
    fake_desc *d = descriptor;
    FAKE_DNN();
    if (d->finalized || d->n == FAKE_ATTRIBUTES || (size_t)n * fake_size(type) > sizeof d->attributes->value || fake_get(d, name)) abort();
    d->attributes[d->n] = (fake_attribute){ .name = name, .n = n };
    memcpy(d->attributes[d->n++].value, value, (size_t)n * fake_size(type));
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR && !fake_child(d, name)->finalized) return CUDNN_STATUS_BAD_PARAM;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor)
{
    fake_desc *d = descriptor;
    FAKE_DNN();
    d->finalized = 1;
    if (d->type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) return CUDNN_STATUS_SUCCESS;
    return fake_understand(d) ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_NOT_SUPPORTED;
}

cudnnStatus_t cudnnBackendGetAttribute(const cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t asked,
                                       int64_t *n, void *out)
{
    static const cudnnBackendNumericalNote_t notes[FAKE_ENGINES][2] = {
        { CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP },
        { CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS }, { CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP, CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP },
    };
    const fake_desc *d = descriptor;
    FAKE_DNN();
    (void)type;
    *n = 1;
    if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS) {
        if (asked < FAKE_ENGINES) abort();
        for (int i = 0; i < FAKE_ENGINES; i++) {
            fake_desc *config = ((fake_desc **)out)[i];
            config->number = i;
            config->finalized = 1;
            config->attributes[0] = *fake_find(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
            config->n = 1;
        }
        *n = FAKE_ENGINES;
    } else if (name == CUDNN_ATTR_ENGINECFG_ENGINE) ((fake_desc **)out)[0]->number = d->number;
    else if (name == CUDNN_ATTR_ENGINE_GLOBAL_INDEX) memcpy(out, &(int64_t){ d->number }, 8);
    else if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE) memcpy(out, notes[d->number], sizeof notes[0]), *n = 2;
    else if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE) memcpy(out, &(int64_t){ 100 }, 8);
    else abort();
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t h, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack)
{
    fake_call c = { .what = FAKE_CONV, .plan = plan };
    FAKE_DNN();
    if (h->stream != &fake_stream || !((fake_desc *)plan)->finalized || !((fake_desc *)pack)->finalized || !fake_number(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, 0)) abort();
    for (int i = 0; i < 3; i++) {
        const int64_t at = fake_number(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, i);
        if (at % 16 != 0) abort();
        const int64_t which = fake_number(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, i) - 'a';
        if (which < 0 || which > 2) abort();
        memcpy((char *)c.pointers + which * (int64_t)sizeof at, &at, sizeof at);
    }
    fake_do(&c);
    return CUDNN_STATUS_SUCCESS;
}

#endif
