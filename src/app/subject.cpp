#include "app/subject.h"

#include <algorithm>
#include <utility>

#include "backend/backends.h"
#include "core/error.h"
#include "core/stop.h"
#include "face/likeness.h"
#include "image/decode.h"
#include "image/photo_size.h"
#include "memory/file.h"

namespace semblance {

namespace {

bool is_identity(const std::filesystem::path& path) {
  const auto file = open_file(path);
  return path.extension() == ".json" || looks_like_identity(*file);
}

/// The two files to open: the given ones, or else those of the folder.
FaceModelFiles chosen(const FaceFiles& files) {
  FaceModelFiles models{.detector = files.detector, .recogniser = files.recogniser};
  if (!models.detector.empty() && !models.recogniser.empty()) return models;
  const FaceModelFiles found = find_face_models(files.folder);
  if (models.detector.empty()) models.detector = found.detector;
  if (models.recogniser.empty()) models.recogniser = found.recogniser;
  return models;
}

}  // namespace

Image open_photo(const File& file, const PhotoOptions& options, std::stop_token stop) {
  // A photo that the resize rule does not accept is refused by its header, before decoding.
  if (!options.original_size) published_size(probe(file).upright());
  Image photo = decode(file, stop);
  check_stop(stop);
  return options.original_size ? std::move(photo) : resize_photo(std::move(photo));
}

Image open_photo(const std::filesystem::path& path, const PhotoOptions& options,
                 std::stop_token stop) {
  return open_photo(*open_file(path), options, std::move(stop));
}

PhotoNeeds photo_needs(const File& file, const PhotoOptions& options) {
  const ImageInfo info = probe(file);
  const std::uint64_t decode = info.decoding_bytes;
  if (options.original_size) return {decode, info.upright()};
  return {std::max(decode, resize_photo_peak_bytes(info.upright())),
          published_size(info.upright()).final};
}

PhotoNeeds photo_needs(const std::filesystem::path& path, const PhotoOptions& options) {
  return photo_needs(*open_file(path), options);
}

std::string no_face_text(const std::string& photo, const FoundFaces& found) {
  std::string advice;
  switch (found.no_face) {
    case NoFace::kTooLarge:
      advice = "the most likely face fills the photo: use one with more room around the face";
      break;
    case NoFace::kTooSmall:
      advice = "the most likely face is too small: crop the photo to the person";
      if (!found.fixed_size) advice += ", or try a larger --detector-size";
      break;
    case NoFace::kUnclear:
      advice =
          "try a photo in which the face is upright, seen from the front, and neither small nor "
          "cut off at the edge";
      if (!found.fixed_size) advice += ", or a larger --detector-size, which finds smaller faces";
      break;
  }
  return fmt::format("cannot find a face in {}\n  {}", photo, advice);
}

void fail_without_face(const std::string& photo, const FoundFaces& found) {
  fail(ErrorKind::kMissing, "{}", no_face_text(photo, found));
}

SubjectReader::SubjectReader(FaceFiles files, const PhotoOptions& options)
    : files_(std::move(files)), options_(options) {}
SubjectReader::SubjectReader(SubjectReader&&) noexcept = default;
SubjectReader& SubjectReader::operator=(SubjectReader&&) noexcept = default;
SubjectReader::~SubjectReader() = default;

void SubjectReader::check(const std::filesystem::path& path, const std::string& flag) const {
  if (is_identity(path)) return;
  const ImageInfo info = probe(path);
  if (!options_.original_size) published_size(info.upright());
  if (!has_models()) {
    fail(ErrorKind::kArgument,
         "{}: {} is a photo, and finding its face needs face models\n  add "
         "--face-models DIR, or both --detector FILE and --recogniser FILE; `semblance models pull "
         "antelopev2` downloads them",
         flag, path.string());
  }
  const FaceModelFiles models = chosen(files_);
  open_file(models.detector);
  open_file(models.recogniser);
}

SubjectReader::Subject SubjectReader::read(const std::filesystem::path& path,
                                           const std::string& flag, std::stop_token stop,
                                           int face) {
  check(path, flag);
  if (is_identity(path)) return {.identity = read_identity(path)};
  const Image photo = open_photo(path, options_, stop);
  const FoundFaces found = find_faces(photo, models(stop),
                                      {.detector_size = options_.detector_size,
                                       .reduced = options_.reduced,
                                       .largest_only = face == 0},
                                      stop);
  if (found.faces.empty()) fail_without_face(path.string(), found);
  if (face >= found.count) {
    fail(ErrorKind::kArgument, "cannot take face {} of {}: it shows {}", face + 1, path.string(),
         found.count);
  }
  return {identity_of(found.faces[static_cast<std::size_t>(face)], photo.size()), found.count,
          found.detector_size};
}

std::vector<Identity> SubjectReader::read_all(const std::filesystem::path& path,
                                              const std::string& flag, std::stop_token stop) {
  check(path, flag);
  if (is_identity(path)) return {read_identity(path)};
  const Image photo = open_photo(path, options_, stop);
  const FoundFaces found = faces(photo, stop);
  if (found.faces.empty()) fail_without_face(path.string(), found);
  std::vector<Identity> all;
  for (const Face& face : found.faces) all.push_back(identity_of(face, photo.size()));
  return all;
}

int SubjectReader::photos(std::span<const std::filesystem::path> paths) const {
  int count = 0;
  for (const std::filesystem::path& path : paths)
    count += is_identity(path) ? read_identity(path).photos() : 1;
  return std::max(1, count);
}

Size SubjectReader::frame(const std::filesystem::path& path) const {
  if (is_identity(path)) return read_identity(path).image_size;
  return photo_needs(path, options_).frame;
}

std::vector<Stage> SubjectReader::stages(const std::filesystem::path& path, std::stop_token stop) {
  if (is_identity(path)) return {};
  const PhotoNeeds needs = photo_needs(path, options_);
  std::vector<Stage> stages;
  stages.push_back({.id = StageId::kPhoto, .beside = {.added_bytes = needs.peak_bytes}});
  for (Stage& stage : face_stages(needs.frame, stop)) stages.push_back(std::move(stage));
  return stages;
}

std::vector<Stage> SubjectReader::face_stages(Size picture, std::stop_token stop) {
  std::vector<Stage> stages;
  if (!has_models()) return stages;
  const std::uint64_t photo =
      3 * static_cast<std::uint64_t>(picture.w) * static_cast<std::uint64_t>(picture.h);
  const Detector& detector = models(stop).detector();
  // Larger sizes are tried if the first finds no face.
  const std::vector<int> sizes = sizes_tried(options_.detector_size, options_.reduced);
  const int side = *std::max_element(sizes.begin(), sizes.end());
  const auto network = std::make_shared<const Imported>(detector.network(side));
  OtherMemory beside = detector_memory(detector.fixed_size().value_or(Size{side, side}));
  beside.kept_bytes = photo;
  stages.push_back({.id = StageId::kDetector,
                    .graph = [network] { return network->graph; },
                    .weights = &network->weights,
                    .on_processor = true,
                    .beside = beside});
  const Imported& recogniser = models(stop).recogniser().network();
  stages.push_back({.id = StageId::kRecogniser,
                    .graph = [&recogniser] { return recogniser.graph; },
                    .weights = &recogniser.weights,
                    .on_processor = true,
                    .beside = {.kept_bytes = photo, .added_bytes = 1 << 18}});
  return stages;
}

std::vector<Stage> SubjectReader::result_stages(Size picture, std::stop_token stop) {
  return face_stages(picture, std::move(stop));
}

FoundFaces SubjectReader::faces_of_result(const Image& picture, std::size_t people,
                                          std::stop_token stop) {
  FoundFaces found = find_faces(picture, models(stop),
                                {.detector_size = options_.detector_size,
                                 .reduced = options_.reduced,
                                 .largest_only = people <= 1},
                                stop);
  close();
  return found;
}

FoundFaces SubjectReader::faces(const Image& photo, std::stop_token stop) {
  return find_faces(photo, models(stop),
                    {.detector_size = options_.detector_size, .reduced = options_.reduced}, stop);
}

/// The face models' nets have operators that only the processor's kernels compute.
Workspace SubjectReader::workspace() const {
  return on_processor(options_.workspace ? *options_.workspace
                                         : Workspace(backend_by_name(options_.backend)));
}

FaceModels& SubjectReader::models(std::stop_token stop) {
  if (!models_) {
    models_ = std::make_unique<FaceModels>(chosen(files_), workspace(), stop);
  }
  return *models_;
}

void SubjectReader::close() { models_.reset(); }

Size picture_size(const SizeChoice& choice, Size frame, int native_side) {
  switch (choice.rule) {
    case SizeRule::kFixed:
      return choice.fixed;
    case SizeRule::kAuto:
      return auto_size(frame, native_side);
    case SizeRule::kReference:
      return published_size(frame).final;
  }
  return choice.fixed;
}

}  // namespace semblance
