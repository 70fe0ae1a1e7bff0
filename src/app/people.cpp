#include "app/people.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json.h"
#include "core/stop.h"
#include "image/decode.h"
#include "pipeline/person_choice.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

[[noreturn]] void refuse_people(const std::string& problem) {
  fail(ErrorKind::kArgument, "cannot take {}: {}", parameters::kPeople.name, problem);
}

/// "person 2"
std::string person_name(std::size_t i) { return fmt::format("person {}", i + 1); }

std::string size_name(Size size) { return fmt::format("{}x{}", size.w, size.h); }

json with_whole_paths(json person, const fs::path& folder) {
  const auto whole = [&](json& path) {
    if (path.is_string() && !path.get_ref<const std::string&>().empty())
      path = (folder / path.get<std::string>()).lexically_normal().string();
  };
  if (!person.is_object()) return person;
  if (const auto faces = person.find("faces"); faces != person.end() && faces->is_array()) {
    for (json& path : *faces) whole(path);
  }
  if (const auto mask = person.find("mask"); mask != person.end()) whole(*mask);
  return person;
}

/// The faces of the pose photo from left to right.
std::vector<const Identity*> from_the_left(const PosedFaces& pose) {
  std::vector<const Identity*> faces;
  for (const Identity& face : pose.faces) faces.push_back(&face);
  std::ranges::sort(faces, {}, [](const Identity* face) { return centre_of(face->keypoints)[0]; });
  return faces;
}

const Identity& chosen_face(const PersonChoice& choice, std::size_t i, const PosedFaces& pose) {
  const std::vector<const Identity*> faces = from_the_left(pose);
  const std::size_t place = choice.pose_face ? static_cast<std::size_t>(*choice.pose_face) - 1 : i;
  if (place >= faces.size()) {
    refuse_people(fmt::format("expected at least {} faces in {}, for {}, got {}", place + 1,
                              pose.photo, person_name(i), faces.size()));
  }
  return *faces[place];
}

/// A person's face in the new picture.
struct Placed {
  Keypoints keypoints;
  PixelBox box;
};

Placed place_of_face(const PersonChoice& choice, std::size_t i, const Identity& identity,
                     const std::optional<PosedFaces>& pose) {
  if (choice.keypoints) return {*choice.keypoints, face_box(identity, *choice.keypoints)};
  if (!pose) {
    refuse_people(
        fmt::format("{} has no place: expected keypoints or a pose photo\n  give \"keypoints\": "
                    "[[x, y] x 5], or a photo of as many people with --pose",
                    person_name(i)));
  }
  const Identity& face = chosen_face(choice, i, *pose);
  const Keypoints keypoints = pose->keypoints(face);
  return {keypoints, face_box(face, keypoints)};
}

/// The columns that are nearer to this face than to the others.
PixelBox columns_of(std::size_t i, std::span<const Placed> placed, Size size) {
  const float own = centre_of(placed[i].keypoints)[0];
  float left = 0;
  auto right = static_cast<float>(size.w);
  for (std::size_t j = 0; j < placed.size(); ++j) {
    const float other = centre_of(placed[j].keypoints)[0];
    if (j == i) continue;
    if (other < own || (other == own && j < i)) left = std::max(left, (own + other) / 2);
    if (other > own || (other == own && j > i)) right = std::min(right, (own + other) / 2);
  }
  return {static_cast<int>(std::lround(left)), 0, static_cast<int>(std::lround(right)), size.h};
}

Mask mask_in(const File& file, std::size_t i, Size size, const std::stop_token& stop) {
  const Size own = probe(file).upright();
  if (own != size) {
    refuse_people(fmt::format("expected the mask of {} to have the new picture's size, {}, got {}",
                              person_name(i), size_name(size), size_name(own)));
  }
  Mask mask = grey(decode(file, stop));
  if (!bounds(mask)) {
    refuse_people(fmt::format(
        "the mask of {} is black all over\n  make white what is that person's", person_name(i)));
  }
  return mask;
}

/// `is_given`: its columns have the face, but perhaps not the pixel of its middle.
void check_face_inside(const Mask& region, const Placed& placed, std::size_t i, bool is_given) {
  const auto [x, y] = centre_of(placed.keypoints);
  const Size size = region.size();
  const bool is_in_picture =
      x >= 0 && y >= 0 && x < static_cast<float>(size.w) && y < static_cast<float>(size.h);
  if (!is_in_picture) {
    refuse_people(fmt::format("the face of {}, at {:.0f},{:.0f}, is outside the new picture, {}",
                              person_name(i), x, y, size_name(size)));
  }
  const std::size_t pixel =
      static_cast<std::size_t>(y) * static_cast<std::size_t>(size.w) + static_cast<std::size_t>(x);
  if (!is_given || region.values()[pixel] >= 128) return;
  refuse_people(fmt::format(
      "the face of {}, at {:.0f},{:.0f}, is outside its region\n  move the keypoints, or widen the "
      "box or the mask",
      person_name(i), x, y));
}

}  // namespace

