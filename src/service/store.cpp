#include "service/store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <random>

#include "core/error.h"

namespace semblance::service {
namespace {

constexpr int kVersion = 1;
constexpr const char* kTables =
    "CREATE TABLE jobs(number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL,"
    " state TEXT NOT NULL, created INTEGER NOT NULL, started INTEGER, ended INTEGER,"
    " repeat_key TEXT, kept TEXT NOT NULL);"
    "CREATE INDEX jobs_by_state ON jobs(state, number);"
    "CREATE INDEX jobs_by_repeat_key ON jobs(repeat_key) WHERE repeat_key IS NOT NULL;"
    "CREATE TABLE identities(id TEXT PRIMARY KEY, name TEXT NOT NULL, created INTEGER NOT NULL);";
constexpr const char* kColumns = "id, state, created, started, ended, repeat_key, kept";
constexpr const char* kUnfinished = "state IN ('queued', 'running')";

std::int64_t number_of(Time time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}
Time time_of(std::int64_t number) { return Time(std::chrono::milliseconds(number)); }

class Database {
 public:
  explicit Database(const std::filesystem::path& path) : path_(path.string()) {
    const int code = sqlite3_open_v2(path_.c_str(), &database_,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    if (code != SQLITE_OK) {
      const std::string why = database_ != nullptr ? sqlite3_errmsg(database_) : "no memory";
      sqlite3_close(database_);
      fail(ErrorKind::kDevice, "cannot open {}: {}", path_, why);
    }
    sqlite3_busy_timeout(database_, 5000);
  }
  ~Database() { sqlite3_close(database_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void run(const std::string& statements) {
    if (sqlite3_exec(database_, statements.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
      failed();
  }
  [[noreturn]] void failed() const {
    const int code = sqlite3_errcode(database_);
    const bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    fail(damaged ? ErrorKind::kCorrupt : ErrorKind::kDevice, "cannot use {}: {}{}", path_,
         sqlite3_errmsg(database_),
         damaged ? "\n  move the folder away to begin with an empty one" : "");
  }
  sqlite3* get() const { return database_; }
  int changes() const { return sqlite3_changes(database_); }

 private:
  std::string path_;
  sqlite3* database_ = nullptr;
};

/// One statement with its values: Query(database, "...", a, b); while (query.next()) ...
class Query {
 public:
  template <typename... Values>
  Query(const Database& database, const std::string& text, const Values&... values)
      : database_(database) {
    if (sqlite3_prepare_v2(database.get(), text.c_str(), -1, &statement_, nullptr) != SQLITE_OK)
      database.failed();
    int place = 0;
    (bind(++place, values), ...);
  }
  ~Query() { sqlite3_finalize(statement_); }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  bool next() {
    const int code = sqlite3_step(statement_);
    if (code != SQLITE_ROW && code != SQLITE_DONE) database_.failed();
    return code == SQLITE_ROW;
  }
  void run() {
    while (next()) {
    }
  }
  std::string text(int column) const {
    const auto* const bytes = sqlite3_column_text(statement_, column);
    return bytes == nullptr
               ? std::string()
               : std::string(reinterpret_cast<const char*>(bytes),
                             static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
  }
  std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }
  std::optional<Time> time(int column) const {
    if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
    return time_of(number(column));
  }

 private:
  void bind(int place, const std::string& value) {
    sqlite3_bind_text(statement_, place, value.c_str(), static_cast<int>(value.size()),
                      SQLITE_TRANSIENT);
  }
  void bind(int place, std::int64_t value) { sqlite3_bind_int64(statement_, place, value); }
  void bind(int place, const std::optional<Time>& value) {
    if (value) bind(place, number_of(*value));
  }

  const Database& database_;
  sqlite3_stmt* statement_ = nullptr;
};

Job job_of(const Query& row) {
  Job job;
  job.id = row.text(0);
  job.created = time_of(row.number(2));
  job.started = row.time(3);
  job.ended = row.time(4);
  job.repeat_key = row.text(5);
  Job whole = job;
  try {
    whole.state = job_state(row.text(1));
    take_kept_text(whole, row.text(6));
    return whole;
  } catch (const Error& error) {
    job.state = JobState::kFailed;
    job.error = {std::string(name_of(error.kind())), error.what()};
    if (!job.ended) job.ended = job.started.value_or(job.created);
    return job;
  }
}

bool is_id(std::string_view text) {
  return text.size() == 20 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

/// Held while the program uses the folder.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder) {
    const std::string path = (folder / "lock").string();
    descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor_ < 0)
      fail(ErrorKind::kDevice, "cannot write {}: {}", path, std::strerror(errno));
    if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      close(descriptor_);
      fail(
          ErrorKind::kDevice,
          "cannot use the folder {}: another semblance serve uses it\n  end that one, or give this "
          "one a folder of its own with --data",
          folder.string());
    }
  }
  ~FolderLock() { close(descriptor_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  if (error)
    fail(ErrorKind::kDevice, "cannot make the folder {}: {}", folder.string(), error.message());
}

}  // namespace

struct Store::State {
  explicit State(std::filesystem::path where)
      : folder(std::move(where)), lock(folder), database(folder / "service.sqlite") {}
  std::filesystem::path folder;
  FolderLock lock;
  Database database;
  std::mutex mutex;

  std::optional<Job> one(Query& query) const {
    return query.next() ? std::optional(job_of(query)) : std::nullopt;
  }
  void remove_files(const std::string& id) const {
    std::error_code ignored;
    std::filesystem::remove_all(folder / "jobs" / id, ignored);
  }
  bool has(const char* table, const std::string& id) const {
    Query query(database, fmt::format("SELECT 1 FROM {} WHERE id = ?", table), id);
    return query.next();
  }
  /// Only what has a name that is ours: the folder is the user's.
  void remove_orphans() const {
    std::error_code ignored;
    std::vector<std::filesystem::path> orphans;
    for (const auto& entry : std::filesystem::directory_iterator(folder / "jobs", ignored)) {
      const std::string name = entry.path().filename().string();
      if (is_id(name) && !has("jobs", name)) orphans.push_back(entry.path());
    }
    for (const auto& entry : std::filesystem::directory_iterator(folder / "identities", ignored)) {
      const std::string name = entry.path().stem().string();
      if (is_id(name) && entry.path().extension() == ".json" && !has("identities", name))
        orphans.push_back(entry.path());
    }
    for (const auto& orphan : orphans) std::filesystem::remove_all(orphan, ignored);
  }
};

Store::Store(const std::filesystem::path& folder) {
  make_folder(folder);
  make_folder(folder / "jobs");
  make_folder(folder / "identities");
  state_ = std::make_unique<State>(folder);
  Database& database = state_->database;
  database.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -512;");
  Query version(database, "PRAGMA user_version");
  version.next();
  const std::int64_t found = version.number(0);
  if (found > kVersion) {
    fail(ErrorKind::kCorrupt,
         "cannot use the folder {}: a later version of semblance wrote it\n  use that one, or "
         "another folder with --data",
         folder.string());
  }
  if (found == 0) {
    database.run(fmt::format("BEGIN; {} PRAGMA user_version = {}; COMMIT;", kTables, kVersion));
  }
  state_->remove_orphans();
}

Store::~Store() = default;

std::string Store::new_id() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}{:04x}", device(), device(), device() & 0xffffU);
}

std::filesystem::path Store::folder_of(const std::string& id) const {
  const std::filesystem::path folder = state_->folder / "jobs" / id;
  make_folder(folder);
  return folder;
}

std::filesystem::path Store::identity_file(const std::string& id) const {
  return state_->folder / "identities" / (id + ".json");
}

void Store::add(const Job& job) {
  const std::lock_guard guard(state_->mutex);
  Query(state_->database,
        "INSERT INTO jobs(id, state, created, started, ended, repeat_key, kept) VALUES"
        "(?, ?, ?, ?, ?, NULLIF(?, ''), ?)",
        job.id, std::string(name_of(job.state)), number_of(job.created), job.started, job.ended,
        job.repeat_key, kept_text(job))
      .run();
}

void Store::update(const Job& job) {
  const std::lock_guard guard(state_->mutex);
  Query(state_->database,
        "UPDATE jobs SET state = ?, started = ?, ended = ?, kept = ? WHERE id = ?",
        std::string(name_of(job.state)), job.started, job.ended, kept_text(job), job.id)
      .run();
}

std::optional<Job> Store::find(const std::string& id) const {
  const std::lock_guard guard(state_->mutex);
  Query query(state_->database, fmt::format("SELECT {} FROM jobs WHERE id = ?", kColumns), id);
  return state_->one(query);
}

std::optional<Job> Store::find_repeated(const std::string& repeat_key) const {
  if (repeat_key.empty()) return std::nullopt;
  const std::lock_guard guard(state_->mutex);
  Query query(state_->database,
              fmt::format("SELECT {} FROM jobs WHERE repeat_key = ? ORDER BY number DESC LIMIT 1",
                          kColumns),
              repeat_key);
  return state_->one(query);
}

std::vector<Job> Store::list(int most, const std::string& before) const {
  const std::lock_guard guard(state_->mutex);
  Query query(state_->database,
              fmt::format("SELECT {} FROM jobs WHERE ?1 = '' OR number < (SELECT number FROM jobs "
                          "WHERE id = ?1) ORDER BY number DESC LIMIT ?2",
                          kColumns),
              before, static_cast<std::int64_t>(most));
  std::vector<Job> jobs;
  while (query.next()) jobs.push_back(job_of(query));
  return jobs;
}

std::optional<Job> Store::next() const {
  const std::lock_guard guard(state_->mutex);
  while (true) {
    // 'running' comes after 'queued' in the alphabet, and goes first.
    Query query(state_->database,
                fmt::format("SELECT {} FROM jobs WHERE {} ORDER BY state DESC, number LIMIT 1",
                            kColumns, kUnfinished));
    std::optional<Job> job = state_->one(query);
    if (!job || !job->ended_already()) return job;
    // It cannot be read, and would be the next for ever.
    Query(state_->database, "UPDATE jobs SET state = 'failed', ended = ? WHERE id = ?",
          number_of(std::chrono::system_clock::now()), job->id)
        .run();
  }
}

int Store::position(const std::string& id) const {
  const std::lock_guard guard(state_->mutex);
  Query query(state_->database,
              "SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND number < (SELECT number FROM "
              "jobs WHERE id = ?)",
              id);
  query.next();
  return static_cast<int>(query.number(0));
}

int Store::queued() const {
  const std::lock_guard guard(state_->mutex);
  Query query(state_->database, "SELECT COUNT(*) FROM jobs WHERE state = 'queued'");
  query.next();
  return static_cast<int>(query.number(0));
}

void Store::remove_files(const std::string& id) const { state_->remove_files(id); }

void Store::remove(const std::string& id) {
  const std::lock_guard guard(state_->mutex);
  Query(state_->database, "DELETE FROM jobs WHERE id = ?", id).run();
  state_->remove_files(id);
}

void Store::prune(Time oldest, int most) {
  const std::lock_guard guard(state_->mutex);
  std::vector<std::string> ids;
  {
    Query query(
        state_->database,
        fmt::format("SELECT id FROM jobs WHERE NOT {0} AND (ended < ?1 OR number NOT IN "
                    "(SELECT number FROM jobs WHERE NOT {0} ORDER BY number DESC LIMIT ?2))",
                    kUnfinished),
        number_of(oldest), static_cast<std::int64_t>(most));
    while (query.next()) ids.push_back(query.text(0));
  }
  for (const std::string& id : ids) {
    Query(state_->database, "DELETE FROM jobs WHERE id = ?", id).run();
    state_->remove_files(id);
  }
}

void Store::add_identity(const SavedIdentity& identity) {
  const std::lock_guard guard(state_->mutex);
  Query(state_->database, "INSERT INTO identities(id, name, created) VALUES(?, ?, ?)", identity.id,
        identity.name, number_of(identity.created))
      .run();
}

std::vector<SavedIdentity> Store::identities() const {
  const std::lock_guard guard(state_->mutex);
  Query query(state_->database, "SELECT id, name, created FROM identities ORDER BY created DESC");
  std::vector<SavedIdentity> all;
  while (query.next()) all.push_back({query.text(0), query.text(1), time_of(query.number(2))});
  return all;
}

std::optional<SavedIdentity> Store::find_identity(const std::string& id) const {
  const std::lock_guard guard(state_->mutex);
  Query query(state_->database, "SELECT id, name, created FROM identities WHERE id = ?", id);
  if (!query.next()) return std::nullopt;
  return SavedIdentity{query.text(0), query.text(1), time_of(query.number(2))};
}

bool Store::remove_identity(const std::string& id) {
  const std::lock_guard guard(state_->mutex);
  Query(state_->database, "DELETE FROM identities WHERE id = ?", id).run();
  const bool removed = state_->database.changes() > 0;
  std::error_code ignored;
  if (removed) std::filesystem::remove(identity_file(id), ignored);
  return removed;
}

}  // namespace semblance::service
