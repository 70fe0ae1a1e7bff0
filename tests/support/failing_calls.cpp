// For LD_PRELOAD: makes C library calls fail on demand, so that the unmodified program meets a
// broken disk or a system without memory.
//
// A file says what fails; it may be written or removed while the program runs:
//
//   LD_PRELOAD=libfailing_calls.so SEMBLANCE_FAULTS=plan.txt semblance generate ...
//
//   read NAME ERRNO     reads of files whose path contains NAME fail
//   write NAME ERRNO    writes to them fail
//   slow NAME MILLIS    writes to them take that long
//
// Or the n-th call of one kind (kKinds) fails, counted from main() on:
//
//   SEMBLANCE_FAIL="malloc 17 once 12"       the 17th call fails with errno 12
//   SEMBLANCE_FAIL="malloc 17 lasting 12"    and so do all after it
//   SEMBLANCE_COUNT=counts.txt               at exit, writes the number of calls, one line per kind
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>

namespace {

enum Kind {
  kMalloc,
  kMmap,
  kOpen,
  kRead,
  kPread,
  kWrite,
  kPwrite,
  kFsync,
  kRename,
  kFtruncate,
  kSocket,
  kAccept,
  kRecv,
  kSend,
  kThread,
  kKindCount
};
constexpr const char* kKinds[kKindCount] = {
    "malloc", "mmap",      "open",   "read",   "pread", "write", "pwrite",        "fsync",
    "rename", "ftruncate", "socket", "accept", "recv",  "send",  "pthread_create"};

std::atomic<long> counts[kKindCount];
std::atomic<bool> is_in_main;
int failing_kind = -1;
long failing_from = 0;
bool is_lasting = false;
int failing_error = 0;

/// Whether this call fails; then sets errno. Does not allocate.
bool fails(Kind kind) {
  if (!is_in_main.load(std::memory_order_relaxed)) return false;
  const long count = ++counts[kind];
  if (kind != failing_kind || count < failing_from) return false;
  if (count > failing_from && !is_lasting) return false;
  errno = failing_error;
  return true;
}

void read_environment() {
  const char* const plan = getenv("SEMBLANCE_FAIL");
  char kind[32] = {};
  char how[32] = {};
  if (plan == nullptr) return;
  if (sscanf(plan, "%31s %ld %31s %d", kind, &failing_from, how, &failing_error) != 4) abort();
  is_lasting = strcmp(how, "lasting") == 0;
  for (int i = 0; i < kKindCount; ++i) {
    if (strcmp(kKinds[i], kind) == 0) failing_kind = i;
  }
  if (failing_kind < 0) abort();
}

__attribute__((destructor)) void write_counts() {
  const char* const path = getenv("SEMBLANCE_COUNT");
  if (path == nullptr || !is_in_main) return;
  is_in_main = false;
  const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  for (int i = 0; i < kKindCount && file >= 0; ++i)
    dprintf(file, "%s %ld\n", kKinds[i], counts[i].load());
  close(file);
}

/// The number in the plan's file for this call; 0 if the file does not mention it.
int planned(const char* kind, int descriptor) {
  const char* const path = getenv("SEMBLANCE_FAULTS");
  if (path == nullptr) return 0;
  char plan[512] = {};
  const int file = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC));
  if (file < 0) return 0;
  const ssize_t got = syscall(SYS_read, file, plan, sizeof plan - 1);
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

/// The next definition of the call, normally glibc's.
template <typename Call>
Call next(Call, const char* name) {
  return reinterpret_cast<Call>(dlsym(RTLD_NEXT, name));
}
#define NEXT(name) next(&::name, #name)

bool read_fails(Kind kind, int descriptor) {
  if (fails(kind)) return true;
  const int error = planned("read", descriptor);
  if (error != 0) errno = error;
  return error != 0;
}

bool write_fails(Kind kind, int descriptor) {
  if (fails(kind)) return true;
  if (const int error = planned("write", descriptor)) {
    errno = error;
    return true;
  }
  if (const int millis = planned("slow", descriptor))
    usleep(static_cast<useconds_t>(millis) * 1000);
  return false;
}

int (*program_main)(int, char**, char**) = nullptr;

int counted_main(int count, char** words, char** environment) {
  read_environment();
  is_in_main = true;
  return program_main(count, words, environment);
}

}  // namespace

