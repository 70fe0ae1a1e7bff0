// links: semblance_image
// Any bytes as a picture give an upright picture or an Error. Counting every allocation, neither
// probe() nor decode() nor the codecs take more memory than image/decode.h promises.
#include <sanitizer/allocator_interface.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "core/error.h"
#include "image/decode.h"

namespace {

// Larger pictures run the same code and only take longer.
constexpr std::uint64_t kDecodingLimit = 8 << 20;
// The part of decode.h's promise that covers memory other than allocations.
constexpr std::uint64_t kBesideBytes = 512 << 10;

bool counting = false;
std::int64_t held = 0;
std::int64_t peak = 0;

void took(std::size_t bytes) {
  if (!counting) return;
  held += static_cast<std::int64_t>(bytes);
  peak = std::max(peak, held);
}
void gave(std::size_t bytes) {
  if (counting) held -= static_cast<std::int64_t>(bytes);
}

template <typename F>
void expect_at_most(std::uint64_t bytes, const char* what, F&& work) {
  using namespace semblance;
  held = peak = 0;
  counting = true;
  try {
    work();
    counting = false;
  } catch (const Error& error) {
    counting = false;
    if (error.kind() != ErrorKind::kCorrupt && error.kind() != ErrorKind::kArgument) std::abort();
  }
  if (peak <= static_cast<std::int64_t>(bytes)) return;
  std::fprintf(stderr, "%s took %lld bytes, the limit is %llu\n", what,
               static_cast<long long>(peak), static_cast<unsigned long long>(bytes));
  std::abort();
}

}  // namespace

// Large Buffers are mapped directly and bypass the heap's hooks.
extern "C" void* mmap(void* address, std::size_t size, int protection, int flags, int file,
                      off_t offset) {
  void* const block =
      reinterpret_cast<void*>(syscall(SYS_mmap, address, size, protection, flags, file, offset));
  if (block != MAP_FAILED) took(size);
  return block;
}
extern "C" int munmap(void* address, std::size_t size) {
  gave(size);
  return static_cast<int>(syscall(SYS_munmap, address, size));
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const int installed = __sanitizer_install_malloc_and_free_hooks(
      [](const volatile void*, std::size_t bytes) { took(bytes); },
      [](const volatile void* block) {
        if (counting && block != nullptr)
          gave(__sanitizer_get_allocated_size(const_cast<const void*>(block)));
      });
  if (installed == 0) std::abort();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  const auto file = file_over("fuzz", {reinterpret_cast<const char*>(data), size});
  std::optional<ImageInfo> info;
  expect_at_most(kProbeBytes, "probe()", [&] { info = probe(*file); });
  if (info && info->decoding_bytes > kDecodingLimit) return 0;
  expect_at_most(info ? info->decoding_bytes - kBesideBytes : kProbeBytes, "decode()", [&] {
    const Image image = decode(*file);
    if (!info || image.size() != info->upright()) std::abort();
  });
  return 0;
}
