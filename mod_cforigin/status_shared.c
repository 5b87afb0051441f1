/* SPDX-License-Identifier: Apache-2.0 */
/* Records in anonymous shared memory: one writer, readers that look twice.
 * Touches nothing but that memory. */
#include "status_shared.h"

#include <apr_atomic.h>
#include <stddef.h>
#include <sys/mman.h>

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
} shared;

static apr_status_t unmap(void *data)
{
    (void)data;
    munmap(shared.head, shared.size);
    memset(&shared, 0, sizeof(shared));
    return APR_SUCCESS;
}

int cfo_shared_create(apr_pool_t *p, int certificates, int accounts)
{
    void *base;

    shared.size =
        sizeof(head_cell_t) + (apr_size_t)accounts * sizeof(account_cell_t) +
        (apr_size_t)certificates * (sizeof(cell_t) + sizeof(words_t));
    base = mmap(NULL, shared.size, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return 0;
    shared.head = base;
    shared.accounts = (account_cell_t *)(shared.head + 1);
    shared.cells = (cell_t *)(void *)(shared.accounts + accounts);
    shared.words = (words_t *)(void *)(shared.cells + certificates);
    apr_pool_cleanup_register(p, NULL, unmap, apr_pool_cleanup_null);
    return 1;
}

int cfo_shared_is_there(void)
{
    return shared.head != NULL;
}

/* APR's atomic operations are full barriers. What has not changed is not
 * written: its page stays as clean as it is. */
static void put(sequence_t *sequence, void *to, const void *from,
                apr_size_t size)
{
    if (!memcmp(to, from, size))
        return;
    apr_atomic_inc32(sequence);
    memcpy(to, from, size);
    apr_atomic_inc32(sequence);
}

/* The parent may lose its CPU in the middle of a record, so a reader gives way
 * to it; but one that died there must not hold a worker for ever. */
#define TRIES 1000

static void give_way(int tries)
{
    if (tries >= 100)
        apr_sleep(200);
}

static void get(sequence_t *sequence, void *to, const void *from,
                apr_size_t size)
{
    int tries;

    for (tries = 0; tries < TRIES; tries++) {
        apr_uint32_t before = apr_atomic_add32(sequence, 0);

        memcpy(to, from, size);
        if (!(before & 1) && apr_atomic_add32(sequence, 0) == before)
            return;
        give_way(tries);
    }
}

void cfo_shared_begin(void)
{
    apr_atomic_inc32(&shared.head->picture);
}

void cfo_shared_end(void)
{
    apr_atomic_inc32(&shared.head->picture);
}

apr_uint32_t cfo_shared_picture(void)
{
    return apr_atomic_add32(&shared.head->picture, 0);
}

void cfo_shared_put_head(const cfo_live_head_t *head)
{
    put(&shared.head->sequence, &shared.head->head, head, sizeof(*head));
}

void cfo_shared_get_head(cfo_live_head_t *head)
{
    get(&shared.head->sequence, head, &shared.head->head, sizeof(*head));
}

void cfo_shared_put(int i, const cfo_live_t *live)
{
    const char *words = (const char *)live + WORDS_AT;
    cell_t *cell = &shared.cells[i];
    words_t *kept = &shared.words[i];
    int has = live->serial[0] || live->ray[0] || live->message[0];
    int same = has == cell->has_words && !memcmp(cell->live, live, WORDS_AT) &&
               (!has || !memcmp(kept->text, words, sizeof(kept->text)));

    if (same)
        return;
    apr_atomic_inc32(&cell->sequence);
    memcpy(cell->live, live, WORDS_AT);
    cell->has_words = has;
    if (has)
        memcpy(kept->text, words, sizeof(kept->text));
    apr_atomic_inc32(&cell->sequence);
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
    cell_t *cell = &shared.cells[i];
    int tries;

    for (tries = 0; tries < TRIES; tries++) {
        apr_uint32_t before = apr_atomic_add32(&cell->sequence, 0);

        copy_out(cell, &shared.words[i], live);
        if (!(before & 1) && apr_atomic_add32(&cell->sequence, 0) == before)
            return;
        give_way(tries);
    }
}

void cfo_shared_put_account(int i, const cfo_account_state_t *state)
{
    put(&shared.accounts[i].sequence, &shared.accounts[i].state, state,
        sizeof(*state));
}

void cfo_shared_get_account(int i, cfo_account_state_t *state)
{
    get(&shared.accounts[i].sequence, state, &shared.accounts[i].state,
        sizeof(*state));
}
