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
#include "image/draw.h"
#include "image/encode.h"
#include "memory/file.h"

namespace semblance::cli {
namespace {

struct FaceSettings {
  std::filesystem::path photo;
  PhotoFlags looking;
  std::filesystem::path save;
  std::filesystem::path draw;
  std::int64_t pick = 1;
  std::int64_t threads = 0;
  bool json = false;
};

void declare(Flags& flags, FaceSettings& s) {
  flags.group("What to do");
  flags.positional("PHOTO", "The photo: JPEG, PNG or WebP.", s.photo);
  flags.toggle("--json",
               "Prints {\"image_size\": [w, h], \"faces\": [{\"score\", \"box\", \"keypoints\", "
               "\"embedding\"}, ...]}, largest face first, coordinates in pixels of image_size.",
               s.json);
  flags.path("--save", "FILE.json",
             "Saves a face as an identity, which replaces the photo in `semblance generate --face "
             "FILE.json` and gives the same picture. Only the file's owner can read it.",
             s.save);
  flags.path("--draw", "FILE",
             "Draws the face's keypoints as IdentityNet sees them: .png, .jpg or .webp.", s.draw);
  flags.whole("--pick", "Which face --save and --draw use; 1 is the largest. Default: 1.", 1,
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

std::string text_of(const FaceSettings& s, Size frame, const std::vector<Face>& faces) {
  std::string out =
      fmt::format("{}: {} face{}, in pixels of {} x {}\n", s.photo.filename().string(),
                  faces.size(), faces.size() == 1 ? "" : "s, largest first", frame.w, frame.h);
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
  if (s.photo.empty()) {
    fail(ErrorKind::kArgument, "face needs a photo\n  `semblance face --help` shows an example");
  }
  s.looking.check();
  const std::vector<std::filesystem::path> inputs{s.photo, s.looking.files.detector,
                                                  s.looking.files.recogniser};
  if (!s.save.empty()) check_output("--save", s.save, inputs);
  if (!s.draw.empty()) {
    format_for(s.draw);
    check_output("--draw", s.draw, inputs);
  }
}

}  // namespace

int face(std::span<const char* const> words) {
  FaceSettings s;
  Flags flags("face PHOTO [--face-models DIR] [--json] [--save FILE.json] [flags]",
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
  if (looks_like_identity(*open_file(s.photo))) {
    fail(ErrorKind::kArgument, "cannot look for faces in {}: expected a photo, got JSON",
         s.photo.string());
  }
  reader.check(s.photo, "PHOTO");
  progress.now(text_of(Message::kLookingForFaces, s.photo.filename().string()));
  const Image photo = open_photo(s.photo, s.looking.options());
  const FoundFaces found = reader.faces(photo, interrupt.token());
  const std::vector<Face>& faces = found.faces;
  interrupt.check();
  progress.clear();
  if (s.json) print(json_of(photo.size(), faces));
  if (faces.empty()) fail_without_face(s.photo.string(), found);
  if (s.pick > static_cast<std::int64_t>(faces.size())) {
    fail(ErrorKind::kArgument, "cannot take --pick: {} shows {} face{}, got {}", s.photo.string(),
         faces.size(), faces.size() == 1 ? "" : "s", s.pick);
  }
  const Face& picked = faces[static_cast<std::size_t>(s.pick - 1)];
  if (!s.save.empty()) write_identity(identity_of(picked, photo.size()), s.save);
  if (!s.draw.empty())
    write_image(draw_keypoints(picked.detection.keypoints, photo.size()), s.draw);
  if (!s.json) print(text_of(s, photo.size(), faces));
  return 0;
}

}  // namespace semblance::cli
