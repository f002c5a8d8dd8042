#include "base/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *shn_status_text(shn_status status)
{
#define X(name, text) text,
    static const char *const words[] = { SHN_STATUS_MAP(X) };
#undef X
    return (size_t)status < sizeof words / sizeof *words ? words[status] : "unknown";
}

const char *shn_reason_name(shn_reason reason)
{
#define X(name, text) text,
    static const char *const words[] = { SHN_REASON_MAP(X) };
#undef X
    return (size_t)reason < sizeof words / sizeof *words ? words[reason] : "unknown";
}

shn_reason shn_reason_from_name(const char *name)
{
    for (int r = 0; r < SHN_REASON_COUNT; r++)
        if (strcmp(shn_reason_name((shn_reason)r), name) == 0) return (shn_reason)r;
    return SHN_REASON_COUNT;
}

/** Messages are one line whatever a hostile file put into them: control bytes become '?'. */
static void one_line(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f) *text = '?';
}

shn_status shn_fail(shn_error *err, shn_status status, shn_reason reason, const char *where, const char *fmt, ...)
{
    if (!err) return status;
    va_list args;
    err->status = status;
    err->reason = reason;
    snprintf(err->where, sizeof err->where, "%s", where);
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    one_line(err->where);
    one_line(err->text);
    return status;
}

shn_status shn_fail_errno(shn_error *err, int errno_value, const char *where, const char *path)
{
    switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
        return shn_fail(err, SHN_IO, SHN_REASON_NOT_FOUND, where, "%s: not found; check the path", path);
    case EACCES:
    case EPERM:
    case EROFS:
        return shn_fail(err, SHN_IO, SHN_REASON_NO_PERMISSION, where,
                        "%s: no permission (%s); check owner and mode", path, strerror(errno_value));
    case ENOSPC:
    case EDQUOT:
        return shn_fail(err, SHN_IO, SHN_REASON_DISK_FULL, where,
                        "%s: no space left; free some and run the same command again", path);
    case ENOMEM:
        return shn_fail(err, SHN_NOMEM, SHN_REASON_NO_MEMORY, where, "%s: out of memory", path);
    default:
        return shn_fail(err, SHN_IO, SHN_REASON_READ_ERROR, where, "%s: %s", path, strerror(errno_value));
    }
}

shn_status shn_fail_nomem(shn_error *err, const char *where)
{
    return shn_fail(err, SHN_NOMEM, SHN_REASON_NO_MEMORY, where, "out of memory");
}

void shn_error_prefix(shn_error *err, const char *fmt, ...)
{
    if (!err) return;
    char    old[sizeof err->text];
    char    prefix[sizeof err->text];
    va_list args;
    memcpy(old, err->text, sizeof old);
    va_start(args, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, args);
    va_end(args);
    one_line(prefix);
    /* a long prefix must not push the message itself out */
    const size_t keep = strnlen(old, sizeof old - 1);
    const size_t room = sizeof err->text - 1 - (keep < sizeof old - 80 ? keep : sizeof old - 80);
    snprintf(err->text, sizeof err->text, "%.*s: %.*s", (int)(room > 2 ? room - 2 : 0), prefix, (int)keep, old);
}
