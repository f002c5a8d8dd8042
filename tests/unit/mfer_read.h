/** What the tests of MFER share: reading made files, refusals, remarks. */
#ifndef SHN_TESTS_MFER_READ_H
#define SHN_TESTS_MFER_READ_H

#include "base/alloc.h"
#include "base/file.h"
#include "formats/mfer/mfer.h"
#include "harness.h"
#include "mfer_writer.h"

static shn_format_options defaults;

static inline shn_input input_of(const uint8_t *bytes, size_t n) { return (shn_input){ .bytes = bytes, .n_bytes = n, .name = "made.mwf", .options = &defaults }; }

static inline shn_status read_made(const mfer_made *m, shn_record **rec, shn_error *err)
{
    uint8_t *exact = malloc(m->n ? m->n : 1);           /* exact size, so that sanitizers see an overrun */
    assert_non_null(exact);
    memcpy(exact, m->b, m->n);
    const shn_input  in = input_of(exact, m->n);
    const shn_status st = shn_reader_mfer.read(&in, rec, err);
    free(exact);
    return st;
}

static inline void assert_refused(const mfer_made *m, shn_status status, shn_reason reason, const char *words)
{
    shn_error   err = { 0 };
    shn_record *rec = NULL;
    assert_status(read_made(m, &rec, &err), status);
    if (err.reason != reason || !strstr(err.text, words)) fail_msg("%s: %s", shn_reason_name(err.reason), err.text);
    assert_null(rec);
}

static inline mfer_made *fresh(int big)
{
    static mfer_made m;
    m = (mfer_made){ .n = 0 };
    made_preamble(&m, "Standard 2 leads ECG");
    made_order(&m, big);
    return &m;
}

static inline int noted(const shn_record *rec, const char *words)
{
    for (size_t i = 0; i < shn_record_n_notes(rec); i++)
        if (strstr(shn_record_note(rec, i)->text, words)) return 1;
    return 0;
}

static inline void put_people(mfer_made *m)
{
    made_text(m, 0x17, "Suzuken^CVS^1.2^SN-98765");
    made_text(m, 0x11, "HPF=0.05^made for Taro");
    made_text(m, 0x11, "LPF=150");
    made_text(m, 0x16, "seen by Dr. Sato");
    made_text(m, 0x81, "Yamada^^Taro");
    made_text(m, 0x82, "PAT-00417^EX9");
    made_head(m, 0x83, 7, 0);
    made_byte(m, 44);
    made_number(m, 0, 2);
    made_number(m, 1960, 2);
    made_byte(m, 2);
    made_byte(m, 29);
    made_def(m, 0x84, 2, 1);
    made_head(m, 0x85, 11, 0);
    made_number(m, 2005, 2);
    made_bytes(m, "\x03\x01\x09\x11\x22", 5);
    made_number(m, 250, 2);
    made_number(m, 0, 2);
    made_head(m, 0x41, 20, 0);
    made_number(m, 7, 2);
    made_number(m, 3, 4);
    made_number(m, 2, 4);
    made_bytes(m, "by Mr Taro", 10);
    made_head(m, 0x42, 13, 0);
    made_number(m, 33, 2);
    made_number(m, 0, 4);
    made_bytes(m, "72^/min", 7);
    made_text(m, 0x86, "call Yamada");
    made_text(m, 0xc5, "private Yamada");
}

#endif
