/* SPDX-License-Identifier: Apache-2.0 */
/* Records in anonymous shared memory: one writer, readers that look twice.
 * Touches nothing but that memory. */
#include "status_shared.h"

#include <apr_atomic.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* Each record has a sequence count: odd while it is being written. */
typedef volatile apr_uint32_t sequence_t;

typedef struct head_cell_t {
    sequence_t sequence;
    sequence_t picture; /* odd while any record may be written */
    cfo_live_head_t head;
} head_cell_t;

typedef struct account_cell_t {
    sequence_t sequence;
    cfo_account_state_t state;
} account_cell_t;

/* The words are most of a record, and few certificates have any: they lie
 * apart, and a page of them that nobody ever touched takes no memory. (Merely
 * reading such a page would make it.) */
#define WORDS_AT offsetof(cfo_live_t, serial)

typedef struct words_t {
    char text[sizeof(cfo_live_t) - WORDS_AT];
} words_t;

typedef struct cell_t {
    sequence_t sequence;
    int has_words;
    char live[WORDS_AT];
} cell_t;

static struct {
    head_cell_t *head;
    account_cell_t *accounts;
    cell_t *cells;
    words_t *words;
    apr_size_t size;
    int fd; /* of the memory, to map it once more; -1: none */
} shared;

static void forget_fd(void)
{
    if (shared.fd >= 0)
        close(shared.fd);
    shared.fd = -1;
}

static apr_status_t unmap(void *data)
{
    (void)data;
    munmap(shared.head, shared.size);
    forget_fd();
    memset(&shared, 0, sizeof(shared));
    return APR_SUCCESS;
}

/* Memory as a file without a name, so that a worker can map it once more, to
 * read. A limit on files counts for it, and to pass it would be a signal. */
