/**
 * engine: held against the twin in PyTorch (tests/oracle/torch_twin.py made the golden file, and can run this program
 * on a net of full width through $SHINDEN_TWIN). The yardstick is PyTorch's own f32 distance from its float64.
 */
#include "engine_support.h"

#include "base/file.h"
#include "base/safetensors.h"

enum { STEPS = 20 };

typedef struct twin {
    shn_mapping      map;
    shn_safetensors *file;
    net              net;
    size_t           n_samples, B, batches;
    float           *x, *target;            /* [batches][B][T][L], [batches][B][E] */
    double           loss[STEPS], loss_f32[STEPS];
    shn_adamw        hyper;
} twin;

static const char *meta(const twin *t, const char *key)
{
    const char *value = shn_safetensors_metadata(t->file, key);
    if (!value) fail_msg("no metadata %s", key);
    return value;
}

static double scalar(const twin *t, const char *prefix, const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "%s/%s", prefix, name);
    const shn_st_tensor *s = shn_safetensors_find(t->file, full);
    double value;
    if (!s || s->n_bytes != sizeof value) fail_msg("no number %s", full);
    memcpy(&value, s->data, sizeof value);
    return value;
}

static void read_into(const twin *t, const char *prefix, const char *name, size_t n, float *out)
{
    shn_error err;
    char      full[96];
    snprintf(full, sizeof full, "%s/%s", prefix, name);
    assert_ok(shn_safetensors_floats(t->file, full, n, out, &err));
}

static void read_losses(const twin *t, const char *name, double *out)
{
    const shn_st_tensor *s = shn_safetensors_find(t->file, name);
    if (!s || s->n_bytes != STEPS * sizeof *out) fail_msg("%s: not %d losses", name, STEPS);
    memcpy(out, s->data, s->n_bytes);
}

static twin *open_twin(const char *path)
{
    shn_error          err;
    shn_encoder_config c = { .n_leads = 12, .max_pool = 1 };
    twin              *t = calloc(1, sizeof *t);
    assert_ok(shn_file_map(path, &t->map, &err));
    assert_ok(shn_safetensors_open(t->map.bytes, t->map.n_bytes, &t->file, &err));
    c.width = (uint32_t)atoi(meta(t, "width"));
    c.embed = (uint32_t)atoi(meta(t, "embed"));
    sscanf(meta(t, "blocks"), "%u,%u,%u,%u", &c.blocks[0], &c.blocks[1], &c.blocks[2], &c.blocks[3]);
    assert_ok(shn_encoder_build(&c, &t->net.enc, &err));
    t->n_samples = (size_t)atoi(meta(t, "n_samples"));
    t->B = (size_t)atoi(meta(t, "batch"));
    t->batches = (size_t)atoi(meta(t, "batches"));
    t->hyper = (shn_adamw){ strtof(meta(t, "lr"), NULL), 0.9f, 0.999f, 1e-8f, strtof(meta(t, "weight_decay"), NULL) };
    const shn_encoder *e = &t->net.enc;
    const size_t       n_x = t->batches * t->B * t->n_samples * 12, n_target = t->batches * t->B * c.embed;
    t->net.params = floats(e->n_params);
    t->net.state = floats(e->n_state);
    t->x = floats(n_x);
    t->target = floats(n_target);
    for (size_t i = 0; i < e->n_tensors; i++)
        read_into(t, "weight", e->tensors[i].name, e->tensors[i].size, t->net.params + e->tensors[i].offset);
    for (size_t i = 0; i < e->n_state_tensors; i++)
        read_into(t, "weight", e->state_tensors[i].name, e->state_tensors[i].size, t->net.state + e->state_tensors[i].offset);
    assert_ok(shn_safetensors_floats(t->file, "x", n_x, t->x, &err));
    assert_ok(shn_safetensors_floats(t->file, "target", n_target, t->target, &err));
    read_losses(t, "loss", t->loss);
    read_losses(t, "loss_f32", t->loss_f32);
    return t;
}

static void close_twin(twin *t)
{
    shn_safetensors_close(t->file);
    shn_file_unmap(&t->map);
    free(t->net.params), free(t->net.state), free(t->x), free(t->target), free(t);
}

/** One step as the script takes it; returns the loss. gradient: NULL, or receives the gradient before the step. */
static double step(const twin *t, shn_engine *e, size_t number, float *gradient)
{
    shn_error    err;
    const size_t E = t->net.enc.config.embed, n = t->B * E;
    const float *x = t->x + number % t->batches * t->B * t->n_samples * 12, *target = t->target + number % t->batches * n;
    float       *z = floats(n), *d_z = floats(n);
    double       loss = 0;
    assert_ok(shn_engine_forward(e, x, t->B, 1, z, &err));
    for (size_t i = 0; i < n; i++) {
        const double d = (double)z[i] - target[i];
        loss += d * d / (double)n;
        d_z[i] = (float)(2 * d / (double)n);
    }
    shn_engine_zero_gradient(e);
    assert_ok(shn_engine_backward(e, x, d_z, t->B, &err));
    if (gradient) shn_engine_get_gradient(e, gradient);
    assert_ok(shn_engine_step(e, &t->hyper, number + 1, 1, &err));
    free(z), free(d_z);
    return loss;
}

