/**
 * Build step: checks findings.csv with the library's own reader and writes it as constant C tables, so that the built-in
 * registry needs no memory, no start-up work and cannot fail. Usage: embed_findings findings.csv table.c
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "labels/registry.h"

static void put_string(FILE *out, const char *s)
{
    fputc('"', out);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\' || *s == '?') fputc('\\', out);     /* "??" begins a trigraph in C17 */
        fputc(*s, out);
    }
    fputc('"', out);
}

static void put_tables(FILE *out, const shn_registry *reg)
{
    fprintf(out, "/* made from findings.csv by embed_findings; edit that */\n#include \"labels/registry.h\"\n\n"
                 "static const shn_finding findings[%zu] = {\n", reg->n);
    for (size_t i = 0; i < reg->n; i++) {
        const shn_finding *f = &reg->findings[i];
        fprintf(out, "    { .flags = %u", f->flags);
#define X(field)                       \
    fputs(", ." #field " = ", out);    \
    put_string(out, f->field);
        SHN_REGISTRY_COLUMNS(X)
#undef X
        fputs(" },\n", out);
    }
    fprintf(out, "};\n\nstatic const shn_parent_row parents[%zu] = {\n", reg->n);
    for (size_t i = 0; i < reg->n; i++) {
        fputs("    {", out);
        for (size_t k = 0; k < SHN_FINDING_PARENTS_MAX; k++) fprintf(out, " %d,", reg->parents[i][k]);
        fputs(" },\n", out);
    }
    fprintf(out, "};\n\nconst shn_registry shn_registry_compiled = { .findings = findings, .parents = parents, .n = %zu, .version = ", reg->n);
    put_string(out, reg->version);
    fputs(" };\nconst shn_registry *shn_registry_builtin(void) { return &shn_registry_compiled; }\n", out);
}

int main(int argc, char **argv)
{
    shn_error     err = { 0 };
    shn_registry *reg = NULL;
    uint8_t      *bytes = NULL;
    size_t        n_bytes;
    shn_writer    w = { 0 };
    if (argc != 3) return 2;
    shn_status st = shn_file_read(argv[1], SHN_REGISTRY_BYTES_MAX, &bytes, &n_bytes, &err);
    if (st == SHN_OK) st = shn_registry_parse(bytes, n_bytes, NULL, SHN_REGISTRY_RELEASE, &reg, &err);
    if (st == SHN_OK) st = shn_writer_open(&w, argv[2], &err);
    if (st == SHN_OK) {
        put_tables(w.stream, reg);
        st = shn_writer_commit(&w, &err);
    }
    if (st != SHN_OK) fprintf(stderr, "%s: %s\n", argv[1], err.text);
    shn_registry_free(reg);
    free(bytes);
    return st == SHN_OK ? 0 : 1;
}
