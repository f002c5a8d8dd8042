/** Plots are measured, not admired: edges of square waves in pixels and points, colours where something must or must not be. */
#include "harness.h"

#include <cairo.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "report/paper.h"
#include "report/text.h"
#include "shinden/plot.h"

/** Fontconfig keeps what it read of the machine's fonts until the process ends; that is no leak of ours. */
const char *__lsan_default_suppressions(void) { return "leak:libfontconfig\n"; }

#define FS    500.0
#define DPI10 254.0             /* 10 pixels per mm */

/** Twelve flat leads of n samples. */
static shn_record *flat_record(size_t n, double fs)
{
    shn_error   err = { .status = SHN_OK };
    shn_record *rec = NULL;
    assert_ok(shn_record_new(SHN_LEADS, n, fs, &rec, &err));
    for (size_t l = 0; l < SHN_LEADS; l++) shn_record_set_name(rec, l, shn_lead_name(l));
    return rec;
}

/** 1 mV for 200 ms every second, from 0.6 s on, on one lead. */
static void add_square(shn_record *rec, size_t lead)
{
    float *x = shn_record_lead_mut(rec, lead);
    for (size_t i = 0; i < shn_record_n_samples(rec); i++) {
        const double t = (double)i / shn_record_fs_hz(rec), phase = fmod(t + 1e-9, 1.0);
        x[i] = phase >= 0.6 && phase < 0.8;
    }
}

typedef struct picture { cairo_surface_t *surface; int w, h, stride; const unsigned char *px; } picture;

static picture plot_png(const shn_record *rec, const shn_plot_options *o)
{
    shn_error err = { .status = SHN_OK };
    char      path[512];
    picture   p;
    snprintf(path, sizeof path, "%s/plot.png", test_folder());
    assert_ok(shn_plot(rec, o, path, &err));
    p.surface = cairo_image_surface_create_from_png(path);
    assert_int_equal(cairo_surface_status(p.surface), CAIRO_STATUS_SUCCESS);
    p.w = cairo_image_surface_get_width(p.surface);
    p.h = cairo_image_surface_get_height(p.surface);
    p.stride = cairo_image_surface_get_stride(p.surface);
    p.px = cairo_image_surface_get_data(p.surface);
    unlink(path);
    return p;
}

static void rgb(const picture *p, int x, int y, int out[3])
{
    uint32_t v;
    memcpy(&v, p->px + (size_t)y * (size_t)p->stride + (size_t)x * 4, 4);
    out[0] = v >> 16 & 255, out[1] = v >> 8 & 255, out[2] = v & 255;
}

static int is_dark(const picture *p, int x, int y)
{
    int c[3];
    rgb(p, x, y, c);
    return c[0] < 110 && c[1] < 110 && c[2] < 110;
}

static int is_red(const picture *p, int x, int y)
{
    int c[3];
    rgb(p, x, y, c);
    return c[0] > 150 && c[1] < 90 && c[2] < 90;
}

static int count(const picture *p, double x0, double y0, double x1, double y1, int (*test)(const picture *, int, int))
{
    int n = 0;
    for (int y = (int)(y0 * 10); y < (int)(y1 * 10); y++)
        for (int x = (int)(x0 * 10); x < (int)(x1 * 10); x++) n += test(p, x, y);
    return n;
}

/** Centres (mm) of columns with an unbroken dark run of at least min_mm; the first one's run length goes to *run_mm. */
static size_t vertical_edges(const picture *p, double y0, double y1, double min_mm, double *at, size_t max, double *run_mm)
{
    size_t n = 0;
    int    begin = -1;
    *run_mm = 0;
    for (int x = 0; x < p->w; x++) {
        int run = 0, best = 0;
        for (int y = (int)(y0 * 10); y < (int)(y1 * 10); y++) {
            run = is_dark(p, x, y) ? run + 1 : 0;
            if (run > best) best = run;
        }
        const int hit = best >= min_mm * 10;
        if (hit && best / 10.0 > *run_mm) *run_mm = best / 10.0;
        if (hit && begin < 0) begin = x;
        if (!hit && begin >= 0) {
            assert_true(n < max);
            at[n++] = (begin + x) / 20.0;
            begin = -1;
        }
    }
    return n;
}

