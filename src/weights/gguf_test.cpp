#include "weights/gguf.h"

#include <random>

#include "weights/weights_test.h"

namespace semblance {
namespace {

using testing::FailingFile;
using testing::file_of;
using testing::little_endian;

std::string golden_bytes(const std::string& name) {
  return read_small_file(testing::golden_path("weights/formats/" + name), 1 << 20);
}
auto reading(const std::string& bytes) {
  return [bytes] { read_gguf(file_of(bytes)); };
}

std::string number(std::uint64_t value, int bytes = 8) { return little_endian(value, bytes); }
std::string text(const std::string& value) { return number(value.size()) + value; }

/// A handmade file. Types of values: 4 u32, 5 i32, 8 text, 9 array.
struct Made {
  std::uint32_t version = 3;
  std::vector<std::string> entries = {};
  std::vector<std::string> tensors = {};
  std::string data = std::string(64, '\1');

  std::string bytes() const {
    std::string header =
        "GGUF" + number(version, 4) + number(tensors.size()) + number(entries.size());
    for (const std::string& entry : entries) header += entry;
    for (const std::string& tensor : tensors) header += tensor;
    header.resize((header.size() + 31) / 32 * 32, '\0');
    return header + data;
  }
};
std::string entry(const std::string& key, std::uint32_t type, const std::string& value) {
  return text(key) + number(type, 4) + value;
}
std::string tensor(const std::string& name, const std::vector<std::uint64_t>& sizes,
                   std::uint32_t type, std::uint64_t offset) {
  std::string bytes = text(name) + number(sizes.size(), 4);
  for (const std::uint64_t size : sizes) bytes += number(size);
  return bytes + number(type, 4) + number(offset);
}
auto reading(const Made& made) { return reading(made.bytes()); }

TEST(Gguf, ReadsEveryTypeLikeGgufPy) {
  const WeightFile file = read_gguf(file_of(golden_bytes("blocks.gguf")));
  testing::expect_f32(file.weights, "formats/blocks.gguf");
  EXPECT_EQ(file.weights.find("q4_k")->dtype, DType::kQ4_K);
  EXPECT_EQ(file.weights.find("q4_k")->shape, (Shape{3, 512}));
  EXPECT_EQ(file.weights.find("q4_k")->bytes(), 6U * 144);
  EXPECT_EQ(file.metadata, (Metadata{{"general.architecture", "sdxl"}, {"some.text", "words"}}));
}

TEST(Gguf, ReadsVersion2) {
  std::string bytes = golden_bytes("blocks.gguf");
  bytes[4] = 2;
  testing::expect_f32(read_gguf(file_of(bytes)).weights, "formats/blocks.gguf");
}

// A row can begin inside a block; any rows can still be read on their own.
TEST(Gguf, ReadsRowsOfTensorsStoredInRowsOf256) {
  const WeightMap weights = read_gguf(file_of(golden_bytes("rows.gguf"))).weights;
  testing::expect_f32(weights, "formats/rows.gguf");
  const StoredTensor& conv = *weights.find("conv.q4_k");
  EXPECT_EQ(conv.shape, (Shape{32, 8, 3, 3}));
  EXPECT_EQ(conv.row_bytes(), 2U * 144);   // 72 values: never more than two blocks
  const Extent place = conv.extent(3, 1);  // values 216 to 287
  EXPECT_EQ(place.offset, conv.offset);
  EXPECT_EQ(place.bytes, 2U * 144);
  EXPECT_EQ(place.first, 216);
  EXPECT_EQ(conv.extent(4, 1).offset, conv.offset + 144);
  EXPECT_EQ(conv.extent(4, 0).bytes, 0U);
}

TEST(StoredTensor, SlicesRows) {
  const WeightMap weights = read_gguf(file_of(golden_bytes("rows.gguf"))).weights;
  for (const auto& [name, whole] : weights) {
    SCOPED_TRACE(name);
    const std::vector<float> values = testing::values_of(whole);
    for (const auto& [first, count] : {std::pair{0, 2}, {1, 3}, {5, 1}, {2, 0}}) {
      const StoredTensor part = whole.take(first, count);
      const std::int64_t row = whole.row_elements();
      EXPECT_EQ(part.shape, whole.shape.with(0, count));
      EXPECT_LE(part.bytes(), whole.rows_bytes(count));
      const auto begin = values.begin() + first * row;
      EXPECT_TRUE(testing::are_same_bits(testing::values_of(part, 2),
                                         std::vector(begin, begin + count * row)));
      if (count == 3) {
        const StoredTensor inner = part.take(1, 2);
        EXPECT_TRUE(testing::are_same_bits(testing::values_of(inner),
                                           std::vector(begin + row, begin + 3 * row)));
      }
    }
  }
}

TEST(Gguf, ReadsAHandmadeFile) {
  const Made made{.entries = {entry("general.alignment", 4, number(64, 4)),
                              entry("list", 9, number(8, 4) + number(2) + text("a") + text(""))},
                  .tensors = {tensor("a", {3, 2}, 0, 0), tensor("b", {}, 24, 64)},
                  .data = std::string(32 + 128, '\1')};
  const WeightMap weights = read_gguf(file_of(made.bytes())).weights;
  EXPECT_EQ(weights.find("a")->shape, (Shape{2, 3}));
  EXPECT_EQ(weights.find("a")->offset % 64, 0U);
  EXPECT_EQ(weights.find("b")->shape, Shape{});
  EXPECT_EQ(read_gguf(file_of(Made{.data = ""}.bytes())).weights.size(), 0U);
}

TEST(Gguf, ReadsEmptyTensorsWithoutData) {
  const std::string header = "GGUF" + number(3, 4) + number(1) + number(0);
  const WeightMap weights = read_gguf(file_of(header + tensor("a", {0, 5}, 0, 0))).weights;
  EXPECT_EQ(weights.find("a")->shape, (Shape{5, 0}));
  EXPECT_EQ(weights.find("a")->bytes(), 0U);
  EXPECT_EQ(weights.find("a")->offset, 0U);
}

TEST(Gguf, RejectsATruncatedFileAtEveryLength) {
  const std::string whole = Made{.entries = {entry("a", 8, text("b"))},
                                 .tensors = {tensor("a", {4}, 0, 0), tensor("b", {12}, 0, 32)},
                                 .data = std::string(80, '\1')}
                                .bytes();
  EXPECT_ERROR(reading(whole), "no error");
  for (std::size_t length = 4; length < whole.size(); ++length)
    EXPECT_ERROR(reading(whole.substr(0, length)), "corrupt: cannot read made.file: ");
  EXPECT_ERROR(reading(whole.substr(0, 10)),
               "its GGUF header needs 8 bytes at byte 8, the file has only 2 of them");
  EXPECT_ERROR(reading(whole.substr(0, whole.size() - 1)),
               "tensor b has 48 bytes at byte 32 of the data, which has only 79 bytes");
}

TEST(Gguf, RejectsOtherVersionsAndCounts) {
  EXPECT_ERROR(reading(Made{.version = 1}), "it has GGUF version 1, expected 2 or 3");
  EXPECT_ERROR(reading(Made{.version = 3U << 24}), "its numbers are big-endian");
  const auto counts = [](std::uint64_t tensors, std::uint64_t entries) {
    return reading("GGUF" + number(3, 4) + number(tensors) + number(entries));
  };
  EXPECT_ERROR(counts(~std::uint64_t{0}, 0), "it declares more than 200000 tensors");
  EXPECT_ERROR(counts(0, ~std::uint64_t{0}), "it declares more than 500000 entries");
}

TEST(Gguf, RejectsInconsistentEntries) {
  const auto with = [](const std::string& made) { return reading(Made{.entries = {made}}); };
  EXPECT_ERROR(with(number(5000) + "key"), "expected a key of at most 4096 bytes, got 5000");
  EXPECT_ERROR(with(entry("\x1b[2J", 4, number(1, 4))), "the key \"?[2J\" has a control character");
  EXPECT_ERROR(with(entry("a", 13, "")), "its entry a has type 13, expected 0 to 12");
  EXPECT_ERROR(with(entry("a", ~0U, "")), "its entry a has type -1");
  EXPECT_ERROR(with(entry("a", 8, number(1U << 30))), "expected a of at most 1048576 bytes");
  EXPECT_ERROR(with(entry("a", 9, number(9, 4) + number(1))), "its entry a is an array of arrays");
  EXPECT_ERROR(with(entry("a", 9, number(12, 4) + number(1ULL << 61))),
               "its entry a has 2305843009213693952 values, the file ends after");
  EXPECT_ERROR(with(entry("a", 9, number(8, 4) + number(1ULL << 61))), "expected at most 16777216");
  EXPECT_ERROR(with(entry("a", 9, number(8, 4) + number(1) + number(1ULL << 61))),
               "its GGUF header needs");
  EXPECT_ERROR(with(entry("general.alignment", 8, text("a"))),
               "general.alignment must be an unsigned integer, got type 8");
  for (const std::uint64_t bad : {0U, 33U, 1U << 21}) {
    EXPECT_ERROR(with(entry("general.alignment", 4, number(bad, 4))),
                 fmt::format("must be a power of two up to 1048576, got {}", bad));
  }
  const std::string one = entry("a", 0, number(1, 1));
  EXPECT_ERROR(reading(Made{.entries = {one, one}}), "its entry a occurs twice");
}

TEST(Gguf, RejectsInconsistentTensors) {
  const auto with = [](const std::string& made) { return reading(Made{.tensors = {made}}); };
  EXPECT_ERROR(with(number(5000)), "expected a tensor's name of at most 4096 bytes");
  EXPECT_ERROR(with(tensor("\x1b", {1}, 0, 0)), "the name \"?\" has a control character");
  EXPECT_ERROR(with(tensor("a", {1, 1, 1, 1, 1, 1, 1}, 0, 0)),
               "tensor a has 7 axes, expected at most 6");
  EXPECT_ERROR(with(tensor("a", {256}, 10, 0)),
               "tensor a has type Q2_K, expected one of F32, F16, Q4_0");
  EXPECT_ERROR(with(tensor("a", {256}, 23, 0)), "has type IQ4_XS");
  EXPECT_ERROR(with(tensor("a", {256}, 99, 0)), "has type number 99");
  EXPECT_ERROR(with(tensor("a", {33}, 2, 0)), "tensor a has rows of 33 values in blocks of 32");
  EXPECT_ERROR(with(tensor("a", {}, 2, 0)), "tensor a has rows of 1 values in blocks of 32");
  EXPECT_ERROR(with(tensor("a", {1U << 31, 1U << 31}, 0, 0)),
               "corrupt: cannot read made.file: tensor a: a tensor has at most 2^48 elements");
  EXPECT_ERROR(with(tensor("a", {~std::uint64_t{0}}, 0, 0)), "at most 2^48 elements");
  EXPECT_ERROR(with(tensor("a", {4}, 0, 4)),
               "tensor a begins at byte 4 of the data, which is not a multiple of 32");
  EXPECT_ERROR(with(tensor("a", {4}, 0, 96)), "tensor a has 16 bytes at byte 96 of the data");
  EXPECT_ERROR(with(tensor("a", {17}, 0, 0)), "tensor a has 68 bytes at byte 0 of the data");
  EXPECT_ERROR(reading(Made{.tensors = {tensor("a", {9}, 0, 0), tensor("b", {1}, 0, 32)}}),
               "tensors a and b overlap at byte");
  EXPECT_ERROR(reading(Made{.tensors = {tensor("a", {1}, 0, 0), tensor("a", {1}, 0, 32)}}),
               "tensor a occurs twice");
}

TEST(Gguf, RejectsAnInconsistentTrueShape) {
  const auto with = [](std::uint32_t type, const std::vector<std::uint32_t>& sizes) {
    std::string value = number(type, 4) + number(sizes.size());
    for (const std::uint32_t size : sizes) value += number(size, 4);
    return reading(Made{.entries = {entry("comfy.gguf.orig_shape.a", 9, value)},
                        .tensors = {tensor("a", {16}, 0, 0)}});
  };
  EXPECT_ERROR(with(5, {2, 2, 4}), "no error");
  EXPECT_ERROR(with(5, {2, 4}), "tensor a is stored as [16], but its true shape is given as [2,4]");
  EXPECT_ERROR(with(5, {~0U, 16}), "tensor a: ");
  EXPECT_ERROR(with(4, {16}), "must be at most 6 numbers of type 5, got 1 of type 4");
  EXPECT_ERROR(with(5, {1, 1, 1, 1, 1, 1, 16}), "got 7 of type 5");
}

// Changing any single byte gives tensors inside the file or an Error.
TEST(Gguf, SurvivesEveryChangedByte) {
  std::mt19937 random(1);
  const std::string whole = golden_bytes("blocks.gguf");
  for (std::size_t at = 0; at < 1300; ++at) {
    for (int turn = 0; turn < 8; ++turn) {
      std::string changed = whole;
      changed[at] = static_cast<char>(random());
      if (!changed.starts_with("GGUF")) continue;
      try {
        for (const auto& [name, tensor] : read_gguf(file_of(changed)).weights)
          EXPECT_LE(tensor.offset + tensor.bytes(), changed.size());
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kCorrupt) << error.what();
      }
    }
  }
}

TEST(Gguf, ReportsDeviceFailures) {
  const auto whole = file_of(golden_bytes("blocks.gguf"));
  EXPECT_ERROR([&] { read_gguf(std::make_shared<FailingFile>(whole, 0)); }, "device: ");
}

}  // namespace
}  // namespace semblance
