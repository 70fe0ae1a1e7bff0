// SQLite behind two small classes:
//
//   Database database(path);
//   Query query(database, "SELECT id FROM jobs WHERE number < ?", 5);
//   while (query.next()) use(query.text(0));
//
// Not thread-safe. All functions throw Error(kDevice) if the disk fails, Error(kCorrupt) for a
// damaged file.
//
// Not SQLiteCpp: it would be a dependency for these two classes, and does not tell a failing disk
// from a damaged file.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace semblance::service {

class Database {
 public:
  /// Creates the file, readable only by its owner, if it does not exist. Commits are on the disk
  /// when the call returns (write-ahead log, synced). Does not follow links.
  explicit Database(const std::filesystem::path& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void run(const std::string& statements);
  [[noreturn]] void failed() const;
  sqlite3* get() const { return database_; }
  int changes() const { return sqlite3_changes(database_); }

 private:
  void check_device() const;

  std::string path_;
  sqlite3* database_ = nullptr;
};

/// A statement with its values.
class Query {
 public:
  template <typename... Values>
  Query(const Database& database, const std::string& text, const Values&... values)
      : Query(database, text, nullptr) {
    int place = 0;
    (bind(++place, values), ...);
  }
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  /// False after the last row.
  bool next();
  void run();
  /// Empty if the column is not text.
  std::string text(int column) const;
  /// Absent if NULL, -1 if the column is not an integer.
  std::optional<std::int64_t> number(int column) const;

 private:
  Query(const Database& database, const std::string& text, std::nullptr_t);
  void bind(int place, const std::string& value);
  void bind(int place, std::int64_t value);
  void bind(int place, const std::optional<std::int64_t>& value);

  const Database& database_;
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace semblance::service
