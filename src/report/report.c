/**
 * The page: what the data is, how sure the numbers are, results beside their controls, every finding, examples. Made from
 * eval documents alone, so it cannot disagree with them. No script, no address outside the page; it prints.
 */
#include "shinden/report.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "report/bars.h"
#include "report/html.h"
#include "report/results.h"

#define SMALL_RECORDS 1000      /* under this many evaluated records the page warns */
#define FEW_POSITIVES 10        /* as in auroc_macro_10 */
#define CONTROLS_MAX  (4 * SHN_REPORT_RESULTS_MAX)

typedef struct control { const char *name, *result; const json_t *metrics; int shared; } control;

typedef struct page_data {
    const shn_report_input *input;
    shn_result *result;
    size_t      n_results;
    control     control[CONTROLS_MAX];
    size_t      n_controls;
} page_data;

static const struct { const char *key, *en, *ja; } metric_names[] = {
    { "auroc_macro_10", "AUROC, macro, findings with ≥ 10 training positives", "マクロ平均AUROC（学習陽性10例以上の所見）" },
    { "auroc_macro", "AUROC, macro", "マクロ平均AUROC" },
    { "auprc_macro", "AUPRC, macro", "マクロ平均AUPRC" },
    { "top1", "top-1", "上位1位的中率" },
    { "top5", "top-5", "上位5位的中率" },
    { "top1_specific", "top-1, without normal ECG and sinus rhythm", "上位1位的中率（正常・洞調律を除く）" },
    { "top5_specific", "top-5, without normal ECG and sinus rhythm", "上位5位的中率（正常・洞調律を除く）" },
    { "f1_micro_05", "F1, micro, at probability 0.5", "マイクロF1（確率0.5）" },
    { "f1_micro_tuned", "F1, micro, one tuned threshold", "マイクロF1（共通閾値）" },
    { "f1_micro_per_label", "F1, micro, threshold per finding", "マイクロF1（所見別閾値）" },
    { "f1_macro_tuned", "F1, macro", "マクロF1" },
    { "f1_sample_tuned", "F1, per record", "記録ごとのF1" },
    { "jaccard_sample", "Jaccard, per record", "記録ごとのJaccard係数" },
    { "jaccard_micro", "Jaccard, micro", "マイクロJaccard係数" },
    { "ece_raw", "Calibration error before calibration (lower is better)", "較正前の較正誤差（小さいほど良い）" },
    { "ece", "Calibration error after calibration (lower is better)", "較正後の較正誤差（小さいほど良い）" },
};
#define N_METRICS (sizeof metric_names / sizeof *metric_names)

static const struct { const char *key, *en, *ja; } control_names[] = {
    { "label_frequency", "Control: label frequency", "対照：所見の頻度のみ" },
    { "random_encoder", "Control: random encoder + linear probe", "対照：未学習エンコーダ＋線形分類" },
    { "random_encoder_probe", "Control: random encoder + linear probe", "対照：未学習エンコーダ＋線形分類" },
    { "simple_features_probe", "Control: simple features + linear probe", "対照：心拍数・振幅・間隔＋線形分類" },
};

