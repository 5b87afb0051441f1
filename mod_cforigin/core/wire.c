/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Lines between keeper and issuer: requests and answers as JSON. Pure:
 * text in, values out, and back. */
#include "cforigin_wire.h"
#include "cforigin_json.h"

#include <apr_strings.h>
#include <jansson.h>
#include <stddef.h>
#include <string.h>

/* ---- what is said: fields as data, for writing and reading alike ---- */

static const char *const op_words[] = {"setup",  "create", "list",  "get",
                                       "revoke", "zone",   "served"};

#define OPS ((int)(sizeof(op_words) / sizeof(op_words[0])))

const char *cfo_op_word(cfo_op_t op)
{
    return (int)op >= 0 && (int)op < OPS ? op_words[op] : "unknown";
}

typedef enum { TEXT, MAY_TEXT, INT, MAY_INT, TEXTS } shape_t;

/* What a text that a stranger had a say in may be. */
typedef struct rule_t {
    const char *chars; /* all that it is made of; NULL: cleaned, not judged */
    apr_size_t max;    /* bytes; it is refused, or cut when it is cleaned */
} rule_t;

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static const rule_t message_rule = {NULL, CFO_WIRE_MESSAGE_MAX},
                    ray_rule = {NULL, CFO_WIRE_RAY_MAX},
                    serial_rule = {DIGITS, CFO_WIRE_SERIAL_MAX},
                    zone_id_rule = {DIGITS LETTERS "-_", 64},
                    zone_rule = {DIGITS LETTERS "-_.", 253},
                    sha256_rule = {DIGITS "abcdef", 64};

typedef struct field_t {
    unsigned ops; /* the operations that have it; of an answer: the lines */
    const char *key;
    shape_t shape;
    size_t at;
    int min, max;       /* numbers */
    int absent;         /* MAY_INT: the value that is not written */
    const rule_t *rule; /* of a text; NULL: none */
} field_t;

#define ON(op) (1U << (op))
#define INT_HIGH 0x7fffffff
#define SETUP_TEXT(name, shape)                                               \
    {                                                                         \
        ON(CFO_OP_SETUP), #name, shape, offsetof(cfo_request_t, setup.name),  \
            0, 0, 0, NULL                                                     \
    }
#define ASK_TEXT(ops, name, shape)                                            \
    {                                                                         \
        ops, #name, shape, offsetof(cfo_request_t, name), 0, 0, 0, NULL       \
    }
#define ASK_INT(ops, name, min, max)                                          \
    {                                                                         \
        ops, #name, INT, offsetof(cfo_request_t, name), min, max, 0, NULL     \
    }
#define ANSWER 1U /* a line that ends a request */
#define PAGE 2U   /* a line of a list, before that */
#define TELL_TEXT(lines, name, member, rule)                                  \
    {                                                                         \
        lines, name, MAY_TEXT, offsetof(cfo_answer_t, member), 0, 0, 0, rule  \
    }
#define TELL_INT(lines, name, member, min, max)                               \
    {                                                                         \
        lines, name, MAY_INT, offsetof(cfo_answer_t, member), min, max, min,  \
            NULL                                                              \
    }

static const field_t request_fields[] = {
    SETUP_TEXT(api, TEXT),
    SETUP_TEXT(api_ca_file, MAY_TEXT),
    SETUP_TEXT(proxy, MAY_TEXT),
    SETUP_TEXT(user_agent, MAY_TEXT),
    {ON(CFO_OP_SETUP), "max_concurrent", MAY_INT,
     offsetof(cfo_request_t, setup.max_concurrent), 0, 10000, 0, NULL},
    {ON(CFO_OP_SETUP), "after_pause", MAY_INT,
     offsetof(cfo_request_t, setup.after_pause), 0, 1, 0, NULL},
    ASK_TEXT(ON(CFO_OP_CREATE), csr, TEXT),
    ASK_TEXT(ON(CFO_OP_CREATE), hostnames, TEXTS),
    ASK_TEXT(ON(CFO_OP_CREATE), request_type, TEXT),
    ASK_INT(ON(CFO_OP_CREATE), requested_validity, 1, INT_HIGH),
    ASK_TEXT(ON(CFO_OP_LIST), zone_id, TEXT),
    ASK_TEXT(ON(CFO_OP_ZONE), hostname, TEXT),
    ASK_TEXT(ON(CFO_OP_GET) | ON(CFO_OP_REVOKE), serial, TEXT),
    ASK_TEXT(ON(CFO_OP_SERVED), address, TEXT),
    ASK_INT(ON(CFO_OP_SERVED), port, 1, 65535),
    ASK_TEXT(ON(CFO_OP_SERVED), sni, TEXT),
    ASK_TEXT(ON(CFO_OP_SERVED), request_type, MAY_TEXT)};

