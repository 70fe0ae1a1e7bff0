#include "face/detector.h"

#include <algorithm>
#include <cmath>

#include "image/warp.h"
#include "runtime/session.h"

namespace semblance {
namespace {

constexpr float kLeastScore = 0.5F;
constexpr float kFaintScore = 0.2F;
constexpr float kMostOverlap = 0.4F;
constexpr int kStrides[] = {8, 16, 32};
constexpr int kAnchors = 2;
constexpr int kStep = 64;
constexpr int kLeastSize = 192;

float area_of(const Box& box) { return (box[2] - box[0]) * (box[3] - box[1]); }

// Intersection over union, in whole pixels as in insightface: a box includes both of its ends.
float overlap(const Box& a, const Box& b) {
  const auto pixels = [](const Box& box) {
    return (box[2] - box[0] + 1.0F) * (box[3] - box[1] + 1.0F);
  };
  const float w = std::max(0.0F, std::min(a[2], b[2]) - std::max(a[0], b[0]) + 1.0F);
  const float h = std::max(0.0F, std::min(a[3], b[3]) - std::max(a[1], b[1]) + 1.0F);
  return w * h / (pixels(a) + pixels(b) - w * h);
}

// Non-maximum suppression: the best first, without boxes that overlap a better one.
std::vector<Detection> suppressed(std::vector<Detection> found) {
  std::stable_sort(found.begin(), found.end(),
                   [](const Detection& a, const Detection& b) { return a.score < b.score; });
  std::reverse(found.begin(), found.end());
  std::vector<Detection> kept;
  for (const Detection& candidate : found) {
    const bool covered = std::any_of(kept.begin(), kept.end(), [&](const Detection& better) {
      return !(overlap(better.box, candidate.box) <= kMostOverlap);
    });
    if (!covered) kept.push_back(candidate);
  }
  return kept;
}

/// The frame scaled down so that its longer side is `side`.
Size part_of(Size frame, int side) {
  const int longest = std::max(frame.w, frame.h);
  if (side >= longest) return frame;
  return {std::max(1, frame.w * side / longest), std::max(1, frame.h * side / longest)};
}

// The picture at the top left of a black frame.
struct Letterbox {
  Image resized;
  float scale;  // from the picture to the frame
};

Letterbox letterbox(const Image& image, Size frame) {
  const double image_ratio = static_cast<double>(image.height()) / image.width();
  const double frame_ratio = static_cast<double>(frame.h) / frame.w;
  Size size = frame;
  if (image_ratio > frame_ratio) {
    size.w = std::max(1, static_cast<int>(frame.h / image_ratio));
  } else {
    size.h = std::max(1, static_cast<int>(frame.w * image_ratio));
  }
  return {cv_resize(image, size), static_cast<float>(static_cast<double>(size.h) / image.height())};
}

}  // namespace

std::vector<int> detector_sizes(int first) {
  if (first % 32 != 0 || first < 64 || first > 2048) {
    fail(ErrorKind::kArgument,
         "cannot detect faces at size {}: expected a multiple of 32 from 64 to 2048, such as 640",
         first);
  }
  std::vector<int> sizes{first};
  while (sizes.back() - kStep >= kLeastSize) sizes.push_back(sizes.back() - kStep);
  return sizes;
}

std::vector<int> fixed_detector_sizes(Size frame) {
  std::vector<int> sizes;
  for (int tenths = 10; tenths >= 3; --tenths)
    sizes.push_back(std::max(1, std::max(frame.w, frame.h) * tenths / 10));
  return sizes;
}

std::vector<int> reduced_detector_sizes() {
  constexpr int kReducedSize = 320;
  std::vector<int> sizes = detector_sizes(kDefaultDetectorSize);
  std::erase(sizes, kReducedSize);
  sizes.insert(sizes.begin(), kReducedSize);
  return sizes;
}

struct Detector::State {
  OnnxModel model;
  Workspace workspace;
  // For the last size, since the next picture often has the same.
  std::optional<Session> session;
  Size size;

