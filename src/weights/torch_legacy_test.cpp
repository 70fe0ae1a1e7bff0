#include "weights/torch_legacy.h"

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
  return [bytes] { read_torch_legacy(file_of(bytes)); };
}
/// Replaces the first occurrence by text of the same length.
std::string with(std::string bytes, std::string_view old_part, std::string_view new_part) {
  const auto at = bytes.find(old_part);
  EXPECT_NE(at, std::string::npos);
  EXPECT_EQ(old_part.size(), new_part.size());
  return bytes.replace(at, old_part.size(), new_part);
}

TEST(TorchLegacy, ReadsFilesFromTorch) {
  for (const auto& [name, expected] : {std::pair{"trainer_legacy.ckpt", "trainer.ckpt"},
                                       {"shared_legacy.pt", "shared_legacy.pt"}}) {
    SCOPED_TRACE(name);
    const WeightMap weights = read_torch_legacy(file_of(golden_bytes(name)));
    testing::expect_f32(weights, std::string("formats/") + expected);
  }
}

TEST(TorchLegacy, IsDetectedByItsMagicNumber) {
  const std::string whole = golden_bytes("shared_legacy.pt");
  EXPECT_TRUE(is_torch_legacy(whole));
  EXPECT_FALSE(is_torch_legacy("\x80\x02}q\1."));
  EXPECT_FALSE(is_torch_legacy(with(whole, "\x6c\xfc", "\x6c\xfd")));
  EXPECT_FALSE(is_torch_legacy(""));
}

TEST(TorchLegacy, RejectsATruncatedFileAtEveryLength) {
  const std::string whole = golden_bytes("shared_legacy.pt");
  for (std::size_t length = 16; length < whole.size(); ++length)
    EXPECT_ERROR(reading(whole.substr(0, length)), "corrupt: cannot read made.file: ");
  EXPECT_ERROR(reading(whole.substr(0, whole.size() - 1)), "the file ends after");
  EXPECT_ERROR(reading(whole.substr(0, whole.size() - 70)), "it ends before its storages do");
}

TEST(TorchLegacy, RejectsInconsistencies) {
  const std::string whole = golden_bytes("shared_legacy.pt");
  EXPECT_ERROR(reading(with(whole, "\x02M\xe9\x03.", "\x02M\xe8\x03.")), "its version is not 1001");
  EXPECT_ERROR(reading(with(whole, "little_endianq\x02\x88", "little_endianq\x02\x89")),
               "its numbers are big-endian");
  const std::string count = little_endian(12, 8);
  EXPECT_ERROR(reading(with(whole, count, little_endian(11, 8))), "corrupt: ");
  EXPECT_ERROR(reading(with(whole, count, little_endian(~std::uint64_t{0}, 8))),
               "elements of f32, the file ends after");
  // The list of keys names another storage.
  std::string keys = whole;
  keys.replace(keys.rfind("10000000000000"), 14, "90000000000000");
  EXPECT_ERROR(reading(keys), "it has a storage 90000000000000, which its pickle does not mention");
  // The list is empty.
  const std::size_t list = whole.rfind("\x80\x02]");
  EXPECT_ERROR(reading(whole.substr(0, list) + "\x80\x02]."),
               "it lacks the storage 10000000000000");
  EXPECT_ERROR(reading(whole.substr(0, list) + "\x80\x02}."), "it has no list of its storages");
}

// Changing any single byte gives tensors inside the file or an Error.
TEST(TorchLegacy, SurvivesEveryChangedByte) {
  std::mt19937 random(1);
  const std::string whole = golden_bytes("shared_legacy.pt");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int turn = 0; turn < 12; ++turn) {
      std::string changed = whole;
      changed[at] = static_cast<char>(random());
      if (!is_torch_legacy(changed)) continue;
      try {
        for (const auto& [name, tensor] : read_torch_legacy(file_of(changed)))
          EXPECT_LE(tensor.offset + tensor.bytes(), changed.size());
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kCorrupt) << error.what();
      }
    }
  }
}

TEST(TorchLegacy, ReportsDeviceFailures) {
  const auto whole = file_of(golden_bytes("shared_legacy.pt"));
  EXPECT_ERROR([&] { read_torch_legacy(std::make_shared<FailingFile>(whole, 0)); }, "device: ");
}

}  // namespace
}  // namespace semblance
