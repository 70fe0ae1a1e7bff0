#include "core/json.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/other_content.h"
#include "core/refusal.h"
#include "core/short_text.h"

namespace semblance {

struct Json::Document {
  std::string name;
  nlohmann::json root;
};

namespace {

std::string_view type_of(const nlohmann::json& value) {
  switch (value.type()) {
    case nlohmann::json::value_t::null:
      return "null";
    case nlohmann::json::value_t::object:
      return "object";
    case nlohmann::json::value_t::array:
      return "list";
    case nlohmann::json::value_t::string:
      return "string";
    case nlohmann::json::value_t::boolean:
      return "boolean";
    case nlohmann::json::value_t::number_integer:
    case nlohmann::json::value_t::number_unsigned:
      return "integer";
    case nlohmann::json::value_t::number_float:
      return "number";
    default:
      return "unknown";
  }
}

// The value for a message, shortened.
std::string shown(const nlohmann::json& value) {
  if (value.is_object()) return fmt::format("an object of {} keys", value.size());
  if (value.is_array()) return fmt::format("a list of {}", value.size());
  return fmt::format("{} ({})", short_text(value.dump(-1, ' ', true), 40), type_of(value));
}

// A key for a message, shortened.
std::string shown_key(std::string_view path) { return short_text(path, 80); }

std::string read_whole(const std::filesystem::path& path, std::uint64_t limit_bytes) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    fail(ErrorKind::kMissing, "cannot open {}: no such file", path.string());
  }
  if (error) fail(ErrorKind::kDevice, "cannot open {}: {}", path.string(), error.message());
  if (!std::filesystem::is_regular_file(status)) {
    fail(ErrorKind::kArgument, "cannot open {}: expected a file, got {}", path.string(),
         std::filesystem::is_directory(status) ? "a folder" : "something else");
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) fail(kind_of(errno), "cannot open {}: {}", path.string(), std::strerror(errno));
  const std::uint64_t bytes = std::filesystem::file_size(path, error);
  if (error) fail(ErrorKind::kDevice, "cannot read {}: {}", path.string(), error.message());
  if (bytes > limit_bytes) {
    fail(ErrorKind::kCorrupt, "cannot read {}: expected at most {} bytes, got {}", path.string(),
         limit_bytes, bytes);
  }
  std::string text(bytes, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(bytes));
  if (stream.bad()) {
    fail(kind_of(errno), "cannot read {}: {}", path.string(), std::strerror(errno));
  }
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

/// Python's json module writes Infinity and -Infinity, which are no JSON: "lambda_min_clipped":
/// -Infinity is in most scheduler configs of DPM-Solver. Replaces them by null, padded so that
/// positions in messages stay right.
void replace_infinity(std::string& text) {
  if (text.find("Infinity") == std::string::npos) return;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (in_string && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      in_string = !in_string;
    } else if (!in_string) {
      for (const std::string_view word : {"-Infinity", "Infinity"}) {
        if (text.compare(i, word.size(), word) != 0) continue;
        text.replace(i, word.size(), word.size(), ' ');
        text.replace(i, 4, "null");
      }
    }
  }
}

}  // namespace

Json::Json(std::shared_ptr<const Document> document, const nlohmann::json* value, std::string path)
    : document_(std::move(document)), value_(value), path_(std::move(path)) {}

Json Json::load(const std::filesystem::path& path, std::uint64_t limit_bytes) {
  std::string text = read_whole(path, limit_bytes);
  replace_infinity(text);
  return parse(path.string(), text);
}

Json Json::parse(std::string name, std::string_view text) {
  auto document = std::make_shared<Document>();
  document->name = std::move(name);
  const auto check_depth = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > kLimitDepth) {
      fail(ErrorKind::kCorrupt,
           "cannot read {}: JSON must be nested at most {} deep, this is deeper", document->name,
           kLimitDepth);
    }
    return true;
  };
  try {
    document->root = nlohmann::json::parse(text.begin(), text.end(), check_depth);
  } catch (const nlohmann::json::parse_error& error) {
    refuse_other_content(document->name, "JSON", text);
    if (from_first_visible(text).empty()) {
      fail(ErrorKind::kCorrupt, "cannot read {}: expected JSON, got nothing", document->name);
    }
    const std::size_t byte = std::min(error.byte == 0 ? 0 : error.byte - 1, text.size());
    const std::string_view before = text.substr(0, byte);
    fail(ErrorKind::kCorrupt, "cannot read {}: invalid JSON at line {} (byte {})", document->name,
         std::count(before.begin(), before.end(), '\n') + 1, byte);
  } catch (const nlohmann::json::exception&) {  // a number beyond any float
    fail(ErrorKind::kCorrupt, "cannot read {}: numbers in JSON must be below 1e308",
         document->name);
  }
  const nlohmann::json* root = &document->root;
  return Json(std::move(document), root, "");
}

const std::string& Json::file() const { return document_->name; }
bool Json::is_object() const { return value_->is_object(); }
bool Json::is_list() const { return value_->is_array(); }

const Json& Json::expect_object() const {
  if (!value_->is_object()) refuse_value(path_, *value_, "an object");
  return *this;
}

const nlohmann::json* Json::find(std::string_view key) const {
  if (!value_->is_object()) return nullptr;
  const auto found = value_->find(key);
  return found == value_->end() ? nullptr : &*found;
}

bool Json::has(std::string_view key) const {
  const nlohmann::json* value = find(key);
  return value != nullptr && !value->is_null();
}

bool Json::is_null(std::string_view key) const {
  const nlohmann::json* value = find(key);
  return value != nullptr && value->is_null();
}

