#include "train/run_ranks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "base/hash.h"

enum { SEEN_MAX = 65 };         /* a hash in hex, or an engine's kernels, cut */

shn_status shn_run_same_start(const shn_run *r, const char settings[65], shn_error *err)
{
    const struct { const char *what, *mine; int shown; const char *remedy; } starts[] = {       /* what depends on another comes after it */
        { "another init", r->init_hash, 12, "the same --init file on every node" },
        { "other settings", settings, 12, "one command line and one --config for all" },
        { "another cohort", r->data_hash, 12, "the same cohort file on every node" },
        { "other texts", r->texts_hash, 12, "the same vectors (--text) on every node" },
        { "another instruction set", shn_engine_kernels(r->engine), SEEN_MAX, "machines of one kind and one build, or SHINDEN_ISA set to what all of them have" },
    };
    shn_group *g = r->config.group;
    shn_status mine = SHN_OK;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        char own[SEEN_MAX] = "", first[SEEN_MAX];
        snprintf(own, sizeof own, "%s", starts[i].mine);
        memcpy(first, own, sizeof first);
        const shn_status st = shn_group_copy(g, first, sizeof first, err);
        if (st != SHN_OK) return st;
        if (mine == SHN_OK && strcmp(own, first) != 0)
            mine = shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, r->name, "rank %u has %s than rank 0 (%.*s, not %.*s); it needs %s", r->rank,
                            starts[i].what, starts[i].shown, own, starts[i].shown, first, starts[i].remedy);
    }
    return shn_group_agree(g, mine, err);
}

shn_status shn_run_same_weights(const shn_run *r, shn_error *err)
{
    uint8_t    mine[32], first[32];
    if (shn_group_size(r->config.group) == 1) return SHN_OK;
    shn_sha256 *h = shn_sha256_new();
    shn_status  st = shn_group_agree(r->config.group, h ? SHN_OK : shn_fail_nomem(err, r->name), err);
    if (h) {
        shn_engine_get(r->engine, r->params, r->state);
        shn_sha256_add(h, r->params, r->enc.n_params * sizeof *r->params);
        shn_sha256_add(h, r->state, r->enc.n_state * sizeof *r->state);
        shn_sha256_add(h, r->head.p, r->head.n * sizeof *r->head.p);
        shn_sha256_end(h, mine);
    }
    if (st != SHN_OK) return st;
    memcpy(first, mine, sizeof first);
    st = shn_group_copy(r->config.group, first, sizeof first, err);
    int differ = st == SHN_OK && memcmp(first, mine, sizeof first) != 0;
    if (st == SHN_OK) st = shn_group_any(r->config.group, &differ, err);
    if (st != SHN_OK || !differ) return st;
    return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, r->name, "the ranks no longer have the same bits at step %" PRIu64 ": start them on machines of one kind, or set "
                    "SHINDEN_ISA to what all of them have; --resume goes on from the last checkpoint", r->step);
}
