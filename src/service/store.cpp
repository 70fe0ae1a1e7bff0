#include "service/store.h"

#include <array>
#include <mutex>
#include <random>

#include "core/error.h"
#include "memory/file.h"
#include "service/data_folder.h"
#include "service/database.h"
#include "service/job_files.h"
#include "service/lived_time.h"
#include "service/log.h"

namespace semblance::service {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr int kVersion = 2;
constexpr const char* kTables =
    "CREATE TABLE jobs(number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL,"
    " state TEXT NOT NULL, created INTEGER NOT NULL, started INTEGER, ended INTEGER,"
    " repeat_key TEXT, kept TEXT NOT NULL);"
    "CREATE INDEX jobs_by_state ON jobs(state, number);"
    "CREATE INDEX jobs_by_repeat_key ON jobs(repeat_key) WHERE repeat_key IS NOT NULL;"
    "CREATE TABLE identities(id TEXT PRIMARY KEY, name TEXT NOT NULL, created INTEGER NOT NULL);";
/// Version 1 had neither digests of requests nor lived time.
constexpr const char* kToVersion2 =
    "ALTER TABLE jobs ADD COLUMN digest TEXT;"
    "ALTER TABLE jobs ADD COLUMN created_lived INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE jobs ADD COLUMN ended_lived INTEGER;"
    "UPDATE jobs SET repeat_key = NULL;"
    "UPDATE jobs SET ended_lived = 0 WHERE ended IS NOT NULL;"
    "CREATE TABLE lived(one INTEGER PRIMARY KEY CHECK(one = 1), lived INTEGER NOT NULL,"
    " wall INTEGER NOT NULL);";
constexpr const char* kColumns =
    "id, state, created, started, ended, repeat_key, digest, kept, number";
constexpr int kNumberColumn = 8;
constexpr const char* kUnfinished = "state IN ('queued', 'running')";
constexpr milliseconds kWriteLivedEvery = std::chrono::minutes(1);

std::int64_t number_of(Time time) {
  return std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
}
std::optional<std::int64_t> number_of(const std::optional<Time>& time) {
  return time ? std::optional(number_of(*time)) : std::nullopt;
}

std::optional<Job> job_of(const Query& row) {
  return job_in({.id = row.text(0),
                 .state = row.text(1),
                 .repeat_key = row.text(5),
                 .digest = row.text(6),
                 .kept = row.text(7),
                 .created = row.number(2),
                 .started = row.number(3),
                 .ended = row.number(4)});
}

std::optional<SavedIdentity> identity_of(const Query& row) {
  return saved_identity_in({row.text(0), row.text(1), row.number(2)});
}

}  // namespace

struct Store::State {
  explicit State(const fs::path& where) : folder(where), database(folder.database()) {
    bring_up_to_date();
    lived.emplace(lived_at_start());
    write_lived();
    check_rows();
    clean_files();
  }

  DataFolder folder;
  Database database;
  std::mutex mutex;
  std::optional<LivedTime> lived;
  LivedTime::Duration lived_written{0};

  std::int64_t lived_now() const { return lived->now().count(); }

  void bring_up_to_date() {
    Query query(database, "PRAGMA user_version");
    query.next();
    const std::int64_t found = query.number(0).value_or(0);
    if (found > kVersion) {
      fail(ErrorKind::kCorrupt,
           "cannot use the folder {}: a later version of semblance wrote it\n  use that version, "
           "or choose another folder with --data",
           folder.path().string());
    }
    Query tables(database, "SELECT COUNT(*) FROM sqlite_master");
    tables.next();
    if (found == 0 && tables.number(0) != 0) {
      fail(ErrorKind::kCorrupt,
           "cannot use {}: it is the database of another program\n  choose another folder with "
           "--data",
           folder.database().string());
    }
    if (found < kVersion) {
      database.run(fmt::format("BEGIN; {} {} PRAGMA user_version = {}; COMMIT;",
                               found == 0 ? kTables : "", kToVersion2, kVersion));
    }
  }

  LivedTime::Duration lived_at_start() const {
    Query query(database, "SELECT lived, wall FROM lived WHERE one = 1");
    if (!query.next()) return LivedTime::Duration(0);
    return LivedTime::after({LivedTime::Duration(query.number(0).value_or(-1)),
                             Time(milliseconds(query.number(1).value_or(0)))},
                            now());
  }

  void write_lived() {
    lived_written = lived->now();
    Query(database, "INSERT OR REPLACE INTO lived(one, lived, wall) VALUES(1, ?, ?)",
          static_cast<std::int64_t>(lived_written.count()), number_of(now()))
        .run();
  }

