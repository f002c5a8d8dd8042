/**
 * libcurl's multi interface on one thread. A file's life: present and sound -> nothing to do; else a transfer into
 * "NAME.part" that goes on from the bytes that are there; when complete its SHA-256 decides whether it gets its name.
 */
#include "data/download.h"

#include <curl/curl.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/hash.h"

#define TRIES_WITHOUT_PROGRESS 5
#define TRIES_MAX              1000

typedef struct transfer {
    const shn_download *file;           /* NULL: the slot is free */
    CURL    *easy;
    FILE    *out;
    size_t   offset;                    /* bytes that were there when this attempt began */
    size_t   received;                  /* in this attempt */
    int      begun, write_errno, too_long;
    unsigned tries, tries_total, mismatches;
    double   not_before;                /* monotonic seconds; waits until then */
    char     path[SHN_PATH_MAX], part[SHN_PATH_MAX + 8];
    char     message[CURL_ERROR_SIZE];
} transfer;

typedef struct downloader {
    const char              *folder;
    const shn_fetch_options *options;
    shn_fetch_summary       *summary;
    CURLM                   *multi;
    transfer                *slots;     /* [n_jobs] */
    size_t                   n_active;
    int                      reached;   /* the server has answered once: later trouble is worth a retry */
    size_t                   n_done, n_files;
} downloader;

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- one transfer */

/** libcurl hands over body bytes. A server that ignores the range answers 200: then the file starts anew. */
static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    transfer    *t = context;
    const size_t n = size * count;
    if (!t->begun) {
        long code = 0;
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &code);
        if (t->offset > 0 && code != 206) {
            rewind(t->out);
            if (ftruncate(fileno(t->out), 0) != 0) {
                t->write_errno = errno;
                return 0;
            }
            t->offset = 0;
        }
        t->begun = 1;
    }
    if (n > t->file->max_bytes - t->offset || t->received > t->file->max_bytes - t->offset - n) {
        t->too_long = 1;
        return 0;
    }
    errno = 0;
    if (fwrite(bytes, 1, n, t->out) != n) {
        t->write_errno = errno ? errno : EIO;
        return 0;
    }
    t->received += n;
    return n;
}

static void set_options(const downloader *d, transfer *t, const char *url)
{
    CURL *c = t->easy;
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "shinden/" SHINDEN_VERSION);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(1000 * d->options->connect_timeout_s));
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)ceil(d->options->stall_timeout_s));
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->message);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_PRIVATE, t);
    if (t->offset > 0) {
        char range[32];
        snprintf(range, sizeof range, "%zu-", t->offset);
        curl_easy_setopt(c, CURLOPT_RANGE, range);
    }
}

/** Opens the part file at its end and hands the transfer to libcurl. */
static shn_status begin(downloader *d, transfer *t, shn_error *err)
{
    char        url[SHN_PATH_MAX];
    struct stat info;
    t->out = fopen(t->part, "abe");
    if (!t->out || fstat(fileno(t->out), &info) != 0) return shn_fail_errno(err, errno, "fetch", t->part);
    t->offset = (size_t)info.st_size;
    if (t->offset > t->file->max_bytes) {                       /* not ours: begin anew */
        if (ftruncate(fileno(t->out), 0) != 0) return shn_fail_errno(err, errno, "fetch", t->part);
        t->offset = 0;
    }
    t->received = 0;
    t->begun = t->write_errno = t->too_long = 0;
    t->message[0] = '\0';
    t->not_before = 0;
    if (t->offset > 0) d->summary->n_resumed++;
    const int n = snprintf(url, sizeof url, "%s/%s", d->options->base_url, t->file->path);
    if (n < 0 || (size_t)n >= sizeof url) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "fetch", "a URL of %d bytes", n);
    set_options(d, t, url);
    if (curl_multi_add_handle(d->multi, t->easy) != CURLM_OK) return shn_fail_nomem(err, "fetch");
    return SHN_OK;
}

/** Makes the folder that path lies in. */
static shn_status make_parent(const char *path, shn_error *err)
{
    char parent[SHN_PATH_MAX];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (!slash || slash == parent) return SHN_OK;
    *slash = '\0';
    return shn_dir_make(parent, err);
}