static const field_t answer_fields[] = {
    TELL_TEXT(ANSWER, "message", result.message, &message_rule),
    TELL_INT(ANSWER, "code", result.code, 0, INT_HIGH),
    TELL_INT(ANSWER, "http", result.http, 0, 999),
    TELL_TEXT(ANSWER, "ray", result.ray, &ray_rule),
    TELL_INT(ANSWER, "retry_after", result.retry_after, -1, INT_HIGH),
    TELL_INT(ANSWER, "lost", result.lost, 0, 1),
    TELL_TEXT(ANSWER | PAGE, "certificate", certificate, NULL),
    TELL_TEXT(ANSWER | PAGE, "serial", serial, &serial_rule),
    TELL_INT(PAGE, "revoked", revoked, 0, 1),
    TELL_TEXT(ANSWER, "zone_id", zone_id, &zone_id_rule),
    TELL_TEXT(ANSWER, "zone", zone, &zone_rule),
    TELL_TEXT(ANSWER, "sha256", sha256, &sha256_rule),
    TELL_INT(ANSWER, "calls", calls, 0, INT_HIGH)};

/* More than an answer has of any kind. */
#define MEMBERS_MAX 32

#define FIELDS(table) (sizeof(table) / sizeof((table)[0]))

/* ---- writing ---- */

static void put_field(json_t *object, const field_t *field, const void *from)
{
    const void *at = (const char *)from + field->at;
    const apr_array_header_t *texts;
    json_t *array;
    int number;

    switch (field->shape) {
    case TEXT:
    case MAY_TEXT:
        cfo_json_put_text(object, field->key, *(const char *const *)at);
        break;
    case INT:
    case MAY_INT:
        number = *(const int *)at;
        if (field->shape == INT || number != field->absent) {
            json_object_set_new(object, field->key, json_integer(number));
        }
        break;
    case TEXTS:
        texts = *(const apr_array_header_t *const *)at;
        array = json_array();
        for (int i = 0; texts && i < texts->nelts; i++) {
            json_array_append_new(
                array, json_string(APR_ARRAY_IDX(texts, i, const char *)));
        }
        json_object_set_new(object, field->key, array);
        break;
    }
}

const char *cfo_wire_request(apr_pool_t *p, const cfo_request_t *request)
{
    json_t *object = json_object();

    json_object_set_new(object, "id", json_integer(request->id));
    cfo_json_put_text(object, "op", cfo_op_word(request->op));
    for (size_t i = 0; i < FIELDS(request_fields); i++) {
        if (request_fields[i].ops & ON(request->op)) {
            put_field(object, &request_fields[i], request);
        }
    }
    return cfo_json_line(p, object);
}

static void put_kind(json_t *object, cfo_kind_t kind)
{
    json_object_set_new(object, "ok", json_boolean(kind == CFO_OK));
    if (kind != CFO_OK) {
        cfo_json_put_text(object, "kind", cfo_kind_word(kind));
    }
}

const char *cfo_wire_answer(apr_pool_t *p, const cfo_answer_t *answer)
{
    unsigned line = answer->page ? PAGE : ANSWER;
    json_t *object = json_object();

    json_object_set_new(object, "id", json_integer(answer->id));
    if (answer->page) {
        json_object_set_new(object, "page", json_integer(answer->page));
    }
    else {
        put_kind(object, answer->result.kind);
    }
    for (size_t i = 0; i < FIELDS(answer_fields); i++) {
        if (answer_fields[i].ops & line) {
            put_field(object, &answer_fields[i], answer);
        }
    }
    if (!answer->page) {
        cfo_json_put_text(object, "date", cfo_time_word(p, answer->date));
    }
    return cfo_json_line(p, object);
}

