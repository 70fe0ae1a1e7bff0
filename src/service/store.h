// The queue and its results on disk (data_folder.h), so that both outlive the program.
//
// What is in the database when a function returns stays there through a power cut. Nothing that is
// read from it is believed (rows.h): a job that cannot be read is one that failed, code "corrupt";
// a row without an id of ours is dropped. Results and keys age by the time that the service has
// lived through (lived_time.h).
// One program at a time uses a folder. All functions are thread-safe, and throw Error(kDevice)
// where the disk fails.
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
  /// For how long a request that comes again is known.
  static constexpr std::chrono::hours kKeyAge{24};

  /// Makes the folder where it is not there, drops rows that are none, and removes files of ours
  /// that belong to nothing: the program may have ended between a photo's arrival and its job's.
  /// Throws what DataFolder throws, Error(kCorrupt) for a database of a later version, of another
  /// program, or a damaged one.
  explicit Store(const std::filesystem::path& folder);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// 20 hexadecimal digits.
  static std::string new_id();

  /// The folder of a job's files. Throws Error(kCorrupt) where `id` is not one of ours, or a link
  /// is in the folder's place.
  std::filesystem::path folder_of(const std::string& id) const;
  /// The same, made.
  std::filesystem::path new_folder_of(const std::string& id) const;
  std::filesystem::path identity_file(const std::string& id) const;
  /// As DataFolder has it.
  std::string link_secret() const;

  /// Adds a job whose files are there. They and it are on the disk when this returns.
  void add(const Job& job);
  /// Writes the job's state, times and text.
  void update(const Job& job);
  std::optional<Job> find(const std::string& id) const;
  /// The newest job of this key that is not older than kKeyAge.
  std::optional<Job> find_repeated(const std::string& repeat_key) const;
  /// The newest first, those older than `before` (a job's id) where that is given; with shortened
  /// prompts, so that a thousand of the longest take no 128 MiB.
  std::vector<Job> list(int most, const std::string& before = "") const;
  /// The next to run: one that was running when the program ended, then the oldest in the queue.
  std::optional<Job> next() const;
  /// How many of the queue come before this one.
  int position(const std::string& id) const;
  int queued() const;
  /// Removes a job's files, also of one that is not there.
  void remove_files(const std::string& id) const;
  /// Removes a job with its files.
  void remove(const std::string& id);
  /// Removes what ended longer ago than `age`, and the oldest beyond the newest `most` that ended.
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
