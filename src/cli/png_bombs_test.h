// Small PNG files that are, or claim to be, large when decoded. For tests only.
#pragma once

#include <cstdint>
#include <string>

namespace semblance::cli {

inline void put_32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xffU);
}

inline std::string png_chunk(const std::string& type, const std::string& data) {
  std::string text = type + data;
  std::uint32_t sum = 0xffffffffU;
  for (const char c : text) {
    sum ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1U ^ ((sum & 1U) != 0 ? 0xedb88320U : 0);
  }
  std::string out;
  put_32(out, static_cast<std::uint32_t>(data.size()));
  out += text;
  put_32(out, ~sum);
  return out;
}

/// A zlib stream of this many zeros: one literal, then runs of 258 at 13 bits each.
inline std::string deflated_zeros(std::uint64_t count) {
  std::string out = "\x78\x01";
  std::uint32_t bits = 0;
  int held = 0;
  const auto put = [&](std::uint32_t code, int length) {
    bits |= code << held;
    for (held += length; held >= 8; held -= 8, bits >>= 8U) out += static_cast<char>(bits & 0xffU);
  };
  put(0b011, 3);       // last block, fixed codes
  put(0b00001100, 8);  // literal 0: code 00110000, high bit first
  std::uint64_t left = count - 1;
  for (; left >= 258; left -= 258) {
    put(0b10100011, 8);  // 285: a run of 258
    put(0, 5);           // of the previous byte
  }
  for (; left > 0; --left) put(0b00001100, 8);
  put(0, 7);  // the end
  put(0, 7);
  put_32(out, static_cast<std::uint32_t>(count % 65521) << 16U | 1U);
  return out;
}

/// A small file with a grey picture of this many pixels.
inline std::string bomb(std::uint32_t side) {
  std::string header;
  put_32(header, side);
  put_32(header, side);
  header += std::string("\x08\0\0\0\0", 5);
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) +
         png_chunk("IDAT", deflated_zeros(std::uint64_t{side} * (side + 1))) +
         png_chunk("IEND", "");
}

/// A one-pixel picture with `count` chunks of compressed text that decompress to `bytes` each.
inline std::string text_bomb(int count, std::uint64_t bytes) {
  std::string header;
  put_32(header, 1);
  put_32(header, 1);
  header += std::string("\x08\0\0\0\0", 5);
  const std::string text = png_chunk("zTXt", std::string("Comment\0\0", 9) + deflated_zeros(bytes));
  std::string file = "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header);
  for (int i = 0; i < count; ++i) file += text;
  return file + png_chunk("IDAT", deflated_zeros(2)) + png_chunk("IEND", "");
}

/// A header that announces two gigabytes of text, and nothing after it.
inline std::string text_head_bomb() {
  std::string header;
  put_32(header, 1);
  put_32(header, 1);
  header += std::string("\x08\0\0\0\0", 5);
  std::string file = "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header);
  put_32(file, 0x7ffffff0U);
  return file + "tEXt";
}

}  // namespace semblance::cli
