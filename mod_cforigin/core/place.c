/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Walks a path, name by name, with each folder held open. Reads only.
 */
#include "cforigin_place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "store_files.h"

#define LINKS_MAX 40

typedef struct walk_t {
    apr_pool_t *p;
    int dir;          /* where we are */
    const char *rest; /* what is still to go */
    const char *last; /* set when there is nothing left but this name */
    int links;
    uid_t stranger; /* whose link was followed; 0: root's and ours alone */
    const char *link;
} walk_t;

static int enter(walk_t *walk, int dir)
{
    if (dir < 0) {
        return errno;
    }
    if (walk->dir >= 0) {
        close(walk->dir);
    }
    walk->dir = dir;
    return 0;
}

static int enter_root(walk_t *walk)
{
    return enter(walk, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/* The next name; `rest` goes on after it. NULL: none is left. */
static const char *next_name(walk_t *walk)
{
    const char *at = walk->rest + strspn(walk->rest, "/");
    apr_size_t len = strcspn(at, "/");

    walk->rest = at + len;
    return len ? apr_pstrmemdup(walk->p, at, len) : NULL;
}

static int may_follow(walk_t *walk, const char *name, uid_t owner)
{
    if (owner == 0 || owner == geteuid()) {
        return 1;
    }
    if (walk->stranger && walk->stranger != owner) {
        return 0;
    }
    walk->stranger = owner;
    walk->link = name;
    return 1;
}

/* The link itself is what `fd` holds: its owner and its text are of one. */
static int follow(walk_t *walk, int fd, const char *name, uid_t owner)
{
    char to[PATH_MAX];
    ssize_t len = readlinkat(fd, "", to, sizeof(to) - 1);

    if (len < 0) {
        return errno;
    }
    to[len] = '\0';
    if (++walk->links > LINKS_MAX) {
        return ELOOP;
    }
    if (!may_follow(walk, name, owner)) {
        walk->link = name;
        return EACCES;
    }
    walk->rest = apr_pstrcat(walk->p, to, walk->rest, NULL);
    return to[0] == '/' ? enter_root(walk) : 0;
}

/* Behind a stranger's link nothing counts but what is the stranger's: the
 * file, or the folder of one to come. */
static int judge(const walk_t *walk, const struct stat *file)
{
    struct stat folder;

    if (!walk->stranger) {
        return 0;
    }
    if (!file && fstat(walk->dir, &folder) != 0) {
        return errno;
    }
    return (file ? file : &folder)->st_uid == walk->stranger ? 0 : EACCES;
}

static int is_last(const walk_t *walk)
{
    return walk->rest[strspn(walk->rest, "/")] == '\0';
}

/* One name further; `last` is set at the end of the way. A folder is asked for
 * as one, which has it mounted where that is done on demand. */
static int step(walk_t *walk, const char *name)
{
    struct stat st;
    int fd = -1, err;

    if (!is_last(walk)) {
        fd = openat(walk->dir, name,
                    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 || errno != ENOTDIR) {
            return enter(walk, fd);
        }
    }
    fd = openat(walk->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT || !is_last(walk)) {
            return errno;
        }
        walk->last = name;
        return judge(walk, NULL);
    }
    if (fstat(fd, &st) != 0) {
        err = errno;
    }
    else if (S_ISLNK(st.st_mode)) {
        err = follow(walk, fd, name, st.st_uid);
    }
    else if (is_last(walk)) {
        walk->last = name;
        err = judge(walk, &st);
    }
    else {
        err = ENOTDIR;
    }
    close(fd);
    return err;
}

apr_status_t cfo_place_find(apr_pool_t *p, const char *path,
                            cfo_place_t *place, const char **link)
{
    walk_t walk = {.p = p, .dir = -1, .rest = path};
    int err = enter_root(&walk);

    while (!err && !walk.last) {
        const char *name = next_name(&walk);

        err = name ? step(&walk, name) : EISDIR;
    }
    *link = err == EACCES ? walk.link : NULL;
    place->dir = walk.dir;
    place->name = walk.last;
    if (err) {
        cfo_place_close(place);
    }
    return err;
}

const char *cfo_place_fault(apr_pool_t *p, const char *path, const char *link)
{
    return apr_psprintf(p,
                        "%s: the link \"%s\" on the way to it is not root's, "
                        "and leads to what is another user's; make it a link "
                        "of root",
                        path, link);
}

void cfo_place_close(cfo_place_t *place)
{
    if (place->dir >= 0) {
        close(place->dir);
    }
    place->dir = -1;
}

/* What is no regular file is not opened: opening a device does something. */
static apr_status_t read_at(apr_pool_t *p, const cfo_place_t *place,
                            cfo_pem_t *text)
{
    struct stat st;

    if (fstatat(place->dir, place->name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno;
    }
    if (!S_ISREG(st.st_mode)) {
        return APR_EGENERAL;
    }
    return cfo_store_read_fd(
        p,
        openat(place->dir, place->name,
               O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY),
        text, &st);
}

apr_status_t cfo_place_read(apr_pool_t *p, const char *path, cfo_pem_t *text)
{
    const char *link;
    cfo_place_t place;
    apr_status_t rv = cfo_place_find(p, path, &place, &link);

    text->data = NULL;
    text->len = 0;
    if (rv == APR_SUCCESS) {
        rv = read_at(p, &place, text);
        cfo_place_close(&place);
    }
    return rv;
}