  Imported network(Size frame) const;
  void prepare(Size frame, std::stop_token stop);
  void fill(const Letterbox& picture);
  std::vector<Detection> read(float scale);
  std::optional<Detection> faint = {};
};

Imported Detector::State::network(Size frame) const {
  Imported imported = import_onnx(model, {{model.inputs[0].name, Shape{1, 3, frame.h, frame.w}}});
  for (std::size_t i = 0; i < 9; ++i) {
    constexpr std::int64_t kWidths[] = {1, 4, 10};
    const std::int64_t stride = kStrides[i % 3];
    const std::int64_t rows = (frame.h / stride) * (frame.w / stride) * kAnchors;
    const ImportedOutput& output = imported.outputs[i];
    if (output.constant || output.shape.rank() < 2 || output.shape[-1] != kWidths[i / 3] ||
        output.shape.elements() != rows * kWidths[i / 3]) {
      fail(ErrorKind::kArgument,
           "cannot detect faces with {}: output '{}' is {} at {}x{}, expected SCRFD's [{},{}]",
           model.name, output.name, to_string(output.shape), frame.w, frame.h, rows,
           kWidths[i / 3]);
    }
  }
  return imported;
}

void Detector::State::prepare(Size frame, std::stop_token stop) {
  if (session && size == frame) return;
  session.reset();
  Imported imported = network(frame);
  session.emplace(std::move(imported.graph), workspace.backend(), imported.weights,
                  workspace.for_one_run(detector_memory(frame)), stop);
  size = frame;
}

void Detector::State::fill(const Letterbox& picture) {
  const auto normed = [](std::uint8_t value) {
    return (static_cast<float>(value) - 127.5F) / 128.0F;
  };
  const std::span<std::byte> bytes = session->input(model.inputs[0].name);
  auto* dst = reinterpret_cast<float*>(bytes.data());
  std::fill(dst, dst + bytes.size() / sizeof(float), normed(0));
  for (int y = 0; y < picture.resized.height(); ++y) {
    const std::uint8_t* row = picture.resized.row(y);
    std::transform(row, row + picture.resized.row_bytes(),
                   dst + static_cast<std::ptrdiff_t>(y) * size.w * 3, normed);
  }
}

std::vector<Detection> Detector::State::read(float scale) {
  std::vector<Detection> found;
  faint.reset();
  for (std::size_t level = 0; level < 3; ++level) {
    const auto output = [&](std::size_t kind) {
      return session->output_f32(model.outputs[kind * 3 + level].name);
    };
    const std::vector<float> scores = output(0);
    const std::vector<float> distances = output(1);
    const std::vector<float> offsets = output(2);
    const int stride = kStrides[level];
    const auto step = static_cast<float>(stride);
    const auto columns = static_cast<std::size_t>(size.w / stride);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const bool is_face = scores[i] >= kLeastScore;
      if (!is_face && !(scores[i] >= (faint ? faint->score : kFaintScore))) continue;
      const std::size_t cell = i / kAnchors;
      const std::size_t row = cell / columns;
      const float x = static_cast<float>(cell % columns) * step;
      const float y = static_cast<float>(row) * step;
      const float* box = &distances[i * 4];
      const float* points = &offsets[i * 10];
      Detection face;
      face.score = scores[i];
      face.box = {(x - box[0] * step) / scale, (y - box[1] * step) / scale,
                  (x + box[2] * step) / scale, (y + box[3] * step) / scale};
      bool finite = std::isfinite(face.score);
      for (const float side : face.box) finite = finite && std::isfinite(side);
      for (std::size_t p = 0; p < 5; ++p) {
        face.keypoints[p] = {(x + points[2 * p] * step) / scale,
                             (y + points[2 * p + 1] * step) / scale};
        finite =
            finite && std::isfinite(face.keypoints[p][0]) && std::isfinite(face.keypoints[p][1]);
      }
      if (!is_face) {
        if (finite) faint = face;
        continue;
      }
      if (!finite) {
        fail(ErrorKind::kCorrupt,
             "cannot detect faces with {}: it gives values that are not numbers", model.name);
      }
      found.push_back(face);
    }
  }
  return found;
}

Detector::Detector(std::shared_ptr<const File> file, const Workspace& workspace)
    : state_(std::make_unique<State>(State{open_onnx(std::move(file)), workspace, {}, {}, {}})) {
  const OnnxModel& model = state_->model;
  if (model.inputs.size() != 1 || model.outputs.size() != 9) {
    fail(ErrorKind::kArgument,
         "cannot detect faces with {}: expected SCRFD with keypoints, which has 1 input and 9 "
         "outputs, got {} and {}",
         model.name, model.inputs.size(), model.outputs.size());
  }
  const OnnxValueInfo& input = model.inputs[0];
  if (input.has_shape && input.sizes.size() != 4) {
    fail(ErrorKind::kArgument,
         "cannot detect faces with {}: its input must be [1,3,h,w], got {} axes", model.name,
         input.sizes.size());
  }
  const std::optional<Size> fixed = fixed_size();
  if (fixed && (fixed->w % 32 != 0 || fixed->h % 32 != 0 || fixed->w > 4096 || fixed->h > 4096)) {
    fail(ErrorKind::kArgument,
         "cannot detect faces with {}: its size must be multiples of 32 up to 4096, got {}x{}",
         model.name, fixed->w, fixed->h);
  }
}

Imported Detector::network(int size) const {
  return state_->network(fixed_size().value_or(Size{detector_sizes(size).front(), size}));
}

OtherMemory detector_memory(Size frame) {
  // The letterboxed photo, and two copies of the f32 outputs: 15 numbers per anchor.
  const auto pixels = static_cast<std::uint64_t>(frame.w) * static_cast<std::uint64_t>(frame.h);
  return {.added_bytes = 3 * pixels + pixels / 64 * kAnchors * 2 * 15 * sizeof(float)};
}

void Detector::release() {
  if (state_->workspace.options().budget_bytes) state_->session.reset();
}

Detector::~Detector() = default;
Detector::Detector(Detector&&) noexcept = default;
Detector& Detector::operator=(Detector&&) noexcept = default;

std::optional<Size> Detector::fixed_size() const {
  const OnnxValueInfo& input = state_->model.inputs[0];
  if (!input.has_shape || !input.sizes[2] || !input.sizes[3]) return std::nullopt;
  constexpr std::int64_t kMost = 1 << 20;
  return Size{static_cast<int>(std::min(*input.sizes[3], kMost)),
              static_cast<int>(std::min(*input.sizes[2], kMost))};
}

const std::optional<Detection>& Detector::faint() const { return state_->faint; }

std::vector<Detection> Detector::detect(const Image& image, int size, std::stop_token stop) {
  if (image.empty()) fail(ErrorKind::kArgument, "cannot detect faces in an empty picture");
  const std::optional<Size> fixed = fixed_size();
  const Size frame = fixed ? *fixed : Size{detector_sizes(size).front(), size};
  state_->prepare(frame, stop);
  const Letterbox picture = letterbox(image, fixed ? part_of(frame, size) : frame);
  state_->fill(picture);
  state_->session->run(stop);
  std::vector<Detection> faces = suppressed(state_->read(picture.scale));
  // Largest first; among equals the one found later first, as in the published scripts.
  std::stable_sort(faces.begin(), faces.end(), [](const Detection& a, const Detection& b) {
    return area_of(a.box) < area_of(b.box);
  });
  std::reverse(faces.begin(), faces.end());
  return faces;
}

}  // namespace semblance
