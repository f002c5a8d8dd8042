/** Rows of a cohort on the device: windows are cut, scaled and disturbed there, and a batch crosses the bus as a few hundred bytes a record. */
#include <string.h>

#include "base/fail.h"
#include "engine/cuda/cuda.h"

/** As many rows at once as the pinned block holds. */
static shn_status send_rows(cuda_engine *e, size_t n_rows, size_t row_bytes, const int16_t *(*row)(const void *context, size_t i), const void *context, shn_error *err)
{
    const size_t at_once = e->pinned_bytes / row_bytes;
    shn_status   st = SHN_OK;
    for (size_t first = 0; first < n_rows && st == SHN_OK; first += at_once) {
        const size_t n = n_rows - first < at_once ? n_rows - first : at_once;
        for (size_t i = 0; i < n; i++) memcpy(e->pinned + i * row_bytes, row(context, first + i), row_bytes);
        st = e->device->ops->upload(e->device, (char *)e->rows + first * row_bytes, e->pinned, n * row_bytes, err);
        if (st == SHN_OK) st = e->device->ops->sync(e->device, err);
    }
    return st;
}

shn_status cuda_rows(void *self, size_t n_rows, size_t n_samples, int16_t gap, const int16_t *(*row)(const void *context, size_t i), const void *context,
                     int *taken, shn_error *err)
{
    cuda_engine *e = self;
    const size_t row_bytes = SHN_CROP_LEADS * n_samples * sizeof(int16_t);
    void        *block = NULL;
    if (e->enc.config.n_leads != SHN_CROP_LEADS || n_rows > UINT32_MAX || n_samples > UINT32_MAX / SHN_CROP_LEADS || row_bytes > e->pinned_bytes ||
        n_rows > SIZE_MAX / row_bytes)
        return SHN_OK;
    e->device->ops->release(e->device, e->rows);
    e->rows = NULL;
    shn_status st = e->device->ops->alloc(e->device, n_rows * row_bytes, &block, err);
    if (st == SHN_NOMEM) return SHN_OK;         /* then batches are made by the caller, as for other engines */
    if (st != SHN_OK) return st;
    e->rows = block;
    e->n_rows = n_rows;
    e->row_samples = n_samples;
    e->gap = gap;
    st = send_rows(e, n_rows, row_bytes, row, context, err);
    *taken = st == SHN_OK;
    return st;
}

static shn_status check(const cuda_engine *e, const shn_crop *crops, size_t B, shn_error *err)
{
    if (!e->rows) return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "engine.cuda", "no rows were given to cut windows from");
    for (size_t b = 0; b < B; b++)
        if (crops[b].row >= e->n_rows || crops[b].n_valid > e->row_samples)
            return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "engine.cuda", "window %zu is of row %u, sample %u of %u: there are %zu rows of %zu", b, crops[b].row,
                            crops[b].start, crops[b].n_valid, e->n_rows, e->row_samples);
    return SHN_OK;
}

shn_status cuda_forward_crops(void *self, const shn_crop *crops, size_t B, int update_state, float *z, shn_error *err)
{
    cuda_engine     *e = self;
    const gpu_source from = { .rows = e->rows, .crops = e->crops, .n_samples = (uint32_t)e->row_samples, .window = (uint32_t)e->n_samples, .gap = e->gap };
    const gpu_window_sd_args sd = { .from = from, .scale = e->noise };
    const gpu_window_args    window = { .from = from, .scale = e->noise, .out = e->input, .n_rows = (uint32_t)(B * e->n_samples),
                                        .n_total = (uint32_t)(e->batch_max * e->n_samples), .lanes = (uint32_t)(e->L / GPU_LANE), .type = (int)e->type };
    shn_status st = check(e, crops, B, err);
    if (st == SHN_OK) st = cuda_to_device(e, e->crops, crops, B * sizeof *crops, err);
    if (st == SHN_OK) st = cuda_launch(e, window_sd, B, &sd, err);
    if (st == SHN_OK) st = cuda_launch(e, window, cuda_blocks((size_t)window.n_total * window.lanes), &window, err);
    return st == SHN_OK ? cuda_forward_input(e, B, update_state, z, err) : st;
}
