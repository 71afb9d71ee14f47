/* SPDX-License-Identifier: Apache-2.0
 * report_html: the sections of report.html. Each writes itself if what it shows is there, and nothing otherwise; rank 0.
 */
#pragma once
#include "tasks/page.h"
#include "tasks/tasks.h"

void report_learning(struct job *job, struct page *p);
void report_scores(struct job *job, struct page *p, const char *metrics);  /* text of metrics.json */
void report_spectra(struct page *p, const char *metrics);
void report_flow(struct job *job, struct page *p); /* the velocity: what it is, and how exactly it is kept */
void report_nearest(struct job *job, struct page *p);
