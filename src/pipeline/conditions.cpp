#include "pipeline/conditions.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/convert.h"
#include "core/error.h"
#include "image/draw.h"
#include "pipeline/stage_graphs.h"

namespace semblance {
namespace {

/// The rows of a group in `text`, of one encoder's columns.
struct GroupRows {
  std::span<float> values;  // [rows,cross], of which `width` from `column` on
  std::size_t rows, cross, column, width;

  std::span<float> row(std::size_t i) const { return values.subspan(i * cross + column, width); }
};

/// A token becomes last + (token - last) * weight; `last` is the group's last.
void weigh_from_last(const GroupRows& group, std::span<const float> weights) {
  const std::span<const float> last = group.row(group.rows - 1);
  for (std::size_t i = 0; i < group.rows; ++i) {
    if (weights[i] == 1) continue;
    const std::span<float> token = group.row(i);
    for (std::size_t j = 0; j < group.width; ++j)
      token[j] = last[j] + (token[j] - last[j]) * weights[i];
  }
}

double mean_of(const GroupRows& group) {
  double sum = 0;
  for (std::size_t i = 0; i < group.rows; ++i) {
    for (const float value : group.row(i)) sum += static_cast<double>(value);
  }
  return sum / static_cast<double>(group.rows * group.width);
}

/// A token becomes token * weight, and all of them are scaled so that their mean is what it was.
void weigh_and_keep_mean(const GroupRows& group, std::span<const float> weights) {
  if (std::ranges::all_of(weights, [](float weight) { return weight == 1; })) return;
  const double before = mean_of(group);
  for (std::size_t i = 0; i < group.rows; ++i) {
    for (float& value : group.row(i)) value *= weights[i];
  }
  const auto scale = static_cast<float>(before / mean_of(group));
  if (!std::isfinite(scale)) return;  // a mean of 0 cannot be restored
  for (std::size_t i = 0; i < group.rows; ++i) {
    for (float& value : group.row(i)) value *= scale;
  }
}

void weigh(PromptEncoding encoding, const GroupRows& group, std::span<const float> weights) {
  if (encoding == PromptEncoding::kWeighted) weigh_from_last(group, weights);
  if (encoding == PromptEncoding::kA1111) weigh_and_keep_mean(group, weights);
}

/// Runs an encoder on one group of each prompt after the other.
class TextEncoderRun {
 public:
  TextEncoderRun(const OpenedModels& models, std::size_t encoder, const ValueTypes& types,
                 Session& session, Values& values)
      : models_(models),
        encoder_(encoder),
        types_(types),
        session_(session),
        values_(values),
        prompts_(static_cast<std::size_t>(types.prompts.prompts)),
        length_(static_cast<std::size_t>(types.ids[encoder].type.shape[1])) {}

  void run(const std::stop_token& stop) {
    // If only one half is encoded, the unconditional one stays zeros.
    if (encoder_ == 0) values_.make(types_.text);
    for (int group = 0; group < types_.prompts.groups; ++group) {
      set_inputs(static_cast<std::size_t>(group));
      session_.run(stop);
      take_hidden(static_cast<std::size_t>(group));
      if (encoder_ == 1 && group == types_.prompts.pooled_group()) take_pooled();
    }
  }

 private:
  /// Of the group, [prompts,length].
  template <typename T>
  std::span<T> of_group(std::span<T> all, std::size_t group) const {
    return all.subspan(group * prompts_ * length_, prompts_ * length_);
  }

  void set_inputs(std::size_t group) {
    const std::span<const std::int32_t> ids =
        of_group(values_.at(types_.ids[encoder_].name).i32(), group);
    if (types_.prompts.has_vectors) {
      set_vectors(ids);
    } else {
      session_.set_input("ids", ids);
    }
    if (encoder_ == 0) return;
    std::vector<std::int32_t> ends;
    for (std::size_t i = 0; i < prompts_; ++i)
      ends.push_back(end_position(models_.clip[encoder_], ids.subspan(i * length_, length_)));
    session_.set_input("ends", ends);
  }

