// The files of one job, in a folder of its own:
//
//   photo, pose                what was sent
//   photo.json, pose.json      the face found in it, or the saved identity: looked for once
//   run.resume                 the steps of the picture in progress (pipeline/resume.h)
//   0.png, 1.png, ...          the pictures that are done
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "service/job.h"

namespace semblance::service {

class JobFiles {
 public:
  explicit JobFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path photo() const { return folder_ / "photo"; }
  std::filesystem::path pose() const { return folder_ / "pose"; }
  /// The face in photo() or pose().
  static std::filesystem::path face_in(const std::filesystem::path& photo);
  std::filesystem::path saved_run() const { return folder_ / "run.resume"; }
  std::filesystem::path picture(std::size_t n) const;

  /// Removes what a kill left half written, links, and of a job that has ended its photos (unless
  /// they shall be kept) and steps. Only names of ours are touched. Nobody may write in the folder
  /// meanwhile. Errors are ignored: the next start tries it again.
  void tidy(const Job& job) const;

 private:
  std::filesystem::path folder_;
};

/// Removes in `folder` what an OutputFile left when the program was killed, and links and other
/// things that are no regular files and whose name `is_ours` knows. Errors are ignored.
void sweep_folder(const std::filesystem::path& folder,
                  const std::function<bool(const std::string& name)>& is_ours);

}  // namespace semblance::service
