/** What a run leaves to be looked at: log.jsonl and TensorBoard events. */
#include "harness.h"

#include <math.h>

#include "run_files.h"

static void test_logs_are_cut_back_to_the_checkpoint(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_run_log log;
    uint64_t    json_at, events_at;
    char        json[300], events[300];
    const char *folder = test_folder();
    const shn_scalar s[] = { { "loss", 1.5 }, { "lr", NAN } };
    snprintf(json, sizeof json, "%s/log.jsonl", folder);
    snprintf(events, sizeof events, "%s/events.out.tfevents.0.shinden", folder);
    assert_int_equal(shn_crc32c("123456789", 9), 0xe3069283);       /* RFC 3720, the check value of CRC-32C */
    assert_ok(shn_run_log_open(folder, 0, 0, &log, &err));
    assert_ok(shn_run_log_note(&log, "start", (const char *[]){ "text", "quote \" and 心電" }, 1, &err));
    for (uint64_t i = 1; i <= 5; i++) {
        assert_ok(shn_run_log_scalars(&log, "step", i, s, 2, &err));
        if (i == 3) assert_ok(shn_run_log_sync(&log, &json_at, &events_at, &err));
    }
    shn_run_log_close(&log);
    assert_int_equal(count_lines(json), 6);
    assert_int_equal(count_events(events), 6);              /* the first names the version */
    assert_ok(shn_run_log_open(folder, json_at, events_at, &log, &err));
    assert_ok(shn_run_log_scalars(&log, "step", 4, s, 2, &err));
    shn_run_log_close(&log);
    assert_int_equal(count_lines(json), 5);
    assert_int_equal(count_events(events), 5);
    assert_int_equal(unlink(json), 0);                      /* a lost log does not stop the run */
    assert_ok(shn_run_log_open(folder, json_at, events_at, &log, &err));
    shn_run_log_close(&log);
}

/** One event, byte by byte, against what protobuf says. */
static void test_event_bytes(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_run_log log;
    char        path[300];
    uint8_t    *bytes;
    size_t      n;
    const char *folder = test_folder();
    snprintf(path, sizeof path, "%s/events.out.tfevents.0.shinden", folder);
    assert_ok(shn_run_log_open(folder, 0, 0, &log, &err));
    assert_ok(shn_run_log_scalars(&log, "step", 300, &(shn_scalar){ "a", 1 }, 1, &err));
    shn_run_log_close(&log);
    assert_ok(shn_file_read(path, 1 << 20, &bytes, &n, &err));
    const size_t first = 16 + read_u32le(bytes);
    const uint8_t *event = bytes + first + 12;
    assert_int_equal(event[0], 1 << 3 | 1);                 /* wall_time, 64 bits */
    const uint8_t rest[] = { 2 << 3, 0xac, 0x02, 5 << 3 | 2, 10, 1 << 3 | 2, 8, 1 << 3 | 2, 1, 'a', 2 << 3 | 5, 0, 0, 0x80, 0x3f };
    assert_int_equal(read_u32le(bytes + first), 9 + sizeof rest);
    assert_memory_equal(event + 9, rest, sizeof rest);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logs_are_cut_back_to_the_checkpoint),
        cmocka_unit_test(test_event_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