static const char style[] =
    "body{margin:0;color:#1b1d21;background:#fff;font:15px/1.5 system-ui,-apple-system,'Segoe UI','Noto Sans','Noto Sans JP','Hiragino Sans',"
    "'Yu Gothic',Meiryo,IPAPGothic,sans-serif}main{max-width:1240px;margin:0 auto;padding:28px 32px 48px}h1{font-size:27px;margin:0 0 4px}"
    "h2{font-size:19px;margin:34px 0 8px;padding-bottom:4px;border-bottom:2px solid #0b5394}h3{font-size:16px;margin:18px 0 6px}p{margin:6px 0;max-width:90ch}"
    "[lang=ja]{color:#5a6069}h1 [lang=ja],h2 [lang=ja],.use [lang=ja],.warn [lang=ja],.sim [lang=ja]{color:inherit}h2 [lang=ja]{font-weight:normal;margin-left:.5em}"
    ".use{font-weight:600;color:#444b55}.sim{background:#c00d0d;color:#fff;font-weight:700;font-size:19px;padding:12px 18px;margin:16px 0;border-radius:4px}"
    ".warn{background:#fff6df;border-left:5px solid #d99a00;padding:9px 14px;margin:12px 0;max-width:none}"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13.5px;font-variant-numeric:tabular-nums}th,td{padding:5px 10px;text-align:left;vertical-align:top;"
    "border-bottom:1px solid #e4e7ec}thead th{background:#f3f5f8;border-bottom:2px solid #c3cad4;vertical-align:bottom}tbody th{font-weight:500;min-width:230px}"
    "td.n{text-align:right;white-space:nowrap}td.v{white-space:nowrap}td.control,th.control{background:#faf7f2}tr.few td,tr.few th{color:#8a9099}"
    "tbody tr:hover td,tbody tr:hover th{background:#f1f6fc}.ja{display:block;font-size:12.5px}.ci{color:#6b727c;font-size:12px}.code{color:#6b727c;font-size:12px}"
    "svg.bar{display:block;margin-top:1px}svg.bar .axis{stroke:#d5dae1;stroke-width:1}svg.bar .interval{stroke:#6fa0cf;stroke-width:4}svg.bar .value{fill:#0b5394}"
    ".control svg.bar .interval{stroke:#d6bf9a}.control svg.bar .value{fill:#8a6a2c}figure{margin:14px 0 26px;border:1px solid #e0e3e8;border-radius:4px;padding:12px}"
    "figure img{width:100%;height:auto;display:block}figcaption{margin-bottom:8px}details{margin:8px 0}summary{cursor:pointer;font-weight:600;padding:4px 0}"
    "footer{margin-top:40px;padding-top:10px;border-top:1px solid #c3cad4;color:#444b55}dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 16px;margin:8px 0}dt{font-weight:600}dd{margin:0}"
    "@media print{body{font-size:11px}main{max-width:none;padding:0}table{font-size:9.5px}th,td{padding:2px 5px}.scroll{overflow:visible}tr,figure{break-inside:avoid}"
    "*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}";

static void both(shn_html *page, const char *en, const char *ja)
{
    shn_html_text(page, en);
    if (*ja) {
        shn_html_raw(page, "<span class=\"ja\" lang=\"ja\">");
        shn_html_text(page, ja);
        shn_html_raw(page, "</span>");
    }
}

static void heading(shn_html *page, const char *en, const char *ja)
{
    shn_html_printf(page, "<h2>%s<span lang=\"ja\"> %s</span></h2>\n", en, ja);
}

static void number(shn_html *page, double v, int digits)
{
    if (isfinite(v)) shn_html_printf(page, "%.*f", digits, v);
    else shn_html_raw(page, "–");
}

/** A value, its interval in small, and the bar. */
static void interval_cell(shn_html *page, const char *css, shn_interval v, double low, double high, double mark)
{
    shn_html_printf(page, "<td class=\"v%s\">", css);
    number(page, v.value, 3);
    if (isfinite(v.low) && isfinite(v.high)) shn_html_printf(page, " <span class=\"ci\">%.3f–%.3f</span>", v.low, v.high);
    shn_bar_draw(page, v, low, high, mark);
    shn_html_raw(page, "</td>");
}

static void write_head(shn_html *page, const shn_report_input *input)
{
    shn_html_raw(page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n"
                       "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"/>\n"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>");
    shn_html_text(page, input->title);
    shn_html_raw(page, "</title>\n<style>");
    shn_html_raw(page, style);
    shn_html_raw(page, "</style></head>\n<body><main>\n<h1>");
    shn_html_text(page, input->title);
    shn_html_raw(page, "</h1>\n<p class=\"use\">Research use only. Not a medical device. "
                       "<span lang=\"ja\">研究用であり、医療機器ではありません。</span></p>\n");
    if (input->simulated)
        shn_html_raw(page, "<div class=\"sim\">SIMULATED COHORT: these ECGs come from a model of the heart's dipole, not from patients. The numbers "
                           "show that the program works, not how well it reads ECGs.<br/><span lang=\"ja\">模擬データ：患者の記録ではなく、"
                           "双極子モデルで作られた心電図です。数値は動作確認のためのものです。</span></div>\n");
}

static void write_data(shn_html *page, const page_data *d)
{
    heading(page, "Data", "データ");
    shn_html_raw(page, "<p>");
    shn_html_text(page, d->input->data);
    shn_html_raw(page, "</p>\n");
    if (d->n_results == 0) return;
    shn_html_raw(page, "<div class=\"scroll\"><table><thead><tr><th>Result<span class=\"ja\" lang=\"ja\">結果</span></th>"
                       "<th>Records<span class=\"ja\" lang=\"ja\">記録数</span></th><th>Patients<span class=\"ja\" lang=\"ja\">患者数</span></th>"
                       "<th>Findings<span class=\"ja\" lang=\"ja\">所見数</span></th><th>Read-out<span class=\"ja\" lang=\"ja\">読み出し</span></th>"
                       "<th>Thresholds, calibration and read-out fitted on<span class=\"ja\" lang=\"ja\">閾値・較正の決定に用いたデータ</span></th></tr></thead><tbody>\n");
    for (size_t i = 0; i < d->n_results; i++) {
        const shn_result *r = &d->result[i];
        shn_html_raw(page, "<tr><th>");
        shn_html_text(page, r->name);
        shn_html_printf(page, "</th><td class=\"n\">%.0f</td><td class=\"n\">%.0f</td><td class=\"n\">%zu</td><td>", r->n_records, r->n_patients,
                        json_array_size(r->per_label));
        shn_html_text(page, r->readout);
        shn_html_raw(page, "</td><td>");
        shn_html_text(page, *r->fitted_on ? r->fitted_on : "nothing");
        shn_html_raw(page, "</td></tr>\n");
    }
    shn_html_raw(page, "</tbody></table></div>\n");
}

/** Says in numbers how small the data is: the smallest of the results counts. */
static void write_warning(shn_html *page, const page_data *d)
{
    const shn_result *least = NULL;
    size_t few = 0;
    for (size_t i = 0; i < d->n_results; i++)
        if (!least || d->result[i].n_records < least->n_records) least = &d->result[i];
    if (!least) return;
    for (size_t i = 0; i < json_array_size(least->per_label); i++)
        few += !(shn_number_of(json_array_get(least->per_label, i), "n_pos") >= FEW_POSITIVES);
    if (least->n_records >= SMALL_RECORDS && few == 0) return;
    const size_t all = json_array_size(least->per_label);
    shn_html_printf(page, "<p class=\"warn\"><strong>%s.</strong> %.0f records of %.0f patients were evaluated; %zu of %zu findings have fewer than %d "
                          "positive records. A difference that lies inside the intervals is not a difference.<br/>"
                          "<span lang=\"ja\">評価した記録は%.0f件（患者%.0f名）です。%zu所見中%zu所見は陽性が%d件未満です。信頼区間に収まる差は差とみなせません。</span></p>\n",
                    least->n_records < SMALL_RECORDS ? "Small data" : "Rare findings", least->n_records, least->n_patients, few, all,
                    FEW_POSITIVES, least->n_records, least->n_patients, all, few, FEW_POSITIVES);
}

/** A control of one result; the same numbers under the same name in several results are one column. */
static void add_control(page_data *d, const char *name, const json_t *value, const char *result)
{
    const json_t *inner = json_object_get(value, "metrics");
    const json_t *metrics = json_is_object(inner) ? inner : value;
    if (!json_is_object(metrics) || d->n_controls == CONTROLS_MAX) return;
    for (size_t c = 0; c < d->n_controls; c++)
        if (strcmp(d->control[c].name, name) == 0 && json_equal(d->control[c].metrics, metrics)) {
            d->control[c].shared = 1;
            return;
        }
    d->control[d->n_controls++] = (control){ .name = name, .result = result, .metrics = metrics };
}

static void collect_controls(page_data *d)
{
    for (size_t i = 0; i < d->n_results; i++) {
        json_t *controls = d->result[i].controls, *value;
        const char *name;
        json_object_foreach(controls, name, value) add_control(d, name, value, d->result[i].name);
        for (size_t c = 0; c < json_array_size(controls); c++) {
            value = json_array_get(controls, c);
            add_control(d, shn_string_of(value, "name"), value, d->result[i].name);
        }
    }
}

static void control_heading(shn_html *page, const page_data *d, const control *c)
{
    shn_html_raw(page, "<th class=\"control\">");
    size_t k = 0;
    while (k < sizeof control_names / sizeof *control_names && strcmp(control_names[k].key, c->name) != 0) k++;
    if (k < sizeof control_names / sizeof *control_names) both(page, control_names[k].en, control_names[k].ja);
    else both(page, c->name, "対照");
    if (!c->shared && d->n_results > 1) {
        shn_html_raw(page, "<span class=\"ci\">(");
        shn_html_text(page, c->result);
        shn_html_raw(page, ")</span>");
    }
    shn_html_raw(page, "</th>");
}

static void write_metric_row(shn_html *page, const page_data *d, const char *key, const char *en, const char *ja)
{
    const double mark = strncmp(key, "auroc", 5) == 0 ? 0.5 : -1;
    shn_html_raw(page, "<tr><th>");
    both(page, en, ja);
    shn_html_raw(page, "</th>");
    for (size_t i = 0; i < d->n_results; i++) interval_cell(page, "", shn_interval_of(d->result[i].metrics, key), 0, 1, mark);
    for (size_t c = 0; c < d->n_controls; c++) interval_cell(page, " control", shn_interval_of(d->control[c].metrics, key), 0, 1, mark);
    shn_html_raw(page, "</tr>\n");
}

static void write_results(shn_html *page, const page_data *d)
{
    if (d->n_results == 0) return;
    heading(page, "Results", "結果");
    shn_html_raw(page, "<p>Value, 95 % interval (patients resampled), and both on an axis from 0 to 1. "
                       "<span lang=\"ja\">値、95％信頼区間（患者単位の再標本化）、0から1の軸上の位置。</span></p>\n"
                       "<div class=\"scroll\"><table><thead><tr><th>Metric<span class=\"ja\" lang=\"ja\">指標</span></th>");
    for (size_t i = 0; i < d->n_results; i++) {
        shn_html_raw(page, "<th>");
        shn_html_text(page, d->result[i].name);
        shn_html_raw(page, "</th>");
    }
    for (size_t c = 0; c < d->n_controls; c++) control_heading(page, d, &d->control[c]);
    shn_html_raw(page, "</tr></thead><tbody>\n");
    for (size_t m = 0; m < N_METRICS; m++) write_metric_row(page, d, metric_names[m].key, metric_names[m].en, metric_names[m].ja);
    shn_html_raw(page, "</tbody></table></div>\n");
    if (d->n_controls == 0)
        shn_html_raw(page, "<p class=\"warn\">The documents hold no controls: without them a number says little. "
                           "<span lang=\"ja\">対照の結果がありません。</span></p>\n");
}

typedef struct finding_row { const json_t *label; double n_pos; size_t order; } finding_row;

static int by_positives(const void *a, const void *b)
{
    const finding_row *x = a, *y = b;
    if (x->n_pos != y->n_pos) return x->n_pos < y->n_pos ? 1 : -1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/** Every finding of every result once, those with most positives first. NULL when out of memory. */
static finding_row *collect_findings(const page_data *d, size_t *n)
{
    finding_row *rows = NULL;
    size_t capacity = 0;
    *n = 0;
    for (size_t i = 0; i < d->n_results; i++)
        for (size_t k = 0; k < json_array_size(d->result[i].per_label); k++) {
            const json_t *label = json_array_get(d->result[i].per_label, k);
            int seen = 0;
            for (size_t j = 0; j < i && !seen; j++) seen = shn_result_label(&d->result[j], shn_string_of(label, "id")) != NULL;
            if (seen) continue;
            if (shn_grow(&rows, &capacity, *n + 1, sizeof *rows) != 0) {
                free(rows);
                return NULL;
            }
            const double n_pos = shn_number_of(label, "n_pos");
            rows[*n] = (finding_row){ label, isfinite(n_pos) ? n_pos : -1, *n };
            (*n)++;
        }
    if (*n) qsort(rows, *n, sizeof *rows, by_positives);
    else rows = shn_alloc(1, sizeof *rows);
    return rows;
}

static void finding_name(shn_html *page, const json_t *label)
{
    const json_t *codes = json_object_get(label, "codes");
    shn_html_raw(page, "<th>");
    both(page, shn_string_of(label, "name_en"), shn_string_of(label, "name_ja"));
    if (json_array_size(codes) || json_is_string(codes)) {
        shn_html_raw(page, "<span class=\"code\">");
        shn_html_text(page, json_string_value(codes));
        for (size_t i = 0; i < json_array_size(codes); i++) {
            if (i) shn_html_raw(page, ", ");
            shn_html_text(page, json_string_value(json_array_get(codes, i)));
        }
        shn_html_raw(page, "</span>");
    }
    shn_html_raw(page, "</th>");
}

static shn_status write_findings(shn_html *page, const page_data *d, shn_error *err)
{
    size_t n;
    if (d->n_results == 0) return SHN_OK;
    finding_row *rows = collect_findings(d, &n);
    if (!rows) return shn_fail_nomem(err, "report.findings");
    heading(page, "Findings", "所見別の結果");
    shn_html_raw(page, "<p>AUROC of each finding on an axis from 0.5 (chance) to 1; findings with fewer than 10 positives are grey. "
                       "<span lang=\"ja\">各所見のAUROC（軸は0.5から1）。陽性10件未満の所見は灰色。</span></p>\n"
                       "<div class=\"scroll\"><table><thead><tr><th>Finding<span class=\"ja\" lang=\"ja\">所見</span></th>"
                       "<th>Positive<span class=\"ja\" lang=\"ja\">陽性</span></th><th>Known<span class=\"ja\" lang=\"ja\">判定可能</span></th>");
    for (size_t i = 0; i < d->n_results; i++) {
        shn_html_raw(page, "<th>");
        shn_html_text(page, d->result[i].name);
        shn_html_raw(page, "<br/>AUROC</th>");
    }
    shn_html_raw(page, "</tr></thead><tbody>\n");
    for (size_t r = 0; r < n; r++) {
        shn_html_raw(page, rows[r].n_pos >= FEW_POSITIVES ? "<tr>" : "<tr class=\"few\">");
        finding_name(page, rows[r].label);
        shn_html_raw(page, "<td class=\"n\">");
        number(page, shn_number_of(rows[r].label, "n_pos"), 0);
        shn_html_raw(page, "</td><td class=\"n\">");
        number(page, shn_number_of(rows[r].label, "n_known"), 0);
        shn_html_raw(page, "</td>");
        for (size_t i = 0; i < d->n_results; i++)
            interval_cell(page, "", shn_interval_of(shn_result_label(&d->result[i], shn_string_of(rows[r].label, "id")), "auroc"), 0.5, 1, 0.75);
        shn_html_raw(page, "</tr>\n");
    }
    shn_html_raw(page, "</tbody></table></div>\n");
    free(rows);
    return SHN_OK;
}

/** All numbers of one result's findings, folded away. */
static void write_details(shn_html *page, const shn_result *r)
{
    static const struct { const char *key, *en, *ja; int digits; } columns[] = {
        { "n_pos", "Positive", "陽性", 0 },        { "n_known", "Known", "判定可能", 0 },     { "auroc", "AUROC", "", 3 },
        { "auprc", "AUPRC", "", 3 },               { "threshold", "Threshold", "閾値", 3 },   { "sensitivity", "Sensitivity", "感度", 3 },
        { "specificity", "Specificity", "特異度", 3 }, { "ppv", "PPV", "陽性的中率", 3 },     { "npv", "NPV", "陰性的中率", 3 },
        { "top1", "top-1", "上位1位", 3 },         { "top5", "top-5", "上位5位", 3 },
    };
    const size_t n_columns = sizeof columns / sizeof *columns;
    shn_html_raw(page, "<details><summary>");
    shn_html_text(page, r->name);
    shn_html_raw(page, ": sensitivity, specificity and more of each finding <span lang=\"ja\">所見別の感度・特異度など</span></summary>\n"
                       "<div class=\"scroll\"><table><thead><tr><th>Finding<span class=\"ja\" lang=\"ja\">所見</span></th>");
    for (size_t c = 0; c < n_columns; c++) {
        shn_html_raw(page, "<th>");
        both(page, columns[c].en, columns[c].ja);
        shn_html_raw(page, "</th>");
    }
    shn_html_raw(page, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < json_array_size(r->per_label); i++) {
        const json_t *label = json_array_get(r->per_label, i);
        shn_html_raw(page, shn_number_of(label, "n_pos") >= FEW_POSITIVES ? "<tr>" : "<tr class=\"few\">");
        finding_name(page, label);
        for (size_t c = 0; c < n_columns; c++) {
            shn_html_raw(page, "<td class=\"n\">");
            number(page, shn_interval_of(label, columns[c].key).value, columns[c].digits);
            shn_html_raw(page, "</td>");
        }
        shn_html_raw(page, "</tr>\n");
    }
    shn_html_raw(page, "</tbody></table></div></details>\n");
}

/** Each drawing is a picture of its own (data: address): its names cannot meet another's, and nothing in it can run. */
static void write_examples(shn_html *page, const shn_report_input *input)
{
    if (input->n_examples == 0) return;
    heading(page, input->n_examples == 1 ? "Example" : "Examples", "例");
    for (size_t i = 0; i < input->n_examples; i++) {
        const shn_report_example *e = &input->examples[i];
        shn_html_raw(page, "<figure><figcaption>");
        shn_html_text(page, e->caption);
        if (e->true_findings) {
            shn_html_raw(page, "<br/>Findings in the data <span lang=\"ja\">（元データの所見）</span>: <strong>");
            shn_html_text(page, e->true_findings);
            shn_html_raw(page, "</strong>");
        }
        shn_html_raw(page, "</figcaption>\n<img alt=\"12-lead ECG on paper, with the model's findings beside it\" src=\"data:image/svg+xml;base64,");
        shn_html_base64(page, e->svg, e->n_svg);
        shn_html_raw(page, "\"/></figure>\n");
    }
}

static void write_foot(shn_html *page)
{
    heading(page, "How to read the numbers", "指標の説明");
    shn_html_raw(page,
        "<dl><dt>AUROC</dt><dd>chance that a record with the finding scores above one without; 0.5 is chance. "
        "<span lang=\"ja\">所見のある記録の得点が、ない記録を上回る確率。0.5は偶然。</span></dd>\n"
        "<dt>AUPRC</dt><dd>average precision; chance is the finding's frequency. <span lang=\"ja\">平均適合率。偶然の水準は所見の頻度。</span></dd>\n"
        "<dt>top-k</dt><dd>share of records with a true finding among the first k. <span lang=\"ja\">上位k位までに正しい所見を含む記録の割合。</span></dd>\n"
        "<dt>F1, Jaccard</dt><dd>overlap of predicted and true findings. <span lang=\"ja\">予測所見と実際の所見の一致度。</span></dd>\n"
        "<dt>Control</dt><dd>what is reached without learning from ECGs. A model must do better than this. "
        "<span lang=\"ja\">心電図を学習しない場合の値。モデルはこれを上回らねばならない。</span></dd>\n"
        "<dt>Known</dt><dd>records of which the source could say whether they have the finding; others take no part. "
        "<span lang=\"ja\">所見の有無が判定できる記録。その他は計算に含めない。</span></dd></dl>\n"
        "<footer><p class=\"use\">Research use only. Not a medical device: not for diagnosis or treatment. "
        "<span lang=\"ja\">研究用であり、医療機器ではありません。診断・治療に用いないでください。</span></p></footer>\n</main></body></html>\n");
}

static shn_status write_page(shn_html *page, page_data *d, shn_error *err)
{
    collect_controls(d);
    write_head(page, d->input);
    write_data(page, d);
    write_warning(page, d);
    write_results(page, d);
    const shn_status st = write_findings(page, d, err);
    for (size_t i = 0; i < d->n_results; i++) write_details(page, &d->result[i]);
    write_examples(page, d->input);
    write_foot(page);
    return st;
}

shn_status shn_report_html(const shn_report_input *input, char **html, shn_error *err)
{
    shn_html   page = { .text = NULL };
    shn_status st = SHN_OK;

    *html = NULL;
    if (input->n_results > SHN_REPORT_RESULTS_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "report", "%zu results, at most %d on one page", input->n_results,
                        SHN_REPORT_RESULTS_MAX);
    page_data *d = shn_alloc(1, sizeof *d);
    if (!d) return shn_fail_nomem(err, "report");
    d->input = input;
    d->result = shn_alloc(input->n_results, sizeof *d->result);
    if (!d->result) st = shn_fail_nomem(err, "report");
    for (size_t i = 0; i < input->n_results && st == SHN_OK; i++) {
        st = shn_result_parse(&input->results[i], &d->result[i], err);
        if (st == SHN_OK) d->n_results++;
    }
    if (st == SHN_OK) st = write_page(&page, d, err);
    if (st == SHN_OK) st = shn_html_finish(&page, html, err);
    free(page.text);
    for (size_t i = 0; i < d->n_results; i++) shn_result_free(&d->result[i]);
    free(d->result);
    free(d);
    return st;
}
