#include "weights/safetensors.h"

#include <random>

#include "weights/weights_test.h"
#include "weights/writer.h"

namespace semblance {
namespace {

using testing::FailingFile;
using testing::file_of;
using testing::little_endian;

std::string with_header(const std::string& header, std::size_t data_bytes) {
  return little_endian(header.size(), 8) + header + std::string(data_bytes, '\1');
}

const std::string kTwo =
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},)"
    R"("b":{"dtype":"I64","shape":[],"data_offsets":[12,20]}})";

auto reading(const std::string& text) {
  return [text] { read_safetensors(file_of(text)); };
}
auto reading_header(const std::string& header, std::size_t data_bytes) {
  return reading(with_header(header, data_bytes));
}
std::string one(std::string_view fields) { return fmt::format(R"({{"a":{{{}}}}})", fields); }

TEST(Safetensors, ReadsNamesShapesAndPlaces) {
  const WeightMap weights = read_safetensors(file_of(with_header(kTwo, 20)));
  ASSERT_EQ(weights.size(), 2U);
  const StoredTensor* a = weights.find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->dtype, DType::kF16);
  EXPECT_EQ(a->shape, Shape({2, 3}));
  EXPECT_EQ(a->offset, 8 + kTwo.size());
  EXPECT_EQ(a->bytes(), 12U);
  EXPECT_EQ(weights.find("b")->offset, 8 + kTwo.size() + 12);
  EXPECT_EQ(weights.find("c"), nullptr);
}

TEST(Safetensors, ReadsEveryTypeAsThePackageWritesIt) {
  const auto path = testing::golden_path("weights/types.safetensors");
  testing::expect_golden(read_safetensors(open_file(path)), "types.safetensors");
}

TEST(Safetensors, ReadsAnEmptyTensorAndAnEmptyFile) {
  EXPECT_EQ(read_safetensors(file_of(with_header("{}", 0))).size(), 0U);
  const auto header = one(R"("dtype":"F32","shape":[0,4],"data_offsets":[0,0])");
  EXPECT_EQ(read_safetensors(file_of(with_header(header, 0))).find("a")->bytes(), 0U);
}

TEST(Safetensors, RejectsATruncatedFileAtEveryLength) {
  const std::string whole = with_header(kTwo, 20);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_ERROR(reading(whole.substr(0, length)), "corrupt: cannot read made.file");
  }
  EXPECT_ERROR(reading("12345"), "got 5 bytes");
  EXPECT_ERROR(reading(whole.substr(0, 50)), "the file ends after 42 of them");
  EXPECT_ERROR(reading(whole.substr(0, whole.size() - 1)),
               "tensor b is at bytes 12 to 20 of the data, the file has 19");
}

TEST(Safetensors, RejectsAWrongHeaderLength) {
  EXPECT_ERROR(
      reading(little_endian(~std::uint64_t{0}, 8) + "{}"),
      "its header claims 18446744073709551615 bytes, safetensors allows at most 100000000");
  EXPECT_ERROR(reading(little_endian(3, 8) + "{}"), "ends after 2 of them");
  EXPECT_ERROR(reading(little_endian(0, 8) + "{}"), "begins with '{'");
  EXPECT_ERROR(reading(with_header(fmt::format(" {}", kTwo), 20)), "begins with '{'");
}

TEST(Safetensors, RejectsInvalidHeaders) {
  EXPECT_ERROR(reading_header("{\"a\"", 0), "its JSON is broken at byte");
  EXPECT_ERROR(reading_header("{} {}", 0), "its JSON is broken at byte");
  EXPECT_ERROR(reading_header("{\"\xff\":1}", 0), "its JSON is broken at byte");
  EXPECT_ERROR(reading_header(R"({"\u001b[2J":1})", 0),
               "the name \"?[2J\" has a control character");
  EXPECT_ERROR(reading_header(R"({"a":1})", 0), "a number is not expected here");
  EXPECT_ERROR(reading_header(R"({"a":[]})", 0), "an array is not expected here");
  EXPECT_ERROR(reading_header(R"({"a":"b"})", 0), "a string is not expected here");
  EXPECT_ERROR(reading_header(R"({"a":null})", 0), "neither text nor a whole number");
  EXPECT_ERROR(reading_header(one(R"("kind":"F32")"), 0), "the key \"kind\" in tensor a");
  EXPECT_ERROR(reading_header(one(R"("dtype":{})"), 0), "an object in tensor a");
  EXPECT_ERROR(reading_header(one(R"("dtype":"F32","dtype":"F32")"), 0),
               "tensor a has dtype twice");
  EXPECT_ERROR(reading_header(one(R"("dtype":"F32","shape":[1])"), 4), "tensor a needs dtype");
  EXPECT_ERROR(reading_header(one(R"("dtype":"F32","shape":[1],"data_offsets":[4])"), 4),
               "two numbers");
  EXPECT_ERROR(reading_header(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,5])"), 4),
               "more than 2 numbers in data_offsets");
  EXPECT_ERROR(reading_header(one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), 4),
               "neither text nor a whole number");
  EXPECT_ERROR(reading_header(one(R"("dtype":"F32","shape":[1.5],"data_offsets":[0,4])"), 4),
               "neither text nor a whole number");
  EXPECT_ERROR(reading_header(one(R"("dtype":"F32","shape":[[1]],"data_offsets":[0,4])"), 4),
               "an array is not expected");
  EXPECT_ERROR(
      reading_header(one(R"("dtype":"F32","shape":[1,1,1,1,1,1,1],"data_offsets":[0,4])"), 4),
      "more than 6 numbers in shape");
  EXPECT_ERROR(reading_header(R"({"__metadata__":{"format":1}})", 0), "a number is not expected");
  EXPECT_ERROR(reading_header(R"({"__metadata__":{"format":{}}})", 0), "an object in __metadata__");
}