static void check_scale(double mm_per_s, double mm_per_mv)
{
    shn_error        err = { .status = SHN_OK };
    shn_record      *rec = flat_record(5000, FS);
    shn_plot_options o;
    shn_paper        paper;
    double           at[64], run;
    add_square(rec, 0);
    shn_plot_defaults(&o);
    o.layout = SHN_LAYOUT_12X1;
    o.dpi = DPI10;
    o.mm_per_s = mm_per_s;
    o.mm_per_mv = mm_per_mv;
    assert_ok(shn_paper_plan(rec, &o, &paper, &err));
    picture p = plot_png(rec, &o);
    /* lead I is the uppermost row: between the paper's top and just under its baseline only it and its pulse are drawn */
    const size_t n = vertical_edges(&p, paper.y, paper.baseline[0] + 1, 0.9 * mm_per_mv, at, 64, &run);
    assert_int_equal(n, 2 + 2 * 10);
    assert_near(at[1] - at[0], 5.0, 0.1);                                   /* calibration pulse */
    assert_near(run, mm_per_mv + 0.28, 0.15);                               /* 1 mV, and the pen's width */
    for (size_t beat = 0; beat < 10; beat++) {
        assert_near(at[3 + 2 * beat] - at[2 + 2 * beat], 0.2 * mm_per_s, 0.1);
        if (beat) assert_near(at[2 + 2 * beat] - at[2 * beat], mm_per_s, 0.1);
    }
    assert_near(at[20] - at[2], 9 * mm_per_s, 0.1);                         /* no drift over the sheet */
    cairo_surface_destroy(p.surface);
    shn_record_free(rec);
}

static void png_is_to_scale(void **state)
{
    (void)state;
    check_scale(25, 10);
    check_scale(50, 5);
}

/** In 3x4 the columns are consecutive quarters of the time, in canonical order, and II runs along the bottom. */
static void columns_follow_in_time(void **state)
{
    (void)state;
    shn_error        err = { .status = SHN_OK };
    shn_record      *rec = flat_record(5000, FS);
    shn_plot_options o;
    shn_paper        paper;
    double           at[64], run;
    for (size_t l = 0; l < SHN_LEADS; l++) add_square(rec, l);
    shn_plot_defaults(&o);
    o.dpi = DPI10;
    assert_ok(shn_paper_plan(rec, &o, &paper, &err));
    assert_int_equal(paper.n_rows, 4);
    picture p = plot_png(rec, &o);
    const double x0 = paper.x + SHN_CAL_MM;
    for (size_t row = 0; row < 4; row++) {
        const size_t n = vertical_edges(&p, paper.baseline[row] - 10.5, paper.baseline[row] + 1, 9, at, 64, &run);
        assert_int_equal(n, 2 + 2 * 10);
        for (size_t beat = 0; beat < 10; beat++)
            assert_near(at[2 + 2 * beat], x0 + (0.6 - 0.001 + (double)beat) * 25, 0.15);  /* edge half a sample early */
    }
    static const size_t first_row[4] = { 0, 3, 6, 9 };
    for (size_t c = 0; c < 4; c++)
        for (size_t s = 0; s < paper.n_strips; s++)
            if (paper.strip[s].lead == first_row[c] && paper.strip[s].row == 0)
                assert_near(paper.strip[s].x_mm, x0 + 62.5 * (double)c, 1e-9);
    cairo_surface_destroy(p.surface);
    shn_record_free(rec);
}

