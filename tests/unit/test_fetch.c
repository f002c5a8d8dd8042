/** data/fetch against a server on 127.0.0.1 that cuts, corrupts, forgets ranges and goes away. Needs no network. */
#include "server.h"

#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/file.h"
#include "base/hash.h"
#include "shinden/fetch.h"

#define RECORDS 43                      /* ids 1..43, folds in turn: 1..3 have five, the others four */

static char   origin[300], base_url[64];
static server web;

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info, (void)kind, (void)at;
    return remove(path);
}
static void remove_tree(const char *path) { nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

static void put(FILE *sums, const char *name, const void *bytes, size_t n)
{
    char      path[600], hex[65];
    uint8_t   digest[32];
    shn_error err = { 0 };
    snprintf(path, sizeof path, "%s/%s", origin, name);
    assert_ok(shn_file_write(path, bytes, n, &err));
    shn_sha256_of(bytes, n, digest);
    shn_sha256_hex(digest, hex);
    fprintf(sums, "%s%s%s\n", hex, name[strlen(name) - 1] == 't' ? "  " : " ", name);     /* both forms of such lists */
}

/** A folder laid out as PTB-XL is; signals are made-up bytes. */
static int make_origin(void **state)
{
    (void)state;
    shn_error err = { 0 };
    char      path[600], *table, *list;
    size_t    n_table, n_list;
    snprintf(origin, sizeof origin, "%s", test_folder());
    FILE *t = open_memstream(&table, &n_table), *sums = open_memstream(&list, &n_list);
    fputs("ecg_id,patient_id,report,strat_fold,filename_lr,filename_hr\n", t);
    for (int part = 0; part <= 1; part++) {
        snprintf(path, sizeof path, "%s/records100/%05d", origin, part * 1000);
        assert_ok(shn_dir_make(path, &err));
    }
    for (int id = 1; id <= RECORDS; id++) {
        char name[100], bytes[2400];
        const int part = id > 20 ? 1000 : 0;
        fprintf(t, "%d,%d.0,\"sinus rhythm, no. %d\",%d,records100/%05d/%05d_lr,records500/x\n", id, 100 + id, id, (id - 1) % 10 + 1, part, id);
        for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(id * 31 + (int)i * 7);
        snprintf(name, sizeof name, "records100/%05d/%05d_lr.dat", part, id);
        put(sums, name, bytes, sizeof bytes);
        snprintf(name, sizeof name, "records100/%05d/%05d_lr.hea", part, id);
        put(sums, name, name, strlen(name));
    }
    fclose(t);
    put(sums, "ptbxl_database.csv", table, n_table);
    put(sums, "scp_statements.csv", ",description\nSR,sinus rhythm\n", 30);
    put(sums, "LICENSE.txt", "CC BY 4.0", 9);
    fclose(sums);
    snprintf(path, sizeof path, "%s/SHA256SUMS.txt", origin);
    assert_ok(shn_file_write(path, list, n_list, &err));
    free(table);
    free(list);
    server_start(&web, origin);
    snprintf(base_url, sizeof base_url, "http://127.0.0.1:%d", web.port);
    return 0;
}

static int remove_origin(void **state)
{
    (void)state;
    server_stop(&web);
    remove_tree(origin);
    return 0;
}

static shn_fetch_options options_for(uint32_t n_records)
{
    shn_fetch_options o;
    shn_fetch_defaults(&o);
    o.base_url = base_url;
    o.n_records = n_records;
    o.n_jobs = 3;
    o.retry_wait_s = 0.01;
    return o;
}

/** Every file of the slice equals the origin's byte for byte; no part is left. */
static void assert_slice(const char *folder, size_t n_records)
{
    shn_error err = { 0 };
    char      path[700], from[700], hex[2][65];
    shn_csv  *csv;
    snprintf(path, sizeof path, "%s/ptbxl_database.csv", folder);
    assert_ok(shn_csv_read(path, ',', &csv, &err));
    assert_int_equal(shn_csv_rows(csv), n_records);
    for (size_t row = 0; row < n_records; row++)
        for (int k = 0; k < 2; k++) {
            const char *name = shn_csv_cell(csv, row, 4), *suffix = k ? ".dat" : ".hea";
            snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
            snprintf(from, sizeof from, "%s/%s%s", origin, name, suffix);
            assert_ok(shn_sha256_file(path, hex[0], &err));
            assert_ok(shn_sha256_file(from, hex[1], &err));
            assert_string_equal(hex[0], hex[1]);
            snprintf(path, sizeof path, "%s/%s%s.part", folder, name, suffix);
            assert_false(shn_path_exists(path));
        }
    shn_csv_free(csv);
}

static void test_a_slice_is_a_tenth_of_every_fold(void **state)
{
    (void)state;
    shn_error         err = { 0 };
    shn_fetch_options o = options_for(20);
    shn_fetch_summary s;
    shn_csv          *csv;
    char              folder[300], path[400];
    snprintf(folder, sizeof folder, "%s/below/it", test_folder());
    assert_ok(shn_fetch_ptbxl(folder, &o, &s, &err));
    assert_int_equal(s.n_records, 20);
    assert_int_equal(s.n_files, 44);                            /* list, table, statements, licence, 40 of records */
    assert_int_equal(s.n_present, 0);
    assert_slice(folder, 20);
    snprintf(path, sizeof path, "%s/ptbxl_database.csv", folder);
    assert_ok(shn_csv_read(path, ',', &csv, &err));
    for (size_t row = 0; row < 20; row++) {
        assert_int_equal(atoi(shn_csv_cell(csv, row, 0)), row + 1);         /* the two lowest ids of each fold */
        assert_int_equal(atoi(shn_csv_cell(csv, row, 3)), row % 10 + 1);
    }
    assert_string_equal(shn_csv_cell(csv, 4, 2), "sinus rhythm, no. 5");
    shn_csv_free(csv);

    /* again: nothing is downloaded; more: only what is new */
    const int before = atomic_load(&web.n_requests);
    assert_ok(shn_fetch_ptbxl(folder, &o, &s, &err));
    assert_int_equal(s.n_present, 44);
    assert_int_equal(s.n_bytes, 0);
    assert_int_equal(atomic_load(&web.n_requests), before);
    o.n_records = 43;                                           /* five of folds 1 to 3, four of the others */
    assert_ok(shn_fetch_ptbxl(folder, &o, &s, &err));
    assert_int_equal(s.n_records, 43);
    assert_int_equal(s.n_present, 44);
    assert_int_equal(atomic_load(&web.n_requests), before + 46);
    assert_slice(folder, 43);
    o.n_records = 0;
    assert_ok(shn_fetch_ptbxl(folder, &o, &s, &err));
    assert_int_equal(s.n_records, RECORDS);
    o.n_records = 7;                                            /* fewer than folds: one of each of the first seven */
    assert_ok(shn_fetch_ptbxl(folder, &o, &s, &err));
    assert_int_equal(s.n_records, 7);
    folder[strlen(folder) - strlen("/below/it")] = '\0';
    remove_tree(folder);
}

static void test_cut_connections_are_resumed(void **state)
{
    (void)state;
    shn_error         err = { 0 };
    shn_fetch_options o = options_for(10);
    shn_fetch_summary s;
    char              folder[300];
    snprintf(folder, sizeof folder, "%s", test_folder());
    const int ranges = atomic_load(&web.n_ranges);
    atomic_store(&web.cut_every, 1000);                         /* a signal of 2,400 bytes needs three connections */
    assert_ok(shn_fetch_ptbxl(folder, &o, &s, &err));
    atomic_store(&web.cut_every, 0);
    assert_slice(folder, 10);
    assert_true(atomic_load(&web.n_ranges) - ranges >= 20);
    assert_true(s.n_resumed >= 20);
    remove_tree(folder);
}

static void test_a_server_without_ranges_still_works(void **state)
{
    (void)state;
    shn_error         err = { 0 };
    shn_fetch_options o = options_for(10);
    shn_fetch_summary s;
    char              folder[300], path[400];
    snprintf(folder, sizeof folder, "%s", test_folder());
    snprintf(path, sizeof path, "%s/records100/00000", folder);
    assert_ok(shn_dir_make(path, &err));
    snprintf(path, sizeof path, "%s/records100/00000/00001_lr.dat.part", folder);
    assert_ok(shn_file_write(path, "some old bytes", 14, &err));
    atomic_store(&web.ignore_range, 1);
    assert_ok(shn_fetch_ptbxl(folder, &o, &s, &err));
    atomic_store(&web.ignore_range, 0);
    assert_int_equal(s.n_resumed, 1);
    assert_slice(folder, 10);
    remove_tree(folder);
}

/** What an earlier, killed run may have left: a sound half, a wrong half, a part that is whole, a final file gone bad. */
static void test_leftovers_are_used_or_replaced(void **state)
{
    (void)state;
    shn_error         err = { 0 };
    shn_fetch_options o = options_for(10);
    shn_fetch_summary s;
    uint8_t          *bytes;
    size_t            n;
    char              folder[300], path[400], from[400];
    snprintf(folder, sizeof folder, "%s", test_folder());
    snprintf(path, sizeof path, "%s/records100/00000", folder);
    assert_ok(shn_dir_make(path, &err));
    for (int id = 1; id <= 4; id++) {
        snprintf(from, sizeof from, "%s/records100/00000/%05d_lr.dat", origin, id);
        assert_ok(shn_file_read(from, 10000, &bytes, &n, &err));
        snprintf(path, sizeof path, "%s/records100/00000/%05d_lr.dat%s", folder, id, id == 4 ? "" : ".part");
        if (id == 2) bytes[0] ^= 1;
        if (id == 4) bytes[17] ^= 1;
        assert_ok(shn_file_write(path, bytes, id <= 2 ? n / 2 : n, &err));
        free(bytes);
    }
    assert_ok(shn_fetch_ptbxl(folder, &o, &s, &err));
    assert_slice(folder, 10);
    assert_int_equal(s.n_resumed, 3);
    remove_tree(folder);
}

static void test_corrupt_once_is_fetched_anew_twice_is_an_error(void **state)
{
    (void)state;
    shn_error         err = { 0 };
    shn_fetch_options o = options_for(10);
    shn_fetch_summary s;
    char              folder[300], path[400];
    snprintf(folder, sizeof folder, "%s", test_folder());
    strcpy(web.corrupt_path, "00003_lr.dat");
    atomic_store(&web.corrupt, 1);
    assert_ok(shn_fetch_ptbxl(folder, &o, &s, &err));
    assert_slice(folder, 10);
    remove_tree(folder);

    snprintf(folder, sizeof folder, "%s", test_folder());
    atomic_store(&web.corrupt, 1000);
    assert_status(shn_fetch_ptbxl(folder, &o, &s, &err), SHN_FORMAT);
    atomic_store(&web.corrupt, 0);
    assert_int_equal(err.reason, SHN_REASON_CHECKSUM);
    assert_non_null(strstr(err.text, "00003_lr.dat"));
    snprintf(path, sizeof path, "%s/records100/00000/00003_lr.dat", folder);
    assert_false(shn_path_exists(path));                        /* a wrong file never gets its name */
    snprintf(path, sizeof path, "%s/ptbxl_database.csv", folder);
    assert_false(shn_path_exists(path));                        /* and the table means a whole slice */
    assert_ok(shn_fetch_ptbxl(folder, &o, &s, &err));
    assert_slice(folder, 10);
    remove_tree(folder);
}

static void test_a_busy_server_is_asked_again_a_missing_file_is_named(void **state)
{
    (void)state;
    shn_error         err = { 0 };
    shn_fetch_options o = options_for(10);
    shn_fetch_summary s;
    char              folder[300], path[400], aside[420];
    snprintf(folder, sizeof folder, "%s", test_folder());
    atomic_store(&web.unavailable, 3);
    assert_ok(shn_fetch_ptbxl(folder, &o, &s, &err));
    assert_slice(folder, 10);
    remove_tree(folder);

    snprintf(folder, sizeof folder, "%s", test_folder());
    atomic_store(&web.unavailable, 1000);
    assert_status(shn_fetch_ptbxl(folder, &o, &s, &err), SHN_IO);
    atomic_store(&web.unavailable, 0);
    assert_non_null(strstr(err.text, "HTTP status 503"));

    snprintf(path, sizeof path, "%s/records100/00000/00007_lr.hea", origin);
    snprintf(aside, sizeof aside, "%s.aside", path);
    assert_int_equal(rename(path, aside), 0);
    assert_status(shn_fetch_ptbxl(folder, &o, &s, &err), SHN_IO);
    assert_int_equal(rename(aside, path), 0);
    assert_int_equal(err.reason, SHN_REASON_NOT_FOUND);
    assert_non_null(strstr(err.text, "00007_lr.hea"));
    remove_tree(folder);
}

static void test_a_stalled_transfer_is_broken_off_and_resumed(void **state)
{
    (void)state;
    shn_error         err = { 0 };
    shn_fetch_options o = options_for(10);
    shn_fetch_summary s;
    char              folder[300];
    snprintf(folder, sizeof folder, "%s", test_folder());
    o.stall_timeout_s = 1;
    o.n_jobs = 1;
    atomic_store(&web.stall, 1);
    assert_ok(shn_fetch_ptbxl(folder, &o, &s, &err));
    assert_int_equal(s.n_resumed, 1);
    assert_slice(folder, 10);
    remove_tree(folder);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void test_no_connection_is_said_at_once(void **state)
{
    (void)state;
    shn_error         err = { 0 };
    shn_fetch_options o = options_for(10);
    shn_fetch_summary s;
    char              folder[300], url[64];
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          size = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);             /* bound, not listening: nobody else answers there */
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/files", ntohs(address.sin_port));
    snprintf(folder, sizeof folder, "%s", test_folder());
    o.base_url = url;
    o.retry_wait_s = 10;
    const double begin = seconds();
    assert_status(shn_fetch_ptbxl(folder, &o, &s, &err), SHN_IO);
    assert_true(seconds() - begin < 2);
    assert_int_equal(err.reason, SHN_REASON_NOT_FOUND);
    assert_non_null(strstr(err.text, "no connection"));
    assert_non_null(strstr(err.text, "--base-url"));
    o.base_url = "http://no-such-host.invalid/x";               /* RFC 2606: never resolves */
    assert_status(shn_fetch_ptbxl(folder, &o, &s, &err), SHN_IO);
    close(fd);
    remove_tree(folder);
}

static void write_origin(const char *name, const char *text, size_t n)
{
    shn_error err = { 0 };
    char      path[600];
    snprintf(path, sizeof path, "%s/%s", origin, name);
    assert_ok(shn_file_write(path, text, n, &err));
}

/** Publishes a table of its own with a right checksum, so that only its content can be the reason. */
static void expect_table_refused(const char *rows, const char *says)
{
    shn_error         err = { 0 };
    shn_fetch_options o = options_for(10);
    shn_fetch_summary s;
    uint8_t          *table, *list, digest[32];
    size_t            n_table, n_list;
    char              folder[300], path[600], text[1000], hex[65], sums[1000];
    snprintf(folder, sizeof folder, "%s", test_folder());
    snprintf(path, sizeof path, "%s/ptbxl_database.csv", origin);
    assert_ok(shn_file_read(path, 1 << 20, &table, &n_table, &err));
    snprintf(path, sizeof path, "%s/SHA256SUMS.txt", origin);
    assert_ok(shn_file_read(path, 1 << 20, &list, &n_list, &err));
    snprintf(text, sizeof text, "ecg_id,strat_fold,filename_lr\n%s", rows);
    shn_sha256_of(text, strlen(text), digest);
    shn_sha256_hex(digest, hex);
    snprintf(sums, sizeof sums, "%s  ptbxl_database.csv\n%064d  scp_statements.csv\n", hex, 0);
    shn_sha256_of(",description\nSR,sinus rhythm\n", 30, digest);
    shn_sha256_hex(digest, hex);
    memcpy(strstr(sums, "\n") + 1, hex, 64);
    write_origin("ptbxl_database.csv", text, strlen(text));
    write_origin("SHA256SUMS.txt", sums, strlen(sums));
    const shn_status st = shn_fetch_ptbxl(folder, &o, &s, &err);
    write_origin("ptbxl_database.csv", (char *)table, n_table);
    write_origin("SHA256SUMS.txt", (char *)list, n_list);
    free(table);
    free(list);
    remove_tree(folder);
    assert_int_equal(st, SHN_FORMAT);
    if (!strstr(err.text, says)) fail_msg("'%s' lacks '%s'", err.text, says);
}

static void test_what_the_server_says_is_not_trusted(void **state)
{
    (void)state;
    expect_table_refused("1,1,../../etc/passwd\n", "line 2, column 'filename_lr'");
    expect_table_refused("1,1,records100/../../../x\n", "line 2, column 'filename_lr'");
    expect_table_refused("1,1,/records100/x\n", "line 2, column 'filename_lr'");
    expect_table_refused("1,11,records100/x\n", "line 2, column 'strat_fold': '11'");
    expect_table_refused("1,,records100/x\n", "line 2, column 'strat_fold': ''");
    expect_table_refused("2,1,records100/x\n2,1,records100/y\n", "line 3, column 'ecg_id'");
    expect_table_refused("1,1,records100/x\n", "no checksum for records100/x.hea");
    expect_table_refused("", "no records in it");
    expect_table_refused("1,1\n", "line 2: 2 fields");
}

static void test_a_list_that_is_none_is_refused(void **state)
{
    (void)state;
    shn_error         err = { 0 };
    shn_fetch_options o = options_for(10);
    shn_fetch_summary s;
    uint8_t          *list;
    size_t            n_list;
    char              folder[300], path[600];
    snprintf(path, sizeof path, "%s/SHA256SUMS.txt", origin);
    assert_ok(shn_file_read(path, 1 << 20, &list, &n_list, &err));
    static const char *const texts[] = { "<html>log in</html>\n", "", "0123  x\n" };
    for (size_t i = 0; i < 3; i++) {
        snprintf(folder, sizeof folder, "%s", test_folder());
        write_origin("SHA256SUMS.txt", texts[i], strlen(texts[i]));
        assert_status(shn_fetch_ptbxl(folder, &o, &s, &err), SHN_FORMAT);
        assert_non_null(strstr(err.text, "SHA256SUMS.txt line 1"));
        remove_tree(folder);
    }
    write_origin("SHA256SUMS.txt", (char *)list, n_list);
    free(list);
}

static int stop_at_once(void *context, const shn_progress *p)
{
    (void)context;
    return p->total > 4 && p->done >= 3;
}

static void test_stopped_by_the_caller_then_finished(void **state)
{
    (void)state;
    shn_error         err = { 0 };
    shn_fetch_options o = options_for(20);
    shn_fetch_summary s;
    char              folder[300];
    snprintf(folder, sizeof folder, "%s", test_folder());
    o.watcher.fn = stop_at_once;
    assert_status(shn_fetch_ptbxl(folder, &o, &s, &err), SHN_CANCELLED);
    o.watcher.fn = NULL;
    assert_ok(shn_fetch_ptbxl(folder, &o, &s, &err));
    assert_true(s.n_present >= 7);                              /* list, three tables, three files of records */
    assert_slice(folder, 20);
    remove_tree(folder);
}

/** kill -9 while connections break all the time, started again until it is through: the same bytes. */
static void test_killed_again_and_again(void **state)
{
    (void)state;
    shn_error err = { 0 };
    char      folder[300];
    int       killed = 0, ended = 0;
    snprintf(folder, sizeof folder, "%s", test_folder());
    atomic_store(&web.cut_every, 700);
    for (int round = 0; round < 200 && !ended; round++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            shn_fetch_options o = options_for(30);
            shn_fetch_summary s;
            _exit(shn_fetch_ptbxl(folder, &o, &s, &err) == SHN_OK ? 0 : 1);
        }
        int status = 0;
        const double until = seconds() + 0.004 + 0.002 * round;
        while (waitpid(child, &status, WNOHANG) == 0) {
            if (seconds() > until) {
                kill(child, SIGKILL);
                waitpid(child, &status, 0);
                break;
            }
            usleep(500);
        }
        killed += WIFSIGNALED(status);
        ended = WIFEXITED(status);
        if (ended) assert_int_equal(WEXITSTATUS(status), 0);
    }
    atomic_store(&web.cut_every, 0);
    assert_true(ended);
    assert_true(killed >= 3);
    assert_slice(folder, 30);
    remove_tree(folder);
}

