// Helpers for this room's tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "image/image.h"
#include "memory/file.h"
#include "tests/support/errors.h"
#include "tests/support/golden.h"

namespace semblance::testing {

/// The picture of the same name in tools/oracle/image.py.
inline Image synthetic(int w, int h) {
  Image image({w, h});
  for (std::uint32_t y = 0; y < static_cast<std::uint32_t>(h); ++y) {
    std::uint8_t* row = image.row(static_cast<int>(y));
    for (std::uint32_t x = 0; x < static_cast<std::uint32_t>(w); ++x) {
      for (std::uint32_t c = 0; c < 3; ++c) {
        const std::uint32_t noise = ((x * x + y * y * 3 + c) * 2654435761U) >> 28;
        *row++ = static_cast<std::uint8_t>(x * 5 + y * 3 + c * 60 + noise);
      }
    }
  }
  return image;
}

/// zlib's crc32, bit by bit.
inline std::uint32_t crc32_of(std::span<const std::uint8_t> bytes) {
  std::uint32_t crc = ~0U;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int i = 0; i < 8; ++i) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
  }
  return ~crc;
}

inline int largest_difference(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  if (a.size() != b.size()) return 256;
  int largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

inline std::vector<std::byte> file_bytes(const std::filesystem::path& path) {
  const auto file = open_file(path);
  std::vector<std::byte> bytes(file->size());
  file->read(0, bytes);
  return bytes;
}

inline nlohmann::json golden_json(const std::string& name) {
  std::ifstream stream(golden_path("image/" + name));
  return nlohmann::json::parse(stream);
}

/// The golden's raw bytes as pixel values.
inline std::vector<std::uint8_t> golden_bytes(const std::string& name) {
  std::ifstream stream(golden_path("image/" + name), std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

}  // namespace semblance::testing