/** A record of 6 s in four columns: 1.5 s of each lead, none left out. */
static void short_records_show_all_leads(void **state)
{
    (void)state;
    shn_error        err = { .status = SHN_OK };
    shn_record      *rec = flat_record(3000, FS);
    shn_plot_options o;
    shn_paper        paper;
    shn_plot_defaults(&o);
    o.dpi = DPI10;
    assert_ok(shn_paper_plan(rec, &o, &paper, &err));
    picture p = plot_png(rec, &o);
    for (size_t s = 0; s < 12; s++) {
        assert_near(paper.strip[s].width_mm, 37.5, 1e-9);
        const double x = paper.strip[s].x_mm, y = paper.baseline[paper.strip[s].row];
        assert_true(count(&p, x + 2, y - 1, x + 36, y + 1, is_dark) > 600);
    }
    assert_int_equal(count(&p, paper.x + SHN_CAL_MM + 152, paper.y, paper.x + paper.width, paper.y + paper.height, is_dark), 0);
    cairo_surface_destroy(p.surface);
    shn_record_free(rec);
}

static void gap_leaves_paper(void **state)
{
    (void)state;
    shn_error        err = { .status = SHN_OK };
    shn_record      *rec = flat_record(5000, FS);
    shn_plot_options o;
    shn_paper        paper;
    float           *x = shn_record_lead_mut(rec, 0);
    for (size_t i = 2000; i < 2500; i++) x[i] = NAN;        /* 4 s to 5 s */
    x[2250] = 0;                                            /* one sample alone */
    x[2300] = INFINITY;
    shn_plot_defaults(&o);
    o.layout = SHN_LAYOUT_12X1;
    o.dpi = DPI10;
    assert_ok(shn_paper_plan(rec, &o, &paper, &err));
    picture p = plot_png(rec, &o);
    const double x0 = paper.x + SHN_CAL_MM, y = paper.baseline[0];
    assert_true(count(&p, x0 + 90, y - 3, x0 + 99, y + 3, is_dark) >= 90);                      /* before the gap */
    assert_int_equal(count(&p, x0 + 100.5, y - 5, x0 + 112, y + 5, is_dark), 0);
    assert_int_equal(count(&p, x0 + 113, y - 5, x0 + 124.5, y + 5, is_dark), 0);
    const int dot = count(&p, x0 + 112, y - 1, x0 + 113, y + 1, is_dark);
    assert_true(dot >= 2 && dot <= 16);
    assert_true(count(&p, x0 + 126, y - 3, x0 + 135, y + 3, is_dark) >= 90);
    cairo_surface_destroy(p.surface);
    shn_record_free(rec);
}

/** Missing as a name and missing as nothing but gaps: both are blank, and labelled in red. */
static void missing_lead_is_labelled(void **state)
{
    (void)state;
    shn_error        err = { .status = SHN_OK };
    shn_record      *rec = flat_record(5000, FS);
    shn_plot_options o;
    shn_paper        paper;
    shn_plot_defaults(&o);
    o.layout = SHN_LAYOUT_12X1;
    o.dpi = DPI10;
    shn_record_set_name(rec, 7, "other");
    for (size_t i = 0; i < 5000; i++) shn_record_lead_mut(rec, 8)[i] = NAN;
    assert_ok(shn_paper_plan(rec, &o, &paper, &err));
    picture p = plot_png(rec, &o);
    for (size_t l = 0; l < SHN_LEADS; l++) {
        const double y = paper.baseline[l], x = paper.x + SHN_CAL_MM;
        const int red = count(&p, x, y - 8, x + 40, y, is_red), dark = count(&p, x + 40, y - 2, x + 240, y + 2, is_dark);
        assert_int_equal(red > 20, l == 7 || l == 8);
        assert_int_equal(dark == 0, l == 7 || l == 8);
        assert_int_equal(paper.strip[l].present, l != 7 && l != 8);
    }
    cairo_surface_destroy(p.surface);
    shn_record_free(rec);
}

