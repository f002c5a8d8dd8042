/** What people write into WFDB comments: age, sex, diagnoses. */
#ifndef SHN_FORMATS_WFDB_COMMENTS_H
#define SHN_FORMATS_WFDB_COMMENTS_H

#include "formats/wfdb/header.h"

/** Fills meta (id, acquired, age, sex) and labels of rec from the header's record line and comments. Errors SHN_NOMEM. */
SHN_NODISCARD shn_status wfdb_apply_comments(const wfdb_header *h, shn_record *rec, shn_error *err);

#endif
