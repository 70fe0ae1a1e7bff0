// Reads JSON configs with checks. Files may be hostile, so size, depth and the type of each value
// are checked; each error names the file and the key.
//
// A Json is one value of a file (usually an object) and keeps the whole file alive; copies are
// cheap and immutable, so threads may share them. A JSON null counts as absent, as in Python
// packages, where None asks for the default. If a key is given twice, the last one counts. Include
// <nlohmann/json.hpp> (in .cpp files only) to work on value().
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace semblance {

/// Bounds of an integer, both inclusive.
struct IntRange {
  std::int64_t least = std::numeric_limits<std::int64_t>::min();
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
};

class Json {
 public:
  static constexpr std::uint64_t kLimitBytes = std::uint64_t{16} << 20;
  static constexpr int kLimitDepth = 64;

  /// Reads a file; Python's Infinity and -Infinity count as null. Throws Error(kMissing) if it does
  /// not exist, Error(kCorrupt) if it is larger than `limit_bytes`, not JSON, or nested deeper than
  /// kLimitDepth; Error(kDevice) if it cannot be read; Error(kArgument) if it is a folder.
  static Json load(const std::filesystem::path& path, std::uint64_t limit_bytes = kLimitBytes);
  /// Parses text; messages use `name` for the file. Throws Error(kCorrupt).
  static Json parse(std::string name, std::string_view text);

  /// The file's name, for messages.
  const std::string& file() const;
  const nlohmann::json& value() const { return *value_; }
  bool is_object() const;
  bool is_list() const;
  /// Throws Error(kCorrupt) unless this value is an object.
  const Json& expect_object() const;

  /// True if this is an object in which `key` exists and is not null.
  bool has(std::string_view key) const;
  /// True if the key exists and is null: for keys where None is not the default.
  bool is_null(std::string_view key) const;
  /// The keys of an object in alphabetical order; empty for any other value.
  std::vector<std::string> keys() const;

  // Typed values of an object. If the key is absent or null: `fallback`, or Error(kMissing) without
  // one. A value of another type, or an integer outside `range`, is Error(kCorrupt).
  std::int64_t get_int(std::string_view key, std::optional<std::int64_t> fallback = {},
                       IntRange range = {}) const;
  /// Accepts integers too. The result is finite.
  double get_float(std::string_view key, std::optional<double> fallback = {}) const;
  bool get_bool(std::string_view key, std::optional<bool> fallback = {}) const;
  std::string get_string(std::string_view key, std::optional<std::string> fallback = {}) const;
  std::vector<std::int64_t> get_int_list(std::string_view key,
                                         std::optional<std::vector<std::int64_t>> fallback = {},
                                         IntRange range = {}) const;
  /// A list of `count` integers, or a single integer, which is repeated `count` times.
  std::vector<std::int64_t> get_int_or_list(std::string_view key, std::size_t count,
                                            std::optional<std::int64_t> fallback = {},
                                            IntRange range = {}) const;
  std::vector<double> get_float_list(std::string_view key,
                                     std::optional<std::vector<double>> fallback = {}) const;
  std::vector<std::string> get_string_list(
      std::string_view key, std::optional<std::vector<std::string>> fallback = {}) const;

  /// The value of a key, of any type. Throws Error(kMissing) if it is absent or null.
  Json child(std::string_view key) const;
  /// The values of a list. Throws Error(kCorrupt) if this is not a list.
  std::vector<Json> items() const;

  /// Throws Error(kCorrupt): "cannot read FILE: "KEY" must be RULE, got VALUE (TYPE)". For checks
  /// beyond types.
  [[noreturn]] void refuse(std::string_view key, std::string_view rule) const;

 private:
  struct Document;
  Json(std::shared_ptr<const Document> document, const nlohmann::json* value, std::string path);
  const nlohmann::json* find(std::string_view key) const;
  std::string path_of(std::string_view key) const;
  [[noreturn]] void refuse_value(const std::string& path, const nlohmann::json& value,
                                 std::string_view rule) const;
  [[noreturn]] void missing(std::string_view key) const;
  std::int64_t int_of(const nlohmann::json& value, const std::string& path, IntRange range) const;
  double float_of(const nlohmann::json& value, const std::string& path) const;
  const nlohmann::json& list_of(const nlohmann::json& value, const std::string& path) const;

  std::shared_ptr<const Document> document_;
  const nlohmann::json* value_;
  std::string path_;  // "a.b[2]", from the file's root; empty for the root
};

}  // namespace semblance
