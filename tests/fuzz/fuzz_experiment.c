/** An experiment's config: whatever the bytes, a plan or an error that says something. */
#include <stdlib.h>

#include "experiment/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shn_error err = { .text = "" };
    xp_plan  *p = NULL;
    const shn_status st = xp_plan_parse(data, size, "x.yaml", "/data", &p, &err);
    if ((st == SHN_OK) != (p != NULL) || (st != SHN_OK && err.text[0] == '\0')) __builtin_trap();
    if (p)
        for (size_t i = 0; i < p->n_systems; i++) {
            shn_train_config config;
            const size_t     last = p->systems[i].n_parts ? p->systems[i].n_parts - 1 : 0;
            if (xp_train_config(p, &p->systems[i], 1, last, &config, &err) != SHN_OK && err.status != SHN_NOMEM) __builtin_trap();      /* parse has tried it */
        }
    xp_plan_free(p);
    return 0;
}
