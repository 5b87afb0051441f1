/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A create whose answer was lost: the zone's list tells whether there is a
 * certificate for the pending key. A zone is looked up and listed once for
 * all who wait for it; a list that was asked for before an answer was lost
 * can't tell about it, so it is asked for again. Main thread, but for the
 * index of a list, which a worker makes.
 */
#include "cforigin_round.h"
#include "cforigin_child.h"
#include "cforigin_names.h"
#include "cforigin_memory.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <string.h>

/* What is kept of all lists of an account, in bytes: more than a list that is
 * taken may have. Without an end an issuer that is not ours any more would
 * fill the memory with them. */
#define LISTED_MAX (CFO_WIRE_LIST_MAX + CFO_WIRE_LIST_MAX / 2)

/* One certificate of a list. */
typedef struct listed_t {
    const char *serial;
    const char *certificate;
    apr_time_t not_before; /* once it is in the index */
} listed_t;

/* What one takes beside its texts, its place in the index included. */
#define LISTED_BYTES 256

/* The certificates of a zone, by the hash of their public keys. */
typedef struct zone_t {
    cfo_desk_t *desk;
    const char *id;
    const char *name; /* NULL when the administrator gave the id */
    apr_pool_t *p;    /* the last list, of its own allocator */
    cfo_job_t job;
    int busy;
    int asked_at; /* desk->sequence of the list in by_key, or under way */
    int listed;
    apr_array_header_t *certificates; /* listed_t, not revoked */
    apr_size_t bytes;                 /* of them, as in desk->listed */
    int too_large;
    apr_hash_t *by_key;          /* spki_sha256 -> listed_t */
    apr_array_header_t *waiting; /* cfo_task_t * */
} zone_t;

/* The zone of one hostname. */
typedef struct lookup_t {
    cfo_desk_t *desk;
    const char *hostname;
    int done;
    zone_t *zone;
    cfo_result_t result;
    apr_array_header_t *waiting; /* cfo_task_t * */
} lookup_t;

static void find_in_zone(cfo_task_t *task, zone_t *zone);

/* A fault that another try doesn't heal is a reason not to look at all. */
static void give_up(cfo_task_t *task, const cfo_result_t *result)
{
    int never = result->kind == CFO_AUTH || result->kind == CFO_PERMANENT;

    cfo_task_found(task, never ? CFO_FIND_CANT : CFO_FIND_FAILED, result);
}

/* Takes the tasks out first: they may come back while they are called. */
static apr_array_header_t *take_waiting(cfo_keeper_t *keeper,
                                        apr_array_header_t **waiting)
{
    apr_array_header_t *taken = *waiting;

    *waiting = apr_array_make(keeper->pool, 4, sizeof(cfo_task_t *));
    return taken;
}

/* --- lists --- */

/* Of several certificates for one key the youngest counts. */
static void index_one(zone_t *zone, listed_t *listed,
                      const cfo_cert_facts_t *facts)
{
    const listed_t *before =
        apr_hash_get(zone->by_key, facts->spki_sha256, APR_HASH_KEY_STRING);

    if (before && before->not_before >= facts->not_before)
        return;
    listed->not_before = facts->not_before;
    apr_hash_set(zone->by_key, apr_pstrdup(zone->p, facts->spki_sha256),
                 APR_HASH_KEY_STRING, listed);
}

/* On a worker. */
static void index_list(void *baton)
{
    zone_t *zone = baton;
    apr_pool_t *scratch;

    apr_pool_create(&scratch, zone->p);
    zone->by_key = apr_hash_make(zone->p);
    for (int i = 0; i < zone->certificates->nelts; i++) {
        listed_t *listed = &APR_ARRAY_IDX(zone->certificates, i, listed_t);
        const cfo_cert_facts_t *facts = cfo_pki_facts(
            scratch, listed->certificate, strlen(listed->certificate), 1);

        if (facts)
            index_one(zone, listed, facts);
        apr_pool_clear(scratch);
    }
    apr_pool_destroy(scratch);
}

static void indexed(void *baton)
{
    zone_t *zone = baton;
    cfo_keeper_t *keeper = zone->desk->keeper;
    apr_array_header_t *waiting = take_waiting(keeper, &zone->waiting);

    keeper->moved = cfo_child_clock();
    zone->busy = 0;
    zone->listed = 1;
    for (int i = 0; i < waiting->nelts; i++)
        find_in_zone(APR_ARRAY_IDX(waiting, i, cfo_task_t *), zone);
}

