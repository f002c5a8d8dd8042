#include "base/npy.h"

#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/file.h"

#define PREFIX_BYTES 10         /* magic 6, version 2, header length 2 */
#define ALIGN        64
#define HEADER_MAX   512        /* 8 extents of 20 digits fit */

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the data is written as it lies in memory, which must be little-endian"
#endif

/** Fills header (of HEADER_MAX bytes) and returns its length, a multiple of ALIGN. A one-tuple keeps its comma, as Python has it. */
static size_t make_header(uint8_t *header, size_t rank, const size_t *shape)
{
    char   dict[HEADER_MAX];
    size_t n = (size_t)snprintf(dict, sizeof dict, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (size_t d = 0; d < rank; d++)
        n += (size_t)snprintf(dict + n, sizeof dict - n, "%zu%s", shape[d], d + 1 < rank ? ", " : rank == 1 ? "," : "");
    n += (size_t)snprintf(dict + n, sizeof dict - n, "), }");
    const size_t total = (PREFIX_BYTES + n + 1 + ALIGN - 1) / ALIGN * ALIGN;
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    write_u16le(header + 8, (uint16_t)(total - PREFIX_BYTES));
    memcpy(header + PREFIX_BYTES, dict, n);
    memset(header + PREFIX_BYTES + n, ' ', total - PREFIX_BYTES - n);
    header[total - 1] = '\n';
    return total;
}

shn_status shn_npy_write(const char *path, const float *data, size_t rank, const size_t *shape, shn_error *err)
{
    uint8_t    header[HEADER_MAX + ALIGN];
    size_t     count = 1;
    shn_writer w;
    if (rank > SHN_NPY_RANK_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "npy", "%s: rank %zu, at most %d", path, rank, SHN_NPY_RANK_MAX);
    for (size_t d = 0; d < rank; d++)
        if (__builtin_mul_overflow(count, shape[d], &count) || count > SIZE_MAX / sizeof *data)
            return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "npy", "%s: the array is larger than memory can be", path);
    const size_t n = make_header(header, rank, shape);
    const shn_status st = shn_writer_open(&w, path, err);
    if (st != SHN_OK) return st;
    /* a failed write is remembered by the stream and found at commit */
    fwrite(header, 1, n, w.stream);
    if (count) fwrite(data, sizeof *data, count, w.stream);
    return shn_writer_commit(&w, err);
}
