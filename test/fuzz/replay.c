/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A fuzz target without a fuzzer: runs it over each file that is named, and
 * each file of each folder that is. Says how many there were; an input that is
 * too much ends it as it would end the fuzzer, its name said before.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count;

static void die(const char *path)
{
    perror(path);
    exit(1);
}

static void file(const char *path, size_t size)
{
    uint8_t *data = malloc(size ? size : 1);
    FILE *in = fopen(path, "rb");

    if (!data || !in || fread(data, 1, size, in) != size) {
        die(path);
    }
    fclose(in);
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    count++;
}

static void look(const char *path)
{
    struct dirent **names;
    struct stat st;
    int n;

    if (stat(path, &st) != 0) {
        die(path);
    }
    if (!S_ISDIR(st.st_mode)) {
        file(path, (size_t)st.st_size);
        return;
    }
    n = scandir(path, &names, NULL, alphasort);
    if (n < 0) {
        die(path);
    }
    for (int i = 0; i < n; i++) {
        char below[4096];

        if (names[i]->d_name[0] != '.') {
            snprintf(below, sizeof(below), "%s/%s", path, names[i]->d_name);
            look(below);
        }
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv)
{
    if (LLVMFuzzerInitialize) {
        LLVMFuzzerInitialize(&argc, &argv);
    }
    for (int i = 1; i < argc; i++) {
        look(argv[i]);
    }
    printf("%d inputs, no fault\n", count);
    return 0;
}