static void list_failed(zone_t *zone, const cfo_result_t *result)
{
    apr_array_header_t *waiting =
        take_waiting(zone->desk->keeper, &zone->waiting);

    zone->busy = 0;
    for (int i = 0; i < waiting->nelts; i++)
        give_up(APR_ARRAY_IDX(waiting, i, cfo_task_t *), result);
}

static void keep_listed(zone_t *zone, const cfo_answer_t *answer)
{
    apr_size_t bytes = LISTED_BYTES + strlen(answer->certificate) +
                       (answer->serial ? strlen(answer->serial) : 0);
    listed_t *listed;

    zone->too_large =
        zone->too_large || zone->desk->listed + bytes > LISTED_MAX;
    if (zone->too_large || answer->revoked)
        return;
    zone->bytes += bytes;
    zone->desk->listed += bytes;
    listed = apr_array_push(zone->certificates);
    listed->certificate = apr_pstrdup(zone->p, answer->certificate);
    listed->serial = apr_pstrdup(zone->p, answer->serial);
}

static void forget_list(zone_t *zone)
{
    apr_pool_clear(zone->p);
    zone->desk->listed -= zone->bytes;
    zone->bytes = 0;
    zone->too_large = 0;
    zone->certificates = apr_array_make(zone->p, 16, sizeof(listed_t));
}

static void list_answered(void *baton, const cfo_answer_t *answer)
{
    zone_t *zone = baton;
    cfo_result_t result = answer->result;

    if (answer->page && answer->certificate) {
        keep_listed(zone, answer);
        return;
    }
    if (answer->page) {
        zone->desk->keeper->moved = cfo_child_clock();
        return;
    }
    cfo_desk_learn(zone->desk, CFO_OP_LIST, answer);
    if (result.kind == CFO_OK && zone->too_large)
        result = cfo_result_make(zone->p, CFO_PERMANENT,
                                 "the account's lists are larger than is "
                                 "taken");
    if (result.kind != CFO_OK) {
        list_failed(zone, &result);
        return;
    }
    zone->job.run = index_list;
    zone->job.done = indexed;
    zone->job.baton = zone;
    cfo_workers_put(zone->desk->keeper->workers, &zone->job, 0);
}

static void ask_list(zone_t *zone)
{
    cfo_request_t request = {.op = CFO_OP_LIST};

    forget_list(zone);
    zone->busy = 1;
    zone->listed = 0;
    zone->asked_at = ++zone->desk->sequence;
    request.zone_id = zone->id;
    cfo_issuer_ask(zone->desk->issuer, &request, zone->p, list_answered, zone);
}

static void search(cfo_task_t *task, zone_t *zone)
{
    const listed_t *listed = apr_hash_get(
        zone->by_key, task->intent.spki_sha256, APR_HASH_KEY_STRING);

    if (listed) {
        task->certificate = apr_pstrdup(task->p, listed->certificate);
        task->serial = apr_pstrdup(task->p, listed->serial);
        task->zone_id = apr_pstrdup(task->p, zone->id);
        cfo_task_found(task, CFO_FIND_THERE, NULL);
    }
    else if (zone->name && !task->own_lookup) {
        /* The zone was guessed; one of a longer name may have it. */
        task->own_lookup = 1;
        cfo_find(task);
    }
    else
        cfo_task_found(task, CFO_FIND_NOT, NULL);
}

static void find_in_zone(cfo_task_t *task, zone_t *zone)
{
    if (!zone->busy && zone->listed && zone->asked_at > task->lost_at) {
        search(task, zone);
        return;
    }
    APR_ARRAY_PUSH(zone->waiting, cfo_task_t *) = task;
    if (!zone->busy)
        ask_list(zone);
}

static apr_status_t destroy(void *pool)
{
    apr_pool_destroy(pool);
    return APR_SUCCESS;
}

static zone_t *zone_of_id(cfo_desk_t *desk, const char *id, const char *name)
{
    apr_pool_t *p = desk->keeper->pool;
    zone_t *zone = apr_hash_get(desk->zones, id, APR_HASH_KEY_STRING);

    if (zone)
        return zone;
    zone = apr_pcalloc(p, sizeof(*zone));
    zone->desk = desk;
    zone->id = apr_pstrdup(p, id);
    zone->name = name ? apr_pstrdup(p, name) : NULL;
    zone->waiting = apr_array_make(p, 4, sizeof(cfo_task_t *));
    zone->p = cfo_memory_pool();
    if (zone->p)
        apr_pool_cleanup_register(p, zone->p, destroy, apr_pool_cleanup_null);
    else
        apr_pool_create(&zone->p, p);
    apr_hash_set(desk->zones, zone->id, APR_HASH_KEY_STRING, zone);
    return zone;
}

