#include "weights/audit.h"

#include <algorithm>
#include <set>
#include <vector>

#include "core/error.h"

namespace semblance {
namespace {

constexpr std::size_t kShown = 4;

/// "\n  2 are missing: a, b"; nothing for none.
std::string line_of(const std::vector<std::string>& found, std::string_view one,
                    std::string_view many) {
  if (found.empty()) return {};
  std::string line = fmt::format("\n  {} {}: ", found.size(), found.size() == 1 ? one : many);
  for (std::size_t i = 0; i < std::min(found.size(), kShown); ++i) {
    if (i > 0) line += ", ";
    line += found[i];
  }
  if (found.size() > kShown) line += ", ...";
  return line;
}

}  // namespace

bool matches_pattern(std::string_view name, std::string_view pattern) {
  // Greedy matching that only backtracks to the last '*': linear for one star, quadratic at worst.
  std::size_t in_name = 0;
  std::size_t in_pattern = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_name = 0;
  while (in_name < name.size()) {
    if (in_pattern < pattern.size() && pattern[in_pattern] == '*') {
      star = in_pattern++;
      star_name = in_name;
    } else if (in_pattern < pattern.size() && pattern[in_pattern] == name[in_name]) {
      ++in_pattern;
      ++in_name;
    } else if (star != std::string_view::npos) {
      in_pattern = star + 1;
      in_name = ++star_name;
    } else {
      return false;
    }
  }
  while (in_pattern < pattern.size() && pattern[in_pattern] == '*') ++in_pattern;
  return in_pattern == pattern.size();
}

void audit(std::string_view what, std::span<const Expected> expected, const WeightMap& weights,
           std::span<const std::string_view> ignorable) {
  std::vector<std::string> missing;
  std::vector<std::string> shapes;
  std::vector<std::string> types;
  std::vector<std::string> unexpected;
  std::set<std::string_view> used;
  for (const Expected& want : expected) {
    used.insert(want.name);
    const StoredTensor* tensor = weights.find(want.name);
    if (tensor == nullptr) {
      missing.push_back(fmt::format("{} {}", want.name, to_string(want.shape)));
    } else if (tensor->shape != want.shape) {
      shapes.push_back(fmt::format("{} is {}, expected {}", want.name, to_string(tensor->shape),
                                   to_string(want.shape)));
    } else if (!is_float(tensor->dtype)) {
      types.push_back(fmt::format("{} is {}", want.name, name_of(tensor->dtype)));
    }
  }
  for (const auto& [name, tensor] : weights) {
    const auto matches = [&name = name](std::string_view pattern) {
      return matches_pattern(name, pattern);
    };
    if (!used.contains(name) && std::none_of(ignorable.begin(), ignorable.end(), matches)) {
      unexpected.push_back(name);
    }
  }
  if (missing.empty() && shapes.empty() && types.empty() && unexpected.empty()) return;
  const ErrorKind kind = !missing.empty()                    ? ErrorKind::kMissing
                         : !shapes.empty() || !types.empty() ? ErrorKind::kShape
                                                             : ErrorKind::kCorrupt;
  fail(kind,
       "cannot use {}: its config declares {} tensors, the files have {}, and they do not match"
       "{}{}{}{}\n  the config and the weights are probably from different models",
       what, expected.size(), weights.size(), line_of(missing, "is missing", "are missing"),
       line_of(shapes, "has the wrong shape", "have the wrong shape"),
       line_of(types, "is not float", "are not float"),
       line_of(unexpected, "is unexpected", "are unexpected"));
}

}  // namespace semblance
