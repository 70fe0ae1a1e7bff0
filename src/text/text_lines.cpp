#include "text/text_lines.h"

#include <algorithm>

#include "core/ascii.h"
#include "core/error.h"
#include "memory/file.h"
#include "text/unicode.h"

namespace semblance {

std::string read_text_file(const std::filesystem::path& path) {
  std::string text = read_small_file(path, kMostTextFileBytes);
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (text.starts_with(kMark)) text.erase(0, kMark.size());
  try {
    decode_utf8(text, path.string());
  } catch (const Error& error) {
    fail(ErrorKind::kCorrupt, "{}", error.what());
  }
  return text;
}

std::vector<std::string> lines_of(std::string_view text, Comments comments) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end), " \t\r\f\v");
    if (!line.empty() && (comments == Comments::kNone || line.front() != '#'))
      lines.emplace_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string> read_prompts(const std::filesystem::path& path, std::size_t most_lines,
                                      std::size_t most_bytes) {
  std::vector<std::string> prompts = lines_of(read_text_file(path));
  if (prompts.empty() || prompts.size() > most_lines) {
    fail(ErrorKind::kArgument, "cannot take the prompts in {}: expected 1 to {} lines, got {}",
         path.string(), most_lines, prompts.size());
  }
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (prompts[i].size() <= most_bytes) continue;
    fail(ErrorKind::kArgument,
         "cannot take the prompts in {}: expected at most {} bytes a prompt, prompt {} has {}",
         path.string(), most_bytes, i + 1, prompts[i].size());
  }
  return prompts;
}

}  // namespace semblance
