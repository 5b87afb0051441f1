/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The plan of a round as JSON Lines, written by httpd's parent and read by
 * the keeper. Touches nothing but memory.
 *
 * Reading is strict where a wrong value would lead astray (a folder that
 * leaves the store, an account that is none) and lenient elsewhere.
 */
#include "cforigin_round_wire.h"
#include "cforigin_json.h"

#include <apr_strings.h>
#include <limits.h>
#include <string.h>

/* A plan is ours, so a bad field is a fault of the line; the first is told. */
typedef struct reader_t {
    apr_pool_t *p;
    const json_t *json;
    const char *fault;
} reader_t;

static json_t *texts_json(const apr_array_header_t *texts)
{
    json_t *list = json_array();

    for (int i = 0; i < texts->nelts; i++)
        json_array_append_new(
            list, cfo_json_string(APR_ARRAY_IDX(texts, i, const char *)));
    return list;
}

static void put_texts(json_t *json, const char *key,
                      const apr_array_header_t *texts)
{
    if (texts)
        json_object_set_new(json, key, texts_json(texts));
}

/* --- writing the plan --- */

static json_t *window_json(const cfo_window_t *window)
{
    json_t *json = json_object();

    cfo_json_put_number(json, "length", window->length);
    cfo_json_put_number(json, "percent", window->percent);
    cfo_json_put_number(json, "default", window->is_default);
    return json;
}

static json_t *targets_json(const apr_array_header_t *targets)
{
    json_t *list = json_array();

    for (int i = 0; targets && i < targets->nelts; i++) {
        const cfo_target_t *target =
            &APR_ARRAY_IDX(targets, i, const cfo_target_t);
        json_t *json = json_object();

        cfo_json_put_text(json, "certificate", target->certificate);
        cfo_json_put_text(json, "key", target->key);
        cfo_json_put_text(json, "where", target->where);
        if (target->has_type)
            cfo_json_put_text(json, "request_type",
                              cfo_request_type_word(target->type));
        json_array_append_new(list, json);
    }
    return list;
}

/* What concerns CFOriginNotifyCommand alone, and mostly isn't there. */
static void put_told(json_t *json, const cfo_item_t *item)
{
    static const cfo_notices_t nothing;

    if (memcmp(&item->notices, &nothing, sizeof(nothing)))
        json_object_set_new(json, "notices", cfo_json_notices(&item->notices));
    if (!item->expiring)
        return;
    cfo_json_put_number(json, "expiring", 1);
    cfo_json_put_number(json, "not_after", item->not_after);
    cfo_json_put_text(json, "serial", item->serial);
}

static json_t *item_json(const cfo_item_t *item, const char *word)
{
    const cfo_wanted_t *wanted = &item->wanted;
    const cfo_settings_t *settings = &wanted->settings;
    json_t *json = json_object();

    cfo_json_put_text(json, "line", word);
    cfo_json_put_number(json, "index", wanted->index);
    cfo_json_put_text(json, "name", wanted->name);
    cfo_json_put_text(json, "folder", wanted->folder);
    cfo_json_put_text(json, "request_type",
                      cfo_request_type_word(wanted->request_type));
    cfo_json_put_text(json, "first_type",
                      cfo_request_type_word(settings->first_type));
    put_texts(json, "hostnames", wanted->hostnames);
    cfo_json_put_number(json, "requested_validity", settings->validity);
    cfo_json_put_number(json, "renew_manual", settings->renew_manual);
    json_object_set_new(json, "renew_window",
                        window_json(&settings->renew_window));
    json_object_set_new(json, "warn_window",
                        window_json(&settings->warn_window));
    cfo_json_put_text(json, "zone_id", settings->zone_id);
    cfo_json_put_number(json, "account", wanted->account);
    json_object_set_new(json, "targets", targets_json(wanted->targets));
    cfo_json_put_number(json, "failures", item->failures);
    cfo_json_put_number(json, "issue", item->issue);
    put_told(json, item);
    return json;
}