TEST(Safetensors, RejectsUnsupportedTypes) {
  EXPECT_ERROR(reading_header(one(R"("dtype":"F8_E8M0","shape":[4],"data_offsets":[0,4])"), 4),
               "tensor a has element type F8_E8M0, expected one of F32, F16, BF16");
}

TEST(Safetensors, WidensEightBitFloatsLikeTorch) {
  const auto path = testing::golden_path("weights/formats/fp8_all.safetensors");
  const WeightMap weights = read_safetensors(open_file(path));
  EXPECT_EQ(weights.find("e4m3")->dtype, DType::kF8E4M3);
  EXPECT_EQ(weights.find("e5m2")->dtype, DType::kF8E5M2);
  testing::expect_f32(weights, "formats/fp8_all.safetensors");
}

TEST(Safetensors, RejectsWrongOffsets) {
  const auto place = [](const std::string& shape, const std::string& begin,
                        const std::string& end) {
    return one(
        fmt::format(R"("dtype":"F32","shape":{},"data_offsets":[{},{}])", shape, begin, end));
  };
  EXPECT_ERROR(reading_header(place("[1]", "4", "0"), 4), "begins at 4 but ends at 0");
  EXPECT_ERROR(reading_header(place("[1]", "0", "18446744073709551615"), 4),
               "the file has 4 of them");
  EXPECT_ERROR(reading_header(place("[1]", "0", "18446744073709551616"), 4),
               "neither text nor a whole");
  EXPECT_ERROR(reading_header(place("[2]", "0", "4"), 4),
               "tensor a of F32 [2] needs 8 bytes, it has 4");
  EXPECT_ERROR(reading_header(place("[4294967296,4294967296]", "0", "4"), 4),
               "corrupt: cannot read made.file: tensor a: a tensor has at most 2^48 elements");
  EXPECT_ERROR(reading_header(place("[0,4294967296,4294967296]", "0", "0"), 0),
               "tensor a: a tensor has at most 2^48 elements");
  EXPECT_ERROR(reading_header(place("[18446744073709551615]", "0", "4"), 4),
               "corrupt: cannot read made.file: tensor a: a tensor has at most 2^48 elements");
  EXPECT_ERROR(reading_header(place("[1]", "4", "8"), 8),
               "bytes 0 to 4 of the data, before tensor a");
  EXPECT_ERROR(reading_header(place("[1]", "0", "4"), 8),
               "its tensors end at byte 4 of the data, not at 8");
  EXPECT_ERROR(reading_header(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},)"
                              R"("b":{"dtype":"U8","shape":[8],"data_offsets":[4,12]}})",
                              12),
               "tensors a and b overlap at byte 4");
  EXPECT_ERROR(reading_header(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                              R"("a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                              8),
               "tensor a occurs twice");
}

TEST(Safetensors, SurvivesDepthAndCounts) {
  EXPECT_ERROR(reading_header(fmt::format("{{\"a\":{:[>1000000}", ""), 0),
               "an array is not expected");
  std::string many = "{";
  for (int i = 0; i <= 200'000; ++i) many += fmt::format("\"{}\":{{}},", i);
  many.back() = '}';
  EXPECT_ERROR(reading_header(many, 0), "declares more than 200000 tensors");
}

// Any changed byte leads to tensors inside the file or to an Error.
TEST(Safetensors, SurvivesEveryChangedByte) {
  const std::string whole = with_header(kTwo, 20);
  std::mt19937 random(1);
  for (std::size_t at = 0; at < whole.size() - 20; ++at) {
    for (int turn = 0; turn < 16; ++turn) {
      std::string changed = whole;
      changed[at] = static_cast<char>(random());
      try {
        for (const auto& [name, tensor] : read_safetensors(file_of(changed))) {
          EXPECT_LE(tensor.offset + tensor.bytes(), changed.size());
        }
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kCorrupt);
      }
    }
  }
}