  void set_vectors(std::span<const std::int32_t> ids) {
    const auto width = static_cast<std::size_t>(models_.clip[encoder_].width);
    std::vector<std::int32_t> tokens(ids.begin(), ids.end());
    std::vector<float> keep(ids.size(), 1);
    std::vector<float> vectors(ids.size() * width);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] >= 0) continue;
      tokens[i] = 0;
      keep[i] = 0;
      read_vector(models_.embeddings, encoder_, -1 - ids[i],
                  std::span(vectors).subspan(i * width, width));
    }
    session_.set_input("ids", tokens);
    session_.set_input("keep", keep);
    session_.set_input("vectors", vectors);
  }

  void take_hidden(std::size_t group) {
    const Graph& graph = session_.graph();
    const TensorType& hidden = graph.type(graph.find_output("hidden"));
    const std::span<const std::byte> bytes = session_.output("hidden");
    const Tensor& text = values_.at(types_.text.name);
    const auto tokens = static_cast<std::size_t>(types_.prompts.tokens);
    const auto cross = static_cast<std::size_t>(text.type.shape[-1]);
    const auto width = static_cast<std::size_t>(hidden.shape[-1]);
    const std::size_t rows = std::min(length_, tokens - group * length_);
    const std::span<const float> weights = of_group(values_.at(types_.weights.name).f32(), group);
    const std::span<float> encoded = text.f32().last(prompts_ * tokens * cross);
    for (std::size_t i = 0; i < prompts_; ++i) {
      const GroupRows into{encoded.subspan((i * tokens + group * length_) * cross, rows * cross),
                           rows, cross, encoder_ == 0 ? 0 : cross - width, width};
      const std::size_t row_bytes = width * size_of(hidden.dtype);
      for (std::size_t row = 0; row < rows; ++row)
        to_f32(hidden.dtype, bytes.subspan((i * length_ + row) * row_bytes, row_bytes),
               into.row(row));
      weigh(types_.prompts.encoding, into, weights.subspan(i * length_, rows));
    }
  }

  void take_pooled() {
    const Graph& graph = session_.graph();
    const auto count = graph.type(graph.find_output("pooled")).shape.elements();
    const std::span<float> all = values_.make(types_.pooled).f32();
    copy_output(session_, "pooled", all.last(static_cast<std::size_t>(count)));
  }

  const OpenedModels& models_;
  std::size_t encoder_;
  const ValueTypes& types_;
  Session& session_;
  Values& values_;
  std::size_t prompts_;
  std::size_t length_;
};

}  // namespace

ValueTypes value_types(const OpenedModels& models, const Request& request) {
  const auto f32 = [](std::string name, const Shape& shape) {
    return NamedType{std::move(name), {DType::kF32, shape}};
  };
  const std::int64_t n = guidance_halves(models, request);
  const std::int64_t h = request.height / models.vae.fold();
  const std::int64_t w = request.width / models.vae.fold();
  const std::int64_t c = models.vae.latent_channels;
  const std::int64_t cross = models.resampler.output;
  const PromptLayout prompts = read_prompts(models, request).layout;
  const FaceLayout layout = face_layout(request);
  const Shape ids{std::int64_t{prompts.groups} * prompts.prompts, models.prompt_length(0)};
  return {.prompts = prompts,
          .ids = {NamedType{"ids_1", {DType::kI32, ids}}, NamedType{"ids_2", {DType::kI32, ids}}},
          .weights = f32("weights", ids),
          .embeddings = f32("embeddings", {layout.runs, layout.length, models.resampler.embedding}),
          .face_points = f32("face_points", {5, 2}),
          .text = f32("text", {n, prompts.tokens, cross}),
          .pooled = f32("pooled", {n, models.unet.pooled_channels()}),
          .face = f32("face", {n, layout.runs * models.resampler.tokens, cross}),
          .keypoints = f32("keypoints", {1, h, w, models.identitynet.channels[0]}),
          .time_ids = f32("time_ids", {n * 6}),
          .latent = f32("latent", {c, h, w}),
          .scaled = f32("scaled", {c, h, w}),
          .noise = f32("noise", {n + (request.perturbed_guidance > 0 ? 1 : 0), c, h, w}),
          .kept = request.has_mask && !models.unet.reads_masks()
                      ? std::vector{f32("picture", {c, h, w}), f32("first_noise", {c, h, w}),
                                    f32("mask", {h, w})}
                      : std::vector<NamedType>(),
          .masked = models.unet.reads_masks() ? std::optional(f32("masked", {h, w, c + 1}))
                                              : std::nullopt,
          .guidance = models.unet.guidance_channels > 0 ? std::optional(f32("guidance", {1}))
                                                        : std::nullopt};
}

