#include "text/wildcards.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "core/ascii.h"
#include "core/closest.h"
#include "core/error.h"
#include "text/text_lines.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFiles = 10'000;
constexpr std::string_view kEnding = ".txt";

/// "__people/names__" where a text begins with it: the name, else nothing.
std::optional<std::string_view> wildcard_at(std::string_view text) {
  constexpr std::string_view kMark = "__";
  constexpr std::size_t kMostName = 200;
  if (!text.starts_with(kMark)) return std::nullopt;
  const std::size_t end = text.find(kMark, kMark.size() + 1);
  if (end == text.npos || end > kMostName) return std::nullopt;
  const std::string_view name = text.substr(kMark.size(), end - kMark.size());
  const bool is_name = std::ranges::all_of(name, [](char c) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
    return is_letter || std::string_view("_-./* ").find(c) != std::string_view::npos;
  });
  return is_name && name.front() != ' ' && name.back() != ' ' ? std::optional(name) : std::nullopt;
}

/// Whether a name fits a pattern: * is any part of it without '/', ** any part.
bool fits(std::string_view pattern, std::string_view name) {
  std::vector<bool> now(name.size() + 1, false);  // the pattern so far fits name's first i letters
  now[0] = true;
  for (std::size_t p = 0; p < pattern.size(); ++p) {
    const bool is_star = pattern[p] == '*';
    const bool is_double = is_star && pattern.substr(p).starts_with("**");
    std::vector<bool> next(name.size() + 1, false);
    if (is_star) next[0] = now[0];
    for (std::size_t i = 0; i < name.size(); ++i) {
      if (is_star) {
        next[i + 1] = now[i + 1] || (next[i] && (is_double || name[i] != '/'));
      } else {
        next[i + 1] = now[i] && name[i] == pattern[p];
      }
    }
    p += is_double ? 1 : 0;
    now = std::move(next);
  }
  return now.back();
}

}  // namespace

Wildcards::Wildcards(const fs::path& folder) : folder_(folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    fail(fs::exists(folder, error) ? ErrorKind::kArgument : ErrorKind::kMissing,
         "cannot open the wildcards in {}: expected a folder with .txt files", folder.string());
  }
  fs::recursive_directory_iterator entries(folder, error);
  for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
    std::error_code ignored;
    if (!entries->is_regular_file(ignored)) continue;
    std::string name = entries->path().lexically_relative(folder).generic_string();
    if (!name.ends_with(kEnding)) continue;
    name.resize(name.size() - kEnding.size());
    names_.push_back(std::move(name));
    if (names_.size() <= kMostFiles) continue;
    fail(ErrorKind::kArgument, "cannot open the wildcards in {}: expected at most {} .txt files",
         folder.string(), kMostFiles);
  }
  if (error) {
    fail(ErrorKind::kDevice, "cannot read the wildcards in {}: {}", folder.string(),
         error.message());
  }
  std::ranges::sort(names_);
}

std::vector<std::string> Wildcards::files_of(std::string_view pattern) const {
  std::vector<std::string> files;
  for (const std::string& name : names_) {
    if (fits(pattern, name)) files.push_back(name);
  }
  if (!files.empty()) return files;
  const std::vector<std::string_view> known(names_.begin(), names_.end());
  fail(ErrorKind::kMissing, "cannot draw __{}__: {} has no {}.txt{}", pattern, folder_.string(),
       pattern, did_you_mean(pattern, known));
}

const std::vector<std::string>& Wildcards::lines_in(const std::string& name) {
  const auto known = lines_.find(name);
  if (known != lines_.end()) return known->second;
  const fs::path path = folder_ / (name + std::string(kEnding));
  std::vector<std::string> lines = lines_of(read_text_file(path), Comments::kHash);
  if (lines.empty()) {
    fail(ErrorKind::kArgument, "cannot draw __{}__: {} has no line", name, path.string());
  }
  return lines_.emplace(name, std::move(lines)).first->second;
}

