/** Any bytes as a table: parsed or refused as the header promises; what was parsed survives the writer. First byte: separator. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static shn_csv *reread(const shn_csv *csv, char separator)
{
    char       *bytes = NULL;
    size_t      n_bytes = 0;
    shn_csv    *again = NULL;
    const char *cells[SHN_CSV_COLUMNS_MAX];
    FILE *f = open_memstream(&bytes, &n_bytes);
    for (size_t i = 0; i <= shn_csv_rows(csv); i++) {
        for (size_t k = 0; k < shn_csv_columns(csv); k++) cells[k] = i ? shn_csv_cell(csv, i - 1, k) : shn_csv_name(csv, k);
        shn_csv_put_row(f, cells, shn_csv_columns(csv), separator);
    }
    fclose(f);
    if (shn_csv_open((uint8_t *)bytes, n_bytes, separator, &again, NULL) != SHN_OK) __builtin_trap();
    free(bytes);
    return again;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    const char separator = data[0] == ';' || data[0] == '\t' ? (char)data[0] : ',';
    shn_csv   *csv = NULL;
    const shn_status st = shn_csv_open(data + 1, size - 1, separator, &csv, NULL);
    if ((st == SHN_OK) != (csv != NULL)) __builtin_trap();
    if (!csv) return 0;
    shn_csv *again = reread(csv, separator);
    if (shn_csv_rows(again) != shn_csv_rows(csv) || shn_csv_columns(again) != shn_csv_columns(csv)) __builtin_trap();
    for (size_t i = 0; i < shn_csv_rows(csv); i++)
        for (size_t k = 0; k < shn_csv_columns(csv); k++)
            if (strcmp(shn_csv_cell(csv, i, k), shn_csv_cell(again, i, k)) != 0) __builtin_trap();
    shn_csv_free(csv);
    shn_csv_free(again);
    return 0;
}