/** Gradients in the file are float64's rounded to f32, so 1e-7 is added to every bound. */
static void check_gradients(const twin *t, const float *gradient, double factor)
{
    double worst = 0;
    for (size_t i = 0; i < t->net.enc.n_tensors; i++) {
        const shn_tensor *s = &t->net.enc.tensors[i];
        float            *expected = floats(s->size);
        read_into(t, "gradient", s->name, s->size, expected);
        const double error = distance(gradient + s->offset, expected, s->size), allowed = factor * scalar(t, "error", s->name) + 1e-7;
        if (error > allowed) fail_msg("gradient of %s: %.3g from float64, %g x PyTorch's f32 is %.3g", s->name, error, factor, allowed);
        if (error / allowed > worst) worst = error / allowed;
        free(expected);
    }
    printf("           gradients: at worst %.2f of PyTorch's own f32 distance\n", factor * worst);
}

static void check_state(const twin *t, const shn_engine *e)
{
    float *params = floats(t->net.enc.n_params), *state = floats(t->net.enc.n_state);
    shn_engine_get(e, params, state);
    for (size_t i = 0; i < t->net.enc.n_state_tensors; i++) {
        const shn_tensor *s = &t->net.enc.state_tensors[i];
        float            *expected = floats(s->size);
        read_into(t, "state", s->name, s->size, expected);
        if (distance(state + s->offset, expected, s->size) > 5e-6)
            fail_msg("%s: %g from float64", s->name, distance(state + s->offset, expected, s->size));
        free(expected);
    }
    free(params), free(state);
}

/**
 * The course of 20 losses is compared as one vector: rounding grows along it by AdamW's first steps, which follow the sign of
 * the smallest gradients, so single steps of two f32 programs say little.
 */
static void check(const char *path, const char *engine, unsigned threads, unsigned winograd)
{
    const double factor = winograd > 2 ? 8 : 4;         /* larger tiles round more; 20 would be allowed */
    twin       *t = open_twin(path);
    shn_engine *e = engine_tiled(&t->net, engine, t->n_samples, t->B, threads, SHN_PRECISION_F32, winograd);
    float      *gradient = floats(t->net.enc.n_params);
    double      ours = 0, theirs = 0, scale = 0;
    printf("           %s, %s\n", shn_engine_describe(e), meta(t, "made_by"));
    for (size_t k = 0; k < STEPS; k++) {
        const double loss = step(t, e, k, k == 0 ? gradient : NULL);
        if (k == 0) {
            assert_near(loss / t->loss[0], 1, 1e-6);
            check_gradients(t, gradient, factor);
            check_state(t, e);
        }
        ours += (loss - t->loss[k]) * (loss - t->loss[k]);
        theirs += (t->loss_f32[k] - t->loss[k]) * (t->loss_f32[k] - t->loss[k]);
        scale += t->loss[k] * t->loss[k];
    }
    printf("           losses: %.3g from float64, PyTorch's f32 %.3g (relative L2 of %d steps)\n", sqrt(ours / scale), sqrt(theirs / scale), STEPS);
    assert_true(sqrt(ours) <= factor * sqrt(theirs) + 1e-7 * sqrt(scale));
    shn_engine_free(e);
    free(gradient);
    close_twin(t);
}

static const char narrow_file[] = SHN_TESTS_DIR "/golden/twin_narrow.safetensors";

static void test_reference(void **state)
{
    (void)state;
    check(narrow_file, "ref", 1, 0);
}

static void test_cpu(void **state)
{
    (void)state;
    for (unsigned winograd = 0; winograd <= 6; winograd += 2) check(narrow_file, "cpu", 2, winograd);
    check(narrow_file, "cpu", 1, 6);
}

/** On a GPU, where the build and the machine have one. */
static void test_cuda(void **state)
{
    (void)state;
    shn_error          err;
    shn_engine        *e = NULL;
    shn_engine_options o;
    twin              *t = open_twin(narrow_file);
    shn_engine_defaults(&o);
    o.name = "cuda";
    const shn_status st = shn_engine_new(&t->net.enc, t->n_samples, 1, 0, &o, &e, &err);
    shn_engine_free(e);
    close_twin(t);
    if (st == SHN_UNSUPPORTED) {
        printf("skipped: %s\n", err.text);
        skip();
    }
    assert_int_equal(st, SHN_OK);
    check(narrow_file, "cuda", 1, 0);
}

static void test_cpu_on_a_given_file(void **state)
{
    (void)state;
    const char *path = getenv("SHINDEN_TWIN");
    if (!path) {
        printf("skipped: no file in $SHINDEN_TWIN; tests/oracle/torch_twin.py --check makes one of full width\n");
        skip();
    }
    for (unsigned winograd = 0; winograd <= 6; winograd += 2) check(path, "cpu", 2, winograd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference), cmocka_unit_test(test_cpu), cmocka_unit_test(test_cuda), cmocka_unit_test(test_cpu_on_a_given_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