/** Puts a file into a free slot, unless it is there and sound already (*present). */
static shn_status assign(downloader *d, transfer *t, const shn_download *file, int *present, shn_error *err)
{
    char       hex[65];
    *present = 0;
    shn_status st = shn_path_join(t->path, d->folder, file->save, err);
    if (st != SHN_OK) return st;
    snprintf(t->part, sizeof t->part, "%s.part", t->path);
    if (shn_path_exists(t->path)) {
        if (!file->sha256[0]) *present = 1;
        else {
            st = shn_sha256_file(t->path, hex, err);
            if (st != SHN_OK) return st;
            *present = strcmp(hex, file->sha256) == 0;
        }
        if (*present) return SHN_OK;
    }
    st = make_parent(t->path, err);
    if (st != SHN_OK) return st;
    t->file = file;
    t->tries = t->tries_total = t->mismatches = 0;
    d->n_active++;
    return begin(d, t, err);
}

static shn_status close_part(transfer *t, shn_error *err)
{
    FILE *out = t->out;
    t->out = NULL;
    if (out && fclose(out) != 0) return shn_fail_errno(err, errno, "fetch", t->part);
    return SHN_OK;
}

/** Waits and tries again, going on from what has arrived; gives up after several attempts that brought nothing. */
static shn_status retry(downloader *d, transfer *t, shn_error *err)
{
    t->tries = t->received > 0 ? 1 : t->tries + 1;
    t->tries_total++;
    if (t->tries > TRIES_WITHOUT_PROGRESS || t->tries_total > TRIES_MAX)
        return shn_fail(err, SHN_IO, SHN_REASON_READ_ERROR, "fetch", "%s/%s: broke off %u times (%s); run the same command again, it goes on from here",
                        d->options->base_url, t->file->path, t->tries_total, t->message[0] ? t->message : "server error");
    t->not_before = now_seconds() + (t->received > 0 ? 0 : d->options->retry_wait_s * (double)(1u << (t->tries - 1)));
    return SHN_OK;
}

/** The bytes are complete as HTTP sees it: give the file its name if it is what was published. */
static shn_status accept_file(downloader *d, transfer *t, shn_error *err)
{
    if (t->file->sha256[0]) {
        char       hex[65];
        shn_status st = shn_sha256_file(t->part, hex, err);
        if (st != SHN_OK) return st;
        if (strcmp(hex, t->file->sha256) != 0) {
            unlink(t->part);
            if (++t->mismatches >= 2)
                return shn_fail(err, SHN_FORMAT, SHN_REASON_CHECKSUM, "fetch",
                                "%s/%s: SHA-256 is %.12s..., published is %.12s..., twice; a proxy or the mirror alters it, use another",
                                d->options->base_url, t->file->path, hex, t->file->sha256);
            t->not_before = now_seconds();
            return SHN_OK;
        }
    }
    if (rename(t->part, t->path) != 0) return shn_fail_errno(err, errno, "fetch", t->path);
    t->file = NULL;
    d->n_active--;
    d->n_done++;
    return SHN_OK;
}

static shn_status http_failure(downloader *d, transfer *t, shn_error *err)
{
    long code = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &code);
    if (code == 416 && t->offset > 0) {                         /* the part is as long as the file, or longer: judge it, once */
        if (t->file->sha256[0]) return accept_file(d, t, err);
        unlink(t->part);
        return retry(d, t, err);
    }
    if (code == 408 || code == 429 || code >= 500) {
        snprintf(t->message, sizeof t->message, "HTTP status %ld", code);
        return retry(d, t, err);
    }
    return shn_fail(err, SHN_IO, code == 404 || code == 410 ? SHN_REASON_NOT_FOUND : SHN_REASON_READ_ERROR, "fetch",
                    "%s/%s: the server answers %ld; check the base URL", d->options->base_url, t->file->path, code);
}

/** Decides what follows from a transfer's end. */
static shn_status end_transfer(downloader *d, transfer *t, CURLcode result, shn_error *err)
{
    shn_status st = close_part(t, err);
    curl_multi_remove_handle(d->multi, t->easy);
    d->summary->n_bytes += t->received;
    if (t->write_errno) return shn_fail_errno(err, t->write_errno, "fetch", t->part);
    if (st != SHN_OK) return st;
    if (t->too_long) {
        unlink(t->part);
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "fetch", "%s/%s: longer than %zu bytes; this is not the file that was published",
                        d->options->base_url, t->file->path, t->file->max_bytes);
    }
    switch (result) {
    case CURLE_OK:
        d->reached = 1;
        return accept_file(d, t, err);
    case CURLE_HTTP_RETURNED_ERROR:
        d->reached = 1;
        return http_failure(d, t, err);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "fetch", "%s: not an http or https URL", d->options->base_url);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_TOO_MANY_REDIRECTS:
        return shn_fail(err, SHN_IO, SHN_REASON_READ_ERROR, "fetch", "%s: %s; is the package ca-certificates installed?", d->options->base_url, t->message);
    case CURLE_OUT_OF_MEMORY:
        return shn_fail_nomem(err, "fetch");
    default:
        if (!d->reached && t->received == 0)                    /* no network: say so at once */
            return shn_fail(err, SHN_IO, SHN_REASON_NOT_FOUND, "fetch", "%s: no connection (%s); check the network or name a mirror with --base-url",
                            d->options->base_url, t->message[0] ? t->message : curl_easy_strerror(result));
        d->reached = 1;
        return retry(d, t, err);
    }
}

