// Memory that is counted. Every large block of ours is a Buffer under a tag, or Counted; the sum of
// tags is what the process holds by our own doing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace semblance {

/// What a block of memory is for.
enum class Tag : std::uint8_t {
  kActivations,
  kWeights,  // resident ones, packed for their kernels
  kRing,     // streamed ones, as their file has them
  kScratch,
  kStaging,
  kResult,  // values that outlive a plan's run: latents, encodings, tokens
  kImage,
  kOther,
  kClients,  // of a service: requests and responses. They have a share of the budget of their own
};
inline constexpr int kTagCount = 9;
std::string_view name_of(Tag tag);

struct TagCount {
  std::uint64_t bytes = 0;       // held now
  std::uint64_t peak_bytes = 0;  // the most held at once
};
/// Thread-safe; counts Buffers, in bytes asked for, and what is Counted.
TagCount count_of(Tag tag);

struct TagReport {
  Tag tag;
  TagCount count;
};
/// Every tag under which something was held since the program began, in the tags' order.
std::vector<TagReport> tag_report();

/// A block of zeroed memory, aligned to 64 bytes (to a page from 64 KiB on, and then given back to
/// the system when destroyed). Moves, never copies.
class Buffer {
 public:
  Buffer() = default;
  /// Throws Error(kMemory) when the system has no more.
  Buffer(std::size_t bytes, Tag tag);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data_, size_}; }
  template <typename T>
  std::span<T> as() const {
    return {reinterpret_cast<T*>(data_), size_ / sizeof(T)};
  }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  Tag tag_ = Tag::kOther;
};

/// Bytes outside Buffers, counted under a tag. Count only bytes that have been written: untouched
/// pages are not resident.
class Counted {
 public:
  explicit Counted(Tag tag, std::uint64_t bytes = 0);
  ~Counted();
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  void set(std::uint64_t bytes);

 private:
  const Tag tag_;
  std::uint64_t bytes_ = 0;
};

}  // namespace semblance
