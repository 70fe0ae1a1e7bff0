// The flags of a subcommand: declared once with what they mean, read from the command line, and
// printed by --help. CLI11 reads the words; values, messages and help are ours, so that every wrong
// value is told in the same words:
//
//   cannot take --steps: expected a whole number from 1 to 1000, got 'many'
//
// Of a flag given twice the last counts. Errors are Error(kArgument).
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
  /// `usage` is what follows "Usage: semblance " in the help, `summary` the line below it.
  Flags(std::string usage, std::string summary);
  ~Flags();

  /// The flags declared from here on stand under this heading; those of "Advanced" stand last.
  void group(std::string heading);

  /// A flag with a value. `names` as "-o,--output"; `value` stands for the value in the help.
  void text(std::string names, std::string value, std::string help, std::string& target);
  void text(std::string names, std::string value, std::string help,
            std::optional<std::string>& target);
  void path(std::string names, std::string value, std::string help, std::filesystem::path& target);
  /// Any finite or infinite number or NaN: ranges are the request's to check.
  void number(std::string names, std::string help, float& target);
  void number(std::string names, std::string help, double& target);
  void whole(std::string names, std::string help, std::int64_t least, std::int64_t most,
             std::int64_t& target);
  void whole(std::string names, std::string help, std::int64_t least, std::int64_t most,
             std::optional<std::int64_t>& target);
  /// One word of `choices`, whose place in the list is the result.
  void choice(std::string names, std::string help, std::vector<std::string> choices, int& target);
  /// A flag with a value that `take` reads; it throws Error(kArgument).
  void value(std::string names, std::string value, std::string help,
             std::function<void(const std::string& flag, const std::string& text)> take);
  /// A flag without a value.
  void toggle(std::string names, std::string help, bool& target);
  /// The word without a flag.
  void positional(std::string name, std::string help, std::filesystem::path& target);
  /// All words without a flag, one or more.
  void words(std::string name, std::string help, std::vector<std::string>& target);
  /// What stands at the end of the help.
  void epilogue(std::string text) { epilogue_ = std::move(text); }

  /// Reads the words behind the subcommand. False when --help was among them. Throws
  /// Error(kArgument).
  bool read(std::span<const char* const> words);
  /// The last of a flag's names ("--output") for each that read() has found, in the order of the
  /// words.
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
  void add(std::string names, std::string value, std::string help,
           std::function<void(const std::string&, const std::string&)> take);

  std::string usage_;
  std::string summary_;
  std::string epilogue_;
  std::string heading_ = "Options";
  std::vector<Entry> entries_;
  std::vector<std::string> names_;
  std::vector<std::string> toggles_;            // those of names_ that take no value
  std::vector<std::function<void()>> pending_;  // values, taken once all words are known
  std::vector<std::string> given_;
  bool takes_word_ = false;
  std::vector<std::string>* words_ = nullptr;  // that stand without a flag
  bool help_asked_ = false;
  std::unique_ptr<CLI::App> app_;
};

/// "WxH" with both sides above 0, or nothing.
struct WidthHeight {
  int width = 0;
  int height = 0;
};
std::optional<WidthHeight> parse_size(std::string_view text);

/// The whole of `text` as a number, or nothing.
std::optional<std::int64_t> parse_whole(std::string_view text);
std::optional<double> parse_number(std::string_view text);

}  // namespace semblance::cli