/** A 12 mV spike of one sample is cut and marked, does not move the rows, and a true 3 mV complex is drawn whole. */
static void spike_is_cut_and_marked(void **state)
{
    (void)state;
    shn_error        err = { .status = SHN_OK };
    shn_record      *rec = flat_record(5000, FS);
    shn_plot_options o;
    shn_paper        calm, paper;
    shn_plot_defaults(&o);
    o.layout = SHN_LAYOUT_12X1;
    o.dpi = DPI10;
    assert_ok(shn_paper_plan(rec, &o, &calm, &err));
    shn_record_lead_mut(rec, 5)[2500] = 12;
    for (int i = -20; i <= 20; i++) shn_record_lead_mut(rec, 10)[3000 + i] = 3 * (1 - fabsf((float)i) / 20);    /* 80 ms */
    assert_ok(shn_paper_plan(rec, &o, &paper, &err));
    assert_true(paper.strip[5].is_cut[0] && !paper.strip[5].is_cut[1] && !paper.strip[10].is_cut[0]);
    assert_true(paper.height <= calm.height + 25);
    picture p = plot_png(rec, &o);
    const double x = paper.x + SHN_CAL_MM + 125, cut = paper.baseline[5] - paper.strip[5].cut_mm[0];
    assert_true(count(&p, x - 1.5, cut - 2.5, x + 1.5, cut, is_red) > 50);
    assert_true(count(&p, x - 0.5, cut + 1, x + 0.5, paper.baseline[5] - 1, is_dark) > 100);
    assert_int_equal(count(&p, x - 1.5, cut - 2, x + 1.5, cut - 0.2, is_dark), 0);
    const double r = paper.x + SHN_CAL_MM + 150;
    assert_true(count(&p, r - 0.5, paper.baseline[10] - 30.2, r + 0.5, paper.baseline[10] - 29, is_dark) >= 3);
    cairo_surface_destroy(p.surface);
    shn_record_free(rec);
}

/** Rows and labels keep clear of traces whatever their amplitude; huge signals still give a sheet of bounded size. */
static void labels_and_rows_keep_clear(void **state)
{
    (void)state;
    static const float amplitudes[] = { 0.2f, 1.5f, 3.5f, 8, 1e6f, 1e30f };
    shn_error err = { .status = SHN_OK };
    for (size_t a = 0; a < sizeof amplitudes / sizeof *amplitudes; a++)
        for (int layout = 0; layout < SHN_LAYOUT_COUNT; layout++) {
            shn_record      *rec = flat_record(5000, FS);
            shn_plot_options o;
            shn_paper        paper;
            shn_plot_defaults(&o);
            o.layout = (shn_layout)layout;
            for (size_t l = 0; l < SHN_LEADS; l++)
                for (size_t i = 0; i < 5000; i++)
                    shn_record_lead_mut(rec, l)[i] = amplitudes[a] * (i % 250 < 15 ? 1.f : i % 250 < 30 ? -1.f : 0.f);
            assert_ok(shn_paper_plan(rec, &o, &paper, &err));
            assert_true(paper.height <= 620 && fmod(paper.height + 1e-9, 5) < 1e-6);
            for (size_t s = 0; s < paper.n_strips; s++) {
                const shn_strip *t = &paper.strip[s];
                const double up = fmin(t->cut_mm[0], amplitudes[a] * 10), down = fmin(t->cut_mm[1], amplitudes[a] * 10);
                assert_true(t->label_mm >= up + 1);                                 /* the first complex is under the label */
                const double top = t->row ? paper.baseline[t->row - 1] : paper.y;
                const double above = t->row ? top + down : top;
                assert_true(paper.baseline[t->row] - t->label_mm - 0.75 * SHN_LABEL_MM >= above - 1e-9);
                assert_true(paper.baseline[t->row] + down <= paper.y + paper.height);
            }
            if (a == 5) {
                picture p = plot_png(rec, &o);
                assert_true(p.w > 1000);
                cairo_surface_destroy(p.surface);
            }
            shn_record_free(rec);
        }
}

/** Reads "M x y L x y ..." of the longest path and the matrix it is drawn with. */
static size_t longest_polyline(const char *svg, double matrix[6], double *x, double *y, size_t max)
{
    size_t best = 0;
    for (const char *at = svg; (at = strstr(at, " d=\"M ")) != NULL; at++) {
        const char *end = strchr(at + 4, '"'), *p = at + 4;
        const char *tag_end = strchr(end + 1, '>'), *m = strstr(end, "transform=\"matrix(");
        size_t n = 0;
        for (const char *q = p; q < end; q++) n += *q == 'M' || *q == 'L';
        if (n <= best || n > max) continue;
        for (size_t i = 0; i < n && (*p == 'M' || *p == 'L'); i++) {
            char *q;
            x[i] = strtod(p + 1, &q);
            y[i] = strtod(q, &q);
            while (*q == ' ') q++;
            p = q;
        }
        best = n;
        for (int i = 0; i < 6; i++) matrix[i] = i == 0 || i == 3;
        if (m && m < tag_end)
            assert_int_equal(sscanf(m, "transform=\"matrix(%lf,%lf,%lf,%lf,%lf,%lf)", &matrix[0], &matrix[1], &matrix[2],
                                    &matrix[3], &matrix[4], &matrix[5]), 6);
    }
    return best;
}

