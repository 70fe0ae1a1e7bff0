// Choices in prompts, drawn by a seed, as the web UI's extension sd-dynamic-prompts writes them:
//
//   {a|b}                one of them; {.5::a|2::b} with weights, 1 where none is given; an option
//                        may be empty, and may hold choices
//   {2$$a|b|c}           two different ones, joined by ", "; {1-3$$ and $$a|b|c} one to three,
//                        joined by " and "; {2-$$...} two or more, {-2$$...} at most two
//   __dir/name__         a line of dir/name.txt in the folder of wildcards; * stands for any part
//   of
//                        a name, ** for folders as well; lines that begin with # are comments, and
//                        a line may hold weights, choices and wildcards
//   \{ \} \|             the characters themselves
//
// Without a folder __name__ is text. A bracket that is never closed is text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace semblance {

/// The folder of wildcards. Files are read when they are first drawn from. One thread at a time.
class Wildcards {
 public:
  /// None.
  Wildcards() = default;
  /// Finds the .txt files in a folder and those in it. Throws Error(kMissing) or Error(kArgument)
  /// where there is no such folder, and Error(kArgument) for one with more than 10,000 files.
  explicit Wildcards(const std::filesystem::path& folder);

  bool is_there() const { return !folder_.empty(); }
  /// The lines of all files whose names fit, in the order of names. Throws Error(kMissing) that
  /// names the nearest where there is none, Error(kArgument) for files that lead back to
  /// themselves, and what read_text_file() throws.
  std::vector<std::string> lines(std::string_view pattern);

 private:
  std::vector<std::string> files_of(std::string_view pattern) const;
  const std::vector<std::string>& lines_in(const std::string& name);
  void check(const std::string& name, std::vector<std::string>& path);

  std::filesystem::path folder_;
  std::vector<std::string> names_;  // "people/names", sorted
  std::map<std::string, std::vector<std::string>> lines_;
  std::map<std::string, bool> checked_;  // true: done, false: being looked at
};

/// Draws by a seed, the same everywhere: SplitMix64.
class ChoiceDraw {
 public:
  explicit ChoiceDraw(std::uint64_t seed) : state_(seed) {}
  /// In 0..1, without 1.
  double next();

 private:
  std::uint64_t state_;
};

/// The text with all its choices drawn. Throws Error(kArgument) for a result of more than
/// `most_bytes`, weights of which none is above 0, choices that are nested more than 64 deep or
/// of which there are more than 100,000; and what Wildcards::lines() throws.
std::string draw_choices(std::string_view text, ChoiceDraw& draw, Wildcards& wildcards,
                         std::size_t most_bytes);

}  // namespace semblance
