#include "formats/wfdb/flac.h"

#include <FLAC/stream_decoder.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"

/* a frame is at least: 4 bytes of header, 1 of number, 1 of CRC-8, 2 for each channel, 2 of CRC-16 */
enum { STREAMINFO_BYTES = 34, FRAME_BYTES_MIN = 8, CHANNEL_BYTES_MIN = 2 };
enum { BLOCK_STREAMINFO = 0, BLOCK_PADDING = 1, BLOCK_SEEKTABLE = 3, BLOCK_COMMENT = 4 };

static shn_status bad(const char *name, shn_error *err, const char *what)
{
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.flac", "%.80s: %s", name, what);
}

static void take_streaminfo(const uint8_t *b, wfdb_flac_info *out)
{
    const uint64_t packed = (uint64_t)read_u32be(b + 10) << 32 | read_u32be(b + 14);
    out->block_max = read_u16be(b + 2);
    out->n_channels = (unsigned)(packed >> 41 & 7) + 1;
    out->bits = (unsigned)(packed >> 36 & 31) + 1;
    out->n_samples = packed & ((UINT64_C(1) << 36) - 1);
}

/** A comment block: u32le length of the encoder's name, the name, u32le number of comments. 1 if it holds comments or is not so made. */
static int has_comments(const uint8_t *b, size_t n)
{
    if (n < 8) return 1;
    const uint32_t vendor = read_u32le(b);
    return vendor > n - 8 || read_u32le(b + 4 + vendor) != 0;
}

shn_status wfdb_flac_inspect(const uint8_t *bytes, size_t n_bytes, const char *name, wfdb_flac_info *out, shn_error *err)
{
    size_t at = 4;
    int    last = 0, n_blocks = 0;
    memset(out, 0, sizeof *out);
    if (n_bytes < 4 || memcmp(bytes, "fLaC", 4) != 0) return bad(name, err, "does not begin with 'fLaC', though the header says that it is FLAC");
    while (!last) {
        if (n_bytes - at < 4) return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "wfdb.flac", "%.80s: ends inside its metadata", name);
        const uint32_t word = read_u32be(bytes + at), type = word >> 24 & 127, length = word & 0xffffff;
        last = (int)(word >> 31);
        at += 4;
        if (length > n_bytes - at) return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "wfdb.flac", "%.80s: ends inside its metadata", name);
        if (at + length > WFDB_FLAC_METADATA_MAX)
            return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "wfdb.flac", "%.80s: more than %zu bytes of metadata", name, WFDB_FLAC_METADATA_MAX);
        if ((n_blocks++ == 0) != (type == BLOCK_STREAMINFO)) return bad(name, err, "STREAMINFO is not the first block, or there twice");
        if (type == BLOCK_STREAMINFO) {
            if (length != STREAMINFO_BYTES) return bad(name, err, "STREAMINFO has another length than 34 bytes");
            take_streaminfo(bytes + at, out);
        } else if (type == BLOCK_COMMENT) out->has_text |= has_comments(bytes + at, length);
        else if (type != BLOCK_PADDING && type != BLOCK_SEEKTABLE) out->has_text = 1;
        at += length;
    }
    out->audio_at = at;
    if (out->block_max < 16) return bad(name, err, "STREAMINFO names blocks of fewer than 16 samples");
    const uint64_t frames_max = (n_bytes - at) / (FRAME_BYTES_MIN + CHANNEL_BYTES_MIN * out->n_channels);
    if (out->n_samples > frames_max * out->block_max)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "wfdb.flac", "%.80s: announces %" PRIu64 " samples, its %zu bytes hold %" PRIu64
                        " at most; the file is cut off: copy it again", name, out->n_samples, n_bytes, frames_max * out->block_max);
    return SHN_OK;
}

/** What the library's callbacks share. */
typedef struct decoding {
    const uint8_t        *bytes;
    size_t                n_bytes, at;
    const wfdb_flac_info *info;
    uint64_t              next, end;        /* samples: the next one wanted, one past the last */
    wfdb_flac_sink       *sink;
    void                 *context;
    const char           *fault;            /* the first thing that went wrong */
    shn_reason            reason;
} decoding;

static void blame(decoding *d, shn_reason reason, const char *what)
{
    if (d->fault) return;
    d->fault = what;
    d->reason = reason;
}

static FLAC__StreamDecoderReadStatus give(const FLAC__StreamDecoder *flac, FLAC__byte out[], size_t *n, void *context)
{
    decoding *d = context;
    (void)flac;
    const size_t left = d->n_bytes - d->at;
    if (*n > left) *n = left;
    if (*n == 0) return FLAC__STREAM_DECODER_READ_STATUS_END_OF_STREAM;
    memcpy(out, d->bytes + d->at, *n);
    d->at += *n;
    return FLAC__STREAM_DECODER_READ_STATUS_CONTINUE;
}

