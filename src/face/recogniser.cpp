#include "face/recogniser.h"

#include <algorithm>
#include <cmath>

#include "image/align.h"
#include "runtime/workspace.h"

namespace semblance {

struct Recogniser::State {
  std::string file;
  std::string input;
  std::string output;
  Workspace workspace;
  Imported imported;
  std::optional<Session> session;  // made when first needed

  Session& prepared(std::stop_token stop) {
    if (!session) {
      session.emplace(imported.graph, workspace.backend(), imported.weights,
                      workspace.for_one_run(), std::move(stop));
    }
    return *session;
  }
};

Recogniser::Recogniser(std::shared_ptr<const File> file, const Workspace& workspace,
                       std::stop_token) {
  const OnnxModel model = open_onnx(std::move(file));
  if (model.inputs.size() != 1 || model.outputs.empty()) {
    fail(ErrorKind::kArgument,
         "cannot recognise faces with {}: expected ArcFace, which has 1 input and 1 output, got {} "
         "and {}",
         model.name, model.inputs.size(), model.outputs.size());
  }
  const std::string& input = model.inputs[0].name;
  Imported imported = import_onnx(model, {{input, Shape{1, 3, kAlignedSide, kAlignedSide}}});
  const ImportedOutput& output = imported.outputs[0];
  if (output.constant || output.shape.elements() != kEmbeddingSize) {
    fail(ErrorKind::kArgument, "cannot recognise faces with {}: its output must be [1,{}], got {}",
         model.name, kEmbeddingSize, to_string(output.shape));
  }
  state_ = std::make_unique<State>(
      State{model.name, input, output.name, workspace, std::move(imported), std::nullopt});
}

Recogniser::~Recogniser() = default;
Recogniser::Recogniser(Recogniser&&) noexcept = default;
Recogniser& Recogniser::operator=(Recogniser&&) noexcept = default;

const Imported& Recogniser::network() const { return state_->imported; }

FaceEmbedding Recogniser::embed(const Image& image, const Keypoints& keypoints,
                                std::stop_token stop) {
  const Image face = align_face(image, keypoints);
  const std::span<std::byte> bytes = state_->prepared(stop).input(state_->input);
  SEMBLANCE_ASSERT(bytes.size() == face.pixels().size() * sizeof(float));
  std::transform(face.pixels().begin(), face.pixels().end(), reinterpret_cast<float*>(bytes.data()),
                 [](std::uint8_t value) { return (static_cast<float>(value) - 127.5F) / 127.5F; });
  state_->session->run(stop);
  const std::vector<float> values = state_->session->output_f32(state_->output);
  if (state_->workspace.options().budget_bytes) state_->session.reset();
  FaceEmbedding embedding;
  std::copy(values.begin(), values.end(), embedding.begin());
  if (!std::all_of(values.begin(), values.end(),
                   [](float value) { return std::isfinite(value); })) {
    fail(ErrorKind::kCorrupt,
         "cannot recognise the face with {}: it gives values that are not numbers", state_->file);
  }
  return embedding;
}

}  // namespace semblance
