// The files of one job, in its own folder:
//
//   photo, photo-2, ..., pose  as sent; init and mask, too: the picture to start from, and of what
//                              is repainted
//   control-1, control-2, ...  the pictures of the ControlNets
//   region-1, ...              the masks of people's regions
//   photo.json, ...            the face found in it, or the saved identity; detected once
//   run.resume                 the state of the current picture (pipeline/resume.h)
//   0.png, 1.png, ...          the finished pictures
//   0.webp, 1.webp, ...        the same, small, for lists
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
  /// The n-th photo of the person, from 0.
  std::filesystem::path photo(std::size_t n = 0) const;
  std::filesystem::path pose() const { return folder_ / "pose"; }
  /// The picture to start from.
  std::filesystem::path initial() const { return folder_ / "init"; }
  std::filesystem::path mask() const { return folder_ / "mask"; }
  /// The picture of the n-th ControlNet, from 0.
  std::filesystem::path control(std::size_t n) const;
  /// The n-th mask of people's regions, from 0.
  std::filesystem::path region(std::size_t n) const;
  /// The file for the face in a photo(), pose() or initial().
  static std::filesystem::path face_in(const std::filesystem::path& photo);
  std::filesystem::path saved_run() const { return folder_ / "run.resume"; }
  std::filesystem::path picture(std::size_t n) const;
  std::filesystem::path small_picture(std::size_t n) const;

  /// Removes partial files that a kill left, and links; if the job has ended, also its photos
  /// (unless kept) and steps. Only known names are touched. Nobody may write to the folder
  /// meanwhile. Errors are ignored: the next start tries again.
  void tidy(const Job& job) const;

 private:
  std::filesystem::path folder_;
};

/// Removes from `folder` what an OutputFile left when the program was killed, and links and other
/// entries that are not regular files but have a name for which `is_ours` is true. Errors are
/// ignored.
void sweep_folder(const std::filesystem::path& folder,
                  const std::function<bool(const std::string& name)>& is_ours);

}  // namespace semblance::service
