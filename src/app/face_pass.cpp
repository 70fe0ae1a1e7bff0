#include "app/face_pass.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "app/parameters.h"
#include "app/people.h"
#include "core/error.h"
#include "image/encode.h"
#include "pipeline/person_choice.h"

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

/// Which of the points is nearest.
std::size_t nearest(const std::array<float, 2>& to, std::span<const std::array<float, 2>> points) {
  const auto distance = [&](const std::array<float, 2>& point) {
    return std::hypot(point[0] - to[0], point[1] - to[1]);
  };
  return static_cast<std::size_t>(std::ranges::min_element(points, {}, distance) - points.begin());
}

std::vector<float> embeddings_of(const People& people, const Request& request, std::size_t person) {
  if (request.people.empty()) return people.embeddings;
  auto begin = people.embeddings.begin();
  for (std::size_t i = 0; i < person; ++i)
    begin += std::ptrdiff_t{request.photos[i]} * kEmbeddingSize;
  return {begin, begin + std::ptrdiff_t{request.photos[person]} * kEmbeddingSize};
}

/// The request of a picture of this person alone.
Request request_of_person(const Request& whole, std::size_t person) {
  Request request = whole;
  if (whole.people.empty()) return request;
  const PersonChoice choice = parse_person(whole.people[person]);
  request.people.clear();
  request.photos = {whole.photos[person]};
  if (choice.prompt) request.prompt = *choice.prompt;
  if (choice.identity_strength) request.identity_strength = *choice.identity_strength;
  if (choice.adapter_strength) request.adapter_strength = *choice.adapter_strength;
  return request;
}

Request request_of_pass(const InitialPicture& initial, Request request, int native_side) {
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

bool may_refine(const Request& request) {
  return request.refine_faces.name != "off" && !request.has_mask;
}

std::vector<FaceToRefine> faces_to_refine(const FoundFaces& found, Size picture,
                                          const Request& request, const People& people) {
  std::vector<FaceToRefine> chosen;
  if (!may_refine(request) || found.faces.empty()) return chosen;
  const auto shorter = static_cast<float>(std::min(picture.w, picture.h));
  const auto consider = [&](const Face& found_face, std::size_t person) {
    Identity face = identity_of(found_face, picture);
    const auto& [left, top, right, bottom] = *face.box;
    const bool is_small = std::max(right - left, bottom - top) < kSmallFace * shorter;
    if (request.refine_faces.name == "on" || is_small) chosen.push_back({std::move(face), person});
  };
  if (request.people.empty()) {
    consider(found.faces.front(), 0);
    return chosen;
  }
  const float scale = static_cast<float>(picture.w) / static_cast<float>(request.width);
  std::vector<std::array<float, 2>> places, faces;
  for (const Keypoints& keypoints : people.keypoints) {
    const auto [x, y] = centre_of(keypoints);
    places.push_back({x * scale, y * scale});
  }
  for (const Face& face : found.faces) faces.push_back(centre_of(face.detection.keypoints));
  for (std::size_t person = 0; person < places.size(); ++person) {
    const std::size_t face = nearest(places[person], faces);
    if (nearest(faces[face], places) == person) consider(found.faces[face], person);
  }
  return chosen;
}

FacePass::FacePass(const Image& picture, const FaceToRefine& face, const Request& request,
                   const People& people, int native_side, const std::filesystem::path& folder)
    : initial_(InitialPicture::with_face_covered(unnamed_file(picture, folder))), face_(face.face) {
  initial_.cover(face_);
  request_ = request_of_pass(initial_, request_of_person(request, face.person), native_side);
  embeddings_ = embeddings_of(people, request, face.person);
}

RequestPlan FacePass::plan(const Pipeline& pipeline) const {
  return pipeline
      .plan({.request = request_,
             .before = {initial_.stage(request_)},
             .minimum = Wanted::kNever,
             .largest = Wanted::kNever})
      .plan;
}

Generation FacePass::start(Pipeline& pipeline, std::stop_token stop) const {
  const StartPicture from = initial_.open(request_, stop);
  return pipeline.start(request_, embeddings_, initial_.keypoints(face_, request_, stop), stop,
                        &from);
}

Image FacePass::finish(Generation& generation, std::stop_token stop) const {
  return initial_.finish(generation.decode(stop), request_, stop);
}

}  // namespace semblance
