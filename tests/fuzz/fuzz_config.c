/** Settings of `train` as YAML: whatever the bytes, parse either refuses and changes nothing, or gives settings that round-trip. */
#include <stdlib.h>
#include <string.h>

#include "shinden/train.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shn_train_config config, before, again;
    shn_error err;
    char     *yaml = NULL;
    shn_train_defaults(SHN_LOSS_SIGLIP_JACCARD, 1000, 100, &config);
    before = config;
    again = config;
    if (shn_train_config_parse(&config, (const char *)data, size, &err) != SHN_OK) {
        if (memcmp(&config, &before, sizeof config) != 0 || err.text[0] == '\0') __builtin_trap();
        return 0;
    }
    if (shn_train_config_yaml(&config, 0, &yaml, &err) != SHN_OK) return 0;     /* out of memory */
    if (shn_train_config_parse(&again, yaml, strlen(yaml), &err) != SHN_OK) __builtin_trap();
    if (memcmp(&config, &again, sizeof config) != 0) __builtin_trap();
    free(yaml);
    if (shn_train_config_check(&config, &err) != SHN_OK && err.text[0] == '\0') __builtin_trap();
    return 0;
}
