/**
 * A small HTTP/1.1 server on 127.0.0.1 for the tests of fetch: serves a folder, understands "Range: bytes=N-", and misbehaves
 * when told to. One connection at a time, one request per connection.
 */
#ifndef SHN_TESTS_SERVER_H
#define SHN_TESTS_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#include "harness.h"

typedef struct server {
    const char *folder;
    int         listener, port;
    pthread_t   thread;
    atomic_int  stop;
    /* how it behaves; set between fetches */
    atomic_int  cut_every;      /* n > 0: each body is broken off after n bytes */
    atomic_int  ignore_range;   /* 1: always answers 200 with the whole file */
    atomic_int  unavailable;    /* n > 0: the next n requests get 503 */
    atomic_int  corrupt;        /* n > 0: the next n bodies whose path holds corrupt_path have their first byte changed */
    atomic_int  stall;          /* n > 0: the next n bodies stop after half and the connection stays open until the client leaves */
    char        corrupt_path[64];
    /* what it saw */
    atomic_int  n_requests, n_ranges;
} server;

static inline void server_send(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n > 0) {
        const ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0) return;
        p += sent;
        n -= (size_t)sent;
    }
}

static inline void server_answer(server *s, int fd, const char *path, size_t from)
{
    char   file[4096], head[256];
    snprintf(file, sizeof file, "%s%s", s->folder, path);
    FILE *f = fopen(file, "rb");
    const char *status = f ? "200 OK" : "404 Not Found";
    if (atomic_load(&s->unavailable) > 0) {
        atomic_fetch_sub(&s->unavailable, 1);
        status = "503 Service Unavailable";
    }
    static char body[1 << 20];
    size_t size = f ? fread(body, 1, sizeof body, f) : 0;
    if (f) fclose(f);
    if (status[0] != '2') size = 0;
    if (atomic_load(&s->ignore_range)) from = 0;
    if (status[0] == '2' && from > 0) {
        status = from >= size ? "416 Range Not Satisfiable" : "206 Partial Content";
        from = from >= size ? size : from;
    }
    size_t n = size - from;
    snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status, n);
    if (atomic_load(&s->corrupt) > 0 && n > 0 && strstr(path, s->corrupt_path)) {
        atomic_fetch_sub(&s->corrupt, 1);
        body[from] = (char)(body[from] ^ 1);
    }
    server_send(fd, head, strlen(head));
    const size_t cut = (size_t)atomic_load(&s->cut_every);
    if (atomic_load(&s->stall) > 0 && n > 1) {
        char byte;
        atomic_fetch_sub(&s->stall, 1);
        server_send(fd, body + from, n / 2);
        while (recv(fd, &byte, 1, 0) > 0) {}
        return;
    }
    server_send(fd, body + from, cut > 0 && cut < n ? cut : n);
}

static inline void *server_run(void *context)
{
    server *s = context;
    while (!atomic_load(&s->stop)) {
        char      request[4096] = "", path[1024] = "";
        size_t    got = 0, from = 0;
        const int fd = accept(s->listener, NULL, NULL);
        if (fd < 0) continue;
        while (got < sizeof request - 1 && !strstr(request, "\r\n\r\n")) {
            const ssize_t n = recv(fd, request + got, sizeof request - 1 - got, 0);
            if (n <= 0) break;
            got += (size_t)n;
            request[got] = '\0';
        }
        if (sscanf(request, "GET %1023s", path) == 1 && !strstr(path, "..")) {
            const char *range = strcasestr(request, "\r\nRange: bytes=");
            atomic_fetch_add(&s->n_requests, 1);
            if (range && sscanf(range + 15, "%zu-", &from) == 1) atomic_fetch_add(&s->n_ranges, 1);
            server_answer(s, fd, path, from);
        }
        shutdown(fd, SHUT_WR);
        char rest[256];
        const struct timeval limit = { .tv_sec = 1 };
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        while (recv(fd, rest, sizeof rest, 0) > 0) {}      /* closing with unread bytes would reset the connection */
        close(fd);
    }
    return NULL;
}

static inline void server_start(server *s, const char *folder)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          size = sizeof address;
    memset(s, 0, sizeof *s);
    s->folder = folder;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(s->listener, 64), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &size), 0);
    s->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, server_run, s), 0);
}

static inline void server_stop(server *s)
{
    atomic_store(&s->stop, 1);
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

#endif