static void svg_is_to_scale(void **state)
{
    (void)state;
    shn_error        err = { .status = SHN_OK };
    shn_record      *rec = flat_record(5000, FS);
    shn_plot_options o;
    shn_paper        paper;
    char            *svg;
    size_t           n_bytes;
    double           w, h, m[6];
    static double    x[5000], y[5000];
    for (size_t i = 0; i < 5000; i++) shn_record_lead_mut(rec, 0)[i] = 0.5f * (float)sin(i * 0.01 * 3.14159265358979);   /* 2.5 Hz */
    shn_plot_defaults(&o);
    o.layout = SHN_LAYOUT_12X1;
    assert_ok(shn_paper_plan(rec, &o, &paper, &err));
    assert_ok(shn_plot_svg(rec, &o, &svg, &n_bytes, &err));
    assert_int_equal(strlen(svg), n_bytes);
    const char *width = strstr(svg, " width=\""), *height = strstr(svg, " height=\"");
    assert_non_null(width);
    assert_non_null(height);
    assert_int_equal(sscanf(width, " width=\"%lfpt\"", &w), 1);
    assert_int_equal(sscanf(height, " height=\"%lfpt\"", &h), 1);
    assert_non_null(strstr(svg, "pt\" height="));
    assert_near(w * 25.4 / 72, 297, 0.01);                      /* A4 across */
    assert_near(h * 25.4 / 72, paper.page_height, 0.01);
    const size_t n = longest_polyline(svg, m, x, y, 5000);
    assert_true(n > 4000);                                      /* cairo merges pieces that are in line */
    double top = 1e9, bottom = -1e9;
    for (size_t i = 0; i < n; i++) top = fmin(top, y[i]), bottom = fmax(bottom, y[i]);
    assert_near((bottom - top) * m[3] * 25.4 / 72, 10.0, 0.01);
    assert_near((x[n - 1] - x[0]) * m[0] * 25.4 / 72, 25.0 * 4999 / FS, 0.01);
    free(svg);
    shn_record_free(rec);
}

static void pdf_has_true_size(void **state)
{
    (void)state;
    shn_error        err = { .status = SHN_OK };
    shn_record      *rec = flat_record(1000, 100);
    shn_plot_options o;
    char             path[512];
    static char      bytes[1 << 20];
    shn_plot_defaults(&o);
    snprintf(path, sizeof path, "%s/plot.PDF", test_folder());
    assert_ok(shn_plot(rec, &o, path, &err));
    FILE *f = fopen(path, "rb");
    const size_t n = fread(bytes, 1, sizeof bytes - 1, f);
    fclose(f);
    unlink(path);
    assert_true(n > 1000 && memcmp(bytes, "%PDF-", 5) == 0);
    for (size_t i = 0; i < n; i++)
        if (bytes[i] == 0) bytes[i] = ' ';
    const char *box = strstr(bytes, "/MediaBox");
    if (!box) {
        print_message("skipped: this cairo packs the page's size into a compressed object\n");
        shn_record_free(rec);
        skip();
    }
    double size[4];
    assert_int_equal(sscanf(box, "/MediaBox [ %lf %lf %lf %lf ]", &size[0], &size[1], &size[2], &size[3]), 4);
    assert_near(size[2] * 25.4 / 72, 297, 0.01);
    assert_near(size[3] * 25.4 / 72, 210, 0.01);
    shn_record_free(rec);
}

