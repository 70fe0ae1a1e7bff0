// A memory reserve for code that cannot handle a failed allocation: calls into some libraries
// (core/library_call.h), and destructors that allocate, as nlohmann::json's do. Requests for memory
// and threads go to the C library first; the reserve serves those that it refuses. Only the program
// has the reserve: a shared library must not replace its host's functions, and the sanitizers
// replace them themselves.
//
// Takes 64 MiB of address space; a page takes memory only once it is used. A library call needs a
// few MiB at most: generating code for a convolution takes some blocks of 256 KiB.
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "core/library_call.h"
#include "core/spare_threads.h"

namespace {

using semblance::library_call_detail::depth;
using semblance::library_call_detail::refusals;

constexpr std::size_t kPage = 4096;
/// A destructor's request cannot be told from others, so all requests up to this size are served,
/// from the first half of the reserve. The other half is for library calls and for unwinding.
constexpr std::size_t kOrdinaryBytes = std::size_t{1} << 20U;

/// A first-fit allocator of whole granules. For zero-initialised statics only: malloc is called
/// before constructors run.
template <std::size_t kGranule, std::size_t kBytes>
class Region {
 public:
  /// Null if no block is free; `ordinary` requests get the first half only. `alignment` is a power
  /// of two.
  void* take(std::size_t bytes, std::size_t alignment, bool ordinary) {
    if (bytes > kBytes || alignment > kPage) return nullptr;
    const std::size_t wanted = std::max<std::size_t>(1, (bytes + kGranule - 1) / kGranule);
    const std::size_t step = std::max<std::size_t>(1, alignment / kGranule);
    const Lock lock(busy_);
    const std::size_t end = ordinary ? kCount / 2 : kCount;
    std::size_t begin = 0;
    std::size_t at = 0;  // [begin, at) is free
    while (begin + wanted <= end) {
      if (at >= begin + wanted) {
        run_[begin] = static_cast<std::uint32_t>(wanted);
        return bytes_ + begin * kGranule;
      }
      if (run_[at] == 0) {
        ++at;
      } else {
        at += run_[at];
        begin = (at + step - 1) / step * step;
      }
    }
    return nullptr;
  }
  void give_back(void* block) {
    const Lock lock(busy_);
    run_[index_of(block)] = 0;
  }
  bool holds(const void* block) const {
    const auto* const place = static_cast<const std::byte*>(block);
    return place >= bytes_ && place < bytes_ + kBytes;
  }
  std::size_t size_of(const void* block) const { return run_[index_of(block)] * kGranule; }

 private:
  static constexpr std::size_t kCount = kBytes / kGranule;
  class Lock {
   public:
    explicit Lock(int& busy) : busy_(busy) {
      while (busy_.exchange(1, std::memory_order_acquire) != 0) {
      }
    }
    ~Lock() { busy_.store(0, std::memory_order_release); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    std::atomic_ref<int> busy_;
  };
  std::size_t index_of(const void* block) const {
    return static_cast<std::size_t>(static_cast<const std::byte*>(block) - bytes_) / kGranule;
  }