static int memory_file(apr_size_t size)
{
    struct rlimit limit;
    int fd;

    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur < size)
        return -1;
    fd = memfd_create("cforigin-status", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ftruncate(fd, (off_t)size) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int cfo_shared_create(apr_pool_t *p, int certificates, int accounts)
{
    void *base;

    shared.size =
        sizeof(head_cell_t) + (apr_size_t)accounts * sizeof(account_cell_t) +
        (apr_size_t)certificates * (sizeof(cell_t) + sizeof(words_t));
    shared.fd = memory_file(shared.size);
    base =
        mmap(NULL, shared.size, PROT_READ | PROT_WRITE,
             MAP_SHARED | (shared.fd < 0 ? MAP_ANONYMOUS : 0), shared.fd, 0);
    if (base == MAP_FAILED) {
        forget_fd();
        return 0;
    }
    /* From here on nobody gets another mapping to write (Linux 5.1). */
    if (shared.fd >= 0)
        (void)fcntl(shared.fd, F_ADD_SEALS,
                    F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW |
                        F_SEAL_SEAL);
    shared.head = base;
    shared.accounts = (account_cell_t *)(shared.head + 1);
    shared.cells = (cell_t *)(void *)(shared.accounts + accounts);
    shared.words = (words_t *)(void *)(shared.cells + certificates);
    apr_pool_cleanup_register(p, NULL, unmap, apr_pool_cleanup_null);
    return 1;
}

/* A new mapping in the old one's place is without the right to write that
 * mprotect() could give back. */
void cfo_shared_only_read(void)
{
    if (!cfo_shared_is_there())
        return;
    if (shared.fd < 0 ||
        mmap(shared.head, shared.size, PROT_READ, MAP_SHARED | MAP_FIXED,
             shared.fd, 0) == MAP_FAILED)
        (void)mprotect(shared.head, shared.size, PROT_READ);
    forget_fd();
}

int cfo_shared_is_there(void)
{
    return shared.head != NULL;
}

/* --- the parent writes ----------------------------------------------------
 */

/* APR's atomic operations are full barriers. What has not changed is not
 * written: its page stays as clean as it is. Of what is there nothing is
 * believed: it is compared, and that is all. */
static void put(sequence_t *sequence, void *to, const void *from,
                apr_size_t size)
{
    if (!memcmp(to, from, size))
        return;
    apr_atomic_inc32(sequence);
    memcpy(to, from, size);
    apr_atomic_inc32(sequence);
}

void cfo_shared_begin(void)
{
    if (cfo_shared_is_there())
        apr_atomic_inc32(&shared.head->picture);
}

void cfo_shared_end(void)
{
    if (cfo_shared_is_there())
        apr_atomic_inc32(&shared.head->picture);
}

void cfo_shared_put_head(const cfo_live_head_t *head)
{
    if (cfo_shared_is_there())
        put(&shared.head->sequence, &shared.head->head, head, sizeof(*head));
}

static int has_words(const cfo_live_t *live)
{
    return live->serial[0] || live->ray[0] || live->message[0];
}

void cfo_shared_put(int i, const cfo_live_t *live)
{
    const char *words = (const char *)live + WORDS_AT;
    int has = has_words(live);
    words_t *kept;
    cell_t *cell;

    if (!cfo_shared_is_there())
        return;
    cell = &shared.cells[i];
    kept = &shared.words[i];
    if (has == cell->has_words && !memcmp(cell->live, live, WORDS_AT) &&
        (!has || !memcmp(kept->text, words, sizeof(kept->text))))
        return;
    apr_atomic_inc32(&cell->sequence);
    memcpy(cell->live, live, WORDS_AT);
    cell->has_words = has;
    if (has)
        memcpy(kept->text, words, sizeof(kept->text));
    apr_atomic_inc32(&cell->sequence);
}

void cfo_shared_put_account(int i, const cfo_account_state_t *state)
{
    if (cfo_shared_is_there())
        put(&shared.accounts[i].sequence, &shared.accounts[i].state, state,
            sizeof(*state));
}

/* --- workers read ---------------------------------------------------------
 */

/* Neither what was read before nor what is read next may slip past it. */
static apr_uint32_t number_of(const sequence_t *sequence)
{
    __sync_synchronize();
    return __atomic_load_n(sequence, __ATOMIC_ACQUIRE);
}

/* The parent may lose its CPU in the middle of a record, so a reader gives way
 * to it; but one that died there must not hold a worker for ever. */
#define TRIES 1000

static void give_way(int tries)
{
    if (tries >= 100)
        apr_sleep(200);
}

static void get(const sequence_t *sequence, void *to, const void *from,
                apr_size_t size)
{
    int tries;

    for (tries = 0; tries < TRIES; tries++) {
        apr_uint32_t before = number_of(sequence);

        memcpy(to, from, size);
        if (!(before & 1) && number_of(sequence) == before)
            return;
        give_way(tries);
    }
}

/* Whatever is there: texts end, and words for numbers are found. */
#define END(text) ((text)[sizeof(text) - 1] = '\0')

static int within(int number, int count)
{
    return number >= 0 && number < count ? number : 0;
}

apr_uint32_t cfo_shared_picture(void)
{
    return number_of(&shared.head->picture);
}

void cfo_shared_get_head(cfo_live_head_t *head)
{
    get(&shared.head->sequence, head, &shared.head->head, sizeof(*head));
    END(head->reload_reason);
}

static void copy_out(const cell_t *cell, const words_t *words,
                     cfo_live_t *live)
{
    memcpy(live, cell->live, WORDS_AT);
    if (cell->has_words)
        memcpy((char *)live + WORDS_AT, words->text, sizeof(words->text));
    else
        memset((char *)live + WORDS_AT, 0, sizeof(words->text));
}

void cfo_shared_get(int i, cfo_live_t *live)
{
    const cell_t *cell = &shared.cells[i];
    int tries;

    for (tries = 0; tries < TRIES; tries++) {
        apr_uint32_t before = number_of(&cell->sequence);

        copy_out(cell, &shared.words[i], live);
        if (!(before & 1) && number_of(&cell->sequence) == before)
            break;
        give_way(tries);
    }
    live->reason = within(live->reason, CFO_REASONS);
    live->kind = within(live->kind, CFO_KINDS);
    END(live->serial);
    END(live->sha256);
    END(live->key);
    END(live->issuer);
    END(live->ray);
    END(live->message);
}

void cfo_shared_get_account(int i, cfo_account_state_t *state)
{
    get(&shared.accounts[i].sequence, state, &shared.accounts[i].state,
        sizeof(*state));
}
