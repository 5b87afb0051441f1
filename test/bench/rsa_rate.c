/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How fast all cores make RSA 2048 keys, as `openssl speed` would tell; that
 * of OpenSSL 3.0 times no key making.
 *
 *   rsa_rate [keys]
 *
 * Prints one line of JSON: keys, threads, seconds.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#define THREADS_MAX 64

static atomic_int left;

static void *make_keys(void *unused)
{
    (void)unused;
    while (atomic_fetch_sub(&left, 1) > 0) {
        EVP_PKEY *key = EVP_RSA_gen(2048);

        if (!key)
            exit(1);
        EVP_PKEY_free(key);
    }
    return NULL;
}

static double now(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    int keys = argc > 1 ? atoi(argv[1]) : 100;
    long threads = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t thread[THREADS_MAX];
    double began = now();

    if (keys < 1)
        return 2;
    threads = threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
    atomic_store(&left, keys);
    for (long i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, make_keys, NULL))
            return 1;
    for (long i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    printf("{\"keys\": %d, \"threads\": %ld, \"seconds\": %.4f}\n", keys,
           threads, now() - began);
    return 0;
}
