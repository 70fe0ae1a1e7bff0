#include "cli/outputs.h"

#include <fmt/ranges.h>

#include <bit>
#include <span>

#include "core/error.h"

namespace semblance::cli {

static_assert(std::endian::native == std::endian::little,
              ".npy is written in memory order, so the machine must be little-endian");

std::vector<std::filesystem::path> numbered(const std::filesystem::path& path, int count) {
  std::vector<std::filesystem::path> paths{path};
  for (int i = 2; i <= count; ++i) {
    std::filesystem::path next = path;
    next.replace_filename(
        fmt::format("{}-{}{}", path.stem().string(), i, path.extension().string()));
    paths.push_back(std::move(next));
  }
  return paths;
}

void check_output(const std::string& flag, const std::filesystem::path& path,
                  const std::vector<std::filesystem::path>& inputs) {
  for (const std::filesystem::path& input : inputs) {
    std::error_code ignored;
    if (!input.empty() && std::filesystem::equivalent(path, input, ignored)) {
      fail(ErrorKind::kArgument, "cannot take {}: {} is read by this run and would be overwritten",
           flag, path.string());
    }
  }
  const OutputFile probe(path);
}

std::filesystem::path place_of(const std::filesystem::path& path) {
  const std::filesystem::path absolute = follow_links(std::filesystem::absolute(path));
  std::error_code ignored;
  return std::filesystem::weakly_canonical(absolute.parent_path(), ignored) / absolute.filename();
}

void write_npy(OutputFile& file, const std::vector<std::int64_t>& shape,
               const std::vector<float>& values) {
  std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{}), }}",
                                   fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  constexpr std::size_t kMagicBytes = 10;
  constexpr std::size_t kAlignment = 64;  // of the data, as NumPy writes it
  header.append(kAlignment - 1 - (kMagicBytes + header.size()) % kAlignment, ' ');
  header += '\n';
  const auto length = static_cast<unsigned>(header.size());
  file.write(std::string_view("\x93NUMPY\x01\x00", 8));
  const char length_bytes[2] = {static_cast<char>(length & 0xffU), static_cast<char>(length >> 8U)};
  file.write(std::string_view(length_bytes, 2));
  file.write(header);
  file.write(std::as_bytes(std::span(values)));
}

}  // namespace semblance::cli
