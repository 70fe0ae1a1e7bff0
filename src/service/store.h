// The queue and its results on disk, so that both outlive the program:
//
//   FOLDER/service.sqlite      jobs and saved identities
//   FOLDER/jobs/ID/            photo, pose, identity.json, pose.json, run.resume, 0.png, 1.png, ...
//   FOLDER/identities/ID.json
//
// A job that cannot be read any more (its row is damaged) is one that failed, code "corrupt".
// One program at a time uses a folder. All functions are thread-safe, and throw Error(kDevice)
// where the disk fails.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "service/job.h"

namespace semblance::service {

struct SavedIdentity {
  std::string id;
  std::string name;
  Time created;
};

class Store {
 public:
  /// Makes the folder where it is not there, and removes files of ours that belong to nothing: the
  /// program may have ended between a photo's arrival and its job's. Throws Error(kDevice) where
  /// another program uses it or it cannot be written, Error(kCorrupt) for a database of a later
  /// version or a damaged one.
  explicit Store(const std::filesystem::path& folder);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// 20 hexadecimal digits.
  static std::string new_id();

  /// The folder of a job's files, which is made. `id` is one of ours.
  std::filesystem::path folder_of(const std::string& id) const;
  std::filesystem::path identity_file(const std::string& id) const;

  void add(const Job& job);
  /// Writes the job's state, times and text.
  void update(const Job& job);
  std::optional<Job> find(const std::string& id) const;
  std::optional<Job> find_repeated(const std::string& repeat_key) const;
  /// The newest first, those older than `before` (a job's id) where that is given.
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
  /// Removes what ended before `oldest`, and the oldest beyond the newest `most` that ended.
  void prune(Time oldest, int most);

  void add_identity(const SavedIdentity& identity);
  std::vector<SavedIdentity> identities() const;
  std::optional<SavedIdentity> find_identity(const std::string& id) const;
  bool remove_identity(const std::string& id);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace semblance::service
