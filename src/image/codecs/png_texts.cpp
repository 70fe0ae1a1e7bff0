// PNG's text chunks: tEXt and zTXt are Latin-1, iTXt is UTF-8; the last two may be packed by zlib.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "core/error.h"
#include "image/codecs/codecs.h"
#include "image/codecs/png_chunks.h"
#include "image/utf8.h"

namespace semblance::codecs {
namespace {

constexpr std::size_t kTextLimit = 1000;

/// Unpacks zlib's data; nothing if that has more than `most` bytes.
std::optional<std::string> unpacked(const File& file, std::string_view packed, std::size_t most) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK)
    fail(ErrorKind::kMemory, "cannot read {}: zlib is out of memory", file.name());
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, &inflateEnd);
  // zlib only reads from it.
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string text;
  std::array<char, 16 * 1024> piece;
  for (;;) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    const int status = inflate(&stream, Z_NO_FLUSH);
    text.append(piece.data(), piece.size() - stream.avail_out);
    if (text.size() > most) return std::nullopt;
    if (status == Z_STREAM_END) return text;
    if (status != Z_OK) fail_damaged(file, ImageFormat::kPng, "a text in it cannot be unpacked");
  }
}

/// Takes what stands before the first zero byte off the front; all of it if there is none.
std::string_view take_field(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\0'), rest.size());
  const std::string_view field = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return field;
}

std::string_view take_byte(std::string_view& rest) {
  const std::string_view byte = rest.substr(0, 1);
  rest.remove_prefix(byte.size());
  return byte;
}

bool is_text_chunk(const PngChunk& chunk) {
  return chunk.type() == "tEXt" || chunk.type() == "zTXt" || chunk.type() == "iTXt";
}

/// The chunk's data, checked against its checksum.
std::string data_of(const File& file, const PngChunk& chunk) {
  std::string data(chunk.bytes, '\0');
  file.read(chunk.offset, std::as_writable_bytes(std::span(data)));
  std::array<std::byte, 4> checksum;
  file.read(chunk.offset + chunk.bytes, checksum);
  uLong sum = crc32(0, reinterpret_cast<const Bytef*>(chunk.name.data()),
                    static_cast<uInt>(chunk.name.size()));
  sum = crc32(sum, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size()));
  if (sum != big_endian(checksum)) {
    fail_damaged(file, ImageFormat::kPng,
                 fmt::format("the checksum of a {} chunk is wrong", chunk.type()));
  }
  return data;
}

/// Its value is absent if it has more than `most` bytes.
PictureText text_in(const File& file, const PngChunk& chunk, std::size_t most) {
  constexpr std::size_t kKeyBytes = 79;
  if (chunk.bytes > most) {
    std::string start(std::min<std::uint64_t>(kKeyBytes, chunk.bytes), '\0');
    file.read(chunk.offset, std::as_writable_bytes(std::span(start)));
    std::string_view rest = start;
    return {utf8_of_latin1(take_field(rest))};
  }
  const std::string data = data_of(file, chunk);
  std::string_view rest = data;
  PictureText text{utf8_of_latin1(take_field(rest).substr(0, kKeyBytes))};
  const bool is_utf8 = chunk.type() == "iTXt";
  const bool is_packed = chunk.type() == "zTXt" || (is_utf8 && take_byte(rest) == "\1");
  if (chunk.type() != "tEXt") take_byte(rest);  // how it is packed; zlib is the only way
  if (is_utf8) {
    take_field(rest);  // the language
    take_field(rest);  // the key in that language
  }
  std::optional<std::string> value =
      is_packed ? unpacked(file, rest, most) : std::optional(std::string(rest));
  if (!value) return text;
  const bool is_latin1 = !is_utf8 || !code_points(*value);
  text.value = is_latin1 ? utf8_of_latin1(*value) : std::move(*value);
  if (text.value->size() > most) text.value.reset();
  return text;
}

}  // namespace

std::vector<PictureText> texts_of_png(const File& file) {
  std::vector<PictureText> texts;
  std::size_t room = kPictureTextBytes;
  PngChunks chunks(file);
  while (const auto chunk = chunks.next()) {
    if (!is_text_chunk(*chunk)) continue;
    if (texts.size() == kTextLimit) {
      fail_damaged(file, ImageFormat::kPng, fmt::format("it has more than {} texts", kTextLimit));
    }
    texts.push_back(text_in(file, *chunk, room));
    if (texts.back().value) room -= texts.back().value->size();
  }
  if (!chunks.is_complete()) fail_truncated(file, ImageFormat::kPng);
  return texts;
}

}  // namespace semblance::codecs
