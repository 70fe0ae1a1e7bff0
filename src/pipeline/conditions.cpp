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
    const auto pictures = static_cast<std::size_t>(text.type.shape[0]);
    for (std::size_t picture = 0; picture < pictures; ++picture) {
      const std::optional<std::size_t> prompt = prompt_of(picture);
      if (!prompt) continue;
      const std::size_t begin = picture * tokens + group * length_;
      const GroupRows into{text.f32().subspan(begin * cross, rows * cross), rows, cross,
                           encoder_ == 0 ? 0 : cross - width, width};
      const std::size_t row_bytes = width * size_of(hidden.dtype);
      for (std::size_t row = 0; row < rows; ++row)
        to_f32(hidden.dtype, bytes.subspan((*prompt * length_ + row) * row_bytes, row_bytes),
               into.row(row));
      weigh(types_.prompts.encoding, into, weights.subspan(*prompt * length_, rows));
    }
  }

  void take_pooled() {
    const std::vector<float> made = session_.output_f32("pooled");
    const std::span<float> all = values_.make(types_.pooled).f32();
    const std::size_t width = made.size() / prompts_;
    for (std::size_t picture = 0; picture < all.size() / width; ++picture) {
      if (const std::optional<std::size_t> prompt = prompt_of(picture))
        std::copy_n(made.begin() + static_cast<std::ptrdiff_t>(*prompt * width), width,
                    all.begin() + static_cast<std::ptrdiff_t>(picture * width));
    }
  }

  /// Which of the encoded prompts a picture of a step reads; nullopt: zeros.
  std::optional<std::size_t> prompt_of(std::size_t picture) const {
    const auto n = static_cast<std::size_t>(types_.text.type.shape[0]);
    const auto texts = static_cast<std::size_t>(types_.prompts.texts);
    const std::size_t people = types_.masks.people.empty() ? 1 : types_.masks.people.size();
    const std::size_t negatives = n - people;  // first
    const std::size_t first = types_.prompts.has_negative() ? 1 : 0;
    if (picture < negatives) return first == 1 ? std::optional<std::size_t>(0) : std::nullopt;
    return first + (texts == 1 ? 0 : picture - negatives);
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
  const auto people = static_cast<std::int64_t>(people_in(request));
  const std::int64_t n = guidance_halves(models, request) * people;
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
          .embeddings =
              f32("embeddings", {layout.all_runs(), layout.length, models.resampler.embedding}),
          .face_points = f32("face_points", {5 * people, 2}),
          .text = f32("text", {n, prompts.tokens, cross}),
          .pooled = f32("pooled", {n, models.unet.pooled_channels()}),
          .face = f32("face", {n, layout.all_runs() * models.resampler.tokens, cross}),
          .keypoints = f32("keypoints", {people, h, w, models.identitynet.channels[0]}),
          .time_ids = f32("time_ids", {n * 6}),
          .latent = f32("latent", {c, h, w}),
          .scaled = f32("scaled", {c, h, w}),
          .noise = f32("noise", {n + (request.perturbed_guidance > 0 ? people : 0), c, h, w}),
          .kept = request.has_mask && !models.unet.reads_masks()
                      ? std::vector{f32("picture", {c, h, w}), f32("first_noise", {c, h, w}),
                                    f32("mask", {h, w})}
                      : std::vector<NamedType>(),
          .masked = models.unet.reads_masks() ? std::optional(f32("masked", {h, w, c + 1}))
                                              : std::nullopt,
          .masks = mask_types(models, request),
          .guidance = models.unet.guidance_channels > 0 ? std::optional(f32("guidance", {1}))
                                                        : std::nullopt};
}

void make_inputs(Values& values, const OpenedModels& models, const Request& request,
                 const People& people, const std::stop_token& stop) {
  const ValueTypes types = value_types(models, request);
  values.make(types.embeddings,
              std::span<const float>(combined_embeddings(request, people.embeddings)));
  const std::span<float> points = values.make(types.face_points).f32();
  for (std::size_t p = 0; p < people.keypoints.size(); ++p) {
    check_keypoints(people.keypoints[p], "cannot draw the keypoint picture");
    std::copy_n(people.keypoints[p].front().data(), 10, points.subspan(10 * p, 10).begin());
  }
  make_masks(values, types.masks, request, people);
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

void run_resampler(const ValueTypes& types, const FaceLayout& layout, float noise, Session& session,
                   Values& values, const std::stop_token& stop) {
  const std::span<float> embeddings = values.at(types.embeddings.name).f32();
  const auto runs = static_cast<std::size_t>(types.embeddings.type.shape[0]);
  const std::size_t read = embeddings.size() / runs;
  std::vector<float> empty;
  for (const std::int64_t own : layout.runs) {
    const std::vector<float> made =
        empty_face(embeddings.subspan(empty.size(), static_cast<std::size_t>(own) * read), noise);
    empty.insert(empty.end(), made.begin(), made.end());
  }
  const std::span<float> face = values.make(types.face).f32();
  const std::size_t people = layout.runs.size();
  const auto halves = static_cast<std::size_t>(types.face.type.shape[0]) / people;
  const std::size_t picture = face.size() / halves / people;
  const std::size_t made = picture / runs;
  for (std::size_t half = 0; half < halves; ++half) {
    const std::span<float> first = face.subspan(half * people * picture, picture);
    const std::span<const float> from = half + 1 < halves ? std::span(empty) : embeddings;
    for (std::size_t i = 0; i < runs; ++i) {
      session.set_input("embeddings", from.subspan(i * read, read));
      session.run(stop);
      copy_output(session, "tokens", first.subspan(i * made, made));
    }
    // Every person's picture has the tokens of all.
    for (std::size_t p = 1; p < people; ++p)
      std::ranges::copy(first, face.subspan((half * people + p) * picture, picture).begin());
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
  const std::span<const float> stored = values.at(types.face_points.name).f32();
  const std::span<float> features = values.make(types.keypoints).f32();
  const std::size_t people = stored.size() / 10;
  const std::size_t each = features.size() / people;
  for (std::size_t p = 0; p < people; ++p) {
    Keypoints points;
    std::ranges::copy(stored.subspan(10 * p, 10), points.front().data());
    set_picture(session, drawn ? draw_keypoints(points, size) : Image(size));
    session.run(stop);
    copy_output(session, "features", features.subspan(p * each, each));
  }
}

void run_control(const Stage& stage, const Workspace& workspace, const Image& picture,
                 Values& values, const std::stop_token& stop) {
  Session session = stage.open(workspace.backend(), stage.options(workspace), stop);
  set_picture(session, picture);
  session.run(stop);
  copy_output(session, "features", values.make(stage.outs.front()).f32());
}

}  // namespace semblance
