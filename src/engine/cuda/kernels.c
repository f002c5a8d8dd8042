/** The kernels' names and sizes, for every device. */
#include "engine/cuda/device.h"

#define X(name, phases, shared) sizeof(gpu_##name##_args),
static const size_t args_sizes[] = { GPU_KERNELS(X) };
#undef X
#define X(name, phases, shared) shared,
static const unsigned shared_sizes[] = { GPU_KERNELS(X) };
#undef X
#define X(name, phases, shared) #name,
static const char *const names[] = { GPU_KERNELS(X) };
#undef X
#define X(name, phases, shared) _Static_assert(sizeof(gpu_##name##_args) <= GPU_ARGS_MAX && (shared) <= 48 << 10, #name);
GPU_KERNELS(X)
#undef X

size_t      gpu_args_size(gpu_kernel kernel) { return args_sizes[kernel]; }
unsigned    gpu_shared_size(gpu_kernel kernel) { return shared_sizes[kernel]; }
const char *gpu_kernel_name(gpu_kernel kernel) { return names[kernel]; }
