/** What a finding is called in each form of text, one place for training and for the program that encodes texts. */
#include <stdio.h>
#include <string.h>

#include "labels/registry.h"

static const char *const form_names[] = { "code", "name", "name+criterion" };

const char *shn_text_form_name(shn_text_form form) { return (unsigned)form < 3 ? form_names[form] : NULL; }

int shn_text_form_from_name(const char *name)
{
    for (int i = 0; i < 3; i++)
        if (strcmp(form_names[i], name) == 0) return i;
    return -1;
}

const char *shn_text_none(int japanese) { return japanese ? "該当所見なし" : "no listed finding"; }

/** 1 if another finding's SCP statement is spelled like this: the Challenge's AMI is not PTB-XL's. */
static int is_anothers_statement(const shn_registry *reg, const shn_finding *f, const char *code, size_t n)
{
    for (size_t k = 0; k < reg->n; k++) {
        const char *scp = reg->findings[k].scp;
        if (strcmp(reg->findings[k].id, f->id) != 0 && strlen(scp) == n && memcmp(scp, code, n) == 0) return 1;
    }
    return 0;
}

static void code_text(const shn_registry *reg, const shn_finding *f, char *out, size_t size)
{
    const char *rest = f->cinc, *code = NULL;
    size_t      n = 0;
    if (*f->scp) {
        snprintf(out, size, "%s", f->scp);
        return;
    }
    while ((code = shn_list_next(&rest, &n)) != NULL && is_anothers_statement(reg, f, code, n)) {}
    if (!code) {
        rest = f->snomed;
        code = shn_list_next(&rest, &n);
    }
    if (code) snprintf(out, size, "%.*s", (int)n, code);
    else snprintf(out, size, "%s", f->id);
}

int shn_registry_text(const shn_registry *reg, size_t i, shn_text_form form, int japanese, char out[SHN_FINDING_TEXT_MAX])
{
    return shn_finding_text(reg, &reg->findings[i], form, japanese, out);
}

int shn_finding_text(const shn_registry *reg, const shn_finding *f, shn_text_form form, int japanese, char out[SHN_FINDING_TEXT_MAX])
{
    const char *name = japanese ? f->name_ja : f->name_en, *criterion = japanese ? f->criterion_ja : f->criterion_en;
    int n;
    if (form == SHN_TEXT_CODE) {
        code_text(reg, f, out, SHN_FINDING_TEXT_MAX);
        return 1;
    }
    if (form == SHN_TEXT_NAME_CRITERION && *criterion) n = snprintf(out, SHN_FINDING_TEXT_MAX, "%s%s%s", name, japanese ? "：" : ": ", criterion);
    else n = snprintf(out, SHN_FINDING_TEXT_MAX, "%s", name);
    return n < SHN_FINDING_TEXT_MAX;
}
