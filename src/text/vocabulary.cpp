#include "text/vocabulary.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/other_content.h"
#include "memory/file.h"

namespace semblance {
namespace {

/// Reads learnt pairs and checks them against the vocabulary. `place` is their place in the file,
/// for messages.
class MergeReader {
 public:
  MergeReader(std::string file, const Vocabulary& vocabulary)
      : file_(std::move(file)), vocabulary_(vocabulary) {}

  void read_pair(std::string_view line, std::string_view place) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      fail(ErrorKind::kCorrupt,
           "cannot read {}: {} must be two tokens separated by a space, got {}", file_, place,
           shown_token(line));
    }
    read_pair(std::string(line.substr(0, space)), std::string(line.substr(space + 1)), place);
  }
  void read_pair(const std::string& left, const std::string& right, std::string_view place) {
    merges_.push_back({id_of(left, place), id_of(right, place), id_of(left + right, place)});
  }
  std::vector<BytePairs::Merge> take() { return std::move(merges_); }

 private:
  std::int32_t id_of(const std::string& token, std::string_view place) const {
    const auto id = vocabulary_.find(token);
    if (!id) {
      fail(ErrorKind::kCorrupt, "cannot read {}: {} needs the token {}, which {} does not have",
           file_, place, shown_token(token), vocabulary_.file);
    }
    return *id;
  }

  std::string file_;
  const Vocabulary& vocabulary_;
  std::vector<BytePairs::Merge> merges_;
};

}  // namespace

std::string shown_token(std::string_view token) {
  constexpr std::size_t kMostBytes = 40;
  const bool whole = token.size() <= kMostBytes;
  return nlohmann::json(std::string(token.substr(0, kMostBytes)))
             .dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) +
         (whole ? "" : "...");
}

Vocabulary read_vocabulary(const Json& json) {
  json.expect_object();
  Vocabulary vocabulary;
  vocabulary.file = json.file();
  const std::vector<std::string> keys = json.keys();
  const auto count = static_cast<std::int64_t>(keys.size());
  if (count == 0) fail(ErrorKind::kCorrupt, "cannot read {}: it has no tokens", json.file());
  vocabulary.tokens.resize(keys.size());
  std::vector<bool> taken(keys.size());
  vocabulary.ids.reserve(keys.size());
  for (const std::string& key : keys) {
    // All ids are below their number, so there is no gap unless an id occurs twice.
    const auto id =
        static_cast<std::size_t>(json.get_int(key, {}, {.least = 0, .most = count - 1}));
    if (taken[id]) {
      fail(ErrorKind::kCorrupt, "cannot read {}: each id must have one token, {} has {} and {}",
           json.file(), id, shown_token(vocabulary.tokens[id]), shown_token(key));
    }
    taken[id] = true;
    vocabulary.tokens[id] = key;
    vocabulary.ids.emplace(key, static_cast<std::int32_t>(id));
  }
  return vocabulary;
}

std::vector<BytePairs::Merge> read_merges_file(const std::filesystem::path& path,
                                               const Vocabulary& vocabulary) {
  const std::string text = read_small_file(path, Json::kLimitBytes);
  refuse_other_content(path.string(), "a list of merges", text);
  MergeReader reader(path.string(), vocabulary);
  std::string_view rest = text;
  for (int number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("#version")) continue;
    reader.read_pair(line, fmt::format("line {}", number));
  }
  return reader.take();
}

std::vector<BytePairs::Merge> read_merges_list(const Json& model, const Vocabulary& vocabulary) {
  MergeReader reader(model.file(), vocabulary);
  std::size_t number = 0;
  for (const Json& item : model.child("merges").items()) {
    const std::string place = fmt::format("merge {}", number++);
    const nlohmann::json& value = item.value();
    if (value.is_string()) {
      reader.read_pair(value.get<std::string>(), place);
    } else if (value.is_array() && value.size() == 2 && value[0].is_string() &&
               value[1].is_string()) {
      reader.read_pair(value[0].get<std::string>(), value[1].get<std::string>(), place);
    } else {
      fail(ErrorKind::kCorrupt, "cannot read {}: {} must be two tokens, got {}", model.file(),
           place, shown_token(value.dump(-1, ' ', true)));
    }
  }
  return reader.take();
}

}  // namespace semblance
