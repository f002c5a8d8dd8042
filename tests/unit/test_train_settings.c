/** Settings of training: keys, defaults by loss, faulty values and files. */
#include "harness.h"

#include <dirent.h>

#include "base/file.h"
#include "shinden/train.h"

/* --- settings --- */

static void test_every_setting_round_trips(void **state)
{
    (void)state;
    shn_error err = { 0 };
    for (int l = 0; l < SHN_LOSS_COUNT; l++) {
        shn_train_config a, b;
        char *yaml, *again;
        shn_train_defaults((shn_loss)l, 1000, 100, &a);
        assert_ok(shn_train_config_check(&a, &err));
        a.lr = 0.1 + 0.2;                       /* a double that needs all 17 digits */
        shn_train_defaults((shn_loss)((l + 1) % SHN_LOSS_COUNT), 1000, 100, &b);
        assert_ok(shn_train_config_yaml(&a, 0, &yaml, &err));
        assert_ok(shn_train_config_parse(&b, yaml, strlen(yaml), &err));
        assert_memory_equal(&a, &b, sizeof a);
        assert_ok(shn_train_config_yaml(&b, 0, &again, &err));
        assert_string_equal(yaml, again);
        free(yaml);
        free(again);
    }
}

static void test_recipes_depend_on_the_loss(void **state)
{
    (void)state;
    shn_train_config c;
    shn_train_defaults(SHN_LOSS_BCE, 1000, 100, &c);
    assert_near(c.lr, 3e-3, 0);
    assert_near(c.crop_seconds, 2.5, 0);
    assert_int_equal(c.n_windows, 7);
    shn_train_defaults(SHN_LOSS_SIGLIP_JACCARD, 1000, 100, &c);
    assert_near(c.lr, 1e-3, 0);
    assert_near(c.lr_text_scale, 0.1, 0);
    assert_int_equal(c.learn_temperature, 1);
    shn_train_defaults(SHN_LOSS_CLIP, 200, 100, &c);        /* two seconds: nothing to crop */
    assert_near(c.crop_seconds, 0, 0);
    assert_int_equal(c.n_windows, 1);
    assert_int_equal(c.learn_temperature, 0);
}

static shn_status parse(const char *yaml, shn_train_config *c, shn_error *err)
{
    shn_train_defaults(SHN_LOSS_CLIP, 1000, 100, c);
    return shn_train_config_parse(c, yaml, strlen(yaml), err);
}

static void test_faulty_settings_name_line_and_key(void **state)
{
    (void)state;
    static const struct { const char *yaml, *says; } cases[] = {
        { "epochs: 3\nbatch_sise: 4\n", "no setting 'batch_sise'" },
        { "epochs: 0\n", "epochs: '0'" },
        { "epochs: 2.5\n", "whole number" },
        { "lr: nan\n", "lr: 'nan'" },
        { "lr: 1e999\n", "lr:" },
        { "lr: 0.1x\n", "lr:" },
        { "loss: nt-xent\n", "siglip-jaccard" },
        { "epochs: 3\nepochs: 4\n", "line 2, column 1: key 'epochs' stands twice" },
        { "- 1\n- 2\n", "not a mapping" },
        { "epochs: {a: 1}\n", "line 1, column 9: expected a word" },
        { "epochs: 3\nbatch_sise: 4\n", "line 2, column 13: " },
        { "epochs: 3\n---\nepochs: 4\n", "more than one document" },
        { "epochs: [3\n", "line 2, column 1" },
        { "blocks: [2, 2, 0, 2]\n", "blocks" },
        { "blocks: [1, 1, 1, 1, 1]\n", "blocks" },
        { "split: \"a\\nb\"\n", "plain word" },
        { "\"\": 3\n", "no setting ''" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shn_error        err = { 0 };
        shn_train_config c, before;
        shn_train_defaults(SHN_LOSS_CLIP, 1000, 100, &before);
        const shn_status st = parse(cases[i].yaml, &c, &err);
        if (st == SHN_OK || !strstr(err.text, cases[i].says)) fail_msg("%s gives: %s", cases[i].yaml, err.text);
        assert_memory_equal(&c, &before, sizeof c);         /* a faulty file changes nothing */
    }
    shn_error        err = { 0 };
    shn_train_config c;
    assert_ok(parse("", &c, &err));
    assert_ok(parse("# nothing\n\n  # at all", &c, &err));
    assert_ok(parse("{blocks: [1,2], width: 16, precision: amp_bf16, ecg_norm: unit}\n", &c, &err));
    assert_true(c.encoder.blocks[1] == 2 && c.encoder.blocks[2] == 0 && c.encoder.width == 16);
    assert_true(c.precision == SHN_PRECISION_BF16 && c.ecg_norm_raw == 0);
    c.class_columns = 1;
    assert_ok(shn_train_config_check(&c, &err));
    c.loss = SHN_LOSS_BCE;
    assert_status(shn_train_config_check(&c, &err), SHN_RANGE);
    strcpy(c.stop_after, "step:2x");
    c.class_columns = 0;
    assert_status(shn_train_config_check(&c, &err), SHN_RANGE);
}

static void test_must_fail_files_are_refused(void **state)
{
    (void)state;
    const char *folder = SHN_TESTS_DIR "/must_fail/config";
    DIR *dir = opendir(folder);
    int  n = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        shn_error        err = { 0 };
        shn_train_config c;
        char     path[SHN_PATH_MAX];
        uint8_t *bytes;
        size_t   size;
        if (e->d_name[0] == '.') continue;
        assert_ok(shn_path_join(path, folder, e->d_name, &err));
        assert_ok(shn_file_read(path, SHN_TRAIN_YAML_MAX, &bytes, &size, &err));
        shn_train_defaults(SHN_LOSS_CLIP, 1000, 100, &c);
        if (shn_train_config_parse(&c, (const char *)bytes, size, &err) == SHN_OK) fail_msg("%s was taken", e->d_name);
        free(bytes);
        n++;
    }
    closedir(dir);
    assert_true(n >= 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_setting_round_trips),
        cmocka_unit_test(test_recipes_depend_on_the_loss),
        cmocka_unit_test(test_faulty_settings_name_line_and_key),
        cmocka_unit_test(test_must_fail_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
