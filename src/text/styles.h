// Styles: named templates that are put around a prompt. Nine are built in, under the names of
// InstantID's published demo, with texts of our own; a file adds others.
//
// A file is JSON, a list of {"name", "prompt", "negative_prompt"}, or a styles.csv of the
// AUTOMATIC1111 web UI: columns name, prompt (once called text) and negative_prompt, UTF-8 with or
// without a byte-order mark. In a template {prompt} stands for the user's text; a template without
// it is joined behind that by ", ". A negative template of a JSON file stands in front of the
// user's, with a space between, as in the published demo. Immutable, so thread-safe.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace semblance {

/// The style that changes nothing.
inline constexpr std::string_view kNoStyle = "(No style)";

struct Style {
  std::string name;
  std::string prompt;
  std::string negative = {};
  bool is_web_ui = false;  // from a styles.csv: the negative template is joined as the prompt's is
};

class Styles {
 public:
  /// The nine.
  Styles();
  /// The nine and those of a file, which come first and may have a built-in one's name. Throws what
  /// read_text_file() throws, and Error(kCorrupt) for a file that is no list of styles.
  explicit Styles(const std::filesystem::path& file);

  const std::vector<Style>& all() const { return styles_; }
  std::vector<std::string_view> names() const&;
  std::vector<std::string_view> names() const&& = delete;
  /// The style of a name, whatever the case of its ASCII letters. Throws Error(kArgument),
  /// beginning "cannot take {what}: ", that names all and the nearest.
  const Style& find(std::string_view name, std::string_view what) const;

 private:
  std::vector<Style> styles_;
};

/// Puts a style around a request's texts. Absent and empty templates leave them as they are.
void apply(const Style& style, std::string& prompt, std::optional<std::string>& negative);

}  // namespace semblance
