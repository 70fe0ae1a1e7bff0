#include "service/database.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include "core/error.h"
#include "memory/file.h"

namespace semblance::service {
namespace {

/// SQLite would create it readable by everyone; its log gets the mode of the database.
void make_file(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor < 0) fail(ErrorKind::kDevice, "cannot open {}: {}", path, std::strerror(errno));
  close(descriptor);
}

}  // namespace

Database::Database(const std::filesystem::path& path) : path_(path.string()) {
  make_file(path_);
  const int code = sqlite3_open_v2(path_.c_str(), &database_,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, nullptr);
  if (code != SQLITE_OK) {
    const std::string why = database_ != nullptr ? sqlite3_errmsg(database_) : "no memory";
    sqlite3_close(database_);
    fail(ErrorKind::kDevice, "cannot open {}: {}", path_, why);
  }
  sqlite3_busy_timeout(database_, 5000);
  try {
    run("PRAGMA trusted_schema = OFF; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "PRAGMA cache_size = -512;");
  } catch (...) {
    sqlite3_close(database_);
    throw;
  }
}

Database::~Database() { sqlite3_close(database_); }

void Database::run(const std::string& statements) {
  if (sqlite3_exec(database_, statements.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) failed();
}

/// SQLite reports a file as damaged if the device fails to read it. Throws Error(kDevice) then.
void Database::check_device() const {
  const auto file = open_file(path_);
  std::array<std::byte, 4096> block;
  for (std::uint64_t at = 0; at < file->size(); at += block.size())
    file->read(at,
               std::span(block).first(std::min<std::uint64_t>(block.size(), file->size() - at)));
}

void Database::failed() const {
  const int code = sqlite3_errcode(database_);
  if (code == SQLITE_NOMEM) throw std::bad_alloc();
  const bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  if (damaged) check_device();
  fail(damaged ? ErrorKind::kCorrupt : ErrorKind::kDevice, "cannot use {}: {}{}", path_,
       sqlite3_errmsg(database_),
       damaged ? "\n  move the folder away to start with an empty one" : "");
}

Query::Query(const Database& database, const std::string& text, std::nullptr_t)
    : database_(database) {
  if (sqlite3_prepare_v2(database.get(), text.c_str(), -1, &statement_, nullptr) != SQLITE_OK)
    database.failed();
}

Query::~Query() { sqlite3_finalize(statement_); }

bool Query::next() {
  const int code = sqlite3_step(statement_);
  if (code != SQLITE_ROW && code != SQLITE_DONE) database_.failed();
  return code == SQLITE_ROW;
}

void Query::run() {
  while (next()) {
  }
}

std::string Query::text(int column) const {
  if (sqlite3_column_type(statement_, column) != SQLITE_TEXT) return {};
  const auto* const bytes = sqlite3_column_text(statement_, column);
  return bytes == nullptr
             ? std::string()
             : std::string(reinterpret_cast<const char*>(bytes),
                           static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

std::optional<std::int64_t> Query::number(int column) const {
  const int type = sqlite3_column_type(statement_, column);
  if (type == SQLITE_NULL) return std::nullopt;
  return type == SQLITE_INTEGER ? sqlite3_column_int64(statement_, column) : -1;
}

void Query::bind(int place, const std::string& value) {
  sqlite3_bind_text(statement_, place, value.c_str(), static_cast<int>(value.size()),
                    SQLITE_TRANSIENT);
}
void Query::bind(int place, std::int64_t value) { sqlite3_bind_int64(statement_, place, value); }
void Query::bind(int place, const std::optional<std::int64_t>& value) {
  if (value) bind(place, *value);
}

}  // namespace semblance::service