/** The resolution chunk follows the header; its CRC was computed by Python's zlib.crc32. */
static void png_states_its_resolution(void **state)
{
    (void)state;
    static const uint8_t expected[21] = { 0, 0, 0, 9, 'p', 'H', 'Y', 's', 0, 0, 0x1f, 0x40, 0, 0, 0x1f, 0x40, 1,
                                          0x93, 0xa8, 0x5b, 0xa7 };
    shn_error        err = { .status = SHN_OK };
    shn_record      *rec = flat_record(1000, 100);
    shn_plot_options o;
    char             path[512];
    uint8_t          head[64];
    shn_plot_defaults(&o);
    snprintf(path, sizeof path, "%s/plot.png", test_folder());
    assert_ok(shn_plot(rec, &o, path, &err));
    FILE *f = fopen(path, "rb");
    assert_int_equal(fread(head, 1, sizeof head, f), sizeof head);
    fclose(f);
    assert_memory_equal(head + 33, expected, sizeof expected);
    unlink(path);
    shn_record_free(rec);
}

static void japanese_has_glyphs(void **state)
{
    (void)state;
    shn_error err = { .status = SHN_OK };
    shn_page  page;
    shn_text *text = NULL;
    assert_ok(shn_page_open(&page, SHN_PAGE_PNG, 40, 20, DPI10, &err));
    assert_ok(shn_text_open(&page, &text, &err));
    assert_int_equal(shn_text_unknown_glyphs(text, "心房細動 完全右脚ブロック 研究用であり、医療機器ではありません。 ST低下 12誘導"), 0);
    assert_true(shn_text_unknown_glyphs(text, "\xf4\x8f\xbf\xbd") > 0);       /* a private character has none: the count counts */
    /* and they are letters, not one box drawn twice */
    const shn_text_style style = { .size_mm = 6, .colour = { 0, 0, 0 } };
    cairo_set_source_rgb(page.cr, 1, 1, 1);
    cairo_paint(page.cr);
    shn_text_draw(text, 2, 15, &style, "心");
    shn_text_draw(text, 20, 15, &style, "房");
    shn_text_draw(text, 30, 15, &style, "\xf4\x8f\xbf\xbd");
    cairo_surface_flush(page.surface);
    picture p = { page.surface, 400, 200, cairo_image_surface_get_stride(page.surface), cairo_image_surface_get_data(page.surface) };
    int differ = 0, dark = 0, box = 0;
    for (int y = 60; y < 190; y++)
        for (int x = 15; x < 95; x++) {
            dark += is_dark(&p, x, y);
            differ += is_dark(&p, x, y) != is_dark(&p, x + 180, y);
            box += is_dark(&p, x, y) != is_dark(&p, x + 280, y);
        }
    assert_true(dark > 100 && differ > 100 && box > 100);
    assert_near(shn_text_width(text, &style, "心房細動"), 24, 0.5);          /* full-width letters are an em wide */
    shn_text_free(text);
    shn_page_free(&page);
}

/** Bars end where the probability says, ticks stand at the threshold, what has no room is counted. */
static void findings_are_drawn(void **state)
{
    (void)state;
    static const shn_plot_finding findings[2] = {
        { "atrial fibrillation", "心房細動", 0.75, 0.25, 1 }, { "normal ECG", "正常心電図", 0.5, 0.9, 0 },
    };
    shn_error        err = { .status = SHN_OK };
    shn_record      *rec = flat_record(1000, 100);
    shn_plot_options o;
    shn_paper        paper;
    shn_plot_defaults(&o);
    o.dpi = DPI10;
    o.findings = findings;
    o.n_findings = 2;
    assert_ok(shn_paper_plan(rec, &o, &paper, &err));
    picture p = plot_png(rec, &o);
    int blue_most = 0, tick_at = -1;
    for (int y = (int)(paper.y * 10) + 150; y < (int)(paper.y * 10) + 275; y++) {
        int blue = 0, c[3];
        for (int x = (int)(paper.panel_x * 10); x < (int)(paper.panel_x * 10) + 580; x++) {
            rgb(&p, x, y, c);
            blue += c[2] > 130 && c[0] < 60;
            if (c[0] > 180 && c[2] < 60 && c[1] < 100 && tick_at < 0) tick_at = x;
        }
        if (blue > blue_most) blue_most = blue;
    }
    assert_near(blue_most / 10.0, 0.75 * 58, 0.7);              /* less the tick's width */
    assert_near(tick_at / 10.0, paper.panel_x + 0.25 * 58 - 0.25, 0.2);
    cairo_surface_destroy(p.surface);
    shn_record_free(rec);
}

