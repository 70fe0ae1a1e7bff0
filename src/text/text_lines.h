// Text files of one item a line: prompts (`--prompts`) and wildcards.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace semblance {

/// The most bytes of a file of prompts, styles or wildcards.
inline constexpr std::uint64_t kMostTextFileBytes = std::uint64_t{16} << 20U;

/// The whole of a file as UTF-8, without a byte-order mark. Throws what read_small_file() throws,
/// and Error(kCorrupt) for a file that is not UTF-8.
std::string read_text_file(const std::filesystem::path& path);

enum class Comments : std::uint8_t { kNone, kHash };  // kHash: lines that begin with # are none

/// The lines of a text without white space at their ends; empty ones are left out.
std::vector<std::string> lines_of(std::string_view text, Comments comments = Comments::kNone);

/// The prompts of a file, one a line. Throws what read_text_file() throws, and Error(kArgument)
/// where there is no prompt, there are more than `most_lines`, or a line has more than `most_bytes`
/// bytes.
std::vector<std::string> read_prompts(const std::filesystem::path& path, std::size_t most_lines,
                                      std::size_t most_bytes);

}  // namespace semblance
