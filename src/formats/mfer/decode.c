/** Samples of one channel out of the frames' sequences. */
#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "formats/mfer/mfer.h"

static inline float f32_of(uint32_t u) { float v; memcpy(&v, &u, sizeof v); return v; }
static inline double f64_of(uint64_t u) { double v; memcpy(&v, &u, sizeof v); return v; }
static inline uint64_t read_u64be(const uint8_t *p) { return (uint64_t)read_u32be(p) << 32 | read_u32be(p + 4); }

/** n samples, `stride` bytes apart. */
static void run(const mfer_channel *ch, int big, const uint8_t *p, size_t stride, size_t n, float *out)
{
    const double scale = ch->mv_per_adu, offset = ch->offset, null = ch->null;
    const int    gaps = ch->has_null;
#define LOOP(read)                                                                     \
    for (size_t i = 0; i < n; i++, p += stride) {                                      \
        const double v = (double)(read);                                               \
        out[i] = gaps && v == null ? NAN : (float)((v + offset) * scale);              \
    }                                                                                  \
    break
    switch (ch->a.type * 2 + big) {
    case MFER_I16 * 2: LOOP(read_i16le(p));
    case MFER_I16 * 2 + 1: LOOP(read_i16be(p));
    case MFER_U16 * 2: case MFER_STATUS16 * 2: LOOP(read_u16le(p));
    case MFER_U16 * 2 + 1: case MFER_STATUS16 * 2 + 1: LOOP(read_u16be(p));
    case MFER_I32 * 2: LOOP(read_i32le(p));
    case MFER_I32 * 2 + 1: LOOP((int32_t)read_u32be(p));
    case MFER_U32 * 2: LOOP(read_u32le(p));
    case MFER_U32 * 2 + 1: LOOP(read_u32be(p));
    case MFER_U8 * 2: case MFER_U8 * 2 + 1: LOOP(*p);
    case MFER_I8 * 2: case MFER_I8 * 2 + 1: LOOP((int8_t)*p);
    case MFER_F32 * 2: LOOP(read_f32le(p));
    case MFER_F32 * 2 + 1: LOOP(f32_of(read_u32be(p)));
    case MFER_F64 * 2: LOOP(f64_of(read_u64le(p)));
    case MFER_F64 * 2 + 1: LOOP(f64_of(read_u64be(p)));
    }
#undef LOOP
}

/** Samples from .. from + n - 1 of one frame. */
static void decode_frame(const mfer_file *f, const mfer_channel *ch, const mfer_frame *frame, size_t from, size_t n, float *out)
{
    size_t block = f->block, sequence = f->sequence_bytes, at = ch->at;
    if (frame->block) {                                     /* all channels have one block, another one than in the first frame */
        block = (size_t)frame->block;
        sequence = sequence / f->block * block;
        at = at / f->block * block;
    }
    if (block == 1) {
        run(ch, f->layout_big, frame->bytes + from * sequence + at, sequence, n, out);
        return;
    }
    while (n) {
        const size_t inside = from % block, here = block - inside < n ? block - inside : n;
        run(ch, f->layout_big, frame->bytes + from / block * sequence + at + inside * ch->size, ch->size, here, out);
        from += here;
        out += here;
        n -= here;
    }
}

void mfer_decode(const mfer_file *f, const mfer_channel *channel, size_t first, size_t n, size_t *frame, float *out)
{
    while (*frame < f->n_frames && f->frames[*frame].first_sample + f->frames[*frame].n_samples <= first) ++*frame;
    for (size_t k = *frame; n; ) {
        const mfer_frame *fr = &f->frames[k];
        size_t here;
        if (first < fr->first_sample) {                     /* between two frames */
            here = fr->first_sample - first < n ? fr->first_sample - first : n;
            for (size_t i = 0; i < here; i++) out[i] = NAN;
        } else {
            const size_t from = first - fr->first_sample, left = fr->n_samples - from;
            here = left < n ? left : n;
            decode_frame(f, channel, fr, from, here, out);
            if (here == left) k++;
        }
        first += here;
        out += here;
        n -= here;
    }
}