/// Throws where a file leads back to itself. `path`: the files that led to it.
void Wildcards::check(const std::string& name, std::vector<std::string>& path) {
  constexpr std::size_t kMostDepth = 64;
  path.push_back(name);
  const auto [place, is_new] = checked_.try_emplace(name, false);
  if (!is_new && !place->second) {
    const auto first = std::ranges::find(path, name);
    fail(ErrorKind::kArgument,
         "cannot draw __{}__: its file leads back to itself ({})\n  take one of these names out of "
         "the file in front of it",
         name, fmt::join(first, path.end(), " > "));
  }
  if (path.size() > kMostDepth) {
    fail(ErrorKind::kArgument, "cannot draw __{}__: expected at most {} files, one in the other",
         path.front(), kMostDepth);
  }
  if (is_new) {
    for (const std::string& line : lines_in(name)) {
      for (std::size_t at = line.find("__"); at != std::string::npos; at = line.find("__", at)) {
        const auto inner = wildcard_at(std::string_view(line).substr(at));
        at += inner ? inner->size() + 4 : 1;
        if (!inner) continue;
        for (const std::string& file : files_of(*inner)) check(file, path);
      }
    }
    checked_[name] = true;
  }
  path.pop_back();
}

std::vector<std::string> Wildcards::lines(std::string_view pattern) {
  std::vector<std::string> all;
  for (const std::string& name : files_of(pattern)) {
    std::vector<std::string> path;
    try {
      check(name, path);
    } catch (...) {
      std::erase_if(checked_, [](const auto& each) { return !each.second; });
      throw;
    }
    const std::vector<std::string>& lines = lines_in(name);
    all.insert(all.end(), lines.begin(), lines.end());
  }
  return all;
}

double ChoiceDraw::next() {
  state_ += 0x9e3779b97f4a7c15U;
  std::uint64_t mixed = state_;
  mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9U;
  mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebU;
  mixed ^= mixed >> 31U;
  return static_cast<double>(mixed >> 11U) * 0x1p-53;
}

namespace {

struct Option {
  std::string_view text;
  double weight = 1;
};

/// "0.5::red" is red with the weight 0.5.
Option option_in(std::string_view text) {
  const std::size_t end = text.find("::");
  if (end == text.npos) return {text};
  const std::string_view number = trimmed(text.substr(0, end), " ");
  double weight = 0;
  const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), weight);
  const bool is_weight = !number.empty() && error == std::errc() &&
                         stop == number.data() + number.size() && weight >= 0 &&
                         std::isfinite(weight);
  return is_weight ? Option{text.substr(end + 2), weight} : Option{text};
}

/// How many options are drawn, and what stands between them.
struct Count {
  std::size_t least = 1;
  std::size_t most = 1;
  std::string_view between = ", ";
};

std::optional<std::size_t> count_in(std::string_view text, std::size_t absent) {
  if (text.empty()) return absent;
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return count;
}

/// Takes "2$$", "1-3$$ and $$" off the front of what stands in brackets.
Count take_count(std::string_view& inside) {
  constexpr std::string_view kMark = "$$";
  constexpr std::size_t kAll = 1'000'000;
  const std::size_t end = inside.find(kMark);
  if (end == inside.npos) return {};
  const std::string_view numbers = trimmed(inside.substr(0, end), " ");
  const std::size_t dash = numbers.find('-');
  const auto least = count_in(numbers.substr(0, dash), 1);
  const auto most = dash == numbers.npos ? least : count_in(numbers.substr(dash + 1), kAll);
  if (numbers.empty() || !least || !most) return {};
  Count count{.least = std::min(*least, *most), .most = std::max(*least, *most)};
  inside.remove_prefix(end + kMark.size());
  const std::size_t second = inside.find(kMark);
  if (second == inside.npos || inside.find_first_of("|{}") < second) return count;
  count.between = inside.substr(0, second);
  inside.remove_prefix(second + kMark.size());
  return count;
}

/// A text, and where its brackets are closed.
class Source {
 public:
  explicit Source(std::string_view text) : text_(text) {
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\\') {
        ++i;
      } else if (text[i] == '{') {
        open.push_back(i);
      } else if (text[i] == '}' && !open.empty()) {
        pairs_.emplace_back(open.back(), i);
        open.pop_back();
      }
    }
    std::ranges::sort(pairs_);
  }

  std::string_view text() const { return text_; }
  /// What stands in the bracket with which `part`, of this text, begins; none where it is never
  /// closed.
  std::optional<std::string_view> bracket_at(std::string_view part) const {
    const auto begin = static_cast<std::size_t>(part.data() - text_.data());
    const auto pair = std::ranges::lower_bound(pairs_, std::pair{begin, std::size_t{0}});
    if (pair == pairs_.end() || pair->first != begin) return std::nullopt;
    return part.substr(1, pair->second - begin - 1);
  }

 private:
  std::string_view text_;
  std::vector<std::pair<std::size_t, std::size_t>> pairs_;
};

