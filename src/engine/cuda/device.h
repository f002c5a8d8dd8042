/**
 * What the cuda engine asks of a device, as a small table. device_cuda.c fills it with CUDA, cuDNN and cuBLAS; tests/unit/gpu_host.h
 * fills it with loops on the host, so that the engine's flow and its kernels are held against the reference without a GPU.
 *
 * All work goes to one stream in order. Between capture_begin and capture_end calls of clear, launch, conv_run and product are recorded,
 * not executed; graph_run executes what was recorded, with the arguments of that time.
 */
#ifndef SHN_ENGINE_CUDA_DEVICE_H
#define SHN_ENGINE_CUDA_DEVICE_H

#include "engine/cuda/kernels.h"
#include "shinden/status.h"

typedef enum gpu_pass { GPU_CONV_FORWARD, GPU_CONV_DATA, GPU_CONV_WEIGHTS } gpu_pass;

/**
 * A convolution over channels-last tensors: x [n][in_length][in], y [n][out_length][out], w [out][kernel][in], all of `type`, sums in f32.
 * in and out are multiples of 8. The weight gradient is f32 or of `type`, as the device can: see dw_type.
 */
typedef struct gpu_conv_spec {
    gpu_pass pass;
    gpu_type type;
    int      tf32;                      /* f32 operands may be rounded to TF32 */
    int      fast;                      /* algorithms whose bits differ from run to run are allowed */
    size_t   n, in, in_length, out, out_length, kernel, stride, pad;
} gpu_conv_spec;

typedef struct gpu_conv  gpu_conv;      /* a plan for one spec; the device's own object begins with this: */
struct gpu_conv {
    size_t   workspace;                 /* bytes that conv_run needs */
    gpu_type dw_type;                   /* of the weight gradient */
    char     text[48];                  /* "cuDNN engine 38" */
};
typedef struct gpu_graph gpu_graph;     /* opaque */

/** C [m][n] = op(A) op(B), plus C where add; row-major f32. A is [m][k], or [k][m] where trans_a; B is [k][n], or [n][k] where trans_b. */
typedef struct gpu_product { size_t m, n, k; int trans_a, trans_b, add; } gpu_product;

typedef struct gpu_device gpu_device;
/** Every call returns SHN_NOMEM where the device's or the host's memory does not suffice, else SHN_DEVICE with call, code and remedy. */
typedef struct gpu_device_ops {
    void       (*close)(gpu_device *d);
    shn_status (*alloc)(gpu_device *d, size_t bytes, void **out, shn_error *err);           /* zeroed, 256-byte aligned */
    void       (*release)(gpu_device *d, void *p);                                          /* accepts NULL */
    shn_status (*alloc_pinned)(gpu_device *d, size_t bytes, void **out, shn_error *err);
    void       (*release_pinned)(gpu_device *d, void *p);
    shn_status (*upload)(gpu_device *d, void *to, const void *pinned, size_t bytes, shn_error *err);    /* returns before it is done */
    shn_status (*download)(gpu_device *d, void *pinned, const void *from, size_t bytes, shn_error *err);
    shn_status (*clear)(gpu_device *d, void *to, size_t bytes, shn_error *err);
    shn_status (*sync)(gpu_device *d, shn_error *err);
    shn_status (*launch)(gpu_device *d, gpu_kernel kernel, uint32_t n_blocks, const void *args, shn_error *err);
    shn_status (*conv_new)(gpu_device *d, const gpu_conv_spec *spec, gpu_conv **out, shn_error *err);
    void       (*conv_free)(gpu_device *d, gpu_conv *conv);                                 /* accepts NULL */
    /** forward: a x, b w, c y; data: a d_y, b w, c d_x; weights: a x, b d_y, c d_w. workspace: at least what the plan asked for. */
    shn_status (*conv_run)(gpu_device *d, gpu_conv *conv, const void *a, const void *b, void *c, void *workspace, shn_error *err);
    shn_status (*product)(gpu_device *d, const gpu_product *shape, const float *a, const float *b, float *c, shn_error *err);
    shn_status (*capture_begin)(gpu_device *d, shn_error *err);
    /** Ends recording in any case; keep 0: throws it away. *out NULL on failure and where it is thrown away. */
    shn_status (*capture_end)(gpu_device *d, int keep, gpu_graph **out, shn_error *err);
    shn_status (*graph_run)(gpu_device *d, gpu_graph *graph, shn_error *err);
    void       (*graph_free)(gpu_device *d, gpu_graph *graph);                              /* accepts NULL */
} gpu_device_ops;

struct gpu_device {
    const gpu_device_ops *ops;
    int                   no_graphs;   /* 1: passes are never recorded */
    char                  name[72];     /* "NVIDIA H100 80GB HBM3 sm_90" */
    char                  libraries[32];/* "cuDNN 9.19.0" */
};

/** bytes of each kernel's arguments; shared bytes and phases of a block. */
size_t   gpu_args_size(gpu_kernel kernel);
unsigned gpu_shared_size(gpu_kernel kernel);
const char *gpu_kernel_name(gpu_kernel kernel);

/** The first CUDA device, or $SHINDEN_CUDA_DEVICE. SHN_UNSUPPORTED where there is none ("no CUDA device: ..."), SHN_DEVICE. */
SHN_NODISCARD shn_status gpu_open_cuda(gpu_device **out, shn_error *err);

/** The chip's own figures, from its clocks and units: dense GFLOP/s in f32, TF32 and bf16 (NAN where the chip is not known here), memory in GB/s. */
typedef struct gpu_peaks { char chip[16]; double f32, tf32, bf16, bandwidth, memory_gb; } gpu_peaks;
SHN_NODISCARD shn_status gpu_cuda_peaks(gpu_peaks *out, shn_error *err);

#endif
