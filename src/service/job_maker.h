// Makes the pictures of one job, step by step, and keeps what is done on disk. A device that fails
// meanwhile is waited for (patience.h) with all steps kept.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "face/identity.h"
#include "service/board.h"
#include "service/engine.h"
#include "service/job_files.h"
#include "service/patience.h"
#include "service/store.h"

namespace semblance::service {

/// What a photo of the request is the cause of.
class PhotoError : public Error {
 public:
  /// `part`: "photo" or "pose".
  PhotoError(std::string part, const Error& error) : Error(error), part_(std::move(part)) {}
  const std::string& part() const { return part_; }

 private:
  std::string part_;
};

class JobMaker {
 public:
  struct Options {
    int begin_limit = 3;
    std::chrono::milliseconds save_every{2000};
    PatienceOptions patience = {};
  };

  /// `job` is the one that runs on the board. `between` is called between two steps, and while a
  /// device is waited for.
  JobMaker(Engine& engine, Store& store, Board& board, const Options& options,
           std::function<void()> between, Job& job);

  /// Throws Error(kCancelled) where the job is stopped, by its user or by the service's end;
  /// Error(kInternal) where it was begun too often without gaining a step; and what ends it, as a
  /// PhotoError where a photo is the cause.
  void make();

 private:
  void count_start();
  JobGain gain() const;
  /// The one after those that are done, of the job that `first` begins.
  Request next_picture(const Request& first) const;
  Identity person_in(const std::filesystem::path& photo, const std::string& what, int face);
  Identity person_of(const std::string& part, int face);
  Identity person_in_pose(const Identity& person);
  void settle(const Request& request);
  void make_picture(Request request, const Identity& person, const Keypoints& keypoints);
  std::optional<Generation> saved_generation(const Request& request);
  void make_steps(Generation& generation, Size size);
  void tell_step(const Generation& generation, int first, double seconds, double step_seconds);
  void show(const Generation& generation, Size size);
  void keep_steps(const Generation& generation) const;
  void set_stage(const std::string& stage);
  void wait_for_device(const Error& error);
  void went_on();

  /// Gives what work() gives. Where a device fails, work() is called again later.
  template <typename F>
  auto patiently(F&& work) {
    while (true) {
      try {
        if constexpr (std::is_void_v<decltype(work())>) {
          work();
          went_on();
          return;
        } else {
          auto result = work();
          went_on();
          return result;
        }
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kDevice) throw;
        wait_for_device(error);
      }
    }
  }

  Engine& engine_;
  Store& store_;
  Board& board_;
  Options options_;
  std::function<void()> between_;
  Job& job_;
  JobFiles files_;
  std::stop_token stop_;
  Patience patience_;
};

}  // namespace semblance::service
