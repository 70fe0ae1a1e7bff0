#include "cli/inputs.h"

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

/// The person in all photos; notes how alike they are.
Identity read_people(const RequestSettings& s, SubjectReader& reader, const Interrupt& interrupt,
                     Progress& progress) {
  std::vector<Identity> photos;
  std::vector<std::string> names;
  for (const std::filesystem::path& path : s.faces) {
    photos.push_back(read_person(reader, path, "--face", interrupt, progress).identity);
    names.push_back(path.string());
  }
  Identity person = join_identities(photos, names);
  if (person.photos() > 1) {
    const Spread spread = spread_of(person);
    progress.note(text_of(Message::kPhotosCombined, person.photos(), spread.least, spread.most));
  }
  return person;
}

}  // namespace

FaceInput read_face_input(const RequestSettings& s, std::optional<InitialPicture>& initial,
                          SubjectReader& reader, const Request& request, const Interrupt& interrupt,
                          Progress& progress) {
  const Identity person = read_people(s, reader, interrupt, progress);
  std::optional<SubjectReader::Subject> posed;
  const bool is_in_initial = s.pose.empty() && initial.has_value();
  if (s.is_posed()) {
    posed = read_person(reader, s.framed(), is_in_initial ? "--init" : "--pose", interrupt,
                        progress, is_in_initial ? static_cast<int>(s.pick) - 1 : 0);
    if (s.mask == kFaceMask) initial->cover(posed->identity);
  }
  reader.close();
  const Identity& position = posed ? posed->identity : person;
  return {person.embeddings(), is_in_initial
                                   ? initial->keypoints(position, request, interrupt.token())
                                   : scale_keypoints(position, {request.width, request.height})};
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
