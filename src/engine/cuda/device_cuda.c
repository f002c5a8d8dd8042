/**
 * The device of gpu_device_ops on a GPU: the CUDA runtime for memory, the stream and recordings, cuDNN for convolutions, cuBLAS for products.
 * Every status is checked here; nothing is waited for except in sync. cuBLAS has a workspace of its own, so that its sums do not depend
 * on what else is in flight.
 */
#include <cublas_v2.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "engine/cuda/cudnn_plan.h"
#include "engine/cuda/device_cuda.h"
#include "engine/engine_ops.h"
#include "engine/cuda/cuda.h"

static const char   where[] = "engine.cuda";
static const size_t blas_bytes = (size_t)32 << 20;       /* what cuBLAS asks for on sm_90 */

typedef struct cuda_device {
    gpu_device     base;
    cudaStream_t   stream;
    cudnnHandle_t  dnn;
    cublasHandle_t blas;
    void          *blas_workspace;
    int            number;
} cuda_device;

struct gpu_graph { cudaGraphExec_t exec; };

static shn_status failed(cudaError_t code, const char *call, shn_error *err)
{
    if (code == cudaSuccess) return SHN_OK;
    const int memory = code == cudaErrorMemoryAllocation;
    return shn_fail(err, memory ? SHN_NOMEM : SHN_DEVICE, memory ? SHN_REASON_NO_MEMORY : SHN_REASON_NONE, where, "%s: %s, %s; %s", call, cudaGetErrorName(code),
                    cudaGetErrorString(code), memory ? "a smaller batch needs less memory" : "see dmesg and nvidia-smi; the engine cpu needs no GPU");
}

static shn_status blas_failed(cublasStatus_t code, const char *call, shn_error *err)
{
    if (code == CUBLAS_STATUS_SUCCESS) return SHN_OK;
    const int memory = code == CUBLAS_STATUS_ALLOC_FAILED;
    return shn_fail(err, memory ? SHN_NOMEM : SHN_DEVICE, memory ? SHN_REASON_NO_MEMORY : SHN_REASON_NONE, where, "%s: %s; %s", call, cublasGetStatusName(code),
                    memory ? "a smaller batch needs less memory" : "the engine cpu needs no GPU");
}

#define CUDA(call) failed(call, #call, err)
#define BLAS(call) blas_failed(call, #call, err)
#define DNN(call) gpu_cudnn_status(call, #call, err)

/** The calling thread's device is this one's from here on; engines of one process may have several. */
static cuda_device *use(gpu_device *d, cudaError_t *code)
{
    cuda_device *c = (cuda_device *)d;
    *code = cudaSetDevice(c->number);
    return c;
}
#define USE(d)                                                                          \
    cudaError_t  chosen;                                                                \
    cuda_device *c = use(d, &chosen);                                                   \
    if (chosen != cudaSuccess) return failed(chosen, "cudaSetDevice", err)

/* ---- memory ---- */

static void device_close(gpu_device *d)
{
    cudaError_t  code;
    cuda_device *c = use(d, &code);
    if (c->blas) cublasDestroy(c->blas);
    if (c->dnn) cudnnDestroy(c->dnn);
    if (c->blas_workspace) cudaFree(c->blas_workspace);
    if (c->stream) cudaStreamDestroy(c->stream);
    free(c);
}

static shn_status device_alloc(gpu_device *d, size_t bytes, void **out, shn_error *err)
{
    USE(d);
    *out = NULL;
    shn_status st = CUDA(cudaMalloc(out, bytes ? bytes : 1));
    if (st == SHN_OK) st = CUDA(cudaMemsetAsync(*out, 0, bytes, c->stream));
    if (st == SHN_OK) return st;
    (void)cudaGetLastError();                   /* a refused allocation is no broken device */
    cudaFree(*out);
    *out = NULL;
    return st;
}

static void device_release(gpu_device *d, void *p)
{
    cudaError_t code;
    use(d, &code);
    if (p) cudaFree(p);
}

static shn_status device_alloc_pinned(gpu_device *d, size_t bytes, void **out, shn_error *err)
{
    USE(d);
    (void)c;
    *out = NULL;
    const shn_status st = CUDA(cudaHostAlloc(out, bytes ? bytes : 1, cudaHostAllocDefault));
    if (st != SHN_OK) (void)cudaGetLastError();
    return st;
}

static void device_release_pinned(gpu_device *d, void *p)
{
    cudaError_t code;
    use(d, &code);
    if (p) cudaFreeHost(p);
}

static shn_status device_upload(gpu_device *d, void *to, const void *pinned, size_t bytes, shn_error *err)
{
    USE(d);
    return CUDA(cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, c->stream));
}

static shn_status device_download(gpu_device *d, void *pinned, const void *from, size_t bytes, shn_error *err)
{
    USE(d);
    return CUDA(cudaMemcpyAsync(pinned, from, bytes, cudaMemcpyDeviceToHost, c->stream));
}

