/** The kernels for the GPU: each body of kernels_body.h as a __global__ function, its phases separated by __syncthreads(). */
#include <cuda_runtime.h>

#include "engine/cuda/device_cuda.h"
#include "engine/cuda/kernels_body.h"

#define X(name, phases, bytes)                                                                                            \
    static __global__ void __launch_bounds__(GPU_THREADS) run_##name(const __grid_constant__ gpu_##name##_args a)         \
    {                                                                                                                     \
        extern __shared__ double shared[];                                                                                \
        for (int phase = 0; phase < (phases); phase++) {                                                                  \
            if (phase > 0) __syncthreads();                                                                               \
            gpu_body_##name(&a, blockIdx.x, threadIdx.x, phase, (char *)shared);                                          \
        }                                                                                                                 \
    }
GPU_KERNELS(X)
#undef X

extern "C" cudaError_t gpu_cuda_launch(gpu_kernel kernel, uint32_t n_blocks, const void *args, cudaStream_t stream)
{
    switch (kernel) {
#define X(name, phases, bytes)                                                                                            \
    case GPU_KERNEL_##name:                                                                                               \
        run_##name<<<n_blocks, GPU_THREADS, (bytes), stream>>>(*static_cast<const gpu_##name##_args *>(args));            \
        break;
        GPU_KERNELS(X)
#undef X
    case GPU_KERNEL_COUNT: return cudaErrorInvalidValue;
    }
    return cudaGetLastError();
}