std::vector<std::string> Json::keys() const {
  std::vector<std::string> keys;
  if (!value_->is_object()) return keys;
  keys.reserve(value_->size());
  for (const auto& item : value_->items()) keys.push_back(item.key());
  return keys;
}

std::string Json::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

void Json::refuse_value(const std::string& path, const nlohmann::json& value,
                        std::string_view rule) const {
  if (path.empty()) {
    fail(ErrorKind::kCorrupt, "cannot read {}: it must be {}, got {}", file(), rule, shown(value));
  }
  fail(ErrorKind::kCorrupt, "cannot read {}: \"{}\" must be {}, got {}", file(), shown_key(path),
       rule, shown(value));
}

void Json::refuse(std::string_view key, std::string_view rule) const {
  const nlohmann::json* value = find(key);
  refuse_value(path_of(key), value == nullptr ? nlohmann::json() : *value, rule);
}

void Json::missing(std::string_view key) const {
  expect_object();
  fail(ErrorKind::kMissing, "cannot read {}: \"{}\" is missing and has no default", file(),
       shown_key(path_of(key)));
}

std::int64_t Json::int_of(const nlohmann::json& value, const std::string& path,
                          IntRange range) const {
  if (!value.is_number_integer()) refuse_value(path, value, "an integer");
  const bool too_large =
      value.is_number_unsigned() &&
      value.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()};
  const std::int64_t number = too_large ? 0 : value.get<std::int64_t>();
  if (too_large || number < range.least || number > range.most) {
    constexpr IntRange kAny;
    if (range.most == kAny.most) {
      refuse_value(path, value, fmt::format("an integer of at least {}", range.least));
    }
    refuse_value(path, value, fmt::format("an integer from {} to {}", range.least, range.most));
  }
  return number;
}

double Json::float_of(const nlohmann::json& value, const std::string& path) const {
  if (!value.is_number()) refuse_value(path, value, "a number");
  return value.get<double>();
}

const nlohmann::json& Json::list_of(const nlohmann::json& value, const std::string& path) const {
  if (!value.is_array()) refuse_value(path, value, "a list");
  return value;
}

std::int64_t Json::get_int(std::string_view key, std::optional<std::int64_t> fallback,
                           IntRange range) const {
  if (has(key)) return int_of(*find(key), path_of(key), range);
  if (!fallback) missing(key);
  return *fallback;
}

double Json::get_float(std::string_view key, std::optional<double> fallback) const {
  if (has(key)) return float_of(*find(key), path_of(key));
  if (!fallback) missing(key);
  return *fallback;
}

bool Json::get_bool(std::string_view key, std::optional<bool> fallback) const {
  if (has(key)) {
    const nlohmann::json& value = *find(key);
    if (!value.is_boolean()) refuse_value(path_of(key), value, "true or false");
    return value.get<bool>();
  }
  if (!fallback) missing(key);
  return *fallback;
}

std::string Json::get_string(std::string_view key, std::optional<std::string> fallback) const {
  if (has(key)) {
    const nlohmann::json& value = *find(key);
    if (!value.is_string()) refuse_value(path_of(key), value, "a string");
    return value.get<std::string>();
  }
  if (!fallback) missing(key);
  return *std::move(fallback);
}

std::vector<std::int64_t> Json::get_int_list(std::string_view key,
                                             std::optional<std::vector<std::int64_t>> fallback,
                                             IntRange range) const {
  if (!has(key)) {
    if (!fallback) missing(key);
    return *std::move(fallback);
  }
  std::vector<std::int64_t> numbers;
  const std::string path = path_of(key);
  for (const nlohmann::json& value : list_of(*find(key), path)) {
    numbers.push_back(int_of(value, fmt::format("{}[{}]", path, numbers.size()), range));
  }
  return numbers;
}

std::vector<std::int64_t> Json::get_int_or_list(std::string_view key, std::size_t count,
                                                std::optional<std::int64_t> fallback,
                                                IntRange range) const {
  if (!has(key) || !find(key)->is_array()) {
    return std::vector<std::int64_t>(count, get_int(key, fallback, range));
  }
  std::vector<std::int64_t> numbers = get_int_list(key, {}, range);
  if (numbers.size() != count) {
    refuse(key, fmt::format("an integer or a list of {}", count));
  }
  return numbers;
}

std::vector<double> Json::get_float_list(std::string_view key,
                                         std::optional<std::vector<double>> fallback) const {
  if (!has(key)) {
    if (!fallback) missing(key);
    return *std::move(fallback);
  }
  std::vector<double> numbers;
  const std::string path = path_of(key);
  for (const nlohmann::json& value : list_of(*find(key), path)) {
    numbers.push_back(float_of(value, fmt::format("{}[{}]", path, numbers.size())));
  }
  return numbers;
}

std::vector<std::string> Json::get_string_list(
    std::string_view key, std::optional<std::vector<std::string>> fallback) const {
  if (!has(key)) {
    if (!fallback) missing(key);
    return *std::move(fallback);
  }
  std::vector<std::string> texts;
  const std::string path = path_of(key);
  for (const nlohmann::json& value : list_of(*find(key), path)) {
    if (!value.is_string())
      refuse_value(fmt::format("{}[{}]", path, texts.size()), value, "a string");
    texts.push_back(value.get<std::string>());
  }
  return texts;
}

Json Json::child(std::string_view key) const {
  if (!has(key)) missing(key);
  return Json(document_, find(key), path_of(key));
}

std::vector<Json> Json::items() const {
  std::vector<Json> items;
  for (const nlohmann::json& value : list_of(*value_, path_)) {
    items.push_back(Json(document_, &value, fmt::format("{}[{}]", path_, items.size())));
  }
  return items;
}

}  // namespace semblance
