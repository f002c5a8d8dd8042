/**
 * A CUDA runtime and a cuBLAS of plain loops, for device_cuda.c: the functions that it calls, defined in the test's own program and so
 * taken before the libraries'. "Device" memory is memory; a launch runs the kernels' loops; a capture copies the arguments of its calls
 * and a graph runs them. The n-th call can fail. What is not given back is counted.
 */
#ifndef SHN_TESTS_FAKE_CUDA_H
#define SHN_TESTS_FAKE_CUDA_H

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include "engine/cuda/device_cuda.h"
#include "gpu_host.h"

enum { FAKE_CALLS_MAX = 4096 };

typedef enum fake_what { FAKE_KERNEL, FAKE_MEMSET, FAKE_SGEMM, FAKE_CONV } fake_what;
typedef struct fake_call {
    fake_what what;
    gpu_kernel kernel;
    uint32_t n_blocks;
    _Alignas(16) char args[GPU_ARGS_MAX];
    void    *to;
    size_t   bytes;
    int      trans_a, trans_b, m, n, k, lda, ldb, ldc;
    float    alpha, beta;
    const float *a, *b;
    float   *c;
    const void *plan, *pointers[3];
} fake_call;

typedef struct fake_machine {
    int    devices, major;
    long   calls, fail_at, open;            /* open: objects and blocks that were not given back */
    size_t memory, used;                    /* memory 0: no limit */
    int    capturing, graphs_run;
    cudaError_t last;
    size_t n_recorded;
    fake_call recorded[FAKE_CALLS_MAX];
} fake_machine;
static fake_machine fake;

struct CUstream_st { int number; };
struct CUgraph_st { size_t n; fake_call *calls; };
struct CUgraphExec_st { size_t n; fake_call *calls; };
struct cublasContext { cudaStream_t stream; int pedantic, no_atomics, workspace; };
static struct CUstream_st fake_stream;

/** 1 where this call is the one that fails. */
static int fake_fails(void) { return ++fake.calls == fake.fail_at; }
#define FAKE_CALL() do { if (fake_fails()) return fake.last = cudaErrorLaunchFailure; } while (0)

static void fake_convolve(const void *plan, const void *const pointers[3]);       /* fake_cudnn.h */

static void fake_sgemm(const fake_call *c)
{
    for (int j = 0; j < c->n; j++)
        for (int i = 0; i < c->m; i++) {
            double sum = 0;
            for (int l = 0; l < c->k; l++)
                sum += (double)(c->trans_a ? c->a[i * c->lda + l] : c->a[l * c->lda + i]) * (c->trans_b ? c->b[l * c->ldb + j] : c->b[j * c->ldb + l]);
            c->c[j * c->ldc + i] = (float)(c->alpha * sum + (c->beta != 0 ? (double)c->beta * c->c[j * c->ldc + i] : 0));
        }
}

static void fake_run(const fake_call *c)
{
    switch (c->what) {
    case FAKE_KERNEL: host_launch(c->kernel, c->n_blocks, c->args, 0); break;
    case FAKE_MEMSET: memset(c->to, 0, c->bytes); break;
    case FAKE_SGEMM: fake_sgemm(c); break;
    case FAKE_CONV: fake_convolve(c->plan, c->pointers); break;
    }
}

static void fake_do(const fake_call *c)
{
    if (!fake.capturing) fake_run(c);
    else if (fake.n_recorded == FAKE_CALLS_MAX) abort();
    else fake.recorded[fake.n_recorded++] = *c;
}

/* ---- the runtime ---- */

cudaError_t cudaGetDeviceCount(int *n)
{
    FAKE_CALL();
    *n = fake.devices;
    return fake.devices ? cudaSuccess : (fake.last = cudaErrorNoDevice);
}
cudaError_t cudaSetDevice(int n) { return n < fake.devices ? cudaSuccess : cudaErrorInvalidDevice; }
cudaError_t cudaGetLastError(void)
{
    const cudaError_t last = fake.last;
    fake.last = cudaSuccess;
    return last;
}
const char *cudaGetErrorName(cudaError_t e) { return e == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "cudaErrorLaunchFailure"; }
const char *cudaGetErrorString(cudaError_t e) { return e == cudaErrorMemoryAllocation ? "out of memory" : e == cudaErrorNoDevice ? "no CUDA-capable device is detected" : "made to fail"; }
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int n)
{
    FAKE_CALL();
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "Fake %d", n);
    p->major = fake.major;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr a, int n)
{
    FAKE_CALL();
    (void)n;
    *value = a == cudaDevAttrComputeCapabilityMajor ? fake.major : a == cudaDevAttrMultiProcessorCount ? 132 : a == cudaDevAttrClockRate ? 1830000
             : a == cudaDevAttrMemoryClockRate ? 2619000 : a == cudaDevAttrGlobalMemoryBusWidth ? 5120 : 0;
    return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t *left, size_t *all)
{
    FAKE_CALL();
    *left = *all = (size_t)80 << 30;
    return cudaSuccess;
}

