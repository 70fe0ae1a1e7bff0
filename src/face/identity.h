// A face that was kept: what `semblance face --save` writes and `--face me.json` reads.
//
//   {"embedding": [512 numbers], "keypoints": [[x, y] x 5], "image_size": [w, h],
//    "score": s, "box": [x1, y1, x2, y2]}
//
// Keypoints and box are in pixels of a picture of image_size. Numbers are written so that they read
// back to the same bits. score and box may be absent (a file made by hand); other keys are ignored.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "face/face.h"
#include "image/image.h"
#include "memory/file.h"

namespace semblance {

struct Identity {
  FaceEmbedding embedding{};
  Keypoints keypoints{};
  Size image_size;
  std::optional<float> score;
  std::optional<Box> box;
};

Identity identity_of(const Face& face, Size image_size);

/// The JSON text, ending in a newline.
std::string to_json(const Identity& identity);
/// The face alone as `face --json` lists it: {"score", "box", "keypoints", "embedding"}.
std::string to_json(const Face& face);
/// Writes the file; a new one can be read by its owner alone. Throws what OutputFile throws.
void write_identity(const Identity& identity, const std::filesystem::path& path);

/// Throws Error(kCorrupt) or Error(kMissing) naming the key for text that is not an identity:
/// no JSON, a wrong count, a number that no float holds, sides that are not 1 to 1,000,000,
/// keypoints beyond kKeypointLimit, a score outside of 0 to 1. `name` stands for the file in
/// messages.
Identity parse_identity(std::string name, std::string_view text);
/// Reads a file of at most 1 MiB. Throws that and what open_file throws.
Identity read_identity(const std::filesystem::path& path);

/// Whether a file is an identity rather than a photo: its first visible byte is a brace.
bool looks_like_identity(const File& file);

/// The keypoints in a picture of another size: scaled to fit inside, centred, aspect kept. The same
/// bits where the size is image_size.
Keypoints scale_keypoints(const Identity& identity, Size size);

}  // namespace semblance