extern "C" {

int __libc_start_main(int (*main)(int, char**, char**), int count, char** words, void (*init)(),
                      void (*fini)(), void (*loader_fini)(), void* stack_end) {
  program_main = main;
  const auto start =
      reinterpret_cast<decltype(&__libc_start_main)>(dlsym(RTLD_NEXT, "__libc_start_main"));
  return start(counted_main, count, words, init, fini, loader_fini, stack_end);
}

// glibc's own names, because looking up the next definition would allocate.
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

void* malloc(size_t bytes) noexcept { return fails(kMalloc) ? nullptr : __libc_malloc(bytes); }
void* calloc(size_t count, size_t bytes) noexcept {
  return fails(kMalloc) ? nullptr : __libc_calloc(count, bytes);
}
void* realloc(void* block, size_t bytes) noexcept {
  return fails(kMalloc) ? nullptr : __libc_realloc(block, bytes);
}
void* memalign(size_t alignment, size_t bytes) noexcept {
  return fails(kMalloc) ? nullptr : __libc_memalign(alignment, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) noexcept { return memalign(alignment, bytes); }
int posix_memalign(void** block, size_t alignment, size_t bytes) noexcept {
  void* const taken = memalign(alignment, bytes);
  if (taken == nullptr) return ENOMEM;
  *block = taken;
  return 0;
}

void* mmap(void* place, size_t bytes, int protection, int flags, int file, off_t at) noexcept {
  return fails(kMmap) ? MAP_FAILED : NEXT(mmap)(place, bytes, protection, flags, file, at);
}
void* mmap64(void* place, size_t bytes, int protection, int flags, int file, off64_t at) noexcept {
  return mmap(place, bytes, protection, flags, file, at);
}

int openat(int folder, const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return fails(kOpen) ? -1 : static_cast<int>(syscall(SYS_openat, folder, path, flags, mode));
}
int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return openat(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return openat(AT_FDCWD, path, flags, mode);
}

ssize_t read(int descriptor, void* dst, size_t bytes) {
  return fails(kRead) ? -1 : NEXT(read)(descriptor, dst, bytes);
}
ssize_t pread(int descriptor, void* dst, size_t bytes, off_t offset) {
  return read_fails(kPread, descriptor) ? -1 : NEXT(pread)(descriptor, dst, bytes, offset);
}
ssize_t pread64(int descriptor, void* dst, size_t bytes, off64_t offset) {
  return pread(descriptor, dst, bytes, offset);
}
ssize_t write(int descriptor, const void* src, size_t bytes) {
  return fails(kWrite) ? -1 : NEXT(write)(descriptor, src, bytes);
}
ssize_t pwrite(int descriptor, const void* src, size_t bytes, off_t offset) {
  return write_fails(kPwrite, descriptor) ? -1 : NEXT(pwrite)(descriptor, src, bytes, offset);
}
ssize_t pwrite64(int descriptor, const void* src, size_t bytes, off64_t offset) {
  return pwrite(descriptor, src, bytes, offset);
}

int fsync(int descriptor) { return fails(kFsync) ? -1 : NEXT(fsync)(descriptor); }
int fdatasync(int descriptor) { return fails(kFsync) ? -1 : NEXT(fdatasync)(descriptor); }
int rename(const char* from, const char* to) noexcept {
  return fails(kRename) ? -1 : NEXT(rename)(from, to);
}
int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) noexcept {
  return fails(kRename) ? -1 : NEXT(linkat)(from_folder, from, to_folder, to, flags);
}
int ftruncate(int descriptor, off_t bytes) noexcept {
  return fails(kFtruncate) ? -1 : NEXT(ftruncate)(descriptor, bytes);
}
int ftruncate64(int descriptor, off64_t bytes) noexcept { return ftruncate(descriptor, bytes); }
int fallocate(int descriptor, int mode, off_t offset, off_t bytes) {
  return fails(kFtruncate) ? -1 : NEXT(fallocate)(descriptor, mode, offset, bytes);
}
int fallocate64(int descriptor, int mode, off64_t offset, off64_t bytes) {
  return fallocate(descriptor, mode, offset, bytes);
}

int socket(int domain, int type, int protocol) noexcept {
  return fails(kSocket) ? -1 : NEXT(socket)(domain, type, protocol);
}
int bind(int descriptor, const sockaddr* address, socklen_t bytes) noexcept {
  return fails(kSocket) ? -1 : NEXT(bind)(descriptor, address, bytes);
}
int listen(int descriptor, int waiting) noexcept {
  return fails(kSocket) ? -1 : NEXT(listen)(descriptor, waiting);
}
int setsockopt(int descriptor, int level, int name, const void* value, socklen_t bytes) noexcept {
  return fails(kSocket) ? -1 : NEXT(setsockopt)(descriptor, level, name, value, bytes);
}
int getsockname(int descriptor, sockaddr* address, socklen_t* bytes) noexcept {
  return fails(kSocket) ? -1 : NEXT(getsockname)(descriptor, address, bytes);
}
int accept(int descriptor, sockaddr* address, socklen_t* bytes) {
  return fails(kAccept) ? -1 : NEXT(accept)(descriptor, address, bytes);
}
int accept4(int descriptor, sockaddr* address, socklen_t* bytes, int flags) {
  return fails(kAccept) ? -1 : NEXT(accept4)(descriptor, address, bytes, flags);
}
ssize_t recv(int descriptor, void* dst, size_t bytes, int flags) {
  return fails(kRecv) ? -1 : NEXT(recv)(descriptor, dst, bytes, flags);
}
ssize_t send(int descriptor, const void* src, size_t bytes, int flags) {
  return fails(kSend) ? -1 : NEXT(send)(descriptor, src, bytes, flags);
}
ssize_t sendmsg(int descriptor, const msghdr* message, int flags) {
  return fails(kSend) ? -1 : NEXT(sendmsg)(descriptor, message, flags);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*),
                   void* argument) noexcept {
  if (fails(kThread)) return errno;
  return NEXT(pthread_create)(thread, attributes, start, argument);
}

}  // extern "C"
