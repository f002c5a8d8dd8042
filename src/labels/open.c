/** A user's table from its file. Apart from the parser, which the build uses before there is a built-in table to add to. */
#include <stdlib.h>

#include "base/fail.h"
#include "base/file.h"
#include "labels/registry.h"

shn_status shn_registry_read(const char *path, shn_registry **out, shn_error *err)
{
    uint8_t  *bytes;
    size_t    n_bytes;
    const int adds = *path == '+';              /* "+FILE": rows beside the built-in ones */
    *out = NULL;
    path += adds;
    if (adds && !*path) return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "registry", "'+' needs the name of a table behind it: +FILE.csv");
    shn_status st = shn_file_read(path, SHN_REGISTRY_BYTES_MAX, &bytes, &n_bytes, err);
    if (st != SHN_OK) return st;
    st = shn_registry_parse(bytes, n_bytes, adds ? &shn_registry_compiled : NULL, adds ? SHN_REGISTRY_RELEASE "+user" : "user", out, err);
    if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    free(bytes);
    return st;
}