Request with_photos(const OpenedModels& models, Request request,
                    std::span<const float> embeddings) {
  const auto size = static_cast<std::size_t>(models.resampler.embedding);
  if (embeddings.empty() || embeddings.size() % size != 0) {
    fail(ErrorKind::kArgument,
         "cannot take the face's embedding: expected {} numbers for each photo, got {}", size,
         embeddings.size());
  }
  request.photos = static_cast<int>(embeddings.size() / size);
  return request;
}

void make_inputs(Values& values, const OpenedModels& models, const Request& request,
                 std::span<const float> embeddings, const Keypoints& keypoints,
                 const std::stop_token& stop) {
  check_keypoints(keypoints, "cannot draw the keypoint picture");
  const ValueTypes types = value_types(models, request);
  values.make(types.embeddings, std::span<const float>(combined_embeddings(request, embeddings)));
  values.make(types.face_points, std::span(keypoints.front().data(), 10));
  const PromptInputs prompts = read_prompts(models, request, stop);
  for (std::size_t encoder = 0; encoder < 2; ++encoder)
    values.make(types.ids[encoder], std::span<const std::int32_t>(prompts.ids[encoder]));
  values.make(types.weights, std::span<const float>(prompts.weights));
  const std::span<float> sizes = values.make(types.time_ids).f32();
  const std::array<int, 6> of_one{request.height, request.width, 0, 0,
                                  request.height, request.width};
  for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = static_cast<float>(of_one[i % 6]);
  if (types.guidance) {
    const float scale = 1000 * (request.guidance_scale() - 1);
    values.make(*types.guidance, std::span(&scale, 1));
  }
}

void run_text_encoder(const OpenedModels& models, std::size_t encoder, const ValueTypes& types,
                      Session& session, Values& values, const std::stop_token& stop) {
  TextEncoderRun(models, encoder, types, session, values).run(stop);
}

void run_resampler(const ValueTypes& types, float noise, Session& session, Values& values,
                   const std::stop_token& stop) {
  const std::span<float> embeddings = values.at(types.embeddings.name).f32();
  const auto runs = static_cast<std::size_t>(types.embeddings.type.shape[0]);
  const std::size_t read = embeddings.size() / runs;
  const std::vector<float> empty = empty_face(embeddings, noise);
  const std::span<float> face = values.make(types.face).f32();
  const auto n = static_cast<std::size_t>(types.face.type.shape[0]);
  const std::size_t made = face.size() / n / runs;
  for (std::size_t i = 0; i < n * runs; ++i) {
    const bool unconditional = i < (n - 1) * runs;
    const std::span<const float> from = unconditional ? std::span(empty) : embeddings;
    session.set_input("embeddings", from.subspan(i % runs * read, read));
    session.run(stop);
    copy_output(session, "tokens", face.subspan(i * made, made));
  }
}

namespace {

/// To 0..1, as diffusers' image processor does for ControlNets.
void set_picture(Session& session, const Image& picture) {
  fill_input(session, "picture", [&](std::span<float> values) {
    std::ranges::transform(picture.pixels(), values.begin(),
                           [](std::uint8_t value) { return static_cast<float>(value) / 255.0F; });
  });
}

}  // namespace

void run_keypoints(const ValueTypes& types, Size size, bool drawn, Session& session, Values& values,
                   const std::stop_token& stop) {
  Keypoints points;
  const std::span<float> stored = values.at(types.face_points.name).f32();
  std::copy(stored.begin(), stored.end(), points.front().data());
  set_picture(session, drawn ? draw_keypoints(points, size) : Image(size));
  session.run(stop);
  copy_output(session, "features", values.make(types.keypoints).f32());
}

void run_control(const Stage& stage, const Workspace& workspace, const Image& picture,
                 Values& values, const std::stop_token& stop) {
  Session session = stage.open(workspace.backend(), stage.options(workspace), stop);
  set_picture(session, picture);
  session.run(stop);
  copy_output(session, "features", values.make(stage.outs.front()).f32());
}

}  // namespace semblance
