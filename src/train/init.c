#include "train/init.h"

#include <math.h>
#include <stdio.h>

#include "base/fail.h"
#include "base/file.h"
#include "shinden/pretrain.h"

static shn_status find_file(const char *init, char path[SHN_PATH_MAX], shn_error *err)
{
    static const char *const results[] = { SHN_PRETRAIN_RESULT, "model.safetensors" };
    if (!shn_path_is_dir(init)) {
        if (snprintf(path, SHN_PATH_MAX, "%s", init) < SHN_PATH_MAX) return SHN_OK;
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "train.init", "init: the path is too long");
    }
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        const shn_status st = shn_path_join(path, init, results[i], err);
        if (st != SHN_OK || shn_path_exists(path)) return st;
    }
    return shn_fail(err, SHN_IO, SHN_REASON_NOT_FOUND, "train.init", "init: %s holds neither %s nor %s; is its run finished?", init, results[0], results[1]);
}

shn_status shn_init_encoder(const char *init, const shn_encoder *enc, float *params, float *state, shn_input *input, char hash[65], shn_error *err)
{
    char       path[SHN_PATH_MAX];
    shn_input  theirs;
    shn_status st = find_file(init, path, err);
    if (st == SHN_OK) st = shn_encoder_read(path, enc, params, state, &theirs, hash, err);
    if (st != SHN_OK) return st;
    if (fabs(theirs.fs_hz - input->fs_hz) > 1e-6 * input->fs_hz)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "train.init", "%s: made for %g Hz, the cohort has %g Hz; import one of them again "
                        "with --fs", path, theirs.fs_hz, input->fs_hz);
    if (theirs.norm != input->norm)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "train.init", "%s: made with --norm %s", path,
                        theirs.norm == SHN_NORM_RECORD ? "record" : "global");
    input->scale_per_mv = theirs.scale_per_mv;
    return SHN_OK;
}