  alignas(kPage) std::byte bytes_[kBytes];
  std::uint32_t run_[kCount];  // length in granules of the block that begins there; 0: none
  int busy_;
};

Region<64, std::size_t{8} << 20U> small;
// Generated code is made executable page by page, so no two blocks share a page.
Region<kPage, std::size_t{56} << 20U> pages;
constexpr std::size_t kPagesFrom = 16 * 1024;

void* take_reserve(std::size_t bytes, std::size_t alignment) {
  const bool ordinary = depth == 0 && std::uncaught_exceptions() == 0;
  if (depth > 0) refusals.fetch_add(1, std::memory_order_relaxed);
  void* block = nullptr;
  if (bytes < kPagesFrom) block = small.take(bytes, alignment, ordinary);
  if (block == nullptr && (bytes <= kOrdinaryBytes || !ordinary))
    block = pages.take(bytes, alignment, ordinary);
  if (block == nullptr) errno = ENOMEM;
  return block;
}

bool is_reserve(const void* block) { return small.holds(block) || pages.holds(block); }
std::size_t reserve_size_of(const void* block) {
  return small.holds(block) ? small.size_of(block) : pages.size_of(block);
}

void give_back_reserve(void* block) {
  if (small.holds(block)) return small.give_back(block);
  // Resets the pages: writable, zero, no memory. Pages for which this fails are not reused.
  const std::size_t bytes = pages.size_of(block);
  if (mprotect(block, bytes, PROT_READ | PROT_WRITE) == 0 &&
      madvise(block, bytes, MADV_DONTNEED) == 0) {
    pages.give_back(block);
  }
}

/// The next definitions in the lookup order: the C library's, or a preloaded library's.
struct Calls {
  decltype(&::malloc) malloc;
  decltype(&::calloc) calloc;
  decltype(&::realloc) realloc;
  decltype(&::free) free;
  decltype(&::posix_memalign) posix_memalign;
  decltype(&::memalign) memalign;
  decltype(&::malloc_usable_size) malloc_usable_size;
  decltype(&::mmap) mmap;
  decltype(&::munmap) munmap;
  decltype(&::pthread_create) pthread_create;
};
constinit Calls calls{};
constinit bool are_found = false;
constinit bool lookup_began = false;

template <typename Call>
void find(Call& call, const char* name) {
  call = reinterpret_cast<Call>(dlsym(RTLD_NEXT, name));
}

/// Null during the lookup, which may itself allocate. The lookup runs on the loader's thread,
/// before there are others.
const Calls* next() {
  if (are_found) return &calls;
  if (lookup_began) return nullptr;
  lookup_began = true;
  find(calls.malloc, "malloc");
  find(calls.calloc, "calloc");
  find(calls.realloc, "realloc");
  find(calls.free, "free");
  find(calls.posix_memalign, "posix_memalign");
  find(calls.memalign, "memalign");
  find(calls.malloc_usable_size, "malloc_usable_size");
  find(calls.mmap, "mmap");
  find(calls.munmap, "munmap");
  find(calls.pthread_create, "pthread_create");
  are_found = true;
  return &calls;
}

/// `block`, or if it is null, a block of the reserve.
void* or_reserve(void* block, std::size_t bytes, std::size_t alignment) {
  return block != nullptr ? block : take_reserve(bytes, alignment);
}

constexpr std::size_t kAlignment = alignof(std::max_align_t);

[[maybe_unused]] const bool threads_are_spared = (semblance::SpareThreads::use(), true);

}  // namespace

extern "C" {

void* malloc(std::size_t bytes) noexcept {
  const Calls* const to = next();
  return to == nullptr ? take_reserve(bytes, kAlignment)
                       : or_reserve(to->malloc(bytes), bytes, kAlignment);
}

void* calloc(std::size_t count, std::size_t size) noexcept {
  const Calls* const to = next();
  void* block = to == nullptr ? nullptr : to->calloc(count, size);
  std::size_t bytes = 0;
  if (block != nullptr || __builtin_mul_overflow(count, size, &bytes)) return block;
  block = take_reserve(bytes, kAlignment);
  if (block != nullptr) std::memset(block, 0, bytes);
  return block;
}

void free(void* block) noexcept {
  if (is_reserve(block)) return give_back_reserve(block);
  if (const Calls* const to = next()) to->free(block);
}

std::size_t malloc_usable_size(void* block) noexcept {
  return is_reserve(block) ? reserve_size_of(block) : next()->malloc_usable_size(block);
}

void* realloc(void* block, std::size_t bytes) noexcept {
  const bool ours = is_reserve(block);
  if (!ours) {
    const Calls* const to = next();
    void* const grown = to == nullptr ? nullptr : to->realloc(block, bytes);
    if (grown != nullptr || bytes == 0) return grown;
  }
  void* const other = ours ? malloc(bytes) : take_reserve(bytes, kAlignment);
  if (other == nullptr || block == nullptr) return other;
  std::memcpy(other, block, std::min(bytes, malloc_usable_size(block)));
  free(block);
  return other;
}

int posix_memalign(void** block, std::size_t alignment, std::size_t bytes) noexcept {
  const int error = next()->posix_memalign(block, alignment, bytes);
  if (error != ENOMEM) return error;
  void* const other = take_reserve(bytes, alignment);
  if (other != nullptr) *block = other;
  return other != nullptr ? 0 : error;
}

void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  return or_reserve(next()->memalign(alignment, bytes), bytes, alignment);
}

void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  return memalign(alignment, bytes);
}

void* mmap(void* place, std::size_t bytes, int protection, int flags, int file,
           off_t offset) noexcept {
  void* const block = next()->mmap(place, bytes, protection, flags, file, offset);
  if (block != MAP_FAILED || depth == 0 || file >= 0 || (flags & MAP_FIXED) != 0) return block;
  void* const other = pages.take(bytes, kPage, false);
  if (other == nullptr) return MAP_FAILED;
  refusals.fetch_add(1, std::memory_order_relaxed);
  if (protection != (PROT_READ | PROT_WRITE)) mprotect(other, bytes, protection);
  return other;
}

void* mmap64(void* place, std::size_t bytes, int protection, int flags, int file,
             off64_t offset) noexcept {
  return mmap(place, bytes, protection, flags, file, offset);
}

int munmap(void* block, std::size_t bytes) noexcept {
  if (!is_reserve(block)) return next()->munmap(block, bytes);
  give_back_reserve(block);
  return 0;
}

/// Within a library call the caller is OpenMP's runtime, which gets a spare thread.
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*),
                   void* argument) noexcept {
  if (depth == 0) return next()->pthread_create(thread, attributes, start, argument);
  *thread = semblance::SpareThreads::instance()->run(start, argument);
  return 0;
}

}  // extern "C"