/* --- zones --- */

static void resolve(cfo_task_t *task, lookup_t *lookup)
{
    if (lookup->zone)
        find_in_zone(task, lookup->zone);
    else
        give_up(task, &lookup->result);
}

static void keep_fault(lookup_t *lookup, const cfo_result_t *result)
{
    apr_pool_t *p = lookup->desk->keeper->pool;

    lookup->result = *result;
    lookup->result.message =
        result->message ? apr_pstrdup(p, result->message) : NULL;
    lookup->result.ray = NULL;
    if (result->kind == CFO_OK)
        lookup->result =
            cfo_result_make(p, CFO_PERMANENT, "the token sees no zone for %s",
                            lookup->hostname);
    /* What passes is worth asking again. */
    lookup->done = lookup->result.kind == CFO_PERMANENT ||
                   lookup->result.kind == CFO_AUTH;
}

static void zone_answered(void *baton, const cfo_answer_t *answer)
{
    lookup_t *lookup = baton;
    apr_array_header_t *waiting =
        take_waiting(lookup->desk->keeper, &lookup->waiting);

    cfo_desk_learn(lookup->desk, CFO_OP_ZONE, answer);
    if (answer->result.kind == CFO_OK && answer->zone_id) {
        lookup->zone = zone_of_id(lookup->desk, answer->zone_id, answer->zone);
        lookup->done = 1;
    }
    else
        keep_fault(lookup, &answer->result);
    for (int i = 0; i < waiting->nelts; i++)
        resolve(APR_ARRAY_IDX(waiting, i, cfo_task_t *), lookup);
}

static lookup_t *lookup_of(cfo_desk_t *desk, const char *hostname)
{
    apr_pool_t *p = desk->keeper->pool;
    lookup_t *lookup =
        apr_hash_get(desk->lookups, hostname, APR_HASH_KEY_STRING);

    if (lookup)
        return lookup;
    lookup = apr_pcalloc(p, sizeof(*lookup));
    lookup->desk = desk;
    lookup->hostname = apr_pstrdup(p, hostname);
    lookup->waiting = apr_array_make(p, 4, sizeof(cfo_task_t *));
    apr_hash_set(desk->lookups, lookup->hostname, APR_HASH_KEY_STRING, lookup);
    return lookup;
}

static void look_up(cfo_task_t *task, const char *hostname)
{
    lookup_t *lookup = lookup_of(task->desk, hostname);
    cfo_request_t request = {.op = CFO_OP_ZONE};

    task->own_lookup = 1;
    if (lookup->done) {
        resolve(task, lookup);
        return;
    }
    APR_ARRAY_PUSH(lookup->waiting, cfo_task_t *) = task;
    if (lookup->waiting->nelts > 1)
        return; /* it is being asked */
    request.hostname = lookup->hostname;
    cfo_issuer_ask(task->desk->issuer, &request, task->keeper->pool,
                   zone_answered, lookup);
}

/* The longest zone that is known already and that the name may be in. */
static zone_t *guess_zone(cfo_desk_t *desk, const char *hostname)
{
    for (const char *name = hostname; name; name = strchr(name, '.')) {
        apr_hash_index_t *at;

        if (*name == '.')
            name++;
        for (at = apr_hash_first(NULL, desk->zones); at;
             at = apr_hash_next(at)) {
            zone_t *zone = apr_hash_this_val(at);

            if (zone->name && strcmp(zone->name, name) == 0)
                return zone;
        }
    }
    return NULL;
}

void cfo_find(cfo_task_t *task)
{
    const cfo_wanted_t *wanted = &task->item->wanted;
    const char *hostname = APR_ARRAY_IDX(wanted->hostnames, 0, const char *);
    zone_t *zone = NULL;

    if (strncmp(hostname, "*.", 2) == 0)
        hostname += 2;
    if (wanted->settings.zone_id)
        zone = zone_of_id(task->desk, wanted->settings.zone_id, NULL);
    else if (!task->own_lookup)
        zone = guess_zone(task->desk, hostname);
    if (zone)
        find_in_zone(task, zone);
    else
        look_up(task, hostname);
}
