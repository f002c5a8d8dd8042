/* The presets are ordinary mapping files; they are compiled in, so that the program needs no data folder of its own. */
#include <string.h>

#include "base/fail.h"
#include "base/hash.h"
#include "data/mapping.h"
#include "shinden/import.h"

/* name, file in presets/ without .yaml: assembler knows how to include bytes, C does not yet */
#define PRESETS(X)                                                                                                   \
    X("ptbxl", ptbxl) X("cinc2021", cinc2021) X("ludb", ludb) X("brugada", brugada) X("code15", code15)              \
    X("mitdb", mitdb) X("ptbxl-original", ptbxl_original) X("challenge", challenge) X("files", files)

#define X(name, file)                                                                                                \
    __asm__(".section .rodata\n.global shn_preset_" #file "\nshn_preset_" #file ":\n.incbin \"data/presets/" #file   \
            ".yaml\"\n.byte 0\n.previous\n");                                                                        \
    extern const char shn_preset_##file[];
PRESETS(X)
#undef X

static const char *const names[] = {
#define X(name, file) name,
    PRESETS(X)
#undef X
    NULL
};

const char *const *shn_import_presets(void) { return names; }

const char *shn_preset_text(const char *name)
{
#define X(preset, file) if (strcmp(name, preset) == 0) return shn_preset_##file;
    PRESETS(X)
#undef X
    return NULL;
}

shn_status shn_map_digest(const char *name, char hex[65], shn_error *err)
{
    const char *text = shn_preset_text(name);
    uint8_t     digest[32];
    if (!text) return shn_sha256_file(name, hex, err);
    shn_sha256_of(text, strlen(text), digest);
    shn_sha256_hex(digest, hex);
    return SHN_OK;
}

shn_status shn_map_preset(const char *name, shn_map **out, shn_error *err)
{
    char list[160] = "";
    const char *text = shn_preset_text(name);
    *out = NULL;
    if (text) return shn_map_parse((const uint8_t *)text, strlen(text), out, err);
    for (size_t i = 0; names[i]; i++) {
        strncat(list, i ? " " : "", sizeof list - strlen(list) - 1);
        strncat(list, names[i], sizeof list - strlen(list) - 1);
    }
    return shn_fail(err, SHN_RANGE, SHN_REASON_NOT_FOUND, "import", "no preset '%.60s'; there are: %s", name, list);
}
