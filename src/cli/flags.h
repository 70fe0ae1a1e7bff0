// The flags of a subcommand: declared once with their help, parsed from the command line, and
// printed by --help. CLI11 splits the words; values, messages and help are ours, so that all errors
// have one form:
//
//   cannot take --steps: expected a whole number from 1 to 1000, got 'many'
//
// If a flag is given twice, the last one counts, except for values(). Errors are Error(kArgument).
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace semblance::cli {

class Flags {
 public:
  /// `usage` follows "Usage: semblance " in the help; `summary` is the paragraph below.
  Flags(std::string usage, std::string summary);
  ~Flags();

  /// Heading for the flags declared from here on; "Advanced" is printed last.
  void group(std::string heading);

  /// A flag with a value. `names` as "-o,--output"; `value` is the placeholder in the help.
  void text(const std::string& names, const std::string& value, std::string help,
            std::string& target);
  void text(const std::string& names, const std::string& value, std::string help,
            std::optional<std::string>& target);
  void path(const std::string& names, const std::string& value, std::string help,
            std::filesystem::path& target);
  /// Any number, infinity and NaN included; the request checks the range.
  void number(const std::string& names, std::string help, float& target);
  void number(const std::string& names, std::string help, double& target);
  void whole(const std::string& names, std::string help, std::int64_t least, std::int64_t most,
             std::int64_t& target);
  void whole(const std::string& names, std::string help, std::int64_t least, std::int64_t most,
             std::optional<std::int64_t>& target);
  /// One of `choices`; the result is its index.
  void choice(const std::string& names, std::string help, std::vector<std::string> choices,
              int& target);
  /// A flag with a value that `take` parses; `take` throws Error(kArgument).
  void value(const std::string& names, const std::string& value, std::string help,
             std::function<void(const std::string& flag, const std::string& text)> take);
  /// The same for a flag that may be given more than once; `take` gets each value.
  void values(const std::string& names, const std::string& value, std::string help,
              std::function<void(const std::string& flag, const std::string& text)> take);
  /// A flag without a value.
  void toggle(const std::string& names, std::string help, bool& target);
  /// The one word without a flag.
  void positional(const std::string& name, std::string help, std::filesystem::path& target);
  /// All words without a flag, one or more.
  void words(std::string name, std::string help, std::vector<std::string>& target);
  /// Text at the end of the help.
  void epilogue(std::string text) { epilogue_ = std::move(text); }

  /// Parses the words after the subcommand. Returns false if --help is among them. Throws
  /// Error(kArgument).
  bool read(std::span<const char* const> words);
  /// The flags that read() found, each by its last name ("--output"), in order.
  const std::vector<std::string>& given() const { return given_; }
  bool gives(std::string_view flag) const {
    return std::find(given_.begin(), given_.end(), flag) != given_.end();
  }
  std::string help() const;

 private:
  struct Entry {
    std::string heading;
    std::string shown;  // "-o, --output FILE"
    std::string help;
  };
  void add(const std::string& names, const std::string& value, std::string help,
           std::function<void(const std::string&, const std::string&)> take, bool repeats = false);

  std::string usage_;
  std::string summary_;
  std::string epilogue_;
  std::string heading_ = "Options";
  std::vector<Entry> entries_;
  std::vector<std::string> names_;
  std::vector<std::string> toggles_;            // the subset of names_ without a value
  std::vector<std::function<void()>> pending_;  // run once all words are parsed
  std::vector<std::string> given_;
  bool takes_word_ = false;
  std::vector<std::string>* words_ = nullptr;  // target of words()
  bool help_asked_ = false;
  std::unique_ptr<CLI::App> app_;
};

/// Parses "WxH" with both sides above 0; otherwise nullopt.
struct WidthHeight {
  int width = 0;
  int height = 0;
};
std::optional<WidthHeight> parse_size(std::string_view text);

/// Parses all of `text` as a number; otherwise nullopt.
std::optional<std::int64_t> parse_whole(std::string_view text);
std::optional<double> parse_number(std::string_view text);

}  // namespace semblance::cli