static json_t *served_json(const cfo_served_t *served)
{
    json_t *json = json_object();

    cfo_json_put_text(json, "line", "served");
    cfo_json_put_text(json, "name", served->name);
    cfo_json_put_text(json, "folder", served->folder);
    cfo_json_put_text(json, "request_type",
                      cfo_request_type_word(served->request_type));
    cfo_json_put_text(json, "address", served->address);
    cfo_json_put_number(json, "port", served->port);
    cfo_json_put_text(json, "sni", served->sni);
    cfo_json_put_number(json, "one_of_two", served->one_of_two);
    cfo_json_put_text(json, "sha256", served->sha256);
    cfo_json_put_number(json, "revoke", served->revoke);
    cfo_json_put_number(json, "account", served->account);
    return json;
}

static json_t *account_json(const cfo_account_t *account)
{
    json_t *json = json_object();

    cfo_json_put_text(json, "line", "account");
    cfo_json_put_text(json, "id", account->id);
    cfo_json_put_text(json, "name", account->name);
    cfo_json_put_text(json, "token_file", account->token_file);
    return json;
}

static json_t *round_json(const cfo_round_t *round)
{
    json_t *json = json_object();

    cfo_json_put_text(json, "line", "round");
    cfo_json_put_number(json, "version", CFO_ROUND_VERSION);
    cfo_json_put_text(json, "store", round->store);
    cfo_json_put_text(json, "libexec", round->libexec);
    cfo_json_put_text(json, "ca_root_file", round->ca_root_file);
    cfo_json_put_text(json, "api", round->api);
    cfo_json_put_text(json, "api_ca_file", round->api_ca_file);
    cfo_json_put_text(json, "proxy", round->proxy);
    cfo_json_put_text(json, "user_agent", round->user_agent);
    cfo_json_put_text(json, "host", round->host);
    cfo_json_put_text(json, "server", round->server);
    cfo_json_put_number(json, "max_concurrent", round->max_concurrent);
    cfo_json_put_number(json, "uid", round->uid);
    cfo_json_put_number(json, "gid", round->gid);
    cfo_json_put_number(json, "user", round->user);
    cfo_json_put_number(json, "lock_wait", round->lock_wait);
    put_texts(json, "reload_argv", round->reload_argv);
    cfo_json_put_text(json, "reload_cwd", round->reload_cwd);
    cfo_json_put_number(json, "start_waits", round->start_waits);
    put_texts(json, "notify_argv", round->notify_argv);
    cfo_json_put_number(json, "revoke_superseded", round->revoke_superseded);
    return json;
}

static void add_line(apr_array_header_t *lines, json_t *json)
{
    APR_ARRAY_PUSH(lines, const char *) = cfo_json_line(lines->pool, json);
}

static int count(const apr_array_header_t *list)
{
    return list ? list->nelts : 0;
}

const char *cfo_round_write(apr_pool_t *p, const cfo_round_t *round)
{
    apr_array_header_t *lines =
        apr_array_make(p, 2 + count(round->accounts) + count(round->items),
                       sizeof(const char *));

    add_line(lines, round_json(round));
    for (int i = 0; i < count(round->accounts); i++)
        add_line(lines, account_json(&APR_ARRAY_IDX(round->accounts, i,
                                                    cfo_account_t)));
    for (int i = 0; i < count(round->items); i++)
        add_line(lines, item_json(APR_ARRAY_IDX(round->items, i, cfo_item_t *),
                                  "certificate"));
    for (int i = 0; i < count(round->notices); i++)
        add_line(lines,
                 item_json(APR_ARRAY_IDX(round->notices, i, cfo_item_t *),
                           "notice"));
    for (int i = 0; i < count(round->served); i++)
        add_line(lines,
                 served_json(APR_ARRAY_IDX(round->served, i, cfo_served_t *)));
    APR_ARRAY_PUSH(lines, const char *) = "";
    return apr_array_pstrcat(p, lines, '\n');
}

