// Configs as they lie on a disk: JSON with checked reading. Files are hostile, so that size, depth
// and the type of each value are checked, and each error names the file and the key.
//
// A Json is one value of a file (an object, mostly) that keeps the whole file alive; copies are
// cheap and immutable, so that they may be shared by threads. A JSON null counts as absent, as in
// Python packages, where None asks for the default. Of a key given twice the last counts.
// Include <nlohmann/json.hpp> (in .cpp files only) to work on value().
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

  /// Reads a file. Throws Error(kMissing) when it is not there, Error(kCorrupt) when it is larger
  /// than `limit_bytes`, no JSON, or nested deeper than kLimitDepth; Error(kDevice) when it cannot
  /// be read; Error(kArgument) when it is a folder.
  static Json load(const std::filesystem::path& path, std::uint64_t limit_bytes = kLimitBytes);
  /// The same from text; `name` stands for the file in messages. Throws Error(kCorrupt).
  static Json parse(std::string name, std::string_view text);

  /// The file's name, for messages.
  const std::string& file() const;
  const nlohmann::json& value() const { return *value_; }
  bool is_object() const;
  bool is_list() const;
  /// Throws Error(kCorrupt) unless this value is an object.
  const Json& expect_object() const;

  /// True where this is an object that has `key` with another value than null.
  bool has(std::string_view key) const;
  /// True where the key is there and its value is null: None where that is not the default.
  bool is_null(std::string_view key) const;
  /// The keys of an object in alphabetical order; empty for another value.
  std::vector<std::string> keys() const;

  // Typed values of an object. When the key is absent (or null): `fallback`, or Error(kMissing)
  // where none is given. Another type, or an integer out of `range`, is Error(kCorrupt).
  std::int64_t get_int(std::string_view key, std::optional<std::int64_t> fallback = {},
                       IntRange range = {}) const;
  /// Takes integers too. The result is finite.
  double get_float(std::string_view key, std::optional<double> fallback = {}) const;
  bool get_bool(std::string_view key, std::optional<bool> fallback = {}) const;
  std::string get_string(std::string_view key, std::optional<std::string> fallback = {}) const;
  std::vector<std::int64_t> get_int_list(std::string_view key,
                                         std::optional<std::vector<std::int64_t>> fallback = {},
                                         IntRange range = {}) const;
  /// A list, or a single integer that stands for `count` equal ones. A list must have `count`
  /// numbers.
  std::vector<std::int64_t> get_int_or_list(std::string_view key, std::size_t count,
                                            std::optional<std::int64_t> fallback = {},
                                            IntRange range = {}) const;
  std::vector<double> get_float_list(std::string_view key,
                                     std::optional<std::vector<double>> fallback = {}) const;
  std::vector<std::string> get_string_list(
      std::string_view key, std::optional<std::vector<std::string>> fallback = {}) const;

  /// The value of a key, of any type. Throws Error(kMissing) when it is absent or null.
  Json child(std::string_view key) const;
  /// The values of a list. Throws Error(kCorrupt) when this is no list.
  std::vector<Json> items() const;

  /// Throws Error(kCorrupt) that says what a key must be and what it is: "cannot read FILE:
  /// "KEY" must be RULE, got VALUE (TYPE)". For checks beyond types.
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
