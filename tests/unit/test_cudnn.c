/**
 * cuDNN's plans for every layer of the default encoder, on a GPU that is only described: no GPU is needed to learn that cuDNN has a
 * deterministic engine for each pass and precision. Builds without CUDA skip.
 */
#include "harness.h"

#ifdef SHINDEN_CUDA
#include "engine/cuda/cudnn_plan.h"
#include "shinden/encoder.h"

/** What cuDNN reads of a GPU, in its own JSON; the values are NVIDIA's for these two. */
static const char h100[] =
    "{\"cudaDeviceId\":0,\"deviceName\":\"NVIDIA H100 80GB HBM3\",\"deviceVer\":900,\"driverVer\":13000,\"isTccDriver\":0,\"l2CacheSize\":52428800,"
    "\"maxCtasPerSM\":32,\"maxRegistersPerSM\":65536,\"maxSharedMemoryPerBlock\":49152,\"maxSharedMemoryPerBlockOptin\":232448,"
    "\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,\"memClockRateKHz\":2619000,\"multiProcessorCount\":132,\"pciDeviceId\":0,"
    "\"regsPerBlock\":65536,\"reservedSharedMemoryPerBlock\":1024,\"smClockRateKHz\":1980000,\"supportCoopLaunch\":1,"
    "\"totalGlobalMem\":85017493504,\"warpSize\":32,\"maxBlockSize\":[1024,1024,64],\"maxGridSize\":[2147483647,65535,65535]}";
static const char a100[] =
    "{\"cudaDeviceId\":0,\"deviceName\":\"NVIDIA A100-SXM4-40GB\",\"deviceVer\":800,\"driverVer\":13000,\"isTccDriver\":0,\"l2CacheSize\":41943040,"
    "\"maxCtasPerSM\":32,\"maxRegistersPerSM\":65536,\"maxSharedMemoryPerBlock\":49152,\"maxSharedMemoryPerBlockOptin\":166912,"
    "\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,\"memClockRateKHz\":1215000,\"multiProcessorCount\":108,\"pciDeviceId\":0,"
    "\"regsPerBlock\":65536,\"reservedSharedMemoryPerBlock\":1024,\"smClockRateKHz\":1410000,\"supportCoopLaunch\":1,"
    "\"totalGlobalMem\":42285268992,\"warpSize\":32,\"maxBlockSize\":[1024,1024,64],\"maxGridSize\":[2147483647,65535,65535]}";

static cudnnBackendDescriptor_t described(const char *json)
{
    cudnnBackendDescriptor_t d = NULL;
    assert_int_equal(cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &d), CUDNN_STATUS_SUCCESS);
    assert_int_equal(cudnnBackendSetAttribute(d, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)strlen(json), json), CUDNN_STATUS_SUCCESS);
    assert_int_equal(cudnnBackendFinalize(d), CUDNN_STATUS_SUCCESS);
    return d;
}

/** Every pass of every unit; returns how many plans there were, and the largest workspace. */
static size_t plan_all(cudnnBackendDescriptor_t device, const shn_encoder *enc, size_t T, size_t B, gpu_type type, int tf32, size_t *workspace)
{
    size_t plans = 0;
    *workspace = 0;
    for (size_t u = 0; u < enc->n_units; u++)
        for (int pass = GPU_CONV_FORWARD; pass <= GPU_CONV_WEIGHTS; pass++) {
            const shn_unit *w = &enc->units[u];
            const size_t    length = shn_encoder_length(enc, w->input, T);
            gpu_conv_spec   s = { .pass = (gpu_pass)pass, .type = type, .tf32 = tf32, .n = B, .in = (w->in_channels + 7) / 8 * 8, .in_length = length,
                                  .out = w->out_channels, .out_length = (length + 2 * w->pad - w->kernel) / w->stride + 1, .kernel = w->kernel,
                                  .stride = w->stride, .pad = w->pad };
            shn_error err;
            gpu_conv *conv;
            if (u == 0 && pass == GPU_CONV_DATA) continue;
            assert_ok(gpu_cudnn_plan(NULL, device, &s, &conv, &err));
            assert_non_null(strstr(conv->text, "cuDNN engine"));
            if (conv->workspace > *workspace) *workspace = conv->workspace;
            gpu_cudnn_free(conv);
            plans++;
        }
    return plans;
}

