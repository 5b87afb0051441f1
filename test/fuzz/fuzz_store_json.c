/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Rubbish through the readers of meta.json, intent.json, attempt.json and
 * accounts/<id>.json; what was read is written and read again.
 */
#include <stdint.h>
#include <string.h>

#include <apr_strings.h>

#include "../../mod_cforigin/core/store_json.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static apr_pool_t *top;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    apr_initialize();
    apr_pool_create(&top, NULL);
    return 0;
}

static void need(int condition)
{
    if (!condition) {
        __builtin_trap();
    }
}

static void meta_again(apr_pool_t *p, const cfo_meta_t *meta)
{
    cfo_pem_t text = cfo_store_meta_print(p, meta);
    const cfo_meta_t *again = cfo_store_meta_parse(p, &text);

    need(again && again->adopted == meta->adopted);
    need(again->validity == meta->validity);
    need(again->hostnames->nelts == meta->hostnames->nelts);
    need(again->targets->nelts == meta->targets->nelts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const cfo_meta_t *meta;
    cfo_account_state_t account;
    cfo_attempt_t attempt;
    cfo_intent_t intent;
    cfo_pem_t text;
    apr_pool_t *p;

    apr_pool_create(&p, top);
    text.data = apr_pstrmemdup(p, (const char *)data, size);
    text.len = size;
    meta = cfo_store_meta_parse(p, &text);
    if (meta) {
        meta_again(p, meta);
    }
    attempt = cfo_store_attempt_parse(p, &text);
    need(attempt.failures >= 0);
    cfo_store_attempt_print(p, &attempt);
    account = cfo_store_account_parse(&text);
    cfo_store_account_print(p, &account);
    if (cfo_store_intent_parse(p, &text, &intent)) {
        cfo_pem_t printed = cfo_store_intent_print(p, &intent);

        need(cfo_store_intent_parse(p, &printed, &intent));
    }
    apr_pool_destroy(p);
    return 0;
}
