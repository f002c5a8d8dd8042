/** WFDB's row in the table of readers. */
#ifndef SHN_FORMATS_WFDB_WFDB_H
#define SHN_FORMATS_WFDB_WFDB_H

#include "formats/reader.h"

extern const shn_reader shn_reader_wfdb;

#endif