  /// Drops invalid rows, and marks unreadable jobs that are waiting as failed.
  void check_rows() {
    std::vector<std::int64_t> dropped, failed;
    {
      Query query(database, fmt::format("SELECT {}, {} FROM jobs", kColumns, kUnfinished));
      while (query.next()) {
        const std::optional<Job> job = job_of(query);
        const std::int64_t number = query.number(kNumberColumn).value_or(0);
        if (!job) dropped.push_back(number);
        if (job && job->ended_already() && query.number(kNumberColumn + 1) == 1) {
          failed.push_back(number);
          // The error's message may quote the row, including the prompt, so it is not logged.
          Log::stderr_log().line(LogLevel::kError, "failed job", {{"job", job->id}},
                                 "corrupt: its row in the database cannot be read");
        }
      }
    }
    for (const std::int64_t number : dropped) drop(number);
    for (const std::int64_t number : failed) set_failed(number);
    // Ages that the service cannot have lived count as new.
    Query(database,
          fmt::format("UPDATE jobs SET ended_lived = ?1 WHERE NOT {} AND (typeof(ended_lived) <> "
                      "'integer' OR ended_lived NOT BETWEEN 0 AND ?1)",
                      kUnfinished),
          lived_now())
        .run();
    Query(database,
          "UPDATE jobs SET created_lived = ?1 WHERE typeof(created_lived) <> 'integer' OR "
          "created_lived NOT BETWEEN 0 AND ?1",
          lived_now())
        .run();
    std::vector<std::int64_t> identities;
    {
      Query query(database, "SELECT id, name, created, rowid FROM identities");
      while (query.next()) {
        if (!identity_of(query)) identities.push_back(query.number(3).value_or(0));
      }
    }
    for (const std::int64_t row : identities)
      Query(database, "DELETE FROM identities WHERE rowid = ?", row).run();
  }

  void drop(std::int64_t number) const {
    Query(database, "DELETE FROM jobs WHERE number = ?", number).run();
  }
  void set_failed(std::int64_t number) const {
    Query(database, "UPDATE jobs SET state = 'failed', ended = ?, ended_lived = ? WHERE number = ?",
          number_of(now()), lived_now(), number)
        .run();
  }

  std::optional<Job> one(Query& query) const {
    while (query.next()) {
      if (std::optional<Job> job = job_of(query)) return job;
    }
    return std::nullopt;
  }
  void remove_files(const std::string& id) const {
    if (!is_id(id)) return;
    std::error_code ignored;
    fs::remove_all(folder.jobs() / id, ignored);  // removes a link, not its target
  }
  bool has(const char* table, const std::string& id) const {
    Query query(database, fmt::format("SELECT 1 FROM {} WHERE id = ?", table), id);
    return query.next();
  }

  /// Removes only names that the service makes: the folder is the user's.
  void clean_files() const {
    std::error_code ignored;
    std::vector<fs::path> orphans;
    for (const auto& entry : fs::directory_iterator(folder.jobs(), ignored)) {
      const std::string name = entry.path().filename().string();
      const bool is_folder = entry.symlink_status(ignored).type() == fs::file_type::directory;
      if (is_id(name) && (!is_folder || !has("jobs", name))) orphans.push_back(entry.path());
    }
    for (const auto& entry : fs::directory_iterator(folder.identities(), ignored)) {
      const std::string name = entry.path().stem().string();
      if (is_id(name) && entry.path().extension() == ".json" && !has("identities", name))
        orphans.push_back(entry.path());
    }
    for (const auto& orphan : orphans) fs::remove_all(orphan, ignored);
    sweep_folder(folder.identities(), [](const std::string& name) {
      const fs::path path(name);
      return is_id(path.stem().string()) && path.extension() == ".json";
    });
  }
};

Store::Store(const fs::path& folder) {
  try {
    state_ = std::make_unique<State>(folder);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kCorrupt) throw;
    // SQLite reports a single failed read as damage; real damage is still there the second time.
    state_ = std::make_unique<State>(folder);
  }
}

Store::~Store() {
  try {
    state_->write_lived();
  } catch (const std::exception&) {
    // The disk fails: the next start takes the time since the last write from the wall clock.
  }
}

std::string Store::new_id() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}{:04x}", device(), device(), device() & 0xffffU);
}

fs::path Store::folder_of(const std::string& id) const {
  if (!is_id(id)) fail(ErrorKind::kCorrupt, "cannot use a job's folder: its id is damaged");
  fs::path folder = state_->folder.jobs() / id;
  std::error_code ignored;
  if (fs::is_symlink(fs::symlink_status(folder, ignored)))
    fail(ErrorKind::kCorrupt, "cannot use {}: expected a folder, got a link", folder.string());
  return folder;
}

fs::path Store::new_folder_of(const std::string& id) const {
  fs::path folder = folder_of(id);
  make_private_folder(folder);
  return folder;
}

std::string Store::link_secret() const { return state_->folder.link_secret(); }

fs::path Store::identity_file(const std::string& id) const {
  if (!is_id(id)) fail(ErrorKind::kCorrupt, "cannot use a saved face: its id is damaged");
  return state_->folder.identities() / (id + ".json");
}

void Store::add(const Job& job) {
  sync_folder(folder_of(job.id));
  const std::lock_guard guard(state_->mutex);
  const std::optional<Time>& ended = job.ended;
  Query(state_->database,
        "INSERT INTO jobs(id, state, created, started, ended, repeat_key, digest, kept, "
        "created_lived, ended_lived) VALUES(?, ?, ?, ?, ?, NULLIF(?, ''), NULLIF(?, ''), ?, ?, ?)",
        job.id, std::string(name_of(job.state)), number_of(job.created), number_of(job.started),
        number_of(ended), job.request.repeat_key, job.request.digest, kept_text(job),
        state_->lived_now(), ended ? std::optional(state_->lived_now()) : std::nullopt)
      .run();
}

