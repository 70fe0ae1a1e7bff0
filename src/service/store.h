// The queue and its results on disk (data_folder.h), so that both outlive the program.
//
// When a function returns, its changes survive a power cut. Nothing read from the database is
// trusted (rows.h): an unreadable job becomes a failed one, code "corrupt"; a row with an invalid
// id is dropped. Results and keys age by the service's lived time (lived_time.h).
// One program at a time can use a folder. All functions are thread-safe and throw Error(kDevice) if
// the disk fails.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "service/job.h"
#include "service/rows.h"

namespace semblance::service {

class Store {
 public:
  /// How long a repeated request is recognised.
  static constexpr std::chrono::hours kKeyAge{24};

  /// Creates the folder if it does not exist, drops invalid rows, and removes files without a row:
  /// the program may have ended after writing a photo and before adding its job. Throws what
  /// DataFolder throws, and Error(kCorrupt) for a database of a later version, of another program,
  /// or a damaged one.
  explicit Store(const std::filesystem::path& folder);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// 20 hexadecimal digits.
  static std::string new_id();

  /// The folder of a job's files. Throws Error(kCorrupt) if `id` is invalid or the folder is a
  /// link.
  std::filesystem::path folder_of(const std::string& id) const;
  /// The same, created if missing.
  std::filesystem::path new_folder_of(const std::string& id) const;
  std::filesystem::path identity_file(const std::string& id) const;
  /// DataFolder::link_secret().
  std::string link_secret() const;

  /// Adds a job whose files have been written. Both are on the disk when this returns.
  void add(const Job& job);
  /// Writes the job's state, times and kept_text().
  void update(const Job& job);
  std::optional<Job> find(const std::string& id) const;
  /// The newest job with this key that is not older than kKeyAge.
  std::optional<Job> find_repeated(const std::string& repeat_key) const;
  /// The newest first; only those older than `before` (a job's id) if given. Prompts are shortened:
  /// a thousand of the longest would take 128 MiB.
  std::vector<Job> list(int most, const std::string& before = "") const;
  /// The next to run: one that was running when the program ended, then the oldest in the queue.
  std::optional<Job> next() const;
  /// The number of queued jobs ahead of this one.
  int position(const std::string& id) const;
  int queued() const;
  /// Removes a job's files, even if the job does not exist.
  void remove_files(const std::string& id) const;
  /// Removes a job with its files.
  void remove(const std::string& id);
  /// Removes jobs that ended longer ago than `age`, and all ended ones except the newest `most`.
  void prune(std::chrono::milliseconds age, int most);

  void add_identity(const SavedIdentity& identity);
  std::vector<SavedIdentity> identities() const;
  std::optional<SavedIdentity> find_identity(const std::string& id) const;
  bool remove_identity(const std::string& id);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace semblance::service
