// Reads files of numpy.save: little endian, C order. Format:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/shape.h"
#include "memory/file.h"

namespace semblance::testing {

template <typename T>
struct Npy {
  Shape shape;
  std::vector<T> values;
};

namespace npy_detail {

inline std::string_view descr_of(const float*) { return "<f4"; }
inline std::string_view descr_of(const double*) { return "<f8"; }
inline std::string_view descr_of(const std::int32_t*) { return "<i4"; }
inline std::string_view descr_of(const std::int64_t*) { return "<i8"; }
inline std::string_view descr_of(const std::uint8_t*) { return "|u1"; }

/// The text after `'key': ` in the header's dict.
inline std::string_view after_key(std::string_view header, std::string_view key,
                                  const std::string& file) {
  const std::string quoted = fmt::format("'{}':", key);
  const std::size_t at = header.find(quoted);
  if (at == std::string_view::npos) fail(ErrorKind::kCorrupt, "{}: no {} in the header", file, key);
  std::string_view rest = header.substr(at + quoted.size());
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  return rest;
}

inline Shape parse_shape(std::string_view tuple, const std::string& file) {
  const std::size_t end = tuple.find(')');
  if (!tuple.starts_with('(') || end == std::string_view::npos)
    fail(ErrorKind::kCorrupt, "{}: the shape is not a tuple", file);
  std::vector<std::int64_t> sizes;
  const char* at = tuple.data() + 1;
  const char* last = tuple.data() + end;
  while (at < last) {
    if (*at == ' ' || *at == ',') {
      ++at;
      continue;
    }
    std::int64_t size = 0;
    const std::from_chars_result result = std::from_chars(at, last, size);
    if (result.ec != std::errc{})
      fail(ErrorKind::kCorrupt, "{}: the shape is not made of numbers", file);
    sizes.push_back(size);
    at = result.ptr;
  }
  return Shape(std::span<const std::int64_t>(sizes));
}

}  // namespace npy_detail

/// Reads an array of exactly this element type. Throws Error(kMissing) or Error(kCorrupt).
template <typename T>
Npy<T> read_npy(const std::filesystem::path& path) {
  static_assert(std::endian::native == std::endian::little);
  const std::string file = path.string();
  const std::string bytes = read_small_file(path, std::uint64_t{1} << 30);
  if (bytes.size() < 10 || !bytes.starts_with("\x93NUMPY"))
    fail(ErrorKind::kCorrupt, "{}: not a .npy file", file);
  const auto byte = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i]));
  };
  const std::size_t prefix = byte(6) == 1 ? 10 : 12;  // the header's length has 2 bytes, then 4
  if (bytes.size() < prefix) fail(ErrorKind::kCorrupt, "{}: truncated", file);
  std::size_t length = byte(8) | byte(9) << 8;
  if (prefix == 12) length |= byte(10) << 16 | byte(11) << 24;
  if (length > bytes.size() - prefix) fail(ErrorKind::kCorrupt, "{}: truncated", file);
  const std::string_view header = std::string_view(bytes).substr(prefix, length);

  const std::string wanted = fmt::format("'{}'", npy_detail::descr_of(static_cast<T*>(nullptr)));
  if (!npy_detail::after_key(header, "descr", file).starts_with(wanted))
    fail(ErrorKind::kCorrupt, "{}: expected elements of type {}, got header {}", file, wanted,
         header);
  if (!npy_detail::after_key(header, "fortran_order", file).starts_with("False"))
    fail(ErrorKind::kCorrupt, "{}: not in C order", file);
  Npy<T> array;
  array.shape = npy_detail::parse_shape(npy_detail::after_key(header, "shape", file), file);
  const auto count = static_cast<std::size_t>(array.shape.elements());
  if (bytes.size() - prefix - length != count * sizeof(T))
    fail(ErrorKind::kCorrupt, "{}: {} bytes of data, the shape {} needs {}", file,
         bytes.size() - prefix - length, to_string(array.shape), count * sizeof(T));
  array.values.resize(count);
  std::memcpy(array.values.data(), bytes.data() + prefix + length, count * sizeof(T));
  return array;
}

}  // namespace semblance::testing