std::vector<Option> options_in(std::string_view inside) {
  std::vector<Option> options;
  std::size_t depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= inside.size(); ++i) {
    const char c = i == inside.size() ? '|' : inside[i];
    if (c == '\\' && i + 1 < inside.size()) {
      ++i;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && depth > 0) {
      --depth;
    } else if (c == '|' && (depth == 0 || i == inside.size())) {
      options.push_back(option_in(inside.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  return options;
}

class Drawer {
 public:
  Drawer(ChoiceDraw& draw, Wildcards& wildcards, std::size_t most_bytes)
      : draw_(draw), wildcards_(wildcards), most_bytes_(most_bytes) {}

  /// `text` is a part of `source`.
  void add(const Source& source, std::string_view text, int depth) {
    constexpr int kMostDepth = 64;
    constexpr int kMostTexts = 100'000;
    if (depth > kMostDepth) {
      fail(ErrorKind::kArgument,
           "cannot draw a prompt's choices: expected at most {}, one in the other", kMostDepth);
    }
    if (++texts_ > kMostTexts) {
      fail(ErrorKind::kArgument, "cannot draw a prompt's choices: expected at most {}, got more",
           kMostTexts);
    }
    while (!text.empty()) text.remove_prefix(step(source, text, depth));
  }
  std::string take() { return std::move(result_); }

 private:
  /// Adds what `text` begins with, and gives how much of it that was.
  std::size_t step(const Source& source, std::string_view text, int depth) {
    if (text[0] == '\\' && text.size() > 1) {
      const bool is_ours = std::string_view("{}|").find(text[1]) != std::string_view::npos;
      put(text.substr(is_ours ? 1 : 0, is_ours ? 1 : 2));
      return 2;
    }
    if (text[0] == '{') {
      if (const auto inside = source.bracket_at(text)) {
        choose(source, *inside, depth);
        return inside->size() + 2;
      }
    }
    if (text[0] == '_' && wildcards_.is_there()) {
      if (const auto name = wildcard_at(text)) {
        const std::vector<std::string> lines = wildcards_.lines(*name);
        std::vector<Option> options;
        options.reserve(lines.size());
        for (const std::string& line : lines) options.push_back(option_in(line));
        const Source line(options[index(options)].text);
        add(line, line.text(), depth + 1);
        return name->size() + 4;
      }
    }
    const std::size_t end = std::min(text.find_first_of("\\{_", 1), text.size());
    put(text.substr(0, end));
    return end;
  }

  void choose(const Source& source, std::string_view inside, int depth) {
    const Count count = take_count(inside);
    std::vector<Option> options = options_in(inside);
    const std::size_t most = std::min(count.most, options.size());
    const std::size_t least = std::min(count.least, most);
    std::size_t left = least;
    if (most > least) {
      const auto more = static_cast<double>(most - least + 1);
      left += static_cast<std::size_t>(draw_.next() * more);
    }
    for (bool is_first = true; left > 0; --left, is_first = false) {
      if (!is_first) put(count.between);
      const std::size_t chosen = index(options);
      add(source, options[chosen].text, depth + 1);
      options.erase(options.begin() + static_cast<std::ptrdiff_t>(chosen));
    }
  }

  /// Of the options one, by their weights.
  std::size_t index(const std::vector<Option>& options) {
    double sum = 0;
    for (const Option& option : options) sum += option.weight;
    if (!(sum > 0) || !std::isfinite(sum)) {
      fail(ErrorKind::kArgument,
           "cannot draw one of {} choices: expected weights whose sum is above 0, got {:g}",
           options.size(), sum);
    }
    if (options.size() == 1) return 0;
    double left = draw_.next() * sum;
    std::size_t last = 0;  // with a weight, for the last bit of the sum
    for (std::size_t i = 0; i < options.size(); ++i) {
      if (options[i].weight <= 0) continue;
      last = i;
      left -= options[i].weight;
      if (left < 0) break;
    }
    return last;
  }

  void put(std::string_view text) {
    if (result_.size() + text.size() > most_bytes_) {
      fail(ErrorKind::kArgument,
           "cannot draw a prompt's choices: expected at most {} bytes of text, got more",
           most_bytes_);
    }
    result_ += text;
  }

  ChoiceDraw& draw_;
  Wildcards& wildcards_;
  std::size_t most_bytes_;
  std::string result_;
  int texts_ = 0;
};

}  // namespace

std::string draw_choices(std::string_view text, ChoiceDraw& draw, Wildcards& wildcards,
                         std::size_t most_bytes) {
  Drawer drawer(draw, wildcards, most_bytes);
  const Source source(text);
  drawer.add(source, source.text(), 0);
  return drawer.take();
}

}  // namespace semblance