static cudaError_t fake_take(void **out, size_t bytes)
{
    *out = NULL;
    FAKE_CALL();
    if (fake.memory && fake.used + bytes > fake.memory) return fake.last = cudaErrorMemoryAllocation;
    *out = aligned_alloc(256, (bytes + 255) / 256 * 256);
    memset(*out, 0x7f, bytes < (size_t)16 << 20 ? bytes : 4096);      /* as a GPU: whatever was there; of the 32 MB for cuBLAS a page will do */
    fake.used += bytes;
    fake.open++;
    return cudaSuccess;
}
static cudaError_t fake_give(void *p)
{
    if (p) fake.open--;
    free(p);
    return cudaSuccess;
}
cudaError_t cudaMalloc(void **out, size_t bytes) { return fake_take(out, bytes); }
cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned flags) { return (void)flags, fake_take(out, bytes); }
cudaError_t cudaFree(void *p) { return fake_give(p); }
cudaError_t cudaFreeHost(void *p) { return fake_give(p); }
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t s)
{
    FAKE_CALL();
    if (s != &fake_stream || fake.capturing || (kind != cudaMemcpyHostToDevice && kind != cudaMemcpyDeviceToHost)) abort();
    memcpy(to, from, bytes);
    return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t s)
{
    FAKE_CALL();
    if (s != &fake_stream || value != 0) abort();
    fake_do(&(fake_call){ .what = FAKE_MEMSET, .to = to, .bytes = bytes });
    return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags)
{
    FAKE_CALL();
    if (flags != cudaStreamNonBlocking) abort();
    *s = &fake_stream;
    fake.open++;
    return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t s) { return (void)s, fake.open--, cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
    FAKE_CALL();
    if (s != &fake_stream || fake.capturing) abort();       /* a capture must not be waited for */
    return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t s, enum cudaStreamCaptureMode mode)
{
    FAKE_CALL();
    (void)mode;
    if (s != &fake_stream || fake.capturing) abort();
    fake.capturing = 1;
    fake.n_recorded = 0;
    return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph)
{
    if (s != &fake_stream || !fake.capturing) abort();
    fake.capturing = 0;
    *graph = NULL;
    FAKE_CALL();
    *graph = malloc(sizeof **graph);
    (*graph)->n = fake.n_recorded;
    (*graph)->calls = malloc(fake.n_recorded * sizeof(fake_call) + 1);
    memcpy((*graph)->calls, fake.recorded, fake.n_recorded * sizeof(fake_call));
    fake.open++;
    return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
    FAKE_CALL();
    (void)flags;
    *exec = malloc(sizeof **exec);
    (*exec)->n = graph->n;
    (*exec)->calls = malloc(graph->n * sizeof(fake_call) + 1);
    memcpy((*exec)->calls, graph->calls, graph->n * sizeof(fake_call));
    fake.open++;
    return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s)
{
    FAKE_CALL();
    if (s != &fake_stream) abort();
    for (size_t i = 0; i < exec->n; i++) fake_run(&exec->calls[i]);
    fake.graphs_run++;
    return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t g) { return fake.open--, free(g->calls), free(g), cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t g) { return fake.open--, free(g->calls), free(g), cudaSuccess; }

cudaError_t gpu_cuda_launch(gpu_kernel kernel, uint32_t n_blocks, const void *args, cudaStream_t s)
{
    fake_call c = { .what = FAKE_KERNEL, .kernel = kernel, .n_blocks = n_blocks };
    FAKE_CALL();
    if (s != &fake_stream || n_blocks == 0) abort();        /* CUDA refuses a launch of no blocks */
    memcpy(c.args, args, gpu_args_size(kernel));
    fake_do(&c);
    return cudaSuccess;
}

/* ---- cuBLAS ---- */

#define FAKE_BLAS() do { if (fake_fails()) return CUBLAS_STATUS_EXECUTION_FAILED; } while (0)
const char *cublasGetStatusName(cublasStatus_t s) { return (void)s, "CUBLAS_STATUS_EXECUTION_FAILED, made to fail"; }
cublasStatus_t cublasCreate_v2(cublasHandle_t *h)
{
    FAKE_BLAS();
    *h = calloc(1, sizeof **h);
    fake.open++;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t h) { return fake.open--, free(h), CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasSetStream_v2(cublasHandle_t h, cudaStream_t s)
{
    FAKE_BLAS();
    h->stream = s;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t h, void *p, size_t bytes)
{
    FAKE_BLAS();
    h->workspace = p && bytes;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetMathMode(cublasHandle_t h, cublasMath_t mode)
{
    FAKE_BLAS();
    h->pedantic = mode == CUBLAS_PEDANTIC_MATH;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetAtomicsMode(cublasHandle_t h, cublasAtomicsMode_t mode)
{
    FAKE_BLAS();
    h->no_atomics = mode == CUBLAS_ATOMICS_NOT_ALLOWED;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSgemm_v2(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k, const float *alpha, const float *a, int lda,
                              const float *b, int ldb, const float *beta, float *c, int ldc)
{
    FAKE_BLAS();
    if (h->stream != &fake_stream || !h->pedantic || !h->no_atomics || !h->workspace) abort();
    if (lda < (ta == CUBLAS_OP_N ? m : k) || ldb < (tb == CUBLAS_OP_N ? k : n) || ldc < m) return CUBLAS_STATUS_INVALID_VALUE;
    fake_do(&(fake_call){ .what = FAKE_SGEMM, .trans_a = ta != CUBLAS_OP_N, .trans_b = tb != CUBLAS_OP_N, .m = m, .n = n, .k = k, .lda = lda, .ldb = ldb, .ldc = ldc,
                          .alpha = *alpha, .beta = *beta, .a = a, .b = b, .c = c });
    return CUBLAS_STATUS_SUCCESS;
}

#endif
