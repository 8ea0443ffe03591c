/* Makes the n-th call of a kind on data.mdb fail with EIO, and each one after it.
   FAILING_CALL: "fdatasync", or "write" for all that write. FAILING_NTH: from 1. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int count;

static int fails(const char *call, int descriptor)
{
    const char *failing = getenv("FAILING_CALL");
    const char *nth = getenv("FAILING_NTH");
    char link[64], path[4096];
    ssize_t length;
    const char *name;

    if (!failing || !nth || strcmp(failing, call) != 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    name = strrchr(path, '/');
    if (!name || strcmp(name, "/data.mdb") != 0)
        return 0;
    if (++count < atoi(nth))
        return 0;
    errno = EIO;
    return 1;
}

#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))

int fdatasync(int descriptor)
{
    if (fails("fdatasync", descriptor))
        return -1;
    return NEXT(int (*)(int), "fdatasync")(descriptor);
}

ssize_t write(int descriptor, const void *bytes, size_t size)
{
    if (fails("write", descriptor))
        return -1;
    return NEXT(ssize_t (*)(int, const void *, size_t), "write")(descriptor, bytes, size);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t offset)
{
    if (fails("write", descriptor))
        return -1;
    return NEXT(ssize_t (*)(int, const void *, size_t, off_t), "pwrite")(descriptor, bytes, size, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t offset)
{
    if (fails("write", descriptor))
        return -1;
    return NEXT(ssize_t (*)(int, const void *, size_t, off64_t), "pwrite64")(descriptor, bytes, size, offset);
}

ssize_t writev(int descriptor, const struct iovec *parts, int part_count)
{
    if (fails("write", descriptor))
        return -1;
    return NEXT(ssize_t (*)(int, const struct iovec *, int), "writev")(descriptor, parts, part_count);
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int part_count, off_t offset)
{
    if (fails("write", descriptor))
        return -1;
    return NEXT(ssize_t (*)(int, const struct iovec *, int, off_t), "pwritev")(descriptor, parts, part_count, offset);
}
