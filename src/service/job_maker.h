// Makes the pictures of one job, step by step, and keeps finished work on disk. If a device fails,
// it waits and retries (patience.h) without losing steps.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "app/people.h"
#include "face/identity.h"
#include "service/board.h"
#include "service/engine.h"
#include "service/job_files.h"
#include "service/patience.h"
#include "service/store.h"

namespace semblance::service {

/// An error caused by a photo in the request.
class PhotoError : public Error {
 public:
  /// `part`: "photo", "pose", "init", "mask" or "control".
  PhotoError(std::string part, const Error& error) : Error(error), part_(std::move(part)) {}
  const std::string& part() const { return part_; }

 private:
  std::string part_;
};

class JobMaker {
 public:
  /// `job` is the board's running job. `between` is called between two steps, and while waiting for
  /// a device.
  JobMaker(Engine& engine, Store& store, Board& board, std::function<void()> between, Job& job);

  /// Throws Error(kCancelled) if the job is stopped, by the user or by the service's end;
  /// Error(kInternal) if it was begun too often without gaining a step; and whatever else ends it,
  /// as a PhotoError if a photo is the cause.
  void make();

 private:
  void count_start();
  JobGain gain() const;
  /// The one after those that are done, of the job that `first` begins.
  Request next_picture(const Request& first) const;
  Identity person_in(const std::filesystem::path& photo, const std::string& what, int face);
  Identity person_in_photos(std::size_t first, std::size_t count);
  std::vector<Identity> people_in_photos();
  std::optional<PosedFaces> posed_faces(const Request& request);
  Size size_for(const Request& request, const Identity& person);
  People placed(const Request& request, const std::vector<Identity>& everyone);
  Identity person_in_pose(const Identity& person);
  bool is_posed() const;
  std::optional<InitialPicture> initial_picture() const;
  ControlPictures control_pictures(const Request& request);
  std::vector<Request> requests_of_pictures(const Request& first) const;
  std::vector<Warning> warnings_of(const std::vector<Request>& requests);
  void settle(const std::vector<Request>& requests);
  void publish();
  void make_picture(Request request, const People& people);
  std::optional<Generation> saved_generation(const Request& request);
  bool refine(Image& image, const FoundFaces& found, const Request& request, const People& people);
  void make_steps(Generation& generation, bool is_face_pass = false);
  Image painted(std::optional<Generation> generation);
  void tell_step(const Generation& generation, int first, double seconds, double step_seconds);
  void show(const Generation& generation, Size size);
  void keep_steps(const Generation& generation) const;
  void set_stage(const std::string& stage);
  void wait_for_device(const Error& error);
  void went_on();

  /// Returns work()'s result. If a device fails, calls work() again later.
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
  std::function<void()> between_;
  Job& job_;
  JobFiles files_;
  std::optional<InitialPicture> initial_;
  std::stop_token stop_;
  Patience patience_;
  bool measures_likeness_ = false;
};

}  // namespace semblance::service
