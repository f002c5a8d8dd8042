#include "cli/inputs.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "shinden/format.h"

typedef struct input_list { cli_input *items; size_t n, capacity; } input_list;

static shn_status add(input_list *list, const char *path, const shn_error *failure, shn_error *err)
{
    char *copy = shn_strdup(path);
    if (!copy || shn_grow(&list->items, &list->capacity, list->n + 1, sizeof *list->items) != 0) {
        free(copy);
        return shn_fail_nomem(err, "inputs");
    }
    cli_input *one = &list->items[list->n++];
    one->path = copy;
    one->failed = failure != NULL;
    if (failure) one->error = *failure;
    return SHN_OK;
}

static shn_status add_word(input_list *list, const char *word, cli_left_out *left_out, shn_error *err)
{
    shn_found  found;
    shn_error  why = { .status = SHN_OK };
    shn_status st = shn_records_find(word, &found, &why);
    if (st != SHN_OK) st = add(list, word, &why, err);
    for (size_t i = 0; i < found.n && st == SHN_OK; i++) st = add(list, found.paths[i], NULL, err);
    if (left_out) {
        left_out->n_companions += found.n_companions;
        left_out->n_others += found.n_others;
        if (!left_out->first_other) {
            left_out->first_other = found.first_other;
            found.first_other = NULL;
        }
    }
    shn_found_free(&found);
    return st;
}

shn_status cli_inputs_list(char *const *words, size_t n_words, cli_input **inputs, size_t *n, cli_left_out *left_out, shn_error *err)
{
    input_list list = { .items = NULL };
    shn_status st = SHN_OK;
    for (size_t i = 0; i < n_words && st == SHN_OK; i++)
        st = add_word(&list, words[i], left_out, err);
    if (st != SHN_OK) {
        cli_inputs_free(list.items, list.n);
        list = (input_list){ .items = NULL };
    }
    *inputs = list.items;
    *n = list.n;
    return st;
}

void cli_inputs_free(cli_input *inputs, size_t n)
{
    for (size_t i = 0; i < n; i++) free(inputs[i].path);
    free(inputs);
}
