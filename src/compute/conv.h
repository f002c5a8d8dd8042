/**
 * One-dimensional convolutions by oneDNN 2.6 or 3.x; the only room that includes its header. Activations are
 * channels-last [n][length][channels]; packed weights have a layout that oneDNN chooses per pass and machine. Every
 * primitive is made for one thread and may be run by all members of a team at once, each on its own stream, memory
 * objects and scratch.
 */
#ifndef SHN_COMPUTE_CONV_H
#define SHN_COMPUTE_CONV_H

#include <stddef.h>
#include <stdint.h>

#include "compute/isa.h"

typedef enum shn_dtype { SHN_F32, SHN_BF16 } shn_dtype;
static inline size_t shn_dtype_size(shn_dtype t) { return t == SHN_BF16 ? 2 : 4; }

typedef struct shn_compute shn_compute;
/**
 * The instruction mask is oneDNN's and holds for the whole process: the first call settles it.
 * Errors  SHN_UNSUPPORTED  another mask is already in force in this process;  SHN_DEVICE;  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_compute_new(shn_isa isa, unsigned n_threads, shn_compute **out, shn_error *err);
void        shn_compute_free(shn_compute *c);               /* accepts NULL; after all that was made from it */
const char *shn_compute_version(void);                      /* "oneDNN 2.6.3"; static */

/** Around all work of one thread: one OpenMP thread (partitions are fixed for one), denormals flushed to zero. */
typedef struct shn_compute_mode { int omp_threads; uint64_t csr; } shn_compute_mode;
shn_compute_mode shn_compute_enter(void);
void             shn_compute_leave(shn_compute_mode before);

typedef enum shn_conv_pass { SHN_CONV_FORWARD, SHN_CONV_INFERENCE, SHN_CONV_BACKWARD_DATA, SHN_CONV_BACKWARD_WEIGHTS } shn_conv_pass;
typedef struct shn_conv_spec {
    shn_conv_pass pass;
    shn_dtype     dtype;                /* of activations and weights; weight gradients are f32 always */
    size_t        n, in, in_length, out, out_length, kernel, stride, pad;
    int           add, relu;            /* inference: dst += result, then ReLU; inference also adds a bias [out] f32 */
} shn_conv_spec;

/** A layout of weights [out][in][kernel] in memory. */
typedef struct shn_layout shn_layout;
typedef struct shn_conv shn_conv;
/** Errors  SHN_UNSUPPORTED  no kernel for this type on this CPU;  SHN_DEVICE;  SHN_NOMEM */
SHN_NODISCARD shn_status shn_conv_new(shn_compute *c, const shn_conv_spec *spec, shn_conv **out, shn_error *err);
void              shn_conv_free(shn_conv *conv);            /* accepts NULL */
const shn_layout *shn_conv_layout(const shn_conv *conv);    /* of its weights (or weight gradient); borrowed */
size_t            shn_conv_scratch_bytes(const shn_conv *conv);
const char       *shn_conv_kernel(const shn_conv *conv);    /* oneDNN's name of the kernel; borrowed */
/**
 * FORWARD, INFERENCE: src -> dst. BACKWARD_DATA: dst (gradient of the output) -> src. BACKWARD_WEIGHTS: src, dst -> weights,
 * overwritten. bias: inference only. scratch: 64-byte aligned, one per thread. SHN_DEVICE is the only error.
 */
SHN_NODISCARD shn_status shn_conv_run(shn_conv *conv, unsigned thread, const void *src, const void *weights, const float *bias,
                                      const void *dst, void *scratch, shn_error *err);

/** Plain row-major f32 [out][in][kernel]. Owned. */
SHN_NODISCARD shn_status shn_layout_plain(shn_compute *c, size_t out, size_t in, size_t kernel, shn_layout **layout, shn_error *err);
void   shn_layout_free(shn_layout *layout);                 /* accepts NULL */
size_t shn_layout_bytes(const shn_layout *layout);
int    shn_layout_equal(const shn_layout *a, const shn_layout *b);

/** A copy from one layout (and type) to another; padding of the target is written as zero. */
typedef struct shn_reorder shn_reorder;
SHN_NODISCARD shn_status shn_reorder_new(shn_compute *c, const shn_layout *from, const shn_layout *to, shn_reorder **out, shn_error *err);
void   shn_reorder_free(shn_reorder *r);                    /* accepts NULL */
size_t shn_reorder_scratch_bytes(const shn_reorder *r);
SHN_NODISCARD shn_status shn_reorder_run(shn_reorder *r, unsigned thread, const void *from, void *to, void *scratch, shn_error *err);

#endif
