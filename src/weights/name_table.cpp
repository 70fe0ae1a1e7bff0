#include "weights/name_table.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "weights/audit.h"
#include "weights/names.h"
#include "weights/transposed.h"

namespace semblance {
namespace {

struct Named {
  std::string name;
  StoredTensor tensor;
};

/// Where a row's `from` occurs in a name, and the number in it.
struct Match {
  std::size_t at = 0;
  std::size_t size = 0;
  std::string_view kind;  // "{in}"; empty without a number
  std::int64_t number = 0;
};

constexpr Match kNowhere{std::string_view::npos, 0, {}, 0};

Match find(std::string_view name, std::string_view from) {
  const std::size_t open = from.find('{');
  if (open == std::string_view::npos) {
    const std::size_t at = name.find(from);
    return {at, from.size(), {}, 0};
  }
  const std::string_view head = from.substr(0, open);
  const std::string_view kind = from.substr(open, from.find('}') + 1 - open);
  const std::string_view tail = from.substr(open + kind.size());
  for (std::size_t at = name.find(head); at != std::string_view::npos;
       at = name.find(head, at + 1)) {
    constexpr std::size_t kMostDigits = 6;
    std::size_t end = at + head.size();
    std::int64_t number = 0;
    for (; end < name.size() && end - at - head.size() < kMostDigits && name[end] >= '0' &&
           name[end] <= '9';
         ++end) {
      number = number * 10 + (name[end] - '0');
    }
    if (end > at + head.size() && name.substr(end).starts_with(tail))
      return {at, end + tail.size() - at, kind, number};
  }
  return kNowhere;
}

/// The replacement for a match; nothing if its number is outside the table's range.
std::optional<std::string> replacement(const Match& match, std::string_view to,
                                       const BlockNumbers& numbers) {
  std::string text(to);
  if (match.kind.empty()) return text;
  std::int64_t level = 0, place = 0;
  if (match.kind == "{up}") {
    level = numbers.levels - 1 - match.number;
    if (level < 0) return std::nullopt;
  } else {
    const std::int64_t number = match.number - (match.kind == "{in}" ? 1 : 0);
    if (number < 0) return std::nullopt;
    level = number / numbers.step;
    place = number % numbers.step;
  }
  for (const auto& [key, value] :
       {std::pair<std::string_view, std::int64_t>{"{level}", level}, {"{place}", place}}) {
    if (const std::size_t at = text.find(key); at != std::string::npos)
      text.replace(at, key.size(), std::to_string(value));
  }
  return text;
}

/// Choice `index` of "a{q|k|v}b": "aqb" for the first.
std::string choice(std::string_view to, std::size_t index) {
  const std::size_t open = to.find('{'), close = to.find('}');
  std::size_t begin = open + 1;
  for (; index > 0; --index) begin = to.find('|', begin) + 1;
  std::string text(to.substr(0, open));
  text += to.substr(begin, to.find_first_of("|}", begin) - begin);
  return text += to.substr(close + 1);
}

[[noreturn]] void refuse(const Named& named, std::string_view rule) {
  fail(ErrorKind::kCorrupt, "cannot read {}: {} must be {}, got {}", named.tensor.file->name(),
       printable(named.name), rule, to_string(named.tensor.shape));
}

/// Result `index` of a change.
StoredTensor changed(const Named& named, Change how, std::size_t index) {
  const StoredTensor& tensor = named.tensor;
  const Shape& shape = tensor.shape;
  switch (how) {
    case Change::kNone:
      break;
    case Change::kSqueeze: {
      if (shape.rank() != 4 || shape[2] != 1 || shape[3] != 1) break;
      StoredTensor squeezed = tensor;
      squeezed.shape = Shape{shape[0], shape[1]};
      return squeezed;
    }
    case Change::kTranspose:
      if (shape.rank() != 2) refuse(named, "a matrix");
      return transposed_matrix(tensor);
    case Change::kThirds: {
      if (shape.rank() == 0 || shape[0] % 3 != 0)
        refuse(named, "a tensor with a multiple of three rows");
      const std::int64_t rows = shape[0] / 3;
      return tensor.take(static_cast<std::int64_t>(index) * rows, rows);
    }
  }
  return tensor;
}

/// Applies one row to one tensor; false if it does not match the name.
bool apply(const NameRow& row, const Named& named, const BlockNumbers& numbers,
           std::vector<Named>& results) {
  if (!matches_pattern(named.name, row.in)) return false;
  const Match match = row.from.empty() ? Match{} : find(named.name, row.from);
  if (match.at == kNowhere.at) return false;
  const std::size_t count = row.change == Change::kThirds ? 3 : 1;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string to = count > 1 ? choice(row.to, i) : std::string(row.to);
    const std::optional<std::string> text = replacement(match, to, numbers);
    if (!text) return false;
    std::string name = named.name;
    name.replace(match.at, match.size, *text);
    results.push_back({std::move(name), changed(named, row.change, i)});
  }
  return true;
}

}  // namespace

WeightMap renamed(const WeightMap& weights, std::span<const NameRow> table,
                  const BlockNumbers& numbers) {
  WeightMap result;
  for (const auto& [published, tensor] : weights) {
    std::vector<Named> names = {{published, tensor}};
    for (const NameRow& row : table) {
      std::vector<Named> next;
      for (Named& named : names) {
        if (!apply(row, named, numbers, next)) next.push_back(std::move(named));
      }
      names = std::move(next);
    }
    for (Named& named : names) result.add(std::move(named.name), named.tensor);
  }
  return result;
}

}  // namespace semblance