static FLAC__StreamDecoderSeekStatus seek(const FLAC__StreamDecoder *flac, FLAC__uint64 at, void *context)
{
    decoding *d = context;
    (void)flac;
    if (at > d->n_bytes) return FLAC__STREAM_DECODER_SEEK_STATUS_ERROR;
    d->at = (size_t)at;
    return FLAC__STREAM_DECODER_SEEK_STATUS_OK;
}

static FLAC__StreamDecoderTellStatus tell(const FLAC__StreamDecoder *flac, FLAC__uint64 *at, void *context)
{
    const decoding *d = context;
    (void)flac;
    *at = d->at;
    return FLAC__STREAM_DECODER_TELL_STATUS_OK;
}

static FLAC__StreamDecoderLengthStatus length_of(const FLAC__StreamDecoder *flac, FLAC__uint64 *n, void *context)
{
    const decoding *d = context;
    (void)flac;
    *n = d->n_bytes;
    return FLAC__STREAM_DECODER_LENGTH_STATUS_OK;
}

static FLAC__bool at_end(const FLAC__StreamDecoder *flac, void *context)
{
    const decoding *d = context;
    (void)flac;
    return d->at >= d->n_bytes;
}

static FLAC__StreamDecoderWriteStatus take(const FLAC__StreamDecoder *flac, const FLAC__Frame *frame, const FLAC__int32 *const channels[], void *context)
{
    decoding      *d = context;
    const uint64_t at = frame->header.number.sample_number, n = frame->header.blocksize;
    const int32_t *part[FLAC__MAX_CHANNELS];
    (void)flac;
    if (frame->header.channels != d->info->n_channels || frame->header.bits_per_sample != d->info->bits) {
        blame(d, SHN_REASON_BAD_HEADER, "a frame has other channels or bits than the stream's header says");
        return FLAC__STREAM_DECODER_WRITE_STATUS_ABORT;
    }
    if (d->next >= d->end || at + n <= d->next) return FLAC__STREAM_DECODER_WRITE_STATUS_CONTINUE;
    if (at > d->next) {
        blame(d, SHN_REASON_TRUNCATED, "a frame is missing");
        return FLAC__STREAM_DECODER_WRITE_STATUS_ABORT;
    }
    const uint64_t skip = d->next - at, left = n - skip, count = left < d->end - d->next ? left : d->end - d->next;
    for (unsigned c = 0; c < d->info->n_channels; c++) part[c] = channels[c] + skip;
    d->sink(d->context, d->next, part, (size_t)count);
    d->next += count;
    return FLAC__STREAM_DECODER_WRITE_STATUS_CONTINUE;
}

static void complain(const FLAC__StreamDecoder *flac, FLAC__StreamDecoderErrorStatus status, void *context)
{
    (void)flac;
    if (status == FLAC__STREAM_DECODER_ERROR_STATUS_FRAME_CRC_MISMATCH) blame(context, SHN_REASON_CHECKSUM, "a frame fails its own checksum");
    else blame(context, SHN_REASON_CHECKSUM, "bytes between frames that are no frame");
}

shn_status wfdb_flac_decode(const uint8_t *bytes, size_t n_bytes, const char *name, const wfdb_flac_info *info, uint64_t first, uint64_t n,
                            wfdb_flac_sink *sink, void *context, shn_error *err)
{
    decoding d = { .bytes = bytes, .n_bytes = n_bytes, .info = info, .next = first, .end = first + n, .sink = sink, .context = context };
    FLAC__StreamDecoder *flac = FLAC__stream_decoder_new();
    if (!flac) return shn_fail_nomem(err, "wfdb.flac");
    int ok = FLAC__stream_decoder_init_stream(flac, give, seek, tell, length_of, at_end, take, NULL, complain, &d) == FLAC__STREAM_DECODER_INIT_STATUS_OK &&
             FLAC__stream_decoder_process_until_end_of_metadata(flac);
    if (ok && first && info->n_samples > first && !FLAC__stream_decoder_seek_absolute(flac, first)) {
        /* no seek points and no way by halving: from the start then, with all that the search touched forgotten */
        d.next = first;
        d.fault = NULL;
        ok = FLAC__stream_decoder_reset(flac) && FLAC__stream_decoder_process_until_end_of_metadata(flac);
    }
    while (ok && !d.fault && d.next < d.end && FLAC__stream_decoder_get_state(flac) != FLAC__STREAM_DECODER_END_OF_STREAM)
        ok = FLAC__stream_decoder_process_single(flac);
    const int no_memory = FLAC__stream_decoder_get_state(flac) == FLAC__STREAM_DECODER_MEMORY_ALLOCATION_ERROR;
    FLAC__stream_decoder_delete(flac);
    if (no_memory) return shn_fail_nomem(err, "wfdb.flac");
    if (d.fault) return shn_fail(err, SHN_FORMAT, d.reason, "wfdb.flac", "%.80s: %s near sample %" PRIu64 "; the file is damaged: copy it again", name, d.fault, d.next);
    if (!ok || d.next < d.end)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "wfdb.flac", "%.80s: the stream ends at sample %" PRIu64 " of %" PRIu64 "; the file is cut off: copy it again",
                        name, d.next, d.end);
    return SHN_OK;
}