apr_size_t cfo_wire_answer_max(cfo_op_t op)
{
    int has_one = op == CFO_OP_CREATE || op == CFO_OP_GET || op == CFO_OP_LIST;

    return has_one ? CFO_WIRE_ANSWER_MAX : CFO_WIRE_WORDS_MAX;
}

cfo_answer_t *cfo_wire_copy_answer(apr_pool_t *p, const cfo_answer_t *answer)
{
    cfo_answer_t *copy = apr_pmemdup(p, answer, sizeof(*answer));

    for (size_t i = 0; i < FIELDS(answer_fields); i++) {
        if (answer_fields[i].shape == MAY_TEXT) {
            const char **text = (void *)((char *)copy + answer_fields[i].at);

            *text = apr_pstrdup(p, *text);
        }
    }
    return copy;
}

/* ---- reading ---- */

/* Reads fields one after the other; the first fault stays. */
typedef struct reader_t {
    apr_pool_t *p;
    const json_t *object;
    const char *fault;
} reader_t;

static void blame(reader_t *r, const char *key, const char *what)
{
    if (!r->fault) {
        r->fault = apr_psprintf(r->p, "\"%s\" %s", key, what);
    }
}

static const char *read_text(reader_t *r, const char *key, int must)
{
    const json_t *value = json_object_get(r->object, key);
    const char *text = cfo_json_string_value(r->p, value);

    if (text) {
        return text;
    }
    if (must || (value && !json_is_null(value))) {
        blame(r, key, value ? "is no text" : "is missing");
    }
    return NULL;
}

static int keeps(const rule_t *rule, const char *text)
{
    apr_size_t len = strlen(text);

    return len > 0 && len <= rule->max && strspn(text, rule->chars) == len;
}

int cfo_wire_is_serial(const char *text)
{
    return keeps(&serial_rule, text);
}

int cfo_wire_is_zone_id(const char *text)
{
    return keeps(&zone_id_rule, text);
}

static const char *read_ruled(reader_t *r, const field_t *field)
{
    const char *text = read_text(r, field->key, field->shape == TEXT);

    if (!text || !field->rule) {
        return text;
    }
    if (!field->rule->chars) {
        return cfo_text_clean(r->p, text, strlen(text), field->rule->max);
    }
    if (!keeps(field->rule, text)) {
        blame(r, field->key, "holds what no such text does");
    }
    return text;
}

static int read_int(reader_t *r, const char *key, const field_t *field)
{
    const json_t *value = json_object_get(r->object, key);
    json_int_t number = json_integer_value(value);

    if (!value || json_is_null(value)) {
        if (field->shape == INT) {
            blame(r, key, "is missing");
        }
        return field->absent;
    }
    if (!json_is_integer(value) || number < field->min ||
        number > field->max) {
        blame(r, key,
              apr_psprintf(r->p, "is no number from %d to %d", field->min,
                           field->max));
        return field->absent;
    }
    return (int)number;
}

static const apr_array_header_t *read_texts(reader_t *r, const char *key)
{
    const json_t *array = json_object_get(r->object, key);
    apr_array_header_t *texts = apr_array_make(r->p, 8, sizeof(char *));
    size_t n = json_array_size(array);

    for (size_t i = 0; i < n && !r->fault; i++) {
        const char *text = json_string_value(json_array_get(array, i));

        if (!text) {
            blame(r, key, "holds something that is no text");
        }
        APR_ARRAY_PUSH(texts, const char *) = apr_pstrdup(r->p, text);
    }
    if (n == 0) {
        blame(r, key, "is no list of texts");
    }
    return texts;
}

static void read_field(reader_t *r, const field_t *field, void *into)
{
    void *at = (char *)into + field->at;

    switch (field->shape) {
    case TEXT:
    case MAY_TEXT:
        *(const char **)at = read_ruled(r, field);
        break;
    case INT:
    case MAY_INT:
        *(int *)at = read_int(r, field->key, field);
        break;
    case TEXTS:
        *(const apr_array_header_t **)at = read_texts(r, field->key);
        break;
    }
}

static int read_id(reader_t *r, int must)
{
    const field_t id = {0, "id", must ? INT : MAY_INT, 0, 0, INT_HIGH,
                        0, NULL};

    return read_int(r, "id", &id);
}

