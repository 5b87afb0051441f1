/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Rubbish through the readers of meta.json, intent.json, attempt.json,
 * notify.json and accounts/<id>.json; what was read is written and read again.
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

/* What is kept of a check counts for these very bytes; a corpus file has
 * their hashes. */
static void meta_checked(apr_pool_t *p, const cfo_pem_t *text)
{
    static char cert_text[] = "cert\n", key_text[] = "key\n";
    const cfo_pem_t cert = {cert_text, 5}, key = {key_text, 4};
    const cfo_cert_facts_t *facts = NULL;
    const cfo_meta_t *meta =
        cfo_store_meta_parse_checked(p, text, &cert, &key, &facts);

    need((meta != NULL) == (cfo_store_meta_parse(p, text) != NULL));
    if (!facts) {
        return;
    }
    need(meta && facts->hostnames && facts->serial && facts->sha256);
    need(facts->spki_sha256 && facts->key && facts->issuer);
    for (int i = 0; i < facts->hostnames->nelts; i++) {
        need(APR_ARRAY_IDX(facts->hostnames, i, const char *) != NULL);
    }
    cfo_store_meta_parse_checked(p, text, &key, &cert, &facts);
    need(!facts);
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

static void notices_again(apr_pool_t *p, const cfo_pem_t *text)
{
    cfo_notices_t notices = cfo_store_notices_parse(text), again;
    cfo_pem_t printed = cfo_store_notices_print(p, &notices);

    again = cfo_store_notices_parse(&printed);
    need(again.waiting == notices.waiting && again.unwell == notices.unwell);
    need(again.told_expiring == notices.told_expiring);
    need(again.told_errored == notices.told_errored);
    need(again.tries == notices.tries && again.next_try == notices.next_try);
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
    meta_checked(p, &text);
    attempt = cfo_store_attempt_parse(p, &text);
    need(attempt.failures >= 0);
    cfo_store_attempt_print(p, &attempt);
    account = cfo_store_account_parse(&text);
    cfo_store_account_print(p, &account);
    if (cfo_store_intent_parse(p, &text, &intent)) {
        cfo_pem_t printed = cfo_store_intent_print(p, &intent);

        need(cfo_store_intent_parse(p, &printed, &intent));
    }
    notices_again(p, &text);
    apr_pool_destroy(p);
    return 0;
}
