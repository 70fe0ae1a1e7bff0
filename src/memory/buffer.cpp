#include "memory/buffer.h"

#include <sys/mman.h>

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

void count(Tag tag, std::size_t bytes) {
  AtomicCount& counted = g_counts[static_cast<std::size_t>(tag)];
  const std::uint64_t now = counted.bytes.fetch_add(bytes) + bytes;
  std::uint64_t peak = counted.peak.load();
  while (now > peak && !counted.peak.compare_exchange_weak(peak, now)) {
  }
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
  if (block == nullptr) {
    fail(ErrorKind::kMemory, "cannot allocate {} bytes for {}: the system is out of memory", bytes,
         name_of(tag));
  }
  data_ = static_cast<std::byte*>(block);
  count(tag_, size_);
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  if (size_ >= kMapFrom) {
    munmap(data_, size_);
  } else {
    std::free(data_);
  }
  g_counts[static_cast<std::size_t>(tag_)].bytes.fetch_sub(size_);
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

Counted::Counted(Tag tag, std::uint64_t bytes) : tag_(tag) { set(bytes); }
Counted::~Counted() { set(0); }

void Counted::set(std::uint64_t bytes) {
  if (bytes > bytes_) count(tag_, bytes - bytes_);
  if (bytes < bytes_) g_counts[static_cast<std::size_t>(tag_)].bytes.fetch_sub(bytes_ - bytes);
  bytes_ = bytes;
}

}  // namespace semblance