std::vector<std::string> read_people(const fs::path& file, const std::string& flag) {
  const auto refuse = [&](const std::string& problem) {
    fail(ErrorKind::kArgument, "cannot take {}: {}: {}", flag, file.string(), problem);
  };
  std::vector<std::string> people;
  json list;
  try {
    list = Json::load(file).value();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kCorrupt) throw;
    refuse(fmt::format("expected a JSON list of people\n  {}", error.what()));
  }
  if (!list.is_array() || list.empty()) refuse("expected a JSON list of people");
  if (list.size() > kMostPeople)
    refuse(expected(fmt::format("at most {} people", kMostPeople), fmt::to_string(list.size())));
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string text = with_whole_paths(list[i], fs::absolute(file).parent_path())
                                 .dump(-1, ' ', false, json::error_handler_t::replace);
    if (const auto problem = person_problem(text, Asker::kUser))
      refuse(fmt::format("{}: {}", person_name(i), *problem));
    if (parse_person(text).faces.empty()) {
      refuse(
          fmt::format("{}: faces are missing\n  give \"faces\": [\"me.jpg\"], photos or saved "
                      "identities of that person",
                      person_name(i)));
    }
    people.push_back(text);
  }
  return people;
}

std::vector<std::string> people_of_pose(std::span<const fs::path> faces) {
  std::vector<std::string> people;
  for (const fs::path& face : faces)
    people.push_back(json{{"faces", {fs::absolute(face).lexically_normal().string()}}}.dump());
  return people;
}

std::vector<fs::path> photos_of_people(const Request& request) {
  std::vector<fs::path> photos;
  for (const std::string& text : request.people) {
    const PersonChoice choice = parse_person(text);
    photos.insert(photos.end(), choice.faces.begin(), choice.faces.end());
  }
  return photos;
}

std::vector<Identity> chosen_faces(const Request& request, const PosedFaces& pose) {
  std::vector<Identity> faces;
  for (std::size_t i = 0; i < request.people.size(); ++i)
    faces.push_back(chosen_face(parse_person(request.people[i]), i, pose));
  return faces;
}

People place_people(const Request& request, std::span<const ReadPerson> people,
                    const std::optional<PosedFaces>& pose, const std::stop_token& stop) {
  const Size size{request.width, request.height};
  if (pose && pose->are_all_needed && pose->faces.size() != people.size()) {
    refuse_people(
        fmt::format("expected as many faces in {} as people, {}, got {}\n  choose faces "
                    "with \"pose_face\" in a file of people (--people)",
                    pose->photo, people.size(), pose->faces.size()));
  }
  People all;
  std::vector<PersonChoice> choices;
  std::vector<Placed> placed;
  for (std::size_t i = 0; i < people.size(); ++i) {
    choices.push_back(parse_person(request.people[i]));
    placed.push_back(place_of_face(choices[i], i, people[i].identity, pose));
    const std::vector<float> own = people[i].identity.embeddings();
    all.embeddings.insert(all.embeddings.end(), own.begin(), own.end());
    all.keypoints.push_back(placed[i].keypoints);
    all.face_boxes.push_back(placed[i].box);
  }
  auto regions = std::make_shared<std::vector<Mask>>();
  for (std::size_t i = 0; i < people.size(); ++i) {
    check_stop(stop);
    regions->push_back(
        people[i].mask ? mask_in(*people[i].mask, i, size, stop)
                       : mask_of_box(choices[i].box.value_or(columns_of(i, placed, size)), size));
    check_face_inside(regions->back(), placed[i], i, choices[i].has_region() || people[i].mask);
  }
  all.regions = std::move(regions);
  return all;
}

std::array<float, 2> centre_of(const Keypoints& points) {
  std::array<float, 2> sum{};
  for (const std::size_t i : {0U, 1U, 3U, 4U}) {
    for (std::size_t axis = 0; axis < 2; ++axis) sum[axis] += points[i][axis] / 4;
  }
  return sum;
}

PixelBox box_around(const Keypoints& keypoints) {
  const auto [left, right] =
      std::ranges::minmax(keypoints, {}, [](auto& point) { return point[0]; });
  const auto [top, bottom] =
      std::ranges::minmax(keypoints, {}, [](auto& point) { return point[1]; });
  // As detectors draw boxes: from the forehead to the chin.
  const float w = right[0] - left[0];
  const float h = bottom[1] - top[1];
  return {static_cast<int>(left[0] - 0.55F * w), static_cast<int>(top[1] - 0.95F * h),
          static_cast<int>(right[0] + 0.55F * w), static_cast<int>(bottom[1] + 0.6F * h)};
}

PixelBox face_box(const Identity& identity, const Keypoints& keypoints) {
  if (!identity.box) return box_around(keypoints);
  // The box moves and grows as the points' middle and spread do.
  const auto spread = [](const Keypoints& points) {
    const auto [x, y] = centre_of(points);
    float sum = 0;
    for (const auto& point : points) sum += std::hypot(point[0] - x, point[1] - y);
    return sum;
  };
  const auto from = centre_of(identity.keypoints);
  const auto to = centre_of(keypoints);
  const float own = spread(identity.keypoints);
  const float scale = own > 0 ? spread(keypoints) / own : 1;
  const auto edge = [&](std::size_t i) {
    const std::size_t axis = i % 2;
    return static_cast<int>(to[axis] + ((*identity.box)[i] - from[axis]) * scale);
  };
  return {edge(0), edge(1), edge(2), edge(3)};
}

}  // namespace semblance
