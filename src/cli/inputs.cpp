#include "cli/inputs.h"

#include "app/face_view.h"
#include "core/messages.h"
#include "face/likeness.h"

namespace semblance::cli {
namespace {

/// Reads the person; notes it when the photo shows several faces.
SubjectReader::Subject read_person(SubjectReader& reader, const std::filesystem::path& path,
                                   const std::string& flag, const Interrupt& interrupt,
                                   Progress& progress, int face = 0) {
  progress.now(text_of(Message::kLookingForFaces, path.filename().string()));
  SubjectReader::Subject subject = reader.read(path, flag, interrupt.token(), face);
  if (subject.faces > 1 && face == 0) {
    progress.note(
        text_of(Message::kLargestFaceUsed, flag, subject.faces, path.filename().string()));
  }
  return subject;
}

/// The person in all these photos; notes how alike they are.
Identity read_photos(std::span<const std::filesystem::path> paths, const std::string& flag,
                     SubjectReader& reader, const Interrupt& interrupt, Progress& progress) {
  std::vector<Identity> photos;
  std::vector<std::string> names;
  for (const std::filesystem::path& path : paths) {
    photos.push_back(read_person(reader, path, flag, interrupt, progress).identity);
    names.push_back(path.string());
  }
  Identity person = join_identities(photos, names);
  if (person.photos() > 1) {
    const Spread spread = spread_of(person);
    progress.note(text_of(Message::kPhotosCombined, person.photos(), spread.least, spread.most));
  }
  return person;
}

/// All people of a request with several.
People read_all_people(const RequestSettings& s, std::optional<InitialPicture>& initial,
                       SubjectReader& reader, const Request& request, const Interrupt& interrupt,
                       Progress& progress) {
  std::vector<ReadPerson> people;
  for (const std::string& text : request.people) {
    const PersonChoice choice = parse_person(text);
    const std::vector<std::filesystem::path> paths(choice.faces.begin(), choice.faces.end());
    people.push_back({.identity = read_photos(paths, s.faces.empty() ? "--people" : "--face",
                                              reader, interrupt, progress),
                      .mask = choice.mask.empty() ? nullptr : open_file(choice.mask)});
  }
  std::optional<PosedFaces> pose;
  if (s.is_posed()) {
    const std::filesystem::path photo = s.framed();
    progress.now(text_of(Message::kLookingForFaces, photo.filename().string()));
    const bool is_in_initial = s.pose.empty();
    pose = PosedFaces{
        .photo = photo.string(),
        .faces = reader.read_all(photo, is_in_initial ? "--init" : "--pose", interrupt.token()),
        .are_all_needed = s.people_from_pose,
        .keypoints = [&](const Identity& face) {
          return is_in_initial ? initial->keypoints(face, request, interrupt.token())
                               : scale_keypoints(face, {request.width, request.height});
        }};
  }
  reader.close();
  if (pose && s.mask == kFaceMask) {
    for (const Identity& face : chosen_faces(request, *pose)) initial->cover(face);
  }
  return place_people(request, people, pose, interrupt.token());
}

}  // namespace

People read_face_input(const RequestSettings& s, std::optional<InitialPicture>& initial,
                       SubjectReader& reader, const Request& request, const Interrupt& interrupt,
                       Progress& progress) {
  if (s.has_people()) return read_all_people(s, initial, reader, request, interrupt, progress);
  const Identity person = read_photos(s.faces, "--face", reader, interrupt, progress);
  std::optional<SubjectReader::Subject> posed;
  const bool is_in_initial = s.pose.empty() && initial.has_value();
  if (s.is_posed()) {
    posed = read_person(reader, s.framed(), is_in_initial ? "--init" : "--pose", interrupt,
                        progress, is_in_initial ? static_cast<int>(s.pick) - 1 : 0);
    if (s.mask == kFaceMask) initial->cover(posed->identity);
  }
  reader.close();
  const Identity& position = posed ? posed->identity : person;
  const Keypoints place = is_in_initial
                              ? initial->keypoints(position, request, interrupt.token())
                              : scale_keypoints(position, {request.width, request.height});
  const Keypoints keypoints = seen_keypoints(person, place, request);
  return {.embeddings = person.embeddings(),
          .keypoints = {keypoints},
          .face_boxes = {face_box(position, keypoints)}};
}

std::optional<StartPicture> read_initial(const RequestSettings& s,
                                         const std::optional<InitialPicture>& initial,
                                         const Request& request, const Interrupt& interrupt,
                                         Progress& progress) {
  if (!initial) return std::nullopt;
  progress.now(text_of(Message::kReadingPicture, s.initial.filename().string()));
  return initial->open(request, interrupt.token());
}

}  // namespace semblance::cli
