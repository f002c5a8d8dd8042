/** Between device_cuda.c (C) and kernels.cu (CUDA C++). */
#ifndef SHN_ENGINE_CUDA_DEVICE_CUDA_H
#define SHN_ENGINE_CUDA_DEVICE_CUDA_H

#include <cuda_runtime_api.h>

#include "engine/cuda/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/** args: the kernel's own structure, copied. Returns the launch's error, if any. */
cudaError_t gpu_cuda_launch(gpu_kernel kernel, uint32_t n_blocks, const void *args, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
