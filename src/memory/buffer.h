// Counted memory. Every large block that Semblance allocates is a Buffer with a tag, or Counted;
// the sum over all tags is what Semblance itself holds.
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
  kWeights,  // resident, packed for their kernels
  kRing,     // streamed weights, as in their file
  kScratch,
  kStaging,
  kResult,  // values that outlive a plan's run: latents, encodings, tokens
  kImage,
  kOther,
  kClients,  // a service's requests and responses, which have their own share of the budget
};
inline constexpr int kTagCount = 9;
std::string_view name_of(Tag tag);

struct TagCount {
  std::uint64_t bytes = 0;       // held now
  std::uint64_t peak_bytes = 0;  // the most held at once
};
/// Thread-safe. Counts the requested bytes of Buffers, and Counted.
TagCount count_of(Tag tag);

struct TagReport {
  Tag tag;
  TagCount count;
};
/// Every tag used since the program began, in the order of the enum.
std::vector<TagReport> tag_report();

/// A block of zeroed memory, aligned to 64 bytes. Blocks from 64 KiB on are aligned to a page and
/// returned to the system when destroyed. Moves, never copies.
class Buffer {
 public:
  Buffer() = default;
  /// Throws Error(kMemory) if the system is out of memory.
  Buffer(std::size_t bytes, Tag tag);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  /// Keeps the first bytes; further ones are undefined. May move the block, without a copy if it is
  /// large. Throws Error(kMemory), and changes nothing then.
  void resize(std::size_t bytes);

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
