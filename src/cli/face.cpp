// semblance face: the faces of a photo, told, drawn or saved as an identity.
#include <fmt/ranges.h>

#include <algorithm>

#include "api/subject.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/interrupt.h"
#include "cli/outputs.h"
#include "cli/progress.h"
#include "core/error.h"
#include "core/parallel.h"
#include "image/draw.h"
#include "image/encode.h"
#include "memory/file.h"

namespace semblance::cli {
namespace {

struct Settings {
  std::filesystem::path photo;
  FaceFiles faces;
  std::filesystem::path save;
  std::filesystem::path draw;
  std::int64_t pick = 1;
  std::int64_t detector_size = 640;
  std::int64_t threads = 0;
  int photo_size = 0;  // index into published, original
  bool json = false;
};

void declare(Flags& flags, Settings& s) {
  flags.group("What to do");
  flags.positional("PHOTO", "The photo: JPEG, PNG or WebP.", s.photo);
  flags.toggle("--json",
               "Prints {\"image_size\": [w, h], \"faces\": [{\"score\", \"box\", \"keypoints\", "
               "\"embedding\"}, ...]}, the largest face first, in pixels of image_size.",
               s.json);
  flags.path(
      "--save", "FILE.json",
      "Saves a face as an identity: `semblance generate --face FILE.json` then makes the same "
      "picture as with the photo.",
      s.save);
  flags.path("--draw", "FILE", "Draws the keypoints as IdentityNet sees them: .png, .jpg or .webp.",
             s.draw);
  flags.whole("--pick", "Which face is saved and drawn; 1 is the largest. Default: 1.", 1, 100000,
              s.pick);
  flags.group("Models (docs/models.md says where they are)");
  flags.path("--face-models", "DIR", "insightface's antelopev2 or buffalo_l folder.",
             s.faces.folder);
  flags.path("--detector", "FILE", "A SCRFD detector (ONNX) in place of the folder's.",
             s.faces.detector);
  flags.path("--recogniser", "FILE", "An ArcFace recogniser (ONNX) in place of the folder's.",
             s.faces.recogniser);
  flags.group("Advanced");
  flags.choice(
      "--photo-size",
      "Size in which the photo is looked at. published: resized as InstantID's scripts do, "
      "long side 1280. original: as it is. Default: published.",
      {"published", "original"}, s.photo_size);
  flags.whole("--detector-size",
              "Side of the square that the photo is fitted into to look for faces: larger finds "
              "smaller faces. A multiple of 32, 64 to 4096. Default: 640.",
              64, 4096, s.detector_size);
  flags.whole("--threads", "Processor cores to use, 1 to 1024. Default: all there are.", 1, 1024,
              s.threads);
  flags.epilogue(
      "Examples\n"
      "  semblance face me.jpg --face-models antelopev2\n"
      "  semblance face friends.jpg --face-models antelopev2 --pick 2 --save friend.json\n"
      "\n" +
      exit_codes_text());
}

std::string json_of(Size frame, const std::vector<Face>& faces) {
  std::vector<std::string> items;
  for (const Face& face : faces) items.push_back(to_json(face));
  return fmt::format("{{\"image_size\": [{}, {}], \"faces\": [{}]}}", frame.w, frame.h,
                     fmt::join(items, ", "));
}

std::string text_of(const Settings& s, Size frame, const std::vector<Face>& faces) {
  std::string out =
      fmt::format("{}: {} face{}, in pixels of {} x {}\n", s.photo.filename().string(),
                  faces.size(), faces.size() == 1 ? "" : "s, the largest first", frame.w, frame.h);
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

void check_flags(const Settings& s) {
  if (s.photo.empty()) {
    fail(ErrorKind::kArgument,
         "face needs a photo, which did not come\n  `semblance face --help` shows an example");
  }
  if (s.detector_size % 32 != 0) {
    fail(ErrorKind::kArgument, "--detector-size: a multiple of 32 is needed, {} came",
         s.detector_size);
  }
  const std::vector<std::filesystem::path> inputs{s.photo, s.faces.detector, s.faces.recogniser};
  if (!s.save.empty()) check_output("--save", s.save, inputs);
  if (!s.draw.empty()) {
    format_for(s.draw);
    check_output("--draw", s.draw, inputs);
  }
}

}  // namespace

int face(std::span<const char* const> words) {
  Settings s;
  Flags flags(
      "face PHOTO --face-models DIR [--json] [--save FILE.json] [flags]",
      "Finds the faces of a photo: where they are, and the 512 numbers that tell whose they "
      "are.");
  declare(flags, s);
  if (!flags.read(words)) {
    print(flags.help());
    return 0;
  }
  check_flags(s);
  set_threads(s.threads > 0 ? static_cast<int>(s.threads) : available_cores());
  const Interrupt interrupt;
  Progress progress(false);
  SubjectReader reader(s.faces, {.original_size = s.photo_size == 1,
                                 .detector_size = static_cast<int>(s.detector_size)});
  if (looks_like_identity(*open_file(s.photo))) {
    fail(ErrorKind::kArgument, "cannot look for faces in {}: a photo is needed, this is JSON",
         s.photo.string());
  }
  reader.check(s.photo, "PHOTO");
  progress.now(fmt::format("looking for faces in {}", s.photo.filename().string()));
  const Image photo = open_photo(s.photo, {.original_size = s.photo_size == 1});
  const std::vector<Face> faces = reader.faces(photo, interrupt.token());
  interrupt.check();
  progress.clear();
  if (s.json) print(json_of(photo.size(), faces));
  if (faces.empty()) fail_without_face(s.photo.string());
  if (s.pick > static_cast<std::int64_t>(faces.size())) {
    fail(ErrorKind::kArgument, "--pick: there {} {} face{} in {}, {} came",
         faces.size() == 1 ? "is" : "are", faces.size(), faces.size() == 1 ? "" : "s",
         s.photo.string(), s.pick);
  }
  const Face& picked = faces[static_cast<std::size_t>(s.pick - 1)];
  if (!s.save.empty()) write_identity(identity_of(picked, photo.size()), s.save);
  if (!s.draw.empty())
    write_image(draw_keypoints(picked.detection.keypoints, photo.size()), s.draw);
  if (!s.json) print(text_of(s, photo.size(), faces));
  return 0;
}

}  // namespace semblance::cli
