// A saved face: written by `semblance face --save` and read by `--face me.json`.
//
//   {"embedding": [512 numbers], "keypoints": [[x, y] x 5], "image_size": [w, h],
//    "score": s, "box": [x1, y1, x2, y2], "other_embeddings": [[512 numbers], ...]}
//
// Keypoints and box are in pixels of a picture of image_size. Numbers are written so that they
// parse to the same bits. score and box may be absent (in a handmade file), and other_embeddings
// is if the face was saved from one photo; other keys are ignored.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "face/face.h"
#include "image/image.h"
#include "memory/file.h"

namespace semblance {

/// The most photos of one person in an identity.
inline constexpr std::size_t kMostPhotos = 16;

struct Identity {
  FaceEmbedding embedding{};
  Keypoints keypoints{};
  Size image_size = {};
  std::optional<float> score = {};
  std::optional<Box> box = {};
  /// The same person's in further photos (likeness.h joins them); all else is of the first photo.
  std::vector<FaceEmbedding> others = {};

  int photos() const { return 1 + static_cast<int>(others.size()); }
  /// [photos,512].
  std::vector<float> embeddings() const;
};

Identity identity_of(const Face& face, Size image_size);

/// The JSON text, ending in a newline.
std::string to_json(const Identity& identity);
/// One face as listed by `face --json`: {"score", "box", "keypoints", "embedding"}.
std::string to_json(const Face& face);
/// Writes the file; only its owner can read a new one. Throws what OutputFile throws.
void write_identity(const Identity& identity, const std::filesystem::path& path);

/// Throws Error(kCorrupt) or Error(kMissing), which names the key, for text that is not an
/// identity: not JSON, a wrong count, a number outside float's range, sides outside 1 to 1,000,000,
/// keypoints beyond kKeypointLimit, a score outside 0 to 1, more than kMostPhotos. Messages use
/// `name` for the file.
Identity parse_identity(std::string name, std::string_view text);
/// Reads a file of at most 1 MiB. Throws what parse_identity and open_file throw.
Identity read_identity(const std::filesystem::path& path);

/// Whether a file is an identity rather than a photo: its first visible byte is a brace.
bool looks_like_identity(const File& file);

/// The keypoints for a picture of another size: scaled to fit, centred, aspect ratio kept. Exactly
/// the same if the size is image_size.
Keypoints scale_keypoints(const Identity& identity, Size size);

}  // namespace semblance