/** A write that fails midway (here by a limit on file size, as a full disk would) is named; what arrived is used afterwards. */
static void test_failing_writes_are_named(void **state)
{
    (void)state;
    shn_error         err = { 0 };
    shn_fetch_options o = options_for(10);
    shn_fetch_summary s;
    char              folder[300], path[400];
    snprintf(folder, sizeof folder, "%s", test_folder());
    snprintf(path, sizeof path, "%s/records100", folder);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit limit = { .rlim_cur = 2000, .rlim_max = 2000 };     /* the table fits, a signal of 2,400 bytes does not */
        signal(SIGXFSZ, SIG_IGN);
        shn_status st = shn_fetch_ptbxl(folder, &o, &s, &err);
        if (st != SHN_OK) _exit(3);
        remove_tree(path);
        setrlimit(RLIMIT_FSIZE, &limit);
        st = shn_fetch_ptbxl(folder, &o, &s, &err);
        _exit(st == SHN_IO && strstr(err.text, "_lr.dat.part") ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_ok(shn_fetch_ptbxl(folder, &o, &s, &err));
    assert_slice(folder, 10);
    remove_tree(folder);
}

static void test_options_and_folders_are_checked(void **state)
{
    (void)state;
    shn_error         err = { 0 };
    shn_fetch_options o = options_for(10);
    shn_fetch_summary s;
    o.base_url = "file:///etc";
    assert_status(shn_fetch_ptbxl("/nowhere", &o, &s, &err), SHN_RANGE);
    o = options_for(10);
    o.n_jobs = 0;
    assert_status(shn_fetch_ptbxl("/nowhere", &o, &s, &err), SHN_RANGE);
    o = options_for(10);
    assert_status(shn_fetch_ptbxl("/proc/no", &o, &s, &err), SHN_IO);
    assert_non_null(strstr(err.text, "/proc/no"));
    assert_non_null(strstr(shn_fetch_licence(), "CC BY 4.0"));
}

/** The program itself, by environment and by flag; its output is read as a user's script would. */
static void test_the_program(void **state)
{
    (void)state;
    char folder[300], command[1600], text[8192];
    if (access(SHN_PROGRAM, X_OK) != 0) {
        printf("skipped: %s is not built\n", SHN_PROGRAM);
        skip();
    }
    snprintf(folder, sizeof folder, "%s", test_folder());
    for (int k = 0; k < 2; k++) {
        if (k == 0) snprintf(command, sizeof command, "SHINDEN_FETCH_URL=%s %s fetch -o %s --records 10", base_url, SHN_PROGRAM, folder);
        else snprintf(command, sizeof command, "%s fetch ptbxl --base-url %s/ --output %s --records 10 --json 2>/dev/null", SHN_PROGRAM, base_url, folder);
        FILE *out = popen(command, "r");
        assert_non_null(out);
        const size_t n = fread(text, 1, sizeof text - 1, out);
        text[n] = '\0';
        assert_int_equal(pclose(out), 0);
        assert_non_null(strstr(text, "CC BY 4.0"));             /* the licence is shown, on stdout */
        assert_non_null(strstr(text, k ? "\"n_present\": 24" : "10 records in"));
        assert_int_equal(text[0], k ? '{' : 'P');
    }
    assert_slice(folder, 10);
    remove_tree(folder);
}

static void test_every_allocation_of_ours_may_fail(void **state)
{
    (void)state;
    shn_error         err = { 0 };
    shn_fetch_options o = options_for(10);
    shn_fetch_summary s;
    char              folder[300];
    snprintf(folder, sizeof folder, "%s", test_folder());
    assert_ok(shn_fetch_ptbxl(folder, &o, &s, &err));           /* all there: only our own steps run */
    for (long n = 1;; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = shn_fetch_ptbxl(folder, &o, &s, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            assert_true(n > 8);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
    }
    remove_tree(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slice_is_a_tenth_of_every_fold),
        cmocka_unit_test(test_cut_connections_are_resumed),
        cmocka_unit_test(test_a_server_without_ranges_still_works),
        cmocka_unit_test(test_leftovers_are_used_or_replaced),
        cmocka_unit_test(test_corrupt_once_is_fetched_anew_twice_is_an_error),
        cmocka_unit_test(test_a_busy_server_is_asked_again_a_missing_file_is_named),
        cmocka_unit_test(test_a_stalled_transfer_is_broken_off_and_resumed),
        cmocka_unit_test(test_no_connection_is_said_at_once),
        cmocka_unit_test(test_what_the_server_says_is_not_trusted),
        cmocka_unit_test(test_a_list_that_is_none_is_refused),
        cmocka_unit_test(test_stopped_by_the_caller_then_finished),
        cmocka_unit_test(test_killed_again_and_again),
        cmocka_unit_test(test_failing_writes_are_named),
        cmocka_unit_test(test_options_and_folders_are_checked),
        cmocka_unit_test(test_the_program),
        cmocka_unit_test(test_every_allocation_of_ours_may_fail),
    };
    return cmocka_run_group_tests(tests, make_origin, remove_origin);
}
