/** One call from a config to a report: cohorts, runs, results, pages. */
#include "shinden/experiment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/threads.h"
#include "eval/doc.h"
#include "experiment/cases.h"
#include "experiment/figures.h"
#include "experiment/grid.h"
#include "experiment/pages.h"
#include "experiment/results.h"

void shn_experiment_defaults(shn_experiment_options *options) { *options = (shn_experiment_options){ .data = NULL }; }

/** Writes text (freed) to folder/name + ending. */
static shn_status put(const char *folder, const char *name, const char *ending, char *text, shn_error *err)
{
    char path[SHN_PATH_MAX], whole[400], file[250];
    snprintf(whole, sizeof whole, "%s%s", name, ending);
    xp_file_name(whole, file, sizeof file);
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
        if (st == SHN_OK && (st = xp_findings_csv(t, &text, err)) == SHN_OK) st = put(folder, name, "-findings.csv", text, err);
    }
    return st;
}

/** A copy of an SVG under folder. */
static shn_status put_svg(const char *folder, const char *name, const char *svg, shn_error *err)
{
    char *copy = shn_strdup(svg);
    return copy ? put(folder, name, ".svg", copy, err) : shn_fail_nomem(err, "experiment");
}

static shn_status write_drawings(const xp_figures *figures, const xp_cases *cases, const char *report, shn_error *err)
{
    char       folder[SHN_PATH_MAX];
    shn_status st = shn_path_join(folder, report, "figures", err);
    if (st == SHN_OK) st = shn_dir_make(folder, err);
    for (size_t i = 0; i < figures->n && st == SHN_OK; i++) st = put_svg(folder, figures->list[i].name, figures->list[i].svg, err);
    if (st == SHN_OK) st = shn_path_join(folder, report, "cases", err);
    if (st == SHN_OK && cases->n) st = shn_dir_make(folder, err);
    for (size_t i = 0; i < cases->n && st == SHN_OK; i++) st = put_svg(folder, cases->list[i].name, cases->list[i].svg, err);
    return st;
}

/** "model name" of the first CPU; "unknown CPU" where the system does not tell. */
static void cpu_name(char out[128])
{
    char  line[512];
    FILE *f = fopen("/proc/cpuinfo", "re");
    strcpy(out, "unknown CPU");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        snprintf(out, 128, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    if (f) fclose(f);
}

/** What the numbers were made with: everything here but the seconds is the same when the same machine makes them again. */
static shn_status describe_run(const xp_grid *g, json_t *doc, shn_error *err)
{
    char   cpu[128];
    double seconds = 0;
    cpu_name(cpu);
    for (size_t i = 0; i < g->n_runs; i++) seconds += g->runs[i].seconds;
    json_t *run = json_pack("{s:o, s:s, s:o, s:i, s:I, s:f}", "config", doc_text(*g->plan->path == '/' ? shn_path_base(g->plan->path) : g->plan->path), "program", "shinden " SHINDEN_VERSION,
                            "cpu", doc_text(cpu), "cores", (int)shn_cores(), "n_runs", (json_int_t)g->n_runs, "training_seconds", seconds);
    return run && json_object_set_new(doc, "run", run) == 0 ? SHN_OK : shn_fail_nomem(err, "experiment");
}

static shn_status write_pages(const json_t *doc, const xp_figures *figures, const xp_cases *cases, const char *folder, const char *results_path, shn_error *err)
{
    char       report[SHN_PATH_MAX], tables[SHN_PATH_MAX], *text;
    shn_status st = shn_path_join(report, folder, "report", err);
    if (st == SHN_OK) st = shn_path_join(tables, report, "tables", err);
    if (st == SHN_OK) st = write_tables(doc, tables, err);
    if (st == SHN_OK) st = write_drawings(figures, cases, report, err);
    if (st == SHN_OK && (st = xp_claims_csv(doc, &text, err)) == SHN_OK) st = put(report, "claims", ".csv", text, err);
    if (st == SHN_OK && (st = xp_markdown(doc, &text, err)) == SHN_OK) {
        if (results_path) st = shn_file_write(results_path, text, strlen(text), err);
        if (st == SHN_OK) st = put(report, "results", ".md", text, err);
        else free(text);
    }
    if (st == SHN_OK && (st = xp_html(doc, figures, cases, &text, err)) == SHN_OK) st = put(report, "report", ".html", text, err);
    if (st != SHN_OK) return st;
    text = json_dumps(doc, JSON_INDENT(1));
    return text ? put(report, "results", ".json", text, err) : shn_fail_nomem(err, "experiment");
}

static shn_status write_report(const xp_grid *g, const char *folder, const shn_experiment_options *o, shn_error *err)
{
    json_t    *doc = NULL;
    xp_figures figures = { 0 };
    xp_cases   cases = { 0 };
    shn_status st = xp_results(g, &o->watcher, &doc, err);
    if (st == SHN_OK) st = describe_run(g, doc, err);
    if (st == SHN_OK) st = xp_cases_draw(g, &o->watcher, &cases, err);
    if (st == SHN_OK) st = xp_figures_draw(doc, &figures, err);
    if (st == SHN_OK) st = write_pages(doc, &figures, &cases, folder, o->results_path, err);
    xp_cases_free(&cases);
    xp_figures_free(&figures);
    json_decref(doc);
    return st;
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

shn_status shn_experiment(const char *config_path, const char *folder, const shn_experiment_options *options, shn_experiment_summary *out, shn_error *err)
{
    xp_plan   *plan = NULL;
    xp_grid    grid = { 0 };
    shn_status st = xp_plan_read(config_path, options->data, &plan, err);
    if (st == SHN_OK) st = shn_dir_make(folder, err);
    if (st == SHN_OK) st = xp_grid_open(plan, folder, &options->watcher, &grid, err);
    if (st == SHN_OK && !options->plan_only) {
        st = xp_grid_run(&grid, options->n_workers, &options->watcher, err);
        if (st == SHN_OK) st = write_report(&grid, folder, options, err);
    }
    if (st == SHN_OK && out) *out = (shn_experiment_summary){ plan->n_systems, grid.n_runs, count_finished(&grid), plan->n_claims };
    xp_grid_close(&grid);
    xp_plan_free(plan);
    return st;
}
