/** A file opened for a reader: mapped, its format found, its folder ready to lend companions. Shared by reading, listing and rewriting. */
#ifndef SHN_FORMATS_OPEN_H
#define SHN_FORMATS_OPEN_H

#include "base/file.h"
#include "formats/reader.h"

typedef struct shn_folder { char path[SHN_PATH_MAX]; } shn_folder;

typedef struct shn_opened {
    char               path[SHN_PATH_MAX];      /* of the file, without #ROW; the header where a WFDB record was named without it */
    int                row_given;
    const shn_reader  *reader;
    shn_mapping        map;
    shn_folder         folder;
    shn_source         source;
    shn_format_options options;
    shn_input          input;                   /* borrows all of the above: the struct may not move */
} shn_opened;

/** Errors as shn_record_read. shn_opened_close in any case. */
SHN_NODISCARD shn_status shn_opened_open(shn_opened *o, const char *path, const shn_format_options *options, shn_error *err);
void shn_opened_close(shn_opened *o);
/** 1 if path ends so, in any case of letters. */
int shn_path_ends(const char *path, const char *ending);

#endif
