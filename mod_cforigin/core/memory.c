/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The end of a program that gets no memory. Takes none itself.
 */
#include "cforigin_memory.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *name; /* set: we are a program that may end */

static void __attribute__((noreturn)) end(void)
{
    static char words[] = ": out of memory\n";
    struct iovec line[] = {{(void *)(apr_uintptr_t)name, strlen(name)},
                           {words, sizeof(words) - 1}};
    ssize_t told = writev(STDERR_FILENO, line, 2);

    (void)told; /* or not: it ends */
    _exit(1);
}

static int end_of_pool(int status)
{
    (void)status;
    end();
}

apr_abortfunc_t cfo_memory_abort(void)
{
    return name ? end_of_pool : NULL;
}

apr_pool_t *cfo_memory_pool(void)
{
    apr_pool_t *p = NULL;

    return apr_pool_create_unmanaged_ex(&p, cfo_memory_abort(), NULL) ==
                   APR_SUCCESS
               ? p
               : NULL;
}

static void *or_end(void *memory)
{
    if (!memory) {
        end();
    }
    return memory;
}

void *cfo_memory_take(size_t size)
{
    return or_end(malloc(size ? size : 1));
}

void *cfo_memory_retake(void *old, size_t size)
{
    return or_end(realloc(old, size ? size : 1));
}

void *cfo_memory_zeroed(size_t n, size_t size)
{
    return or_end(calloc(n ? n : 1, size ? size : 1));
}

char *cfo_memory_copy(const char *text)
{
    return or_end(strdup(text));
}

/* --- the same for OpenSSL, which tells where it asked --- */

static void *crypto_take(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return cfo_memory_take(size);
}

static void *crypto_retake(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return cfo_memory_retake(old, size);
}

static void crypto_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

/* Pools inherit from the one above, and the first of all is APR's own. */
void cfo_memory_or_end(const char *program)
{
    apr_pool_t *first;

    name = program;
    json_set_alloc_funcs(cfo_memory_take, free);
    if (!CRYPTO_set_mem_functions(crypto_take, crypto_retake, crypto_free)) {
        end(); /* it took some before us: never seen */
    }
    if (apr_pool_create(&first, NULL) != APR_SUCCESS) {
        end();
    }
    apr_pool_abort_set(end_of_pool, apr_pool_parent_get(first));
    apr_pool_destroy(first);
}