static shn_status device_clear(gpu_device *d, void *to, size_t bytes, shn_error *err)
{
    USE(d);
    return CUDA(cudaMemsetAsync(to, 0, bytes, c->stream));
}

static shn_status device_sync(gpu_device *d, shn_error *err)
{
    USE(d);
    return CUDA(cudaStreamSynchronize(c->stream));
}

/* ---- work ---- */

static shn_status device_launch(gpu_device *d, gpu_kernel kernel, uint32_t n_blocks, const void *args, shn_error *err)
{
    USE(d);
    return failed(gpu_cuda_launch(kernel, n_blocks, args, c->stream), gpu_kernel_name(kernel), err);
}

static shn_status device_conv_new(gpu_device *d, const gpu_conv_spec *spec, gpu_conv **out, shn_error *err)
{
    USE(d);
    return gpu_cudnn_plan(c->dnn, NULL, spec, out, err);
}

static void device_conv_free(gpu_device *d, gpu_conv *conv)
{
    cudaError_t code;
    use(d, &code);
    gpu_cudnn_free(conv);
}

static shn_status device_conv_run(gpu_device *d, gpu_conv *conv, const void *x, const void *y, void *out, void *workspace, shn_error *err)
{
    USE(d);
    return gpu_cudnn_run(c->dnn, conv, x, y, out, workspace, err);
}

/** Row-major C = A B is column-major C' = B' A', so operands change places. */
static shn_status device_product(gpu_device *d, const gpu_product *p, const float *x, const float *y, float *out, shn_error *err)
{
    USE(d);
    const float one = 1, beta = p->add ? 1.f : 0.f;
    const int   m = (int)p->m, n = (int)p->n, k = (int)p->k;
    return BLAS(cublasSgemm(c->blas, p->trans_b ? CUBLAS_OP_T : CUBLAS_OP_N, p->trans_a ? CUBLAS_OP_T : CUBLAS_OP_N, n, m, k, &one, y, p->trans_b ? k : n, x,
                            p->trans_a ? m : k, &beta, out, n));
}

/* ---- recordings ---- */

static shn_status device_capture_begin(gpu_device *d, shn_error *err)
{
    USE(d);
    return CUDA(cudaStreamBeginCapture(c->stream, cudaStreamCaptureModeThreadLocal));
}

static shn_status device_capture_end(gpu_device *d, int keep, gpu_graph **out, shn_error *err)
{
    *out = NULL;
    USE(d);
    cudaGraph_t graph = NULL;
    gpu_graph  *g = NULL;
    shn_status  st = CUDA(cudaStreamEndCapture(c->stream, &graph));
    if (st == SHN_OK && keep) {
        g = shn_alloc(1, sizeof *g);
        st = g ? CUDA(cudaGraphInstantiate(&g->exec, graph, 0)) : shn_fail_nomem(err, where);
    }
    if (graph) cudaGraphDestroy(graph);
    if (st != SHN_OK) {
        free(g);
        (void)cudaGetLastError();
        return st;
    }
    *out = g;
    return SHN_OK;
}

static shn_status device_graph_run(gpu_device *d, gpu_graph *graph, shn_error *err)
{
    USE(d);
    return CUDA(cudaGraphLaunch(graph->exec, c->stream));
}

static void device_graph_free(gpu_device *d, gpu_graph *graph)
{
    cudaError_t code;
    if (!graph) return;
    use(d, &code);
    cudaGraphExecDestroy(graph->exec);
    free(graph);
}

static const gpu_device_ops cuda_device_ops = {
    .close = device_close, .alloc = device_alloc, .release = device_release, .alloc_pinned = device_alloc_pinned, .release_pinned = device_release_pinned,
    .upload = device_upload, .download = device_download, .clear = device_clear, .sync = device_sync, .launch = device_launch, .conv_new = device_conv_new,
    .conv_free = device_conv_free, .conv_run = device_conv_run, .product = device_product, .capture_begin = device_capture_begin,
    .capture_end = device_capture_end, .graph_run = device_graph_run, .graph_free = device_graph_free,
};

/* ---- opening ---- */

/** Which of the machine's GPUs: the first, or the one that $SHINDEN_CUDA_DEVICE names by number. */
static shn_status choose(int *number, shn_error *err)
{
    int               n = 0;
    const cudaError_t code = cudaGetDeviceCount(&n);
    const char       *wish = getenv("SHINDEN_CUDA_DEVICE");
    char             *end;
    *number = 0;
    if (code != cudaSuccess || n == 0) {
        (void)cudaGetLastError();
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "no CUDA device: %s; choose the engine cpu, or check the driver with nvidia-smi",
                        code != cudaSuccess ? cudaGetErrorString(code) : "the driver lists none");
    }
    if (!wish || !*wish) return SHN_OK;
    const long at = strtol(wish, &end, 10);
    if (*end || at < 0 || at >= n)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "SHINDEN_CUDA_DEVICE=%s, this machine has devices 0 to %d", wish, n - 1);
    *number = (int)at;
    return SHN_OK;
}

