// Pictures with texts as other programs write them, against what Pillow reads
// (tools/oracle/picture_texts.py), and damaged ones.
#include "image/picture_text.h"

#include <zlib.h>

#include <set>

#include "image/encode.h"
#include "image/testing.h"

namespace semblance {
namespace {

using testing::expect_error;

std::string bytes_in(const std::string& name) {
  const auto bytes = testing::file_bytes(testing::golden_path("image/texts/" + name));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

PictureTexts read_bytes(const std::string& bytes) { return read_texts(*file_over("a.png", bytes)); }

std::string big_endian_4(std::size_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

std::string chunk_of(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto* begin = reinterpret_cast<const std::uint8_t*>(body.data());
  return big_endian_4(data.size()) + body +
         big_endian_4(testing::crc32_of(std::span(begin, body.size())));
}

/// A picture with these chunks behind its pixels.
std::string png_with(const std::string& chunks) {
  const std::string plain = bytes_in("none.png");
  const std::size_t end = plain.size() - 12;  // IEND
  return plain.substr(0, end) + chunks + plain.substr(end);
}

std::string packed(const std::string& text) {
  std::string bytes(compressBound(text.size()), '\0');
  uLongf size = bytes.size();
  EXPECT_EQ(compress(reinterpret_cast<Bytef*>(bytes.data()), &size,
                     reinterpret_cast<const Bytef*>(text.data()), text.size()),
            Z_OK);
  bytes.resize(size);
  return bytes;
}

TEST(PictureText, IsWhatPillowReads) {
  const nlohmann::json want = testing::golden_json("texts/texts.json").at("texts");
  for (const auto& [name, texts] : want.items()) {
    const PictureTexts got = read_texts(*open_file(testing::golden_path("image/texts/" + name)));
    EXPECT_EQ(got.picture.stored, (Size{16, 8})) << name;
    std::set<std::string> keys;
    for (const PictureText& text : got.texts) keys.insert(text.key);
    EXPECT_EQ(keys.size(), texts.size()) << name;
    for (const auto& [key, value] : texts.items()) {
      ASSERT_NE(got.find(key), nullptr) << name << ' ' << key;
      EXPECT_EQ(got.find(key)->value, value.get<std::string>()) << name;
    }
  }
}

TEST(PictureText, IsWhatWasWritten) {
  const std::string text = "a man, el niño\nSteps: 3 雪 😀";
  for (const ImageFormat format : {ImageFormat::kPng, ImageFormat::kJpeg, ImageFormat::kWebp}) {
    const auto bytes = encode(Image({8, 8}), format, {{"parameters", text}, {"Software", "x 1"}});
    const PictureTexts got =
        read_texts(*file_over("a", {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
    ASSERT_NE(got.find("parameters"), nullptr) << name_of(format);
    EXPECT_EQ(got.find("parameters")->value, text) << name_of(format);
    EXPECT_EQ(got.find("Software")->value, "x 1") << name_of(format);
  }
}

TEST(PictureText, MayBeAnywhereAndOdd) {
  const std::string null(1, '\0');
  const PictureTexts got =
      read_bytes(png_with(chunk_of("tEXt", "late" + null + "yes") + chunk_of("tEXt", "no value") +
                          chunk_of("iTXt", "not UTF-8" + std::string(5, '\0') + "caf\xe9")));
  EXPECT_EQ(got.find("late")->value, "yes");
  EXPECT_EQ(got.find("no value")->value, "");
  EXPECT_EQ(got.find("not UTF-8")->value, "café");
  EXPECT_EQ(got.find("none"), nullptr);
}

TEST(PictureText, OfABombTakesLittleMemory) {
  const std::string null(1, '\0');
  const std::string bomb = packed(std::string(std::size_t{64} << 20U, 'a'));
  const PictureTexts got =
      read_bytes(png_with(chunk_of("zTXt", "bomb" + null + null + bomb) +
                          chunk_of("iTXt", "bomb 2" + null + '\1' + null + null + null + bomb) +
                          chunk_of("tEXt", "small" + null + "read")));
  EXPECT_FALSE(got.find("bomb")->value);
  EXPECT_FALSE(got.find("bomb 2")->value);
  EXPECT_EQ(got.find("small")->value, "read");
  // Plain ones share the room, too; what it takes in UTF-8 counts.
  const std::string half =
      chunk_of("tEXt", "half" + null + std::string(kPictureTextBytes / 2, 'a'));
  const std::string accents =
      chunk_of("tEXt", "wide" + null + std::string(kPictureTextBytes / 3, '\xe9'));
  const PictureTexts two = read_bytes(png_with(half + accents + half));
  EXPECT_TRUE(two.texts[0].value);
  EXPECT_FALSE(two.texts[1].value);
  EXPECT_FALSE(two.texts[2].value);
}

TEST(PictureText, OfADamagedFileIsAnError) {
  const std::string null(1, '\0');
  const std::string whole = bytes_in("a1111.png");
  for (const std::size_t cut :
       {std::size_t{1}, std::size_t{12}, std::size_t{60}, whole.size() - 60}) {
    expect_error(ErrorKind::kCorrupt, "cannot read a.png: this PNG is truncated",
                 [&] { read_bytes(whole.substr(0, whole.size() - cut)); });
  }
  std::string flipped = whole;
  flipped[flipped.find("Steps")] = 'T';
  expect_error(ErrorKind::kCorrupt, "is damaged: the checksum of a tEXt chunk is wrong",
               [&] { read_bytes(flipped); });
  for (const std::string& bytes :
       {std::string(), std::string("no zlib"), packed("abc").substr(0, 5)}) {
    expect_error(ErrorKind::kCorrupt, "is damaged: a text in it cannot be unpacked",
                 [&] { read_bytes(png_with(chunk_of("zTXt", "key" + null + null + bytes))); });
  }
  std::string many;
  for (int i = 0; i < 1001; ++i) many += chunk_of("tEXt", "key" + null + "value");
  expect_error(ErrorKind::kCorrupt, "is damaged: it has more than 1000 texts",
               [&] { read_bytes(png_with(many)); });
  // A chunk that claims 2 GiB.
  const std::string huge =
      "\x7f\xff\xff\xff"
      "tEXtkey";
  expect_error(ErrorKind::kCorrupt, "truncated", [&] { read_bytes(png_with(huge)); });
  expect_error(ErrorKind::kArgument, "as a picture: expected JPEG, PNG or WebP",
               [] { read_bytes("GIF89a picture"); });
}

/// Every byte of EXIF in turn: no error, and no text that is not UTF-8.
TEST(PictureText, OfDamagedExifIsLeftOut) {
  std::string bytes = bytes_in("ascii.jpg");
  const std::size_t begin = bytes.find("Exif"), end = bytes.find("plain") + 5;
  for (std::size_t i = begin; i < end; ++i) {
    for (const char change : {'\x01', '\x7f', '\x80', '\xff'}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ change);
      for (const PictureText& text : read_bytes(changed).texts) EXPECT_TRUE(text.value);
    }
  }
}

}  // namespace
}  // namespace semblance
