#include "image/codecs/webp_lossless.h"

#include <algorithm>
#include <array>

#include "core/error.h"

namespace semblance::codecs {
namespace {

constexpr int kLiterals = 256;
constexpr int kLengthCodes = 24;
constexpr int kDistanceCodes = 40;
constexpr int kCacheBitsLimit = 11;
constexpr int kGreenSymbols = kLiterals + kLengthCodes + (1 << kCacheBitsLimit);
constexpr int kLongestCode = 15;

// Sizes from libwebp (src/dec/vp8l_dec.c): entries of a group's tables, 4 bytes each, by the bits
// of the colour cache; a group's structure; rows kept ready for output.
constexpr std::array<std::uint64_t, kCacheBitsLimit + 1> kTableEntries = {
    2954, 2956, 2958, 2962, 2970, 2986, 3018, 3082, 3212, 3468, 3980, 5004};
constexpr std::uint64_t kGroupBytes = 640;
constexpr std::uint64_t kRowsReady = 17;
constexpr std::uint64_t kMappingLimit = 65536;

std::int64_t blocks_of(std::int64_t side, int bits) { return (side + (1 << bits) - 1) >> bits; }

/// Reads the bits of one chunk, the lowest of each byte first.
class LosslessReader {
 public:
  LosslessReader(const File& file, std::uint64_t offset, std::uint64_t bytes)
      : file_(file), offset_(offset), bytes_left_(bytes) {}

  std::uint64_t decoder_bytes() {
    if (bits(8) != 0x2f) fail_here("its header is invalid");
    std::int64_t w = bits(14) + 1;
    const std::int64_t h = bits(14) + 1;
    bits(1);  // whether alpha is used
    if (bits(3) != 0) fail_here("its header is invalid");
    const auto pixels = static_cast<std::uint64_t>(w) * static_cast<std::uint64_t>(h);
    std::uint64_t total = 4 * (pixels + kRowsReady * static_cast<std::uint64_t>(w));
    unsigned seen = 0;
    while (bits(1) != 0) {
      const unsigned kind = bits(2);
      if ((seen >> kind & 1U) != 0) fail_here("it repeats a colour transform");
      seen |= 1U << kind;
      total += transform_bytes(kind, w, h);
    }
    const int cache_bits = read_cache_bits();
    std::uint64_t groups = 1;
    if (bits(1) != 0) {
      const int block_bits = static_cast<int>(bits(3)) + 2;
      const std::int64_t across = blocks_of(w, block_bits);
      const std::int64_t down = blocks_of(h, block_bits);
      const auto blocks = static_cast<std::uint64_t>(across * down);
      read_picture(across, down);
      groups = std::min<std::uint64_t>(largest_group_ + 1U, blocks);
      total += 4 * blocks + 4 * kMappingLimit;
    }
    return total + groups * group_bytes(cache_bits);
  }

 private:
  /// A prefix code, decoded bit by bit: only a little data is read with it.
  template <int kSymbols>
  struct Code {
    std::array<std::uint16_t, kLongestCode + 1> counts{};  // codes of each length
    std::array<std::uint16_t, kSymbols> symbols{};         // ordered by their codes
    bool single = false;                                   // one symbol, which takes no bits
  };

  static std::uint64_t group_bytes(int cache_bits) {
    return 4 * kTableEntries[static_cast<std::size_t>(cache_bits)] + kGroupBytes;
  }

  [[noreturn]] void fail_here(std::string_view reason) const {
    fail_damaged(file_, ImageFormat::kWebp, reason);
  }

  unsigned bits(int count) {
    while (held_bits_ < count) {
      if (next_ == filled_) fill();
      held_ |= static_cast<std::uint64_t>(std::to_integer<unsigned>(window_[next_++]))
               << held_bits_;
      held_bits_ += 8;
    }
    const auto value = static_cast<unsigned>(held_ & ((std::uint64_t{1} << count) - 1));
    held_ >>= count;
    held_bits_ -= count;
    return value;
  }

