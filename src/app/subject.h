// The person a picture shows: a face's embedding and position, from a photo or a saved identity.
// Both give the same picture, because everything is relative to the frame: the photo after its
// resize, whose size an identity stores as image_size.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "face/face_models.h"
#include "face/identity.h"
#include "image/image.h"
#include "memory/file.h"
#include "pipeline/request_plan.h"

namespace semblance {

/// The face models: a folder such as insightface's antelopev2 or buffalo_l, or the files, which
/// take precedence over the folder's.
struct FaceFiles {
  std::filesystem::path folder = {};
  std::filesystem::path detector = {};
  std::filesystem::path recogniser = {};

  bool are_given() const { return !folder.empty() || (!detector.empty() && !recogniser.empty()); }
};

struct PhotoOptions {
  bool original_size = false;             // else resized by the published rule (image/photo_size.h)
  std::optional<int> detector_size = {};  // the first to try; absent: the mode's own
  bool reduced = false;  // for low memory: the detector starts at 320 (face/detector.h)
  std::string backend = "cpu";
  /// Backend and budget for the face models; absent: `backend` and no budget. With a graphics
  /// card's backend they still run on the processor.
  std::optional<Workspace> workspace = {};
};

/// The photo, resized to the frame that keypoints refer to. Throws what decode() and resize_photo()
/// throw, and Error(kCancelled) after `stop`.
Image open_photo(const File& file, const PhotoOptions& options, std::stop_token stop = {});
Image open_photo(const std::filesystem::path& path, const PhotoOptions& options,
                 std::stop_token stop = {});

/// What open_photo() needs, from the photo's header alone: its peak memory, and the size of the
/// frame. Throws what probe() and published_size() throw.
struct PhotoNeeds {
  std::uint64_t peak_bytes = 0;
  Size frame;
};
PhotoNeeds photo_needs(const File& file, const PhotoOptions& options);
PhotoNeeds photo_needs(const std::filesystem::path& path, const PhotoOptions& options);

/// "cannot find a face in PHOTO" and what to do. `found` has no face, but the reason why.
std::string no_face_text(const std::string& photo, const FoundFaces& found);
/// Throws this text as Error(kMissing).
[[noreturn]] void fail_without_face(const std::string& photo, const FoundFaces& found);

/// Reads people from photos and identities. Opens the face models for the first photo.
class SubjectReader {
 public:
  SubjectReader(FaceFiles files, const PhotoOptions& options);
  SubjectReader(SubjectReader&&) noexcept;
  SubjectReader& operator=(SubjectReader&&) noexcept;
  ~SubjectReader();

  struct Subject {
    Identity identity;                      // image_size is the frame
    int faces = 1;                          // in the photo; one is used
    std::optional<int> detector_size = {};  // that found them; for photos only
  };
  /// Checks what it can without reading the whole file or a model: that the file exists, that it is
  /// a photo or JSON, and that the face models it needs are given. Throws like read().
  void check(const std::filesystem::path& path, const std::string& flag) const;
  /// A face of a photo, by its size from the largest, 0, on; or the identity. Messages name `flag`
  /// ("--face"). Throws Error(kMissing) if the photo shows no face, Error(kArgument) if it shows
  /// fewer, or if it is a photo and no face models are given, and what reading the file throws.
  Subject read(const std::filesystem::path& path, const std::string& flag,
               std::stop_token stop = {}, int face = 0);
  /// All faces of a photo, the largest first, or the one of an identity. Throws like read().
  std::vector<Identity> read_all(const std::filesystem::path& path, const std::string& flag,
                                 std::stop_token stop = {});
  /// The stages of read(), in order: none for an identity, only the photo's without face models.
  /// Throws what opening a photo or a face model throws. Valid as long as this reader.
  std::vector<Stage> stages(const std::filesystem::path& path, std::stop_token stop = {});
  /// How many photos of the person the files are: an identity may hold several. 1 for none.
  int photos(std::span<const std::filesystem::path> paths) const;
  /// The frame that read() will return, from the photo's header or the identity.
  Size frame(const std::filesystem::path& path) const;
  /// The faces of a finished picture, the largest alone unless it shows several people. Opens the
  /// face models, which must be given, and closes them.
  FoundFaces faces_of_result(const Image& picture, std::size_t people, std::stop_token stop = {});
  /// The stages of faces_of_result(), for a picture of this size; none without face models.
  std::vector<Stage> result_stages(Size picture, std::stop_token stop = {});
  bool has_models() const { return files_.are_given(); }
  /// All faces of a photo, the largest first.
  FoundFaces faces(const Image& photo, std::stop_token stop = {});
  /// Closes the face models.
  void close();

 private:
  Workspace workspace() const;
  FaceModels& models(std::stop_token stop);
  /// Of finding and recognising a face in a picture of this size, which is held meanwhile.
  std::vector<Stage> face_stages(Size picture, std::stop_token stop);

  FaceFiles files_;
  PhotoOptions options_;
  std::unique_ptr<FaceModels> models_;
};

enum class SizeRule { kFixed, kAuto, kReference };

struct SizeChoice {
  SizeRule rule = SizeRule::kAuto;
  Size fixed = {};
};

/// The picture's size for a frame: the fixed one; the frame's shape at native_side x native_side;
/// or the size by the published rule, which does not change a frame that already follows it.
Size picture_size(const SizeChoice& choice, Size frame, int native_side);

}  // namespace semblance