/* The object in a line, or NULL with the reader's fault set. */
static json_t *open_line(reader_t *r, apr_pool_t *p, const char *line)
{
    json_t *object = json_loads(line, 0, NULL);

    r->p = p;
    r->fault = json_is_object(object) ? NULL : "the line is no JSON object";
    r->object = object;
    return object;
}

cfo_request_t *cfo_wire_read_request(apr_pool_t *p, const char *line,
                                     const char **fault)
{
    cfo_request_t *request = apr_pcalloc(p, sizeof(*request));
    reader_t r;
    json_t *object = open_line(&r, p, line);
    const char *word = r.fault ? NULL : read_text(&r, "op", 1);
    int op = 0;

    while (word && op < OPS && strcmp(word, op_words[op])) {
        op++;
    }
    if (word && op == OPS) {
        blame(&r, "op", "is none of ours");
    }
    if (!r.fault) {
        request->op = (cfo_op_t)op;
        request->id = read_id(&r, op != CFO_OP_SETUP);
    }
    for (size_t i = 0; i < FIELDS(request_fields) && !r.fault; i++) {
        if (request_fields[i].ops & ON(op)) {
            read_field(&r, &request_fields[i], request);
        }
    }
    json_decref(object);
    *fault = r.fault;
    return r.fault ? NULL : request;
}

int cfo_wire_id(const char *line)
{
    json_t *object = json_loads(line, 0, NULL);
    const json_t *id = json_object_get(object, "id");
    json_int_t number = json_is_integer(id) ? json_integer_value(id) : -1;

    json_decref(object);
    return number >= 0 && number <= INT_HIGH ? (int)number : -1;
}

/* An answer is an object, and nothing in it is another or a list. Looked at
 * before jansson does, which takes fifty bytes of memory for each two of an
 * empty list, and the line may be a stranger's. */
static int is_flat(const char *line)
{
    int in_text = 0, objects = 0, members = 0;

    for (; *line; line++) {
        if (in_text && *line == '\\' && line[1]) {
            line++;
        }
        else if (*line == '"') {
            in_text = !in_text;
        }
        else if (!in_text) {
            objects += *line == '{';
            members += *line == ',';
            if (*line == '[' || objects > 1 || members >= MEMBERS_MAX) {
                return 0;
            }
        }
    }
    return 1;
}

/* `ok` and `kind` tell the same; a line where they disagree is no answer. */
static cfo_kind_t read_kind(reader_t *r)
{
    const json_t *ok = json_object_get(r->object, "ok");
    cfo_kind_t kind = CFO_OK;
    const char *word;

    if (!json_is_boolean(ok)) {
        blame(r, "ok", "is neither true nor false");
    }
    else if (json_is_false(ok)) {
        word = read_text(r, "kind", 1);
        if (word && (!cfo_kind_parse(word, &kind) || kind == CFO_OK)) {
            blame(r, "kind", "is none of ours");
        }
    }
    return kind;
}

cfo_answer_t *cfo_wire_read_answer(apr_pool_t *p, const char *line,
                                   const char **fault)
{
    static const field_t page = {0, "page", MAY_INT, 0, 1, CFO_WIRE_PAGES_MAX,
                                 0, NULL};
    cfo_answer_t *answer = apr_pcalloc(p, sizeof(*answer));
    unsigned lines = ANSWER;
    reader_t r;
    json_t *object;

    if (!is_flat(line)) {
        *fault = "the line has more in it than an answer";
        return NULL;
    }
    object = open_line(&r, p, line);
    if (!r.fault) {
        answer->id = read_id(&r, 1);
        answer->page = read_int(&r, "page", &page);
        lines = answer->page ? PAGE : ANSWER;
    }
    if (!r.fault && !answer->page) {
        answer->result.kind = read_kind(&r);
        answer->date = cfo_time_parse(read_text(&r, "date", 0));
    }
    for (size_t i = 0; i < FIELDS(answer_fields) && !r.fault; i++) {
        if (answer_fields[i].ops & lines) {
            read_field(&r, &answer_fields[i], answer);
        }
    }
    json_decref(object);
    *fault = r.fault;
    return r.fault ? NULL : answer;
}