  void fill() {
    filled_ = std::min<std::uint64_t>(window_.size(), bytes_left_);
    if (filled_ == 0) fail_truncated(file_, ImageFormat::kWebp);
    file_.read(offset_, std::span(window_).first(filled_));
    offset_ += filled_;
    bytes_left_ -= filled_;
    next_ = 0;
  }

  /// Reads a transform of a picture w pixels wide; it may reduce w.
  std::uint64_t transform_bytes(unsigned kind, std::int64_t& w, std::int64_t h) {
    enum : unsigned { kPredictor = 0, kCrossColour = 1, kSubtractGreen = 2, kPalette = 3 };
    if (kind == kSubtractGreen) return 0;
    if (kind == kPalette) {
      const unsigned colours = bits(8) + 1;
      read_picture(colours, 1);
      w = blocks_of(w, colours > 16 ? 0 : colours > 4 ? 1 : colours > 2 ? 2 : 3);
      return 2 * 4 * std::uint64_t{kLiterals};
    }
    const int block_bits = static_cast<int>(bits(3)) + 2;
    const std::int64_t across = blocks_of(w, block_bits);
    const std::int64_t down = blocks_of(h, block_bits);
    read_picture(across, down);
    return 4 * static_cast<std::uint64_t>(across * down);
  }

  int read_cache_bits() {
    if (bits(1) == 0) return 0;
    const auto cache_bits = static_cast<int>(bits(4));
    if (cache_bits < 1 || cache_bits > kCacheBitsLimit)
      fail_here("its colour cache has an invalid size");
    return cache_bits;
  }

  /// Reads an auxiliary picture; afterwards `largest_group_` is the largest group that its pixels
  /// name. Copied pixels never name a new group.
  void read_picture(std::int64_t w, std::int64_t h) {
    const int cache_bits = read_cache_bits();
    const int cached = cache_bits == 0 ? 0 : 1 << cache_bits;
    read_code(green_, kLiterals + kLengthCodes + cached);
    read_code(red_, kLiterals);
    read_code(blue_, kLiterals);
    read_code(alpha_, kLiterals);
    read_code(distance_, kDistanceCodes);
    largest_group_ = 0;
    // All pixels are the same and take no bits.
    const bool same = green_.single && green_.symbols[0] < kLiterals && red_.single &&
                      blue_.single && alpha_.single;
    const std::int64_t pixels = same ? 1 : w * h;
    for (std::int64_t done = 0; done < pixels;) {
      const unsigned green = symbol(green_);
      if (green < kLiterals) {
        largest_group_ = std::max(largest_group_, symbol(red_) << 8 | green);
        symbol(blue_);
        symbol(alpha_);
        ++done;
      } else if (green < kLiterals + kLengthCodes) {
        const std::int64_t length = copy_number(green - kLiterals);
        copy_number(symbol(distance_));
        if (done == 0 || length > pixels - done) fail_here("its pixel data is invalid");
        done += length;
      } else {
        ++done;  // from the colour cache
      }
    }
  }

  /// The number for a length or distance code, including its extra bits.
  std::int64_t copy_number(unsigned code) {
    if (code < 4) return code + 1;
    const auto extra = static_cast<int>((code - 2) >> 1);
    return ((std::int64_t{2} + (code & 1)) << extra) + bits(extra) + 1;
  }

  template <int kSymbols>
  unsigned symbol(const Code<kSymbols>& code) {
    if (code.single) return code.symbols[0];
    int value = 0;
    int first = 0;
    int index = 0;
    for (int length = 1; length <= kLongestCode; ++length) {
      value |= static_cast<int>(bits(1));
      const int count = code.counts[static_cast<std::size_t>(length)];
      if (value - first < count)
        return code.symbols[static_cast<std::size_t>(index + value - first)];
      index += count;
      first = (first + count) << 1;
      value <<= 1;
    }
    fail_here("its pixel data is invalid");  // unreachable: codes are complete
  }