static void test_every_layer_has_a_plan(void **state)
{
    (void)state;
    shn_error          err;
    static shn_encoder enc;
    shn_encoder_config c;
    const char *const  gpus[] = { h100, a100 }, *const names[] = { "H100", "A100" };
    shn_encoder_defaults(&c);
    assert_ok(shn_encoder_build(&c, &enc, &err));
    for (size_t g = 0; g < 2; g++) {
        const cudnnBackendDescriptor_t device = described(gpus[g]);
        for (int precision = 0; precision < 3; precision++) {
            size_t workspace, plans = plan_all(device, &enc, 4992, 256, precision == 0 ? GPU_BF16 : GPU_F32, precision == 1, &workspace);
            printf("           %s %s: %zu plans, workspace %.0f MB\n", names[g], precision == 0 ? "bf16" : precision == 1 ? "tf32" : "f32", plans, (double)workspace / 1e6);
            assert_int_equal(plans, 3 * enc.n_units - 1);
            plan_all(device, &enc, 1000, 3, precision == 0 ? GPU_BF16 : GPU_F32, precision == 1, &workspace);
        }
        cudnnBackendDestroyDescriptor(device);
    }
}

/** Other encoders: narrow, no pool, one lead, one sample; the search must end in a plan for each. */
static void test_other_tables_have_plans(void **state)
{
    (void)state;
    const shn_encoder_config tables[] = {
        { .n_leads = 12, .width = 8, .blocks = { 1, 1, 1, 1 }, .max_pool = 1, .embed = 5 },
        { .n_leads = 3, .width = 24, .blocks = { 1, 3, 1 }, .max_pool = 0, .embed = 9 },
        { .n_leads = 1, .width = 8, .blocks = { 1 }, .max_pool = 1, .embed = 1 },
    };
    const cudnnBackendDescriptor_t device = described(h100);
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (int precision = 0; precision < 3; precision++) {
            shn_error          err;
            static shn_encoder enc;
            size_t             workspace;
            assert_ok(shn_encoder_build(&tables[t], &enc, &err));
            plan_all(device, &enc, 131, 7, precision == 0 ? GPU_BF16 : GPU_F32, precision == 1, &workspace);
            plan_all(device, &enc, 1, 4, precision == 0 ? GPU_BF16 : GPU_F32, precision == 1, &workspace);
        }
    cudnnBackendDestroyDescriptor(device);
}

/** What cuDNN cannot plan is refused in words that say what was asked for. */
static void test_a_refusal_names_the_layer(void **state)
{
    (void)state;
    shn_error err;
    gpu_conv *conv;
    const cudnnBackendDescriptor_t device = described(h100);
    const gpu_conv_spec longer = { .pass = GPU_CONV_FORWARD, .type = GPU_F32, .n = 2, .in = 8, .in_length = 10, .out = 8, .out_length = 99, .kernel = 3, .stride = 1, .pad = 1 };
    const shn_status    st = gpu_cudnn_plan(NULL, device, &longer, &conv, &err);
    assert_true(st == SHN_DEVICE || st == SHN_UNSUPPORTED);
    assert_null(conv);
    printf("           %s\n", err.text);
    assert_non_null(strstr(err.text, st == SHN_DEVICE ? "cudnnBackendFinalize" : "8 x 8 channels"));
    cudnnBackendDestroyDescriptor(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_layer_has_a_plan), cmocka_unit_test(test_other_tables_have_plans), cmocka_unit_test(test_a_refusal_names_the_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
#include "without_cuda.inc"
#endif
