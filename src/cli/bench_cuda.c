/** Rows of the cuda engine, held against the chip's own figures. Without CUDA or a GPU: none, and the table says why. */
#include <stdio.h>

#include "cli/bench_rows.h"

#ifdef SHINDEN_CUDA
#include "engine/cuda/device.h"

static const bench_shape shapes[] = {
    { "cuda_train_12x4992_b256", 1, 4992, 256, 1, 1, 1, 1, 1, "cuda" },  { "cuda_train_12x4992_b1024", 1, 4992, 1024, 1, 1, 0, 0, 1, "cuda" },
    { "cuda_train_12x4992_b4096_in_16", 1, 4992, 4096, 16, 1, 0, 0, 0, "cuda" }, { "cuda_fast_train_12x4992_b256", 1, 4992, 256, 1, 1, 0, 0, 0, "cuda-fast" },
    { "cuda_infer_12x4992_b256", 0, 4992, 256, 1, 1, 1, 1, 1, "cuda" },  { "cuda_latency_12x4992", 0, 4992, 1, 1, 1, 1, 0, 0, "cuda" },
};

/** A row in bf16, and where the shape asks for it in TF32 and f32. */
static shn_status rows_of(bench_run *run, const bench_shape *s, const gpu_peaks *peaks, shn_error *err)
{
    const shn_precision precisions[] = { SHN_PRECISION_AUTO, SHN_PRECISION_TF32, SHN_PRECISION_F32 };
    const double        limits[] = { peaks->bf16, peaks->tf32, peaks->f32 };
    shn_status          st = SHN_OK;
    for (size_t k = 0; k < (s->bf16 && !run->quick ? 3 : 1) && st == SHN_OK; k++) {
        bench_shape one = *s;
        one.peer = s->peer && k == 0;           /* the peer tries all its precisions at once */
        st = bench_encoder(run, &one, 1, precisions[k], &(bench_limits){ peaks->chip, limits[k], peaks->bandwidth }, err);
    }
    return st;
}

/** Whether the run asks for a row of the shape, in any of its precisions. */
static int wanted(const bench_run *run, const bench_shape *s)
{
    char tf32[64], f32[64];
    snprintf(tf32, sizeof tf32, "%s_tf32", s->name);
    snprintf(f32, sizeof f32, "%s_f32", s->name);
    if (run->quick) return s->quick && bench_wants(run, s->name);
    return bench_wants(run, s->name) || (s->bf16 && (bench_wants(run, tf32) || bench_wants(run, f32)));
}

shn_status bench_cuda(bench_run *run, shn_error *err)
{
    enum { N = sizeof shapes / sizeof *shapes };
    gpu_peaks  peaks;
    shn_error  why;
    size_t     n = 0;
    shn_status st = gpu_cuda_peaks(&peaks, &why);
    for (size_t i = 0; i < N; i++) n += (size_t)wanted(run, &shapes[i]);
    if (st == SHN_UNSUPPORTED || (st != SHN_OK && n == 0)) {            /* a GPU that fails ends no run that asked nothing of it */
        snprintf(run->no_gpu, sizeof run->no_gpu, "%.*s", (int)sizeof run->no_gpu - 1, why.text);
        return SHN_OK;
    }
    if (st != SHN_OK && err) *err = why;
    for (size_t i = 0; i < N && st == SHN_OK; i++)
        if (wanted(run, &shapes[i])) st = rows_of(run, &shapes[i], &peaks, err);
    return st;
}
#else
shn_status bench_cuda(bench_run *run, shn_error *err)
{
    (void)err;
    snprintf(run->no_gpu, sizeof run->no_gpu, "this build has no CUDA; configure with --preset cuda");
    return SHN_OK;
}
#endif