  template <int kSymbols>
  void read_code(Code<kSymbols>& code, int symbols) {
    lengths_.fill(0);
    if (bits(1) != 0) {  // a simple code: one or two symbols
      const bool two = bits(1) != 0;
      const bool wide = bits(1) != 0;
      const unsigned first = bits(wide ? 8 : 1);
      lengths_[first] = 1;
      if (two) lengths_[bits(8)] = 1;
    } else {
      read_lengths(symbols);
    }
    make_code(code, symbols);
  }

  /// The lengths of a code's symbols, which are coded themselves.
  void read_lengths(int symbols) {
    constexpr std::array<std::uint8_t, 19> kOrder = {17, 18, 0, 1,  2,  3,  4,  5,  16, 6,
                                                     7,  8,  9, 10, 11, 12, 13, 14, 15};
    const unsigned given = bits(4) + 4;
    if (given > kOrder.size()) fail_here("its prefix codes are invalid");
    for (unsigned i = 0; i < given; ++i) lengths_[kOrder[i]] = static_cast<std::uint8_t>(bits(3));
    make_code(length_code_, kOrder.size());
    lengths_.fill(0);
    int left = symbols;  // to read; the others have no code
    if (bits(1) != 0) {
      const auto width = static_cast<int>(2 + 2 * bits(3));
      left = static_cast<int>(bits(width)) + 2;
      if (left > symbols) fail_here("its prefix codes are invalid");
    }
    std::uint8_t previous = 8;
    for (int i = 0; i < symbols && left-- > 0;) {
      const unsigned length = symbol(length_code_);
      if (length <= kLongestCode) {
        lengths_[static_cast<std::size_t>(i++)] = static_cast<std::uint8_t>(length);
        if (length != 0) previous = static_cast<std::uint8_t>(length);
        continue;
      }
      const auto repeats = static_cast<int>(length == 16   ? bits(2) + 3
                                            : length == 17 ? bits(3) + 3
                                                           : bits(7) + 11);
      if (repeats > symbols - i) fail_here("its prefix codes are invalid");
      if (length == 16) std::fill_n(lengths_.begin() + i, repeats, previous);
      i += repeats;
    }
  }

  /// The canonical code for `lengths_`. As in libwebp it must be complete or have a single symbol.
  template <int kSymbols>
  void make_code(Code<kSymbols>& code, std::size_t symbols) {
    code.counts.fill(0);
    for (std::size_t i = 0; i < symbols; ++i) ++code.counts[lengths_[i]];
    code.counts[0] = 0;
    std::array<std::uint16_t, kLongestCode + 2> next{};
    int total = 0;
    int open = 1;
    for (std::size_t length = 1; length <= kLongestCode; ++length) {
      open = 2 * open - code.counts[length];
      total += code.counts[length];
      next[length + 1] = static_cast<std::uint16_t>(total);
      if (open < 0) fail_here("its prefix codes are invalid");
    }
    code.single = total == 1;
    if (!code.single && open != 0) fail_here("its prefix codes are invalid");
    for (std::size_t i = 0; i < symbols; ++i) {
      if (lengths_[i] != 0) code.symbols[next[lengths_[i]]++] = static_cast<std::uint16_t>(i);
    }
  }
  template <int kSymbols>
  void make_code(Code<kSymbols>& code, int symbols) {
    make_code(code, static_cast<std::size_t>(symbols));
  }

  const File& file_;
  std::uint64_t offset_;
  std::uint64_t bytes_left_;
  std::array<std::byte, 4096> window_;
  std::size_t next_ = 0;
  std::size_t filled_ = 0;
  std::uint64_t held_ = 0;
  int held_bits_ = 0;
  unsigned largest_group_ = 0;
  std::array<std::uint8_t, kGreenSymbols> lengths_{};
  Code<kGreenSymbols> green_;
  Code<kLiterals> red_;
  Code<kLiterals> blue_;
  Code<kLiterals> alpha_;
  Code<kDistanceCodes> distance_;
  Code<19> length_code_;
};

}  // namespace

std::uint64_t webp_lossless_bytes(const File& file, std::uint64_t offset, std::uint64_t bytes) {
  return LosslessReader(file, offset, bytes).decoder_bytes();
}

}  // namespace semblance::codecs
