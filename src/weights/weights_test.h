// Helpers for this room's tests: files in memory, temporary folders.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "memory/file.h"
#include "tests/support/errors.h"
#include "tests/support/failing_file.h"
#include "tests/support/golden.h"
#include "weights/safetensors.h"
#include "weights/weight_map.h"

namespace semblance::testing {

inline std::vector<std::byte> to_bytes(std::string_view text) {
  std::vector<std::byte> bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

inline std::shared_ptr<const File> file_of(std::string_view text) {
  return memory_file("made.file", to_bytes(text));
}

/// `value` as `bytes` bytes, little endian.
inline std::string little_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

/// All values of a tensor, read `rows_at_once` rows at a time.
inline std::vector<float> values_of(const StoredTensor& tensor, std::int64_t rows_at_once = 1) {
  std::vector<float> values(static_cast<std::size_t>(tensor.shape.elements()));
  std::vector<std::byte> raw(tensor.rows_bytes(rows_at_once));
  const auto row_elements = static_cast<std::size_t>(tensor.row_elements());
  if (values.empty()) return values;
  for (std::int64_t row = 0; row < tensor.rows(); row += rows_at_once) {
    const std::int64_t count = std::min(rows_at_once, tensor.rows() - row);
    read_rows(tensor, row, count, raw,
              std::span(values).subspan(static_cast<std::size_t>(row) * row_elements,
                                        static_cast<std::size_t>(count) * row_elements));
  }
  return values;
}

/// Whether all values have the same bits; any NaN equals any other.
inline bool are_same_bits(std::span<const float> a, std::span<const float> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
    return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y) ||
           (std::isnan(x) && std::isnan(y));
  });
}

/// Compares names, shapes and all values' bits with weights/NAME.expected.safetensors, reading one
/// row at a time, five, and all at once.
inline void expect_f32(const WeightMap& weights, const std::string& name) {
  const WeightMap expected =
      read_safetensors(open_file(golden_path("weights/" + name + ".expected.safetensors")));
  EXPECT_EQ(weights.size(), expected.size());
  for (const auto& [tensor_name, want] : expected) {
    SCOPED_TRACE(tensor_name);
    const StoredTensor* tensor = weights.find(tensor_name);
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ(tensor->shape, want.shape);
    const std::vector<float> values = values_of(want);
    for (const std::int64_t rows : {std::int64_t{1}, std::int64_t{5}, tensor->rows()})
      EXPECT_TRUE(are_same_bits(values_of(*tensor, rows), values)) << rows;
  }
}

/// Compares names, types, shapes and all values with weights/NAME.expected.json.
inline void expect_golden(const WeightMap& weights, const std::string& name) {
  const auto path = golden_path("weights/" + name + ".expected.json");
  const auto expected = nlohmann::json::parse(read_small_file(path, 1 << 20));
  EXPECT_EQ(weights.size(), expected.size());
  for (const auto& [tensor_name, want] : expected.items()) {
    const StoredTensor* tensor = weights.find(tensor_name);
    ASSERT_NE(tensor, nullptr) << tensor_name;
    EXPECT_EQ(name_of(tensor->dtype), want["dtype"].get<std::string>()) << tensor_name;
    EXPECT_EQ(tensor->shape, Shape(want["shape"].get<std::vector<std::int64_t>>())) << tensor_name;
    EXPECT_EQ(values_of(*tensor), want["values"].get<std::vector<float>>()) << tensor_name;
  }
}

#define EXPECT_ERROR(action, part)                                                     \
  do {                                                                                 \
    const std::string text_of_error = ::semblance::testing::error_of(action);          \
    EXPECT_NE(text_of_error.find(part), std::string::npos) << "got " << text_of_error; \
  } while (false)

class TemporaryFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::temp_directory_path() /
            (std::string("semblance_") + test->name() + "_" + std::to_string(getpid()));
    std::filesystem::create_directories(path_);
  }
  void TearDown() override { std::filesystem::remove_all(path_); }
  void put(const std::string& name, std::string_view text) const {
    OutputFile file(path_ / name);
    file.write(text);
    file.commit();
  }
  std::filesystem::path path_;
};

}  // namespace semblance::testing
