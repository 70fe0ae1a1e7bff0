// Several people in one picture, from a file of people or from the faces in a pose photo: who they
// are, where their faces are, and which part of the picture is theirs.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "face/identity.h"
#include "memory/file.h"
#include "pipeline/people.h"
#include "pipeline/request.h"

namespace semblance {

/// Reads a file of people: a JSON list of objects (pipeline/person_choice.h) whose paths are
/// relative to the file. Returns their texts with whole paths. Throws Error(kArgument), "cannot
/// take FLAG: FILE: ...", and what open_file() throws.
std::vector<std::string> read_people(const std::filesystem::path& file, const std::string& flag);

/// A person for each photo or identity, with the face that is in its place in the pose photo, from
/// the left.
std::vector<std::string> people_of_pose(std::span<const std::filesystem::path> faces);

/// The paths of all photos and identities of people.
std::vector<std::filesystem::path> photos_of_people(const Request& request);

/// A person as read from its photos and files.
struct ReadPerson {
  Identity identity;                           // of all photos
  std::shared_ptr<const File> mask = nullptr;  // of its region, if its choice has one
};

/// The faces in the pose photo, in any order, and what turns them into the new picture's pixels.
struct PosedFaces {
  std::string photo;                 // for messages
  std::vector<Identity> faces = {};  // image_size is the photo's frame
  /// For each of these the number of people must be the same, if there is no file of people.
  bool are_all_needed = false;
  std::function<Keypoints(const Identity&)> keypoints = {};
};

/// The face that each person of a request has in the pose photo. Throws Error(kArgument) for a
/// person that has none.
std::vector<Identity> chosen_faces(const Request& request, const PosedFaces& pose);

/// Where each person of a complete request is. A person without a region has the columns that are
/// nearer to its face than to others'. Throws Error(kArgument) for a person without a place, a
/// region of another size, one that is black or does not have the face, and what decode() throws.
People place_people(const Request& request, std::span<const ReadPerson> people,
                    const std::optional<PosedFaces>& pose, const std::stop_token& stop = {});

/// The middle of the eyes and the mouth.
std::array<float, 2> centre_of(const Keypoints& points);
/// The face's box around keypoints that come without one.
PixelBox box_around(const Keypoints& keypoints);
/// The box of an identity's face in the new picture, in which its keypoints are these.
PixelBox face_box(const Identity& identity, const Keypoints& keypoints);

}  // namespace semblance