TEST(Safetensors, PassesDeviceErrorsThrough) {
  const auto whole = file_of(with_header(kTwo, 20));
  for (std::uint64_t good : {0, 8, 50}) {
    EXPECT_ERROR([&] { read_safetensors(std::make_shared<FailingFile>(whole, good)); }, "device: ");
  }
  const auto tensor_fails = std::make_shared<FailingFile>(whole, whole->size() - 20);
  const WeightMap weights = read_safetensors(tensor_fails);
  std::vector<std::byte> raw(6);
  std::vector<float> row(3);
  EXPECT_ERROR([&] { read_rows(*weights.find("a"), 0, 1, raw, row); }, "device: ");
}

class SafetensorsFile : public testing::TemporaryFolder {};

TEST_F(SafetensorsFile, ReadsRowsThatTheWriterWrote) {
  const std::vector<float> a = {1, 2, 3, 4, 5, 6};
  const std::vector<std::uint16_t> b = {0x3c00, 0xc000};  // f16: 1, -2
  const std::vector<std::uint16_t> c = {0x3f80, 0xc040};  // bf16: 1, -3
  const std::vector<std::int64_t> d = {-7};
  write_safetensors(path_ / "w.safetensors",
                    {{{"b", DType::kF16, {2, 1}}, std::as_bytes(std::span(b))},
                     {{"a", DType::kF32, {3, 2}}, std::as_bytes(std::span(a))},
                     {{"c", DType::kBF16, {2}}, std::as_bytes(std::span(c))},
                     {{"d", DType::kI64, {}}, std::as_bytes(std::span(d))}});
  const WeightMap weights = read_safetensors(open_file(path_ / "w.safetensors"));
  for (const auto& [name, tensor] : weights) {
    EXPECT_EQ(tensor.offset % size_of(tensor.dtype), 0U) << name;
  }
  const auto rows = [&](std::string_view name, std::int64_t first, std::int64_t count) {
    const StoredTensor& tensor = *weights.find(name);
    std::vector<std::byte> raw(static_cast<std::size_t>(count) * tensor.row_bytes());
    std::vector<float> values(static_cast<std::size_t>(count * tensor.row_elements()));
    read_rows(tensor, first, count, raw, values);
    return values;
  };
  EXPECT_EQ(rows("a", 1, 2), (std::vector<float>{3, 4, 5, 6}));
  EXPECT_EQ(rows("a", 3, 0), std::vector<float>());
  EXPECT_EQ(rows("b", 0, 2), (std::vector<float>{1, -2}));
  EXPECT_EQ(rows("c", 1, 1), std::vector<float>{-3});
  EXPECT_EQ(rows("d", 0, 1), std::vector<float>{-7});
  EXPECT_ERROR([&] { rows("a", 2, 2); }, "internal: ");
}

TEST_F(SafetensorsFile, AFileThatBecameShorterIsAnError) {
  put("w.safetensors", with_header(kTwo, 20));
  const WeightMap weights = read_safetensors(open_file(path_ / "w.safetensors"));
  std::filesystem::resize_file(path_ / "w.safetensors", 8 + kTwo.size() + 4);
  std::vector<std::byte> raw(12);
  std::vector<float> values(6);
  EXPECT_ERROR([&] { read_rows(*weights.find("a"), 0, 2, raw, values); }, "corrupt: ");
}

TEST_F(SafetensorsFile, KeepsMetadataTexts) {
  const SafetensorsMetadata texts{{"format", "a \"text\"\n"}, {"empty", ""}};
  write_safetensors(path_ / "w.safetensors", {}, texts);
  EXPECT_EQ(read_safetensors_metadata(*open_file(path_ / "w.safetensors")), texts);
  EXPECT_TRUE(read_safetensors(open_file(path_ / "w.safetensors")).empty());
  write_safetensors(path_ / "w.safetensors", {});
  EXPECT_TRUE(read_safetensors_metadata(*open_file(path_ / "w.safetensors")).empty());
  put("w.safetensors", with_header("{\"__metadata__\": {\"a\": 3}}", 0));
  EXPECT_ERROR([&] { read_safetensors_metadata(*open_file(path_ / "w.safetensors")); },
               "corrupt: cannot read");
}

TEST_F(SafetensorsFile, TheWriterRejectsADuplicateName) {
  const std::vector<DeclaredTensor> twice = {{"a", DType::kF32, {}}, {"a", DType::kF32, {}}};
  EXPECT_ERROR([&] { SafetensorsWriter(path_ / "w.safetensors", twice); },
               "argument: cannot write");
  EXPECT_FALSE(std::filesystem::exists(path_ / "w.safetensors"));
}

}  // namespace
}  // namespace semblance