static void many_findings_and_wild_values(void **state)
{
    (void)state;
    static shn_plot_finding many[60];
    shn_error        err = { .status = SHN_OK };
    shn_record      *rec = flat_record(1000, 100);
    shn_plot_options o;
    char            *svg;
    for (size_t i = 0; i < 60; i++) many[i] = (shn_plot_finding){ "a", NULL, i ? 1e300 : NAN, i ? -1e300 : NAN, (int)i % 2 };
    shn_plot_defaults(&o);
    o.findings = many;
    o.n_findings = 60;
    o.simulated = 1;
    o.title = "bad \xff\xfe bytes, <b>&amp; \n new line";
    assert_ok(shn_plot_svg(rec, &o, &svg, NULL, &err));
    free(svg);
    shn_record_free(rec);
}

/** Cairo numbers its surfaces through the life of a process: "surface12" becomes "surface__". */
static void mask_surface_number(char *svg)
{
    for (char *at = svg; (at = strstr(at, "\"surface")) != NULL; )
        for (at += 8; *at >= '0' && *at <= '9'; at++) *at = '_';
}

/** Nothing of the meta reaches the picture. */
static void meta_is_not_shown(void **state)
{
    (void)state;
    shn_error        err = { .status = SHN_OK };
    shn_record      *rec = flat_record(1000, 100);
    shn_plot_options o;
    char            *a, *b;
    shn_plot_defaults(&o);
    assert_ok(shn_plot_svg(rec, &o, &a, NULL, &err));
    shn_record_meta *meta = shn_record_meta_mut(rec);
    snprintf(meta->patient, sizeof meta->patient, "Yamada Taro 12345");
    snprintf(meta->id, sizeof meta->id, "rec7");
    snprintf(meta->acquired, sizeof meta->acquired, "2020-01-01T00:00:00");
    meta->age_years = 60;
    meta->sex = 'F';
    assert_ok(shn_plot_svg(rec, &o, &b, NULL, &err));
    mask_surface_number(a);
    mask_surface_number(b);
    assert_true(strcmp(a, b) == 0);                             /* and equal input gives equal bytes */
    free(b);
    shn_record_add_note(rec, SHN_REASON_GAPS, "V1: 3 samples missing");
    assert_ok(shn_plot_svg(rec, &o, &b, NULL, &err));
    mask_surface_number(b);
    assert_true(strcmp(a, b) != 0);                             /* but notes do */
    free(a);
    free(b);
    shn_record_free(rec);
}

static void refusals(void **state)
{
    (void)state;
    shn_error        err = { .status = SHN_OK };
    shn_record      *rec = flat_record(1000, 100);
    shn_plot_options o;
    char             path[512];
    const char      *folder = test_folder();
    shn_plot_defaults(&o);
    static const char *const endings[] = { "x.jpg", "x", "x.png.gz", ".png/x", "svg" };
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, endings[i]);
        assert_status(shn_plot(rec, &o, path, &err), SHN_UNSUPPORTED);
    }
    snprintf(path, sizeof path, "%s/no-such-folder/x.png", folder);
    assert_status(shn_plot(rec, &o, path, &err), SHN_IO);
    assert_non_null(strstr(err.text, "no-such-folder"));
    const struct { double mm_per_s, mm_per_mv, dpi, seconds, start_s; } bad[] = {
        { 0, 10, 100, 10, 0 }, { NAN, 10, 100, 10, 0 }, { 25, INFINITY, 100, 10, 0 }, { 25, 10, 0, 10, 0 },
        { 25, 10, 100, 0, 0 }, { 25, 10, 100, 1e9, 0 }, { 25, 10, 100, 10, 10 }, { 25, 10, 100, 10, -1 },
    };
    snprintf(path, sizeof path, "%s/x.png", folder);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        o.mm_per_s = bad[i].mm_per_s, o.mm_per_mv = bad[i].mm_per_mv, o.dpi = bad[i].dpi;
        o.seconds = bad[i].seconds, o.start_s = bad[i].start_s;
        assert_status(shn_plot(rec, &o, path, &err), SHN_RANGE);
    }
    shn_plot_defaults(&o);
    o.seconds = 120, o.dpi = 1200;
    assert_status(shn_plot(rec, &o, path, &err), SHN_RANGE);    /* 145,000 pixels */
    assert_int_equal(err.reason, SHN_REASON_LIMIT);
    o.layout = SHN_LAYOUT_COUNT;
    assert_status(shn_plot(rec, &o, path, &err), SHN_RANGE);
    assert_int_equal(shn_layout_from_name("3x4"), SHN_LAYOUT_3X4);
    assert_int_equal(shn_layout_from_name("4x3"), SHN_LAYOUT_COUNT);
    assert_int_not_equal(access(path, F_OK), 0);
    shn_record_free(rec);
}

