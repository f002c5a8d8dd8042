/** Lead names: one canonical spelling for the many that files use. */
#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "shinden/signal.h"

static const char *const names[SHN_LEADS] = { "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6" };

/* beside the names themselves: MIT-BIH's modified limb lead, and the words of HL7 and IEEE 11073 nomenclature */
static const struct { const char *name; int lead; } aliases[] = {
    { "mlii", 1 }, { "mli", 0 }, { "mliii", 2 }, { "mdcecgleadi", 0 }, { "mdcecgleadii", 1 }, { "mdcecgleadiii", 2 }, { "mdcecgleadavr", 3 },
    { "mdcecgleadavl", 4 }, { "mdcecgleadavf", 5 }, { "mdcecgleadv1", 6 }, { "mdcecgleadv2", 7 }, { "mdcecgleadv3", 8 },
    { "mdcecgleadv4", 9 }, { "mdcecgleadv5", 10 }, { "mdcecgleadv6", 11 },
};

const char *shn_lead_name(size_t lead) { return names[lead]; }

/** Lower case letters and digits only; a leading "lead" or "ecg" word is dropped. 0 if nothing usable is left. */
static size_t fold(const char *name, char out[32])
{
    size_t n = 0;
    for (; *name && n < 31; name++)
        if (isalnum((unsigned char)*name)) out[n++] = (char)tolower((unsigned char)*name);
    out[n] = '\0';
    static const char *const words[] = { "lead", "ecg", "ekg" };
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        const size_t len = strlen(words[w]);
        if (n > len && strncmp(out, words[w], len) == 0) {
            memmove(out, out + len, n - len + 1);
            n -= len;
        }
    }
    return n;
}

/** "-aVR", "Lead -aVR": the lead turned over, which is another one. A '-' after a letter or digit only separates words ("ECG-V1"). */
static int is_inverted(const char *name)
{
    for (size_t i = 0; name[i]; i++)
        if (name[i] == '-' && (i == 0 || !isalnum((unsigned char)name[i - 1])) && isalpha((unsigned char)name[i + 1])) return 1;
    return 0;
}

int shn_lead_index(const char *name)
{
    char a[32], b[32];
    if (is_inverted(name) || fold(name, a) == 0) return -1;
    for (int lead = 0; lead < SHN_LEADS; lead++) {
        fold(names[lead], b);
        if (strcmp(a, b) == 0) return lead;
    }
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(a, aliases[i].name) == 0) return aliases[i].lead;
    return -1;
}
