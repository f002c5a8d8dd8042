/**
 * The five likeliest findings of an ECG file, with nothing but the installed library.
 *
 *   cc predict.c $(pkg-config --cflags --libs shinden) -o predict
 *   ./predict RUN/model.safetensors RECORD.hea
 *
 * Research software, not a medical device.
 */
#include <stdio.h>
#include <stdlib.h>

#include <shinden/format.h>
#include <shinden/model.h>
#include <shinden/predict.h>

int main(int argc, char **argv)
{
    shn_error           err;
    shn_model          *model = NULL;
    shn_predictor      *predictor = NULL;
    shn_record         *record = NULL;
    shn_prediction     *found = NULL;
    shn_predict_options options;
    shn_engine_options  engine;
    int                 failed = 1;

    if (argc != 3) {
        fprintf(stderr, "usage: predict MODEL.safetensors ECG-FILE\n");
        return 2;
    }
    shn_predict_defaults(&options);
    shn_engine_defaults(&engine);
    if (shn_model_read(argv[1], &model, &err) != SHN_OK) goto cleanup;
    if (shn_predictor_new(model, &options, &engine, &predictor, &err) != SHN_OK) goto cleanup;
    if (shn_record_read(argv[2], NULL, &record, &err) != SHN_OK) goto cleanup;
    found = calloc(model->K, sizeof *found);
    if (!found) {
        fprintf(stderr, "predict: out of memory\n");
        goto cleanup_quietly;
    }
    if (shn_predict(predictor, record, found, NULL, NULL, &err) != SHN_OK) goto cleanup;
    for (size_t i = 0; i < model->K && i < 5; i++)
        printf("%5.1f %%  %s  %s%s\n", 100 * found[i].probability, model->name_en[found[i].finding], model->name_ja[found[i].finding],
               found[i].positive ? "  yes" : "");
    printf("research use only, not a medical device\n");
    failed = 0;
cleanup:
    if (failed) fprintf(stderr, "predict: %s (%s)\n", err.text, err.where);
cleanup_quietly:
    free(found);
    shn_record_free(record);
    shn_predictor_free(predictor);
    shn_model_free(model);
    return failed;
}