shn_status gpu_cuda_peaks(gpu_peaks *out, shn_error *err)
{
    int        number, major = 0, minor = 0, sms = 0, clock_khz = 0, memory_khz = 0, bus = 0;
    size_t     left = 0, memory = 0;
    shn_status st = choose(&number, err);
    if (st == SHN_OK) st = CUDA(cudaSetDevice(number));
    if (st == SHN_OK) st = CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, number));
    if (st == SHN_OK) st = CUDA(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, number));
    if (st == SHN_OK) st = CUDA(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, number));
    if (st == SHN_OK) st = CUDA(cudaDeviceGetAttribute(&clock_khz, cudaDevAttrClockRate, number));
    if (st == SHN_OK) st = CUDA(cudaDeviceGetAttribute(&memory_khz, cudaDevAttrMemoryClockRate, number));
    if (st == SHN_OK) st = CUDA(cudaDeviceGetAttribute(&bus, cudaDevAttrGlobalMemoryBusWidth, number));
    if (st == SHN_OK) st = CUDA(cudaMemGetInfo(&left, &memory));
    if (st != SHN_OK) return st;
    const int    sm = major * 10 + minor;
    const double cycles = (double)sms * clock_khz * 1e3 / 1e9;          /* 10^9 a second, over all units */
    const double bf16 = sm == 90 ? 4096 : sm == 80 ? 2048 : NAN, f32 = sm == 90 ? 256 : sm == 80 ? 128 : NAN;   /* operations of a unit and cycle */
    *out = (gpu_peaks){ .f32 = cycles * f32, .tf32 = cycles * bf16 / 2, .bf16 = cycles * bf16, .bandwidth = 2.0 * memory_khz * 1e3 * bus / 8 / 1e9,
                        .memory_gb = (double)memory / 1e9 };
    snprintf(out->chip, sizeof out->chip, "sm_%d", sm);
    return SHN_OK;
}

static shn_status describe(cuda_device *c, shn_error *err)
{
    struct cudaDeviceProp p;
    const shn_status      st = CUDA(cudaGetDeviceProperties(&p, c->number));
    const size_t          version = cudnnGetVersion();
    if (st != SHN_OK) return st;
    if (p.major < 8)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "no CUDA device: %.40s is sm_%d%d, this engine needs sm_80 or later", p.name, p.major, p.minor);
    snprintf(c->base.name, sizeof c->base.name, "%.38s sm_%d%d", p.name, p.major, p.minor);
    snprintf(c->base.libraries, sizeof c->base.libraries, "cuDNN %zu.%zu.%zu", version / 10000, version / 100 % 100, version % 100);
    return SHN_OK;
}

static shn_status open_libraries(cuda_device *c, shn_error *err)
{
    shn_status st = CUDA(cudaSetDevice(c->number));
    if (st == SHN_OK) st = describe(c, err);
    if (st == SHN_OK) st = CUDA(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking));
    if (st == SHN_OK) st = DNN(cudnnCreate(&c->dnn));
    if (st == SHN_OK) st = DNN(cudnnSetStream(c->dnn, c->stream));
    if (st == SHN_OK) st = BLAS(cublasCreate(&c->blas));
    if (st == SHN_OK) st = BLAS(cublasSetStream(c->blas, c->stream));
    if (st == SHN_OK) st = CUDA(cudaMalloc(&c->blas_workspace, blas_bytes));
    if (st == SHN_OK) st = BLAS(cublasSetWorkspace(c->blas, c->blas_workspace, blas_bytes));
    if (st == SHN_OK) st = BLAS(cublasSetAtomicsMode(c->blas, CUBLAS_ATOMICS_NOT_ALLOWED));
    return st == SHN_OK ? BLAS(cublasSetMathMode(c->blas, CUBLAS_PEDANTIC_MATH)) : st;
}

shn_status gpu_open_cuda(gpu_device **out, shn_error *err)
{
    int        number;
    shn_status st = choose(&number, err);
    *out = NULL;
    if (st != SHN_OK) return st;
    cuda_device *c = shn_alloc(1, sizeof *c);
    if (!c) return shn_fail_nomem(err, where);
    const char *graphs = getenv("SHINDEN_CUDA_GRAPH");
    c->base.ops = &cuda_device_ops;
    c->base.no_graphs = graphs && strcmp(graphs, "0") == 0;
    c->number = number;
    st = open_libraries(c, err);
    if (st != SHN_OK) {
        device_close(&c->base);
        return st;
    }
    *out = &c->base;
    return SHN_OK;
}

shn_status shn_engine_new_cuda(const shn_encoder *enc, size_t n_samples, size_t batch_max, int training, const shn_engine_options *options,
                               shn_engine_made *out, shn_error *err)
{
    gpu_device      *device;
    const shn_status st = gpu_open_cuda(&device, err);
    return st == SHN_OK ? cuda_engine_new(device, enc, n_samples, batch_max, training, options, out, err) : st;
}
