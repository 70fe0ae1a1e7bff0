// semblance face: finds the faces in a photo; prints, draws or saves them as an identity.
#include <fmt/ranges.h>

#include "app/subject.h"
#include "cli/command.h"
#include "cli/demo_model.h"
#include "cli/flags.h"
#include "cli/interrupt.h"
#include "cli/outputs.h"
#include "cli/photo_flags.h"
#include "cli/progress.h"
#include "core/error.h"
#include "core/messages.h"
#include "core/parallel.h"
#include "face/likeness.h"
#include "image/draw.h"
#include "image/encode.h"
#include "memory/file.h"

namespace semblance::cli {
namespace {

struct FaceSettings {
  std::vector<std::string> photos;
  PhotoFlags looking;
  std::filesystem::path save;
  std::filesystem::path draw;
  std::int64_t pick = 1;
  std::int64_t threads = 0;
  bool json = false;
};

void declare(Flags& flags, FaceSettings& s) {
  flags.group("What to do");
  flags.words("PHOTO...",
              "The photo: JPEG, PNG or WebP. Several are of one person, the largest face in each.",
              s.photos);
  flags.toggle("--json",
               "Prints {\"image_size\": [w, h], \"faces\": [{\"score\", \"box\", \"keypoints\", "
               "\"embedding\"}, ...]}, largest face first, coordinates in pixels of image_size. "
               "Takes one photo.",
               s.json);
  flags.path("--save", "FILE.json",
             "Saves a face as an identity, which replaces the photo in `semblance generate --face "
             "FILE.json` and gives the same picture. Of several photos it holds every face, and "
             "the position in the first. Only the file's owner can read it.",
             s.save);
  flags.path("--draw", "FILE",
             "Draws the face's keypoints as IdentityNet sees them: .png, .jpg or .webp.", s.draw);
  flags.whole("--pick",
              "Which face --save and --draw use; 1 is the largest. Takes one photo. Default: 1.", 1,
              100000, s.pick);
  flags.group(kModelsGroup);
  s.looking.declare_models(flags,
                           "Face detector and recogniser: insightface's antelopev2 or buffalo_l "
                           "folder. Default: the ones downloaded by `semblance models pull "
                           "antelopev2`, else the demo's (drawn faces only, not photos).");
  flags.group("Advanced");
  s.looking.declare_advanced(flags);
  flags.whole("--threads", "Processor cores to use, 1 to 1024. Default: all available.", 1, 1024,
              s.threads);
  flags.epilogue(
      "Examples\n"
      "  semblance models pull antelopev2\n"
      "  semblance face me.jpg\n"
      "  semblance face friends.jpg --pick 2 --save friend.json\n"
      "  semblance face me-1.jpg me-2.jpg me-3.jpg --save me.json\n"
      "\n" +
      exit_codes_text());
}

std::string json_of(Size frame, const std::vector<Face>& faces) {
  std::vector<std::string> items;
  items.reserve(faces.size());
  for (const Face& face : faces) items.push_back(to_json(face));
  return fmt::format("{{\"image_size\": [{}, {}], \"faces\": [{}]}}", frame.w, frame.h,
                     fmt::join(items, ", "));
}

std::string text_of(const std::filesystem::path& photo, Size frame,
                    const std::vector<Face>& faces) {
  std::string out =
      fmt::format("{}: {} face{}, in pixels of {} x {}\n", photo.filename().string(), faces.size(),
                  faces.size() == 1 ? "" : "s, largest first", frame.w, frame.h);
  for (std::size_t i = 0; i < faces.size(); ++i) {
    const Detection& face = faces[i].detection;
    out += fmt::format("{:>4}. score {:.3f}, box {:.0f},{:.0f} to {:.0f},{:.0f}", i + 1, face.score,
                       face.box[0], face.box[1], face.box[2], face.box[3]);
    constexpr const char* kPoints[] = {"eyes", " and", "nose", "mouth", " to"};
    for (std::size_t point = 0; point < face.keypoints.size(); ++point) {
      const bool joined = kPoints[point][0] == ' ';
      out += fmt::format("{}{} {:.0f},{:.0f}", joined ? "" : ", ", kPoints[point],
                         face.keypoints[point][0], face.keypoints[point][1]);
    }
    out += '\n';
  }
  out.pop_back();
  return out;
}

void check_flags(const FaceSettings& s) {
  if (s.photos.empty()) {
    fail(ErrorKind::kArgument, "face needs a photo\n  `semblance face --help` shows an example");
  }
  if (s.photos.size() > 1 && (s.json || s.pick > 1)) {
    fail(ErrorKind::kArgument, "cannot take {}: expected one photo, got {}",
         s.json ? "--json" : "--pick", s.photos.size());
  }
  s.looking.check();
  std::vector<std::filesystem::path> inputs(s.photos.begin(), s.photos.end());
  inputs.insert(inputs.end(), {s.looking.files.detector, s.looking.files.recogniser});
  if (!s.save.empty()) check_output("--save", s.save, inputs);
  if (!s.draw.empty()) {
    format_for(s.draw);
    check_output("--draw", s.draw, inputs);
  }
}

/// Prints the faces in a photo and returns the one to use.
Identity look_at(const FaceSettings& s, SubjectReader& reader, const std::filesystem::path& path,
                 const Interrupt& interrupt, Progress& progress) {
  progress.now(text_of(Message::kLookingForFaces, path.filename().string()));
  const Image photo = open_photo(path, s.looking.options());
  const FoundFaces found = reader.faces(photo, interrupt.token());
  const std::vector<Face>& faces = found.faces;
  interrupt.check();
  progress.clear();
  if (s.json) print(json_of(photo.size(), faces));
  if (faces.empty()) fail_without_face(path.string(), found);
  if (s.pick > static_cast<std::int64_t>(faces.size())) {
    fail(ErrorKind::kArgument, "cannot take --pick: {} shows {} face{}, got {}", path.string(),
         faces.size(), faces.size() == 1 ? "" : "s", s.pick);
  }
  if (!s.json) print(text_of(path, photo.size(), faces));
  return identity_of(faces[static_cast<std::size_t>(s.pick - 1)], photo.size());
}

}  // namespace

int face(std::span<const char* const> words) {
  FaceSettings s;
  Flags flags("face PHOTO... [--face-models DIR] [--json] [--save FILE.json] [flags]",
              "Finds the faces in a photo: their positions, and the 512 numbers that identify each "
              "person.");
  declare(flags, s);
  if (!flags.read(words)) {
    print(flags.help());
    return 0;
  }
  s.looking.find_models(IfMissing::kRefuse);
  const bool with_demo = take_demo_face_models(s.looking.files);
  check_flags(s);
  set_threads(s.threads > 0 ? static_cast<int>(s.threads) : available_cores());
  const Interrupt interrupt;
  Progress progress(false);
  if (with_demo) progress.note(text_of(Message::kDemoFaceModels));
  SubjectReader reader(s.looking.files, s.looking.options());
  for (const std::filesystem::path photo : s.photos) {
    if (looks_like_identity(*open_file(photo))) {
      fail(ErrorKind::kArgument, "cannot look for faces in {}: expected a photo, got JSON",
           photo.string());
    }
    reader.check(photo, "PHOTO");
  }
  std::vector<Identity> picked;
  for (const std::filesystem::path photo : s.photos)
    picked.push_back(look_at(s, reader, photo, interrupt, progress));
  const Identity person = join_identities(picked, s.photos);
  if (!s.save.empty()) write_identity(person, s.save);
  if (!s.draw.empty()) write_image(draw_keypoints(person.keypoints, person.image_size), s.draw);
  if (person.photos() > 1) {
    const Spread spread = spread_of(person);
    progress.note(text_of(Message::kPhotosCombined, person.photos(), spread.least, spread.most));
  }
  return 0;
}

}  // namespace semblance::cli
