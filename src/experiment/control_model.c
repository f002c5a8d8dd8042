#include "experiment/control_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "base/hash.h"
#include "eval/controls.h"
#include "shinden/embed.h"
#include "shinden/eval.h"

const char *xp_what_name(xp_what what)
{
    static const char *const names[] = { "", "label frequency", "random encoder, linear probe" };
    return names[what];
}

/** Digest of everything that a control is made from. */
static shn_status digest_of(const shn_cohort *c, xp_what what, const shn_model *like, char hex[65], shn_error *err)
{
    const shn_encoder_config *e = &like->encoder.config;
    const shn_input          *in = &like->input;
    char    shape[512], records[XP_COHORT_DIGEST];
    uint8_t digest[32];
    const shn_status st = xp_cohort_digest(c, records, err);
    if (st != SHN_OK) return st;
    snprintf(shape, sizeof shape, "1 %d; %u leads, width %u, blocks %u %u %u %u, pool %d, embed %u; %.17g Hz, %u samples, window %u of %u, norm %d, scale %.9g; %u", what, e->n_leads, e->width,
             e->blocks[0], e->blocks[1], e->blocks[2], e->blocks[3], e->max_pool, e->embed, in->fs_hz, in->n_samples, in->window, in->n_windows, (int)in->norm, (double)in->scale_per_mv,
             CONTROL_ENCODER_SEED);
    shn_sha256 *h = shn_sha256_new();
    if (!h) return shn_fail_nomem(err, "experiment.control");
    shn_sha256_add(h, shape, strlen(shape));
    shn_sha256_add(h, records, strlen(records));
    shn_sha256_add(h, like->n_pos, like->K * sizeof *like->n_pos);
    shn_sha256_add(h, like->n_known, like->K * sizeof *like->n_known);
    shn_sha256_end(h, digest);
    shn_sha256_hex(digest, hex);
    return SHN_OK;
}

static shn_status make(const shn_cohort *c, xp_what what, const shn_model *like, const shn_watcher *watcher, shn_model **out, shn_error *err)
{
    shn_engine_options engine;
    double             penalty;
    shn_engine_defaults(&engine);
    shn_status st = what == XP_FREQUENCY ? control_frequency_model(like, out, err) : control_probe_model(like, c, "train", &engine, watcher, out, &penalty, err);
    return st == SHN_OK ? shn_model_fit_val(*out, c, &engine, watcher, err) : st;
}

shn_status xp_control_model(const xp_grid *g, const xp_run *run, xp_what what, const shn_model *like, const shn_watcher *watcher, shn_model **out, shn_error *err)
{
    const shn_cohort *c = xp_training_cohort(g->plan, &g->plan->systems[run->system], run->part);
    char folder[SHN_PATH_MAX], path[SHN_PATH_MAX], name[96], hex[65];
    *out = NULL;
    shn_status st = digest_of(c, what, like, hex, err);
    if (st == SHN_OK) st = shn_path_join(folder, g->folder, "controls", err);
    if (st == SHN_OK) st = shn_dir_make(folder, err);
    snprintf(name, sizeof name, "%s-%.16s.safetensors", what == XP_FREQUENCY ? "frequency" : "random-probe", st == SHN_OK ? hex : "");
    if (st == SHN_OK) st = shn_path_join(path, folder, name, err);
    if (st == SHN_OK && shn_path_exists(path)) return shn_model_read(path, out, err);
    if (st == SHN_OK) st = make(c, what, like, watcher, out, err);
    if (st == SHN_OK) st = shn_model_write(*out, path, err);
    if (st == SHN_OK) return SHN_OK;
    shn_model_free(*out);
    *out = NULL;
    return st;
}
