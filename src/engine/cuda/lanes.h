/** What kernels_body.h builds on: eight neighbouring channels at once, f32 or bf16, C and CUDA C++ alike. */
#ifndef SHN_ENGINE_CUDA_LANES_H
#define SHN_ENGINE_CUDA_LANES_H

#include <string.h>

#include "engine/cuda/kernels.h"

#ifdef __CUDACC__
#define GPU_FN static __device__ __forceinline__
#else
#define GPU_FN static inline
#endif
#define GPU_BODY(name) GPU_FN void gpu_body_##name(const gpu_##name##_args *a, uint32_t block, uint32_t thread, int phase, char *shared)

GPU_FN float gpu_from_bits(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

GPU_FN uint32_t gpu_bits(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/** Round to nearest even; a NaN stays one. */
GPU_FN uint32_t gpu_bf16(float v)
{
    const uint32_t u = gpu_bits(v);
    return v == v ? (u + 0x7fffu + ((u >> 16) & 1u)) >> 16 : 0x7fc0u;
}

/** Lane `at` of an array: 16 or 32 bytes, aligned to their size. */
GPU_FN void gpu_load(const void *p, size_t at, int type, float v[GPU_LANE])
{
#ifdef __CUDACC__
    if (type == GPU_BF16) {
        const uint4    q = ((const uint4 *)p)[at];
        const uint32_t w[4] = { q.x, q.y, q.z, q.w };
        for (int i = 0; i < 4; i++) {
            v[2 * i] = gpu_from_bits(w[i] << 16);
            v[2 * i + 1] = gpu_from_bits(w[i] & 0xffff0000u);
        }
        return;
    }
    const float4 a = ((const float4 *)p)[2 * at], b = ((const float4 *)p)[2 * at + 1];
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
#else
    if (type == GPU_BF16)
        for (int i = 0; i < GPU_LANE; i++) v[i] = gpu_from_bits((uint32_t)((const uint16_t *)p)[at * GPU_LANE + (size_t)i] << 16);
    else memcpy(v, (const float *)p + at * GPU_LANE, GPU_LANE * sizeof *v);
#endif
}

GPU_FN void gpu_store(void *p, size_t at, int type, const float v[GPU_LANE])
{
#ifdef __CUDACC__
    if (type == GPU_BF16) {
        uint32_t w[4];
        for (int i = 0; i < 4; i++) w[i] = gpu_bf16(v[2 * i]) | gpu_bf16(v[2 * i + 1]) << 16;
        ((uint4 *)p)[at] = make_uint4(w[0], w[1], w[2], w[3]);
        return;
    }
    ((float4 *)p)[2 * at] = make_float4(v[0], v[1], v[2], v[3]);
    ((float4 *)p)[2 * at + 1] = make_float4(v[4], v[5], v[6], v[7]);
#else
    if (type == GPU_BF16)
        for (int i = 0; i < GPU_LANE; i++) ((uint16_t *)p)[at * GPU_LANE + (size_t)i] = (uint16_t)gpu_bf16(v[i]);
    else memcpy((float *)p + at * GPU_LANE, v, GPU_LANE * sizeof *v);
#endif
}

/** Eight bytes at a multiple of eight. */
GPU_FN void gpu_load_bytes(const uint8_t *p, size_t at, uint32_t v[GPU_LANE])
{
#ifdef __CUDACC__
    const uint2    q = ((const uint2 *)p)[at];
    const uint32_t w[2] = { q.x, q.y };
    for (int i = 0; i < GPU_LANE; i++) v[i] = w[i / 4] >> 8 * (i % 4) & 0xffu;
#else
    for (int i = 0; i < GPU_LANE; i++) v[i] = p[at * GPU_LANE + (size_t)i];
#endif
}

GPU_FN void gpu_store_bytes(uint8_t *p, size_t at, const uint32_t v[GPU_LANE])
{
#ifdef __CUDACC__
    ((uint2 *)p)[at] = make_uint2(v[0] | v[1] << 8 | v[2] << 16 | v[3] << 24, v[4] | v[5] << 8 | v[6] << 16 | v[7] << 24);
#else
    for (int i = 0; i < GPU_LANE; i++) p[at * GPU_LANE + (size_t)i] = (uint8_t)v[i];
#endif
}

GPU_FN void gpu_zeros(float v[GPU_LANE])
{
    for (int i = 0; i < GPU_LANE; i++) v[i] = 0;
}

/** The sum of a block's 256 values in shared memory, in phases 1 and 2; the result is thread 0's in phase 2. */
GPU_FN double gpu_block_total(double *kept, uint32_t thread, int phase)
{
    double sum = 0;
    if (phase == 1 && thread < 16) {
        for (uint32_t i = 0; i < 16; i++) sum += kept[thread * 16 + i];
        kept[thread * 16] = sum;
    } else if (phase == 2 && thread == 0)
        for (uint32_t i = 0; i < 16; i++) sum += kept[i * 16];
    return sum;
}

#endif
