/** The findings beside a trace: name in both languages, probability as a bar, threshold as a tick. */
#ifndef SHN_REPORT_PANEL_H
#define SHN_REPORT_PANEL_H

#include "report/paper.h"
#include "report/text.h"

/** Draws as many findings as the paper's height has room for and says how many were left out. */
void shn_panel_draw(shn_page *page, shn_text *text, const shn_paper *paper, const shn_plot_options *options);

#endif