/* --- reading the plan --- */

static void refuse(reader_t *reader, const char *key, const char *what)
{
    if (!reader->fault)
        reader->fault = apr_psprintf(reader->p, "\"%s\" %s", key, what);
}

static const char *need_text(reader_t *reader, const char *key)
{
    const char *text = cfo_json_text(reader->p, reader->json, key);

    if (!text || !*text)
        refuse(reader, key, "is missing");
    return text;
}

static int need_int(reader_t *reader, const char *key, int least, int most)
{
    apr_int64_t number = cfo_json_number(reader->json, key, INT64_MIN);

    if (number < least || number > most) {
        refuse(reader, key, "is no number in its range");
        return least;
    }
    return (int)number;
}

/* NULL when the key isn't there. */
static apr_array_header_t *read_texts(reader_t *reader, const char *key)
{
    const json_t *list = json_object_get(reader->json, key);
    apr_array_header_t *texts;
    size_t n = json_array_size(list);

    if (!list || json_is_null(list))
        return NULL;
    if (!json_is_array(list))
        refuse(reader, key, "is no list");
    texts = apr_array_make(reader->p, (int)n, sizeof(const char *));
    for (size_t i = 0; i < n; i++) {
        const char *text =
            cfo_json_string_value(reader->p, json_array_get(list, i));

        if (text)
            APR_ARRAY_PUSH(texts, const char *) = text;
        else
            refuse(reader, key, "holds something that is no text");
    }
    return texts;
}

static cfo_request_type_t need_type(reader_t *reader, const char *key)
{
    cfo_request_type_t type = CFO_ORIGIN_ECC;
    const char *word = json_string_value(json_object_get(reader->json, key));

    if (!word || !cfo_request_type_parse(word, &type))
        refuse(reader, key, "is no request type");
    return type;
}

static cfo_window_t read_window(const json_t *json)
{
    cfo_window_t window = {0};

    window.length = cfo_json_number(json, "length", 0);
    window.percent = cfo_json_int(json, "percent", 0);
    window.is_default = cfo_json_int(json, "default", 0);
    return window;
}

static apr_array_header_t *read_targets(reader_t *reader)
{
    const json_t *list = json_object_get(reader->json, "targets");
    apr_array_header_t *targets = apr_array_make(
        reader->p, (int)json_array_size(list), sizeof(cfo_target_t));

    for (size_t i = 0; i < json_array_size(list); i++) {
        reader_t inner = {reader->p, json_array_get(list, i), NULL};
        cfo_target_t target = {0};

        target.certificate = need_text(&inner, "certificate");
        target.key = need_text(&inner, "key");
        target.where = cfo_json_text(reader->p, inner.json, "where");
        if (json_object_get(inner.json, "request_type")) {
            target.has_type = 1;
            target.type = need_type(&inner, "request_type");
        }
        if (inner.fault)
            refuse(reader, "targets", inner.fault);
        APR_ARRAY_PUSH(targets, cfo_target_t) = target;
    }
    return targets;
}

/* A folder is one step below certs/, wherever the plan came from. */
static int is_folder(const char *folder)
{
    return folder && *folder && *folder != '.' && !strchr(folder, '/');
}

