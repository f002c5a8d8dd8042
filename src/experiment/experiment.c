/** One call from a config to a report: cohorts, runs, results, pages. */
#include "shinden/experiment.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "experiment/grid.h"
#include "experiment/pages.h"
#include "experiment/results.h"

void shn_experiment_defaults(shn_experiment_options *options) { *options = (shn_experiment_options){ .data = NULL }; }

/** Writes text (freed) to folder/name + ending. */
static shn_status put(const char *folder, const char *name, const char *ending, char *text, shn_error *err)
{
    char path[SHN_PATH_MAX], file[300];
    snprintf(file, sizeof file, "%.200s%s", name, ending);
    for (char *p = file; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(".-_", *p)) *p = '_';
    shn_status st = shn_path_join(path, folder, file, err);
    if (st == SHN_OK) st = shn_file_write(path, text, strlen(text), err);
    free(text);
    return st;
}

static shn_status write_tables(const json_t *doc, const char *folder, shn_error *err)
{
    size_t     i;
    json_t    *t;
    shn_status st = shn_dir_make(folder, err);
    json_array_foreach(json_object_get(doc, "tables"), i, t) {
        const char *name = json_string_value(json_object_get(t, "name"));
        char       *text;
        if (st == SHN_OK && (st = xp_table_csv(t, &text, err)) == SHN_OK) st = put(folder, name, ".csv", text, err);
        if (st == SHN_OK && (st = xp_table_latex(t, &text, err)) == SHN_OK) st = put(folder, name, ".tex", text, err);
    }
    return st;
}

static shn_status write_report(const json_t *doc, const char *folder, shn_error *err)
{
    char       report[SHN_PATH_MAX], tables[SHN_PATH_MAX], *text;
    shn_status st = shn_path_join(report, folder, "report", err);
    if (st == SHN_OK) st = shn_path_join(tables, report, "tables", err);
    if (st == SHN_OK) st = write_tables(doc, tables, err);
    if (st == SHN_OK && (st = xp_claims_csv(doc, &text, err)) == SHN_OK) st = put(report, "claims", ".csv", text, err);
    if (st == SHN_OK && (st = xp_markdown(doc, &text, err)) == SHN_OK) st = put(report, "results", ".md", text, err);
    if (st == SHN_OK && (st = xp_html(doc, &text, err)) == SHN_OK) st = put(report, "report", ".html", text, err);
    if (st != SHN_OK) return st;
    text = json_dumps(doc, JSON_INDENT(1));
    return text ? put(report, "results", ".json", text, err) : shn_fail_nomem(err, "experiment");
}

static size_t count_finished(const xp_grid *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_runs; i++) {
        char path[SHN_PATH_MAX];
        n += xp_run_path(&g->runs[i], "done.json", path, NULL) == SHN_OK && shn_path_exists(path);
    }
    return n;
}

shn_status shn_experiment(const char *config_path, const char *folder, const shn_experiment_options *options, shn_experiment_summary *summary, shn_error *err)
{
    xp_plan   *plan = NULL;
    xp_grid    grid = { 0 };
    json_t    *doc = NULL;
    shn_status st = xp_plan_read(config_path, options->data, &plan, err);
    if (st == SHN_OK) st = shn_dir_make(folder, err);
    if (st == SHN_OK) st = xp_grid_open(plan, folder, &options->watcher, &grid, err);
    if (st == SHN_OK && !options->plan_only) {
        st = xp_grid_run(&grid, options->n_workers, &options->watcher, err);
        if (st == SHN_OK) st = xp_results(&grid, &options->watcher, &doc, err);
        if (st == SHN_OK) st = write_report(doc, folder, err);
    }
    if (st == SHN_OK && summary) *summary = (shn_experiment_summary){ plan->n_systems, grid.n_runs, count_finished(&grid), plan->n_claims };
    json_decref(doc);
    xp_grid_close(&grid);
    xp_plan_free(plan);
    return st;
}
