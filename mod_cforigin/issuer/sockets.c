/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Sockets under libcurl's connections: opened, closed and looked at here.
 * Touches sockets only.
 */
#include "cforigin_sockets.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS 256

typedef struct one_t {
    int fd; /* 0: the place is free */
    int calls;
    unsigned serial; /* tells the next socket in this place from this one */
} one_t;

struct cfo_sockets_t {
    one_t all[SOCKETS];
    unsigned serial;
};

cfo_sockets_t *cfo_sockets_make(apr_pool_t *p)
{
    return apr_pcalloc(p, sizeof(cfo_sockets_t));
}

/* One that finds no place is used as libcurl would use it without us. */
static curl_socket_t open_one(void *baton, curlsocktype purpose,
                              struct curl_sockaddr *address)
{
    cfo_sockets_t *sockets = baton;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
                    address->protocol);

    (void)purpose;
    for (int i = 0; fd > 0 && i < SOCKETS; i++) {
        one_t *one = &sockets->all[i];

        if (one->fd == 0) {
            one->fd = fd;
            one->calls = 0;
            one->serial = ++sockets->serial;
            break;
        }
    }
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int close_one(void *baton, curl_socket_t fd)
{
    cfo_sockets_t *sockets = baton;

    for (int i = 0; i < SOCKETS; i++) {
        if (sockets->all[i].fd == fd) {
            sockets->all[i].fd = 0;
        }
    }
    return close(fd);
}

void cfo_sockets_watch(cfo_sockets_t *sockets, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_one);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, sockets);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_one);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, sockets);
}

static int port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } name = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t len = sizeof(name);

    if (getsockname(fd, &name.any, &len) != 0) {
        return -1;
    }
    return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port
                                                : name.v4.sin_port);
}

static int has_something_to_say(const one_t *one)
{
    struct pollfd look = {one->fd, POLLIN, 0};

    return poll(&look, 1, 0) > 0;
}

int cfo_sockets_take(cfo_sockets_t *sockets, cfo_seat_t *seat, int port,
                     int fresh)
{
    for (int i = 0; i < SOCKETS; i++) {
        one_t *one = &sockets->all[i];

        if (one->fd == 0 || port_of(one->fd) != port) {
            continue;
        }
        if (!fresh && one->calls == 0 && seat->passed_by < SOCKETS &&
            has_something_to_say(one)) {
            seat->passed_by++;
            return 0;
        }
        one->calls++;
        seat->socket = i;
        seat->serial = one->serial;
        break;
    }
    return 1;
}

void cfo_sockets_leave(cfo_sockets_t *sockets, cfo_seat_t *seat)
{
    one_t *one = &sockets->all[seat->socket];

    if (seat->serial && one->fd && one->serial == seat->serial) {
        one->calls--;
    }
    seat->serial = 0;
}