static cfo_item_t *read_item(reader_t *reader)
{
    cfo_item_t *item = apr_pcalloc(reader->p, sizeof(*item));
    cfo_wanted_t *wanted = &item->wanted;
    cfo_settings_t *settings = &wanted->settings;
    const json_t *json = reader->json;

    wanted->index = need_int(reader, "index", 0, INT_MAX);
    wanted->name = need_text(reader, "name");
    wanted->folder = need_text(reader, "folder");
    if (!is_folder(wanted->folder))
        refuse(reader, "folder", "is no folder's name");
    wanted->request_type = need_type(reader, "request_type");
    wanted->hostnames = read_texts(reader, "hostnames");
    if (!wanted->hostnames || wanted->hostnames->nelts == 0)
        refuse(reader, "hostnames", "is empty");
    settings->request_types = 1u << wanted->request_type;
    settings->first_type = need_type(reader, "first_type");
    settings->validity = need_int(reader, "requested_validity", 1, 36500);
    settings->renew_manual = cfo_json_int(json, "renew_manual", 0);
    settings->renew_window =
        read_window(json_object_get(json, "renew_window"));
    settings->warn_window = read_window(json_object_get(json, "warn_window"));
    settings->zone_id = cfo_json_text(reader->p, json, "zone_id");
    wanted->account = need_int(reader, "account", -1, INT_MAX);
    wanted->targets = read_targets(reader);
    wanted->vhosts = apr_array_make(reader->p, 0, sizeof(int));
    item->failures = need_int(reader, "failures", 0, INT_MAX);
    item->issue = cfo_json_int(json, "issue", 0);
    item->notices = cfo_json_read_notices(json_object_get(json, "notices"));
    item->expiring = cfo_json_int(json, "expiring", 0);
    item->not_after = cfo_json_number(json, "not_after", 0);
    item->serial = cfo_json_text(reader->p, json, "serial");
    return item;
}

static cfo_served_t *read_served(reader_t *reader)
{
    cfo_served_t *served = apr_pcalloc(reader->p, sizeof(*served));

    served->name = need_text(reader, "name");
    served->folder = need_text(reader, "folder");
    if (!is_folder(served->folder))
        refuse(reader, "folder", "is no folder's name");
    served->request_type = need_type(reader, "request_type");
    served->address = need_text(reader, "address");
    served->port = need_int(reader, "port", 1, 65535);
    served->sni = need_text(reader, "sni");
    served->one_of_two = cfo_json_int(reader->json, "one_of_two", 0);
    served->sha256 = need_text(reader, "sha256");
    served->revoke = cfo_json_int(reader->json, "revoke", 0);
    served->account = need_int(reader, "account", -1, INT_MAX);
    return served;
}

static cfo_account_t read_account(reader_t *reader)
{
    cfo_account_t account;

    account.id = need_text(reader, "id");
    if (!is_folder(account.id))
        refuse(reader, "id", "is no account's id");
    account.name = need_text(reader, "name");
    account.token_file = need_text(reader, "token_file");
    return account;
}

static cfo_round_t *read_round(reader_t *reader)
{
    cfo_round_t *round = apr_pcalloc(reader->p, sizeof(*round));
    const json_t *json = reader->json;

    if (cfo_json_int(json, "version", 0) != CFO_ROUND_VERSION)
        refuse(reader, "version",
               "is another: the module that httpd has loaded is older or "
               "newer than cforigin-keeper; reload httpd");
    round->store = need_text(reader, "store");
    round->libexec = need_text(reader, "libexec");
    round->ca_root_file = need_text(reader, "ca_root_file");
    round->api = need_text(reader, "api");
    round->api_ca_file = cfo_json_text(reader->p, json, "api_ca_file");
    round->proxy = cfo_json_text(reader->p, json, "proxy");
    round->user_agent = need_text(reader, "user_agent");
    round->host = need_text(reader, "host");
    round->server = cfo_json_text(reader->p, json, "server");
    round->max_concurrent = need_int(reader, "max_concurrent", 1, 10000);
    round->uid = cfo_json_int(json, "uid", -1);
    round->gid = cfo_json_int(json, "gid", -1);
    round->user = cfo_json_int(json, "user", -1);
    round->lock_wait = cfo_json_number(json, "lock_wait", 0);
    round->reload_argv = read_texts(reader, "reload_argv");
    if (round->reload_argv && round->reload_argv->nelts == 0)
        round->reload_argv = NULL;
    round->reload_cwd = cfo_json_text(reader->p, json, "reload_cwd");
    round->start_waits = cfo_json_number(json, "start_waits", 0);
    round->notify_argv = read_texts(reader, "notify_argv");
    round->revoke_superseded = cfo_json_int(json, "revoke_superseded", 0);
    round->accounts = apr_array_make(reader->p, 4, sizeof(cfo_account_t));
    round->items = apr_array_make(reader->p, 16, sizeof(cfo_item_t *));
    round->notices = apr_array_make(reader->p, 4, sizeof(cfo_item_t *));
    round->served = apr_array_make(reader->p, 4, sizeof(cfo_served_t *));
    return round;
}