/** A file that cannot grow (as on a full disk) is an error and leaves nothing behind. */
static void failed_write_leaves_nothing(void **state)
{
    (void)state;
    shn_error        err = { .status = SHN_OK };
    shn_record      *rec = flat_record(1000, 100);
    shn_plot_options o;
    struct rlimit    old, small;
    char             path[512], part[600];
    shn_plot_defaults(&o);
    snprintf(path, sizeof path, "%s/x.png", test_folder());
    snprintf(part, sizeof part, "%s.part", path);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const shn_status st = shn_plot(rec, &o, path, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(st, SHN_IO);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_not_equal(access(part, F_OK), 0);
    shn_record_free(rec);
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    shn_error        err = { .status = SHN_OK };
    shn_record      *rec = flat_record(1000, 100);
    shn_plot_options o;
    shn_plot_defaults(&o);
    long n = 1;
    for (;; n++) {
        char *svg = NULL;
        shn_alloc_fail_after(n);
        const shn_status st = shn_plot_svg(rec, &o, &svg, NULL, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            free(svg);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_null(svg);
        assert_true(n < 200);
    }
    assert_true(n > 3);
    shn_record_free(rec);
}

/** Short and odd records: one sample, less than a column, a rate that is no whole number. */
static void odd_records(void **state)
{
    (void)state;
    static const struct { size_t n; double fs; } odd[] = { { 1, 100 }, { 2, 100 }, { 130, 128.5 }, { 100000, 1000 }, { 7, 0.5 } };
    shn_error err = { .status = SHN_OK };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        for (int layout = 0; layout < SHN_LAYOUT_COUNT; layout++) {
            shn_record      *rec = flat_record(odd[i].n, odd[i].fs);
            shn_plot_options o;
            char            *svg;
            shn_plot_defaults(&o);
            o.layout = (shn_layout)layout;
            assert_ok(shn_plot_svg(rec, &o, &svg, NULL, &err));
            free(svg);
            shn_record_free(rec);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_is_to_scale),
        cmocka_unit_test(columns_follow_in_time),
        cmocka_unit_test(short_records_show_all_leads),
        cmocka_unit_test(gap_leaves_paper),
        cmocka_unit_test(missing_lead_is_labelled),
        cmocka_unit_test(spike_is_cut_and_marked),
        cmocka_unit_test(labels_and_rows_keep_clear),
        cmocka_unit_test(svg_is_to_scale),
        cmocka_unit_test(pdf_has_true_size),
        cmocka_unit_test(png_states_its_resolution),
        cmocka_unit_test(japanese_has_glyphs),
        cmocka_unit_test(findings_are_drawn),
        cmocka_unit_test(many_findings_and_wild_values),
        cmocka_unit_test(meta_is_not_shown),
        cmocka_unit_test(refusals),
        cmocka_unit_test(failed_write_leaves_nothing),
        cmocka_unit_test(every_failed_allocation_is_reported),
        cmocka_unit_test(odd_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