void Store::update(const Job& job) {
  const std::lock_guard guard(state_->mutex);
  Query(state_->database,
        "UPDATE jobs SET state = ?, started = ?, ended = ?, kept = ?, ended_lived = CASE WHEN ?3 "
        "IS NULL THEN NULL ELSE COALESCE(ended_lived, ?) END WHERE id = ?",
        std::string(name_of(job.state)), number_of(job.started), number_of(job.ended),
        kept_text(job), state_->lived_now(), job.id)
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
              fmt::format("SELECT {} FROM jobs WHERE repeat_key = ? AND created_lived >= ? "
                          "ORDER BY number DESC LIMIT 1",
                          kColumns),
              repeat_key, state_->lived_now() - milliseconds(kKeyAge).count());
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
  while (std::optional<Job> job = state_->one(query)) {
    shorten_prompts(job->request);
    jobs.push_back(std::move(*job));
  }
  return jobs;
}

std::optional<Job> Store::next() const {
  const std::lock_guard guard(state_->mutex);
  while (true) {
    std::optional<Job> job;
    std::int64_t number = 0;
    {
      // 'running' sorts after 'queued', so DESC puts it first.
      Query query(state_->database,
                  fmt::format("SELECT {} FROM jobs WHERE {} ORDER BY state DESC, number LIMIT 1",
                              kColumns, kUnfinished));
      if (!query.next()) return std::nullopt;
      job = job_of(query);
      number = query.number(kNumberColumn).value_or(0);
    }
    if (job && !job->ended_already()) return job;
    // It cannot be read; left alone, it would stay the next one forever.
    if (job) {
      state_->set_failed(number);
    } else {
      state_->drop(number);
    }
  }
}

int Store::position(const std::string& id) const {
  const std::lock_guard guard(state_->mutex);
  Query query(state_->database,
              "SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND number < (SELECT number FROM "
              "jobs WHERE id = ?)",
              id);
  query.next();
  return static_cast<int>(query.number(0).value_or(0));
}

int Store::queued() const {
  const std::lock_guard guard(state_->mutex);
  Query query(state_->database, "SELECT COUNT(*) FROM jobs WHERE state = 'queued'");
  query.next();
  return static_cast<int>(query.number(0).value_or(0));
}

void Store::remove_files(const std::string& id) const { state_->remove_files(id); }

void Store::remove(const std::string& id) {
  const std::lock_guard guard(state_->mutex);
  Query(state_->database, "DELETE FROM jobs WHERE id = ?", id).run();
  state_->remove_files(id);
}

void Store::prune(milliseconds age, int most) {
  const std::lock_guard guard(state_->mutex);
  if (state_->lived->now() - state_->lived_written >= kWriteLivedEvery) state_->write_lived();
  std::vector<std::pair<std::int64_t, std::string>> old;
  {
    Query query(state_->database,
                fmt::format("SELECT number, id FROM jobs WHERE NOT {0} AND (ended_lived < ?1 OR "
                            "number NOT IN (SELECT number FROM jobs WHERE NOT {0} ORDER BY number "
                            "DESC LIMIT ?2))",
                            kUnfinished),
                state_->lived_now() - static_cast<std::int64_t>(age.count()),
                static_cast<std::int64_t>(most));
    while (query.next()) old.emplace_back(query.number(0).value_or(0), query.text(1));
  }
  for (const auto& [number, id] : old) {
    state_->drop(number);
    state_->remove_files(id);
  }
}

void Store::add_identity(const SavedIdentity& identity) {
  sync_folder(state_->folder.identities());
  const std::lock_guard guard(state_->mutex);
  Query(state_->database, "INSERT INTO identities(id, name, created) VALUES(?, ?, ?)", identity.id,
        identity.name, number_of(identity.created))
      .run();
}

std::vector<SavedIdentity> Store::identities() const {
  const std::lock_guard guard(state_->mutex);
  Query query(state_->database, "SELECT id, name, created FROM identities ORDER BY created DESC");
  std::vector<SavedIdentity> all;
  while (query.next()) {
    if (auto identity = identity_of(query)) all.push_back(std::move(*identity));
  }
  return all;
}

std::optional<SavedIdentity> Store::find_identity(const std::string& id) const {
  const std::lock_guard guard(state_->mutex);
  Query query(state_->database, "SELECT id, name, created FROM identities WHERE id = ?", id);
  return query.next() ? identity_of(query) : std::nullopt;
}

bool Store::remove_identity(const std::string& id) {
  if (!is_id(id)) return false;
  const std::lock_guard guard(state_->mutex);
  Query(state_->database, "DELETE FROM identities WHERE id = ?", id).run();
  const bool removed = state_->database.changes() > 0;
  std::error_code ignored;
  if (removed) fs::remove(identity_file(id), ignored);
  return removed;
}

}  // namespace semblance::service