/* ---- all of them */

static shn_status take_messages(downloader *d, shn_error *err)
{
    int n_left;
    for (CURLMsg *m; (m = curl_multi_info_read(d->multi, &n_left)) != NULL;) {
        transfer *t = NULL;
        if (m->msg != CURLMSG_DONE) continue;
        const CURLcode result = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        const shn_status st = end_transfer(d, t, result, err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

/** Fills free slots from the list and starts again those whose wait is over. */
static shn_status feed(downloader *d, const shn_download *files, size_t *next, shn_error *err)
{
    const double now = now_seconds();
    for (uint32_t s = 0; s < d->options->n_jobs; s++) {
        transfer *t = &d->slots[s];
        while (!t->file && *next < d->n_files) {
            int present;
            const shn_status st = assign(d, t, &files[(*next)++], &present, err);
            if (st != SHN_OK) return st;
            if (!present) break;
            d->n_done++;
            d->summary->n_present++;
        }
        if (t->file && !t->out && now >= t->not_before) {
            const shn_status st = begin(d, t, err);
            if (st != SHN_OK) return st;
        }
    }
    return SHN_OK;
}

static shn_status report(const downloader *d, shn_error *err)
{
    char detail[40];
    if (!d->options->watcher.fn) return SHN_OK;
    snprintf(detail, sizeof detail, "%.1f MB", 1e-6 * (double)d->summary->n_bytes);
    const shn_progress p = { .what = "fetch", .done = d->n_done, .total = d->n_files, .unit = "files", .detail = detail };
    if (d->options->watcher.fn(d->options->watcher.context, &p) == 0) return SHN_OK;
    return shn_fail(err, SHN_CANCELLED, SHN_REASON_CANCELLED, "fetch", "stopped; run the same command again, it goes on from here");
}

static shn_status run(downloader *d, const shn_download *files, shn_error *err)
{
    size_t next = 0;
    for (;;) {
        int        running;
        shn_status st = feed(d, files, &next, err);
        if (st == SHN_OK) st = report(d, err);
        if (st != SHN_OK || (d->n_active == 0 && next == d->n_files)) return st;
        if (curl_multi_perform(d->multi, &running) != CURLM_OK) return shn_fail_nomem(err, "fetch");
        st = take_messages(d, err);
        if (st != SHN_OK) return st;
        if (curl_multi_poll(d->multi, NULL, 0, running ? 200 : 20, NULL) != CURLM_OK) return shn_fail_nomem(err, "fetch");
    }
}

static void release(downloader *d)
{
    for (uint32_t s = 0; d->slots && s < d->options->n_jobs; s++) {
        transfer *t = &d->slots[s];
        if (t->easy && d->multi) curl_multi_remove_handle(d->multi, t->easy);
        if (t->easy) curl_easy_cleanup(t->easy);
        if (t->out) fclose(t->out);                             /* what has arrived stays for the next time */
    }
    if (d->multi) curl_multi_cleanup(d->multi);
    free(d->slots);
}

shn_status shn_download_all(const char *folder, const shn_fetch_options *options, const shn_download *files, size_t n,
                            shn_fetch_summary *summary, shn_error *err)
{
    downloader d = { .folder = folder, .options = options, .summary = summary, .n_files = n };
    shn_status st = SHN_OK;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) return shn_fail_nomem(err, "fetch");
    d.multi = curl_multi_init();
    d.slots = shn_alloc(options->n_jobs, sizeof *d.slots);
    if (!d.multi || !d.slots) st = shn_fail_nomem(err, "fetch");
    for (uint32_t s = 0; st == SHN_OK && s < options->n_jobs; s++) {
        d.slots[s].easy = curl_easy_init();
        if (!d.slots[s].easy) st = shn_fail_nomem(err, "fetch");
    }
    if (st == SHN_OK) st = run(&d, files, err);
    summary->n_files += (uint32_t)n;
    release(&d);
    curl_global_cleanup();
    return st;
}
