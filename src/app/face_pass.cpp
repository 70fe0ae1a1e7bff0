#include "app/face_pass.h"

#include <unistd.h>

#include <algorithm>

#include "app/parameters.h"
#include "core/error.h"
#include "image/encode.h"

namespace semblance {
namespace {

/// How much of the face is made anew.
constexpr double kStrength = 0.4;

/// A file that ends with its last reader.
std::shared_ptr<const File> unnamed_file(const Image& picture,
                                         const std::filesystem::path& folder) {
  const std::filesystem::path path =
      (folder.empty() ? std::filesystem::temp_directory_path() : folder) /
      fmt::format("semblance-face-{}-{}.png", getpid(), random_seed());
  write_image(picture, path, {});
  const std::shared_ptr<const File> file = open_file(path);
  std::filesystem::remove(path);
  return file;
}

/// At least one step is made.
double strength_of_pass(int steps) {
  return kStrength * steps >= 1 ? kStrength : std::min(1.0, 1.001 / steps);
}

Request request_of_pass(const InitialPicture& initial, const Request& whole, int native_side) {
  Request request = whole;
  request.hires = 1;
  request.controls.clear();
  request.has_mask = true;
  request.region_mask = false;
  request.inpaint_area = std::string(kInpaintAreaNames[1]);
  request.strength = strength_of_pass(request.step_count());
  const Size size = initial.size({}, request, native_side);
  request.width = size.w;
  request.height = size.h;
  return request;
}

}  // namespace

std::optional<Identity> face_to_refine(const Image& picture, const Request& request,
                                       SubjectReader& reader, std::stop_token stop) {
  const std::string& choice = request.refine_faces.name;
  if (choice == "off" || request.has_mask || !request.people.empty()) return std::nullopt;
  std::optional<Identity> face = reader.largest_face(picture, std::move(stop));
  if (!face) return std::nullopt;
  const auto& [left, top, right, bottom] = *face->box;
  const float side = std::max(right - left, bottom - top);
  const auto shorter = static_cast<float>(std::min(picture.width(), picture.height()));
  return choice == "on" || side < kSmallFace * shorter ? face : std::nullopt;
}

FacePass::FacePass(const Image& picture, const Identity& face, const Request& request,
                   int native_side, const std::filesystem::path& folder)
    : initial_(InitialPicture::with_face_covered(unnamed_file(picture, folder))), face_(face) {
  initial_.cover(face_);
  request_ = request_of_pass(initial_, request, native_side);
}

RequestPlan FacePass::plan(const Pipeline& pipeline) const {
  return pipeline
      .plan({.request = request_,
             .before = {initial_.stage(request_)},
             .minimum = Wanted::kNever,
             .largest = Wanted::kNever})
      .plan;
}

Generation FacePass::start(Pipeline& pipeline, std::span<const float> embeddings,
                           std::stop_token stop) const {
  const StartPicture from = initial_.open(request_, stop);
  return pipeline.start(request_, embeddings, initial_.keypoints(face_, request_, stop), stop,
                        &from);
}

Image FacePass::finish(Generation& generation, std::stop_token stop) const {
  return initial_.finish(generation.decode(stop), request_, stop);
}

}  // namespace semblance
