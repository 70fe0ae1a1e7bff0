// For LD_PRELOAD: the system's calls that read and write, failing as a test says in a file. So the
// program meets a broken disk as it is built.
//
//   LD_PRELOAD=libfailing_calls.so SEMBLANCE_FAULTS=plan.txt semblance generate ...
//
// As long as plan.txt is there, its line is one of
//   read NAME ERRNO     reads of files whose path holds NAME fail
//   write NAME ERRNO    writes do
//   slow NAME MILLIS    writes take that long
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

namespace {

/// What the plan says of this call; 0 where it says nothing.
int told(const char* kind, int descriptor) {
  const char* const path = getenv("SEMBLANCE_FAULTS");
  if (path == nullptr) return 0;
  char plan[512] = {};
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const ssize_t got = read(file, plan, sizeof plan - 1);
  close(file);
  char what[16] = {};
  char name[400] = {};
  int number = 0;
  if (got <= 0 || sscanf(plan, "%15s %399s %d", what, name, &number) != 3) return 0;
  if (strcmp(what, kind) != 0) return 0;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  char target[1024] = {};
  if (readlink(link, target, sizeof target - 1) <= 0) return 0;
  return strstr(target, name) == nullptr ? 0 : number;
}

template <typename Call>
Call next(const char* name) {
  return reinterpret_cast<Call>(dlsym(RTLD_NEXT, name));
}

ssize_t read_at(const char* name, int descriptor, void* dst, size_t bytes, off_t offset) {
  if (const int error = told("read", descriptor)) {
    errno = error;
    return -1;
  }
  return next<ssize_t (*)(int, void*, size_t, off_t)>(name)(descriptor, dst, bytes, offset);
}

ssize_t write_at(const char* name, int descriptor, const void* src, size_t bytes, off_t offset) {
  if (const int error = told("write", descriptor)) {
    errno = error;
    return -1;
  }
  if (const int millis = told("slow", descriptor)) usleep(static_cast<useconds_t>(millis) * 1000);
  return next<ssize_t (*)(int, const void*, size_t, off_t)>(name)(descriptor, src, bytes, offset);
}

}  // namespace

extern "C" {
ssize_t pread(int descriptor, void* dst, size_t bytes, off_t offset) {
  return read_at("pread", descriptor, dst, bytes, offset);
}
ssize_t pread64(int descriptor, void* dst, size_t bytes, off64_t offset) {
  return read_at("pread64", descriptor, dst, bytes, offset);
}
ssize_t pwrite(int descriptor, const void* src, size_t bytes, off_t offset) {
  return write_at("pwrite", descriptor, src, bytes, offset);
}
ssize_t pwrite64(int descriptor, const void* src, size_t bytes, off64_t offset) {
  return write_at("pwrite64", descriptor, src, bytes, offset);
}
}