static void read_line(reader_t *reader, cfo_round_t **round)
{
    const char *word =
        json_string_value(json_object_get(reader->json, "line"));

    if (!word)
        refuse(reader, "line", "is missing");
    else if (!*round && strcmp(word, "round") == 0)
        *round = read_round(reader);
    else if (*round && strcmp(word, "account") == 0)
        APR_ARRAY_PUSH((*round)->accounts, cfo_account_t) =
            read_account(reader);
    else if (*round && strcmp(word, "certificate") == 0)
        APR_ARRAY_PUSH((*round)->items, cfo_item_t *) = read_item(reader);
    else if (*round && strcmp(word, "notice") == 0)
        APR_ARRAY_PUSH((*round)->notices, cfo_item_t *) = read_item(reader);
    else if (*round && strcmp(word, "served") == 0)
        APR_ARRAY_PUSH((*round)->served, cfo_served_t *) = read_served(reader);
    else
        refuse(reader, "line", "stands in the wrong place, or is unknown");
}

/* Accounts are named by their place, which is known once all are read. */
static const char *tie_items(apr_pool_t *p, const cfo_round_t *round,
                             const apr_array_header_t *items)
{
    for (int i = 0; i < items->nelts; i++) {
        cfo_wanted_t *wanted = &APR_ARRAY_IDX(items, i, cfo_item_t *)->wanted;

        if (wanted->account >= round->accounts->nelts)
            return apr_psprintf(p, "%s: there is no account %d", wanted->name,
                                wanted->account);
        if (wanted->account >= 0)
            wanted->settings.token_file =
                APR_ARRAY_IDX(round->accounts, wanted->account, cfo_account_t)
                    .token_file;
    }
    return NULL;
}

static const char *tie_accounts(apr_pool_t *p, const cfo_round_t *round)
{
    const char *fault = tie_items(p, round, round->items);

    for (int i = 0; !fault && i < round->served->nelts; i++) {
        const cfo_served_t *served =
            APR_ARRAY_IDX(round->served, i, cfo_served_t *);

        if (served->account >= round->accounts->nelts)
            fault = apr_psprintf(p, "%s: there is no account %d", served->name,
                                 served->account);
    }
    return fault ? fault : tie_items(p, round, round->notices);
}

cfo_round_t *cfo_round_read(apr_pool_t *p, const char *text, apr_size_t len,
                            const char **fault)
{
    cfo_round_t *round = NULL;
    const char *end = text + len;
    int number = 0;

    *fault = NULL;
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)((stop ? stop : end) - text);
        json_t *json = json_loadb(text, n, 0, NULL);
        reader_t reader = {p, json, NULL};

        number++;
        if (!stop)
            reader.fault = "is cut off";
        else if (!json_is_object(json))
            reader.fault = "is no JSON object";
        else
            read_line(&reader, &round);
        json_decref(json);
        if (reader.fault) {
            *fault = apr_psprintf(p, "line %d of the plan: %s", number,
                                  reader.fault);
            return NULL;
        }
        text += n + 1;
    }
    *fault = round ? tie_accounts(p, round) : "the plan is empty";
    return *fault ? NULL : round;
}
