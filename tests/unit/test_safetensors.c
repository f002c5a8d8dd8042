/** safetensors: what is written is read back; every defect of the must_fail corpus is refused with a message. */
#include "harness.h"

#include <dirent.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/safetensors.h"

static void write_example(const char *path)
{
    shn_error      err = { 0 };
    shn_st_writer *w;
    static const float  values[6] = { 1, 2, 3, 4, 5, -6 };
    static const uint8_t flags[3] = { 1, 0, 1 };
    assert_ok(shn_st_writer_new(&w, &err));
    assert_ok(shn_st_writer_tensor(w, "values", "F32", 2, (size_t[]){ 2, 3 }, values, &err));
    assert_ok(shn_st_writer_tensor(w, "flags", "U8", 1, (size_t[]){ 3 }, flags, &err));
    assert_status(shn_st_writer_tensor(w, "flags", "U8", 1, (size_t[]){ 3 }, flags, &err), SHN_RANGE);
    assert_ok(shn_st_writer_metadata(w, "name", "心房細動", &err));
    assert_status(shn_st_writer_metadata(w, "bad", "\xff", &err), SHN_FORMAT);
    assert_ok(shn_st_writer_commit(w, path, &err));
    shn_st_writer_free(w);
}

static void test_round_trip(void **state)
{
    (void)state;
    shn_error        err = { 0 };
    char             path[SHN_PATH_MAX];
    shn_mapping      map;
    shn_safetensors *st;
    float            values[6];
    assert_ok(shn_path_join(path, test_folder(), "x.safetensors", &err));
    write_example(path);
    assert_ok(shn_file_map(path, &map, &err));
    assert_ok(shn_safetensors_open(map.bytes, map.n_bytes, &st, &err));
    assert_int_equal(shn_safetensors_count(st), 2);
    assert_string_equal(shn_safetensors_metadata(st, "name"), "心房細動");
    assert_null(shn_safetensors_metadata(st, "none"));
    assert_ok(shn_safetensors_floats(st, "values", 6, values, &err));
    assert_true(values[0] == 1 && values[5] == -6);
    assert_status(shn_safetensors_floats(st, "values", 5, values, &err), SHN_MISMATCH);
    assert_status(shn_safetensors_floats(st, "flags", 3, values, &err), SHN_MISMATCH);
    assert_status(shn_safetensors_floats(st, "other", 3, values, &err), SHN_MISMATCH);
    const shn_st_tensor *flags = shn_safetensors_find(st, "flags");
    assert_int_equal(flags->data[2], 1);
    assert_int_equal(((uintptr_t)shn_safetensors_find(st, "values")->data - (uintptr_t)map.bytes) % 8, 0);
    shn_safetensors_close(st);
    shn_file_unmap(&map);
}

static void test_every_truncation_is_refused(void **state)
{
    (void)state;
    shn_error        err = { 0 };
    char             path[SHN_PATH_MAX];
    uint8_t         *bytes;
    size_t           n;
    shn_safetensors *st;
    assert_ok(shn_path_join(path, test_folder(), "x.safetensors", &err));
    write_example(path);
    assert_ok(shn_file_read(path, 1 << 20, &bytes, &n, &err));
    for (size_t keep = 0; keep < n; keep++) {
        assert_int_not_equal(shn_safetensors_open(bytes, keep, &st, &err), SHN_OK);
        assert_null(st);
    }
    for (long fail = 1; fail <= 2; fail++) {
        shn_alloc_fail_after(fail);
        const shn_status got = shn_safetensors_open(bytes, n, &st, &err);
        shn_alloc_fail_after(0);
        assert_int_equal(got, SHN_NOMEM);
        assert_null(st);
    }
    free(bytes);
}

static void test_must_fail_corpus(void **state)
{
    (void)state;
    const char *folder = SHN_TESTS_DIR "/must_fail/safetensors";
    DIR *dir = opendir(folder);
    int  n_files = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        shn_error        err = { 0 };
        char             path[SHN_PATH_MAX];
        uint8_t         *bytes;
        size_t           n;
        shn_safetensors *st = NULL;
        if (e->d_name[0] == '.') continue;
        assert_ok(shn_path_join(path, folder, e->d_name, &err));
        assert_ok(shn_file_read(path, 1 << 20, &bytes, &n, &err));
        if (shn_safetensors_open(bytes, n, &st, &err) == SHN_OK) fail_msg("%s was accepted", e->d_name);
        assert_true(err.text[0] && err.where[0]);
        free(bytes);
        n_files++;
    }
    closedir(dir);
    assert_true(n_files >= 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_must_fail_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
