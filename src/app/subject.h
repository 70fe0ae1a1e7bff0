// Whom a picture shows: the numbers of a face and where it stood, from a photo or from a saved
// identity. Both ways give the same picture: everything is reckoned from the frame, which is the
// photo after its resize, and which an identity remembers as its image_size.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "face/face_models.h"
#include "face/identity.h"
#include "image/image.h"
#include "memory/file.h"
#include "pipeline/request_plan.h"

namespace semblance {

/// Where the face models are: a folder as insightface's antelopev2 or buffalo_l, or the files
/// themselves, which come before the folder's.
struct FaceFiles {
  std::filesystem::path folder = {};
  std::filesystem::path detector = {};
  std::filesystem::path recogniser = {};
};

struct PhotoOptions {
  bool original_size = false;  // else resized by the published rule first (image/photo_size.h)
  std::optional<int> detector_size = {};  // the first that is tried; absent: the mode's own
  bool reduced = false;  // little memory: the detector starts at 320 (face/detector.h)
  std::string backend = "cpu";
  /// The budget that the face models keep to; absent: none, with `backend`.
  std::optional<Workspace> workspace = {};
};

/// The photo in the frame that its keypoints are told in. Throws what decode() and resize_photo()
/// throw, and Error(kCancelled) after `stop`.
Image open_photo(const File& file, const PhotoOptions& options, std::stop_token stop = {});
Image open_photo(const std::filesystem::path& path, const PhotoOptions& options,
                 std::stop_token stop = {});

/// What open_photo() takes, told by the photo's header: the most bytes at once, and the size of the
/// frame that it gives. Throws what probe() and published_size() throw.
struct PhotoNeeds {
  std::uint64_t peak_bytes = 0;
  Size frame;
};
PhotoNeeds photo_needs(const File& file, const PhotoOptions& options);
PhotoNeeds photo_needs(const std::filesystem::path& path, const PhotoOptions& options);

/// "cannot find a face in PHOTO", and what may help: by what `found`, which has none, tells.
std::string no_face_text(const std::string& photo, const FoundFaces& found);
/// Throws it as Error(kMissing).
[[noreturn]] void fail_without_face(const std::string& photo, const FoundFaces& found);

/// Opens people. The face models are opened when the first photo comes.
class SubjectReader {
 public:
  SubjectReader(FaceFiles files, const PhotoOptions& options);
  SubjectReader(SubjectReader&&) noexcept;
  SubjectReader& operator=(SubjectReader&&) noexcept;
  ~SubjectReader();

  struct Subject {
    Identity identity;                      // image_size is the frame
    int faces = 1;                          // how many the photo showed; the largest is taken
    std::optional<int> detector_size = {};  // that found them, in a photo
  };
  /// Finds what can be told without reading all of the file or any model: whether the file is
  /// there, is a photo or JSON, and whether the face models that it needs are given. Throws as
  /// read() does.
  void check(const std::filesystem::path& path, const std::string& flag) const;
  /// The largest face of a photo, or the identity. `flag` names the place in messages ("--face").
  /// Throws Error(kMissing) when the photo shows no
  /// face, Error(kArgument) when it is a photo and no face models are given, and what reading the
  /// file throws.
  Subject read(const std::filesystem::path& path, const std::string& flag,
               std::stop_token stop = {});
  /// What read() runs through, in order: none for an identity. Without face models the photo alone
  /// is told. Throws what opening a photo or a face model throws. Valid while this is.
  std::vector<Stage> stages(const std::filesystem::path& path, std::stop_token stop = {});
  /// The frame that read() will tell, from the photo's header or the identity.
  Size frame(const std::filesystem::path& path) const;
  /// All faces of a photo, the largest first.
  FoundFaces faces(const Image& photo, std::stop_token stop = {});
  /// Gives the face models back.
  void close();

 private:
  FaceModels& models(std::stop_token stop);
  bool has_models() const;

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
/// or the published rule, which leaves the size of a photo that went through it as it is.
Size picture_size(const SizeChoice& choice, Size frame, int native_side);

}  // namespace semblance
