#include "memory/buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace semblance {
namespace {

constexpr std::size_t kMapFrom = 64 * 1024;
constexpr std::size_t kHugeFrom = 2 * 1024 * 1024;  // a huge page of x86-64
constexpr std::size_t kAlignment = 64;

struct AtomicCount {
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> peak{0};
};
std::array<AtomicCount, kTagCount> g_counts;

/// What is held under the tag changes from `before` bytes to `after`.
void recount(Tag tag, std::uint64_t before, std::uint64_t after) {
  AtomicCount& counted = g_counts[static_cast<std::size_t>(tag)];
  const std::uint64_t now = counted.bytes.fetch_add(after - before) + after - before;
  std::uint64_t peak = counted.peak.load();
  while (after > before && now > peak && !counted.peak.compare_exchange_weak(peak, now)) {
  }
}

[[noreturn]] void fail_allocation(std::size_t bytes, Tag tag) {
  fail(ErrorKind::kMemory, "cannot allocate {} bytes for {}: the system is out of memory", bytes,
       name_of(tag));
}

}  // namespace

std::string_view name_of(Tag tag) {
  constexpr std::array<std::string_view, kTagCount> kNames = {"activations", "weights", "ring",
                                                              "scratch",     "staging", "result",
                                                              "image",       "other",   "clients"};
  return kNames[static_cast<std::size_t>(tag)];
}

TagCount count_of(Tag tag) {
  const AtomicCount& counted = g_counts[static_cast<std::size_t>(tag)];
  return {counted.bytes.load(), counted.peak.load()};
}

std::vector<TagReport> tag_report() {
  std::vector<TagReport> report;
  for (int i = 0; i < kTagCount; ++i) {
    const auto tag = static_cast<Tag>(i);
    const TagCount count = count_of(tag);
    if (count.peak_bytes > 0) report.push_back({tag, count});
  }
  return report;
}

Buffer::Buffer(std::size_t bytes, Tag tag) : size_(bytes), tag_(tag) {
  if (bytes == 0) return;
  void* block = nullptr;
  if (bytes >= kMapFrom) {
    block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) block = nullptr;
    // Freeing gigabytes of small pages on cancel takes most of a second. This is only a hint: never
    // more than the block becomes resident.
    if (block != nullptr && bytes >= kHugeFrom) madvise(block, bytes, MADV_HUGEPAGE);
  } else {
    block = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
    if (block != nullptr) std::memset(block, 0, bytes);
  }
  if (block == nullptr) fail_allocation(bytes, tag);
  data_ = static_cast<std::byte*>(block);
  recount(tag_, 0, size_);
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  if (size_ >= kMapFrom) {
    munmap(data_, size_);
  } else {
    std::free(data_);
  }
  recount(tag_, size_, 0);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      tag_(other.tag_) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(tag_, other.tag_);
  return *this;
}

void Buffer::resize(std::size_t bytes) {
  const std::size_t kept = std::min(bytes, size_);
  if (kept < kMapFrom) {
    Buffer other(bytes, tag_);
    if (kept > 0) std::memcpy(other.data_, data_, kept);
    *this = std::move(other);
    return;
  }
  void* const block = mremap(data_, size_, bytes, MREMAP_MAYMOVE);
  if (block == MAP_FAILED) fail_allocation(bytes, tag_);
  data_ = static_cast<std::byte*>(block);
  recount(tag_, std::exchange(size_, bytes), bytes);
}

Counted::Counted(Tag tag, std::uint64_t bytes) : tag_(tag) { set(bytes); }
Counted::~Counted() { set(0); }

void Counted::set(std::uint64_t bytes) { recount(tag_, std::exchange(bytes_, bytes), bytes); }

}  // namespace semblance
