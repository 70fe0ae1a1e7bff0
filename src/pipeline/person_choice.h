// One of several people as requests name them: a JSON object,
// {"faces": ["a.jpg"], "box": [0, 0, 512, 1024], "prompt": "...", ...}.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "image/keypoints.h"
#include "image/mask.h"
#include "pipeline/parameter.h"

namespace semblance {

struct Request;

/// Each person adds a computation of both halves of the guidance to every step.
inline constexpr std::size_t kMostPeople = 8;

struct PersonChoice {
  std::vector<std::string> faces = {};  // paths of photos and identities of this person
  /// How many of the photos that are sent with the request are of this person; the service's.
  int photos = 1;
  // The position of the face: keypoints, in pixels of the new picture; or those of a face in the
  // pose photo, counted from the left, from 1 on.
  std::optional<Keypoints> keypoints = {};
  std::optional<int> pose_face = {};
  // The region: of a mask's file, sent with the request, or a box in pixels of the new picture.
  std::string mask = {};
  bool is_mask_sent = false;
  std::optional<PixelBox> box = {};
  // Absent: the request's.
  std::optional<std::string> prompt = {};
  std::optional<float> identity_strength = {}, adapter_strength = {};
  std::optional<double> start = {}, end = {};  // of both parts

  bool has_region() const { return !mask.empty() || is_mask_sent || box.has_value(); }
};

/// Throws Error(kArgument), "cannot take the person: ...", for text that is no JSON object, an
/// unknown key, or a value outside its range.
PersonChoice parse_person(std::string_view text);
/// The problem with a text, in the words of problem_of(). The service takes no paths, only what is
/// sent with the request.
std::optional<std::string> person_problem(std::string_view text, Asker asker);

/// The text with another prompt.
std::string with_prompt(std::string_view text, const std::string& prompt);

/// The problem with the boxes of a request's people in a picture of its size, in the words of
/// problem_of().
std::optional<std::string> boxes_problem(const Request& request);
/// The numbers, from 1, of two people whose boxes overlap.
std::optional<std::pair<int, int>> overlapping_boxes(const Request& request);

/// How strongly a person is in the picture, and during which fractions of the steps.
struct PersonDials {
  float identity_strength;
  float adapter_strength;
  double identity_start, identity_end;
  double adapter_start, adapter_end;
};
/// Of each person of a request; of the only one, if it has no people.
std::vector<PersonDials> dials_of(const Request& request);
/// How many people a request has, at least 1.
std::size_t people_in(const Request& request);
/// The prompt of each person, or the request's alone if none has its own.
std::vector<std::string> prompts_of(const Request& request);

}  // namespace semblance
