#include "pipeline/stages.h"

#include <algorithm>

#include "image/encode.h"
#include "pipeline/conditions.h"
#include "pipeline/decoder.h"
#include "pipeline/encoder.h"
#include "pipeline/hires.h"
#include "pipeline/picture_sampler.h"
#include "pipeline/stage_graphs.h"

namespace semblance {
namespace {

/// SDXL's VAE has values beyond f16's range.
DType vae_dtype(DType dtype) { return dtype == DType::kF16 ? DType::kF32 : dtype; }

std::uint64_t picture_bytes(const Request& request) {
  return 3 * static_cast<std::uint64_t>(request.width) * static_cast<std::uint64_t>(request.height);
}

/// A kind of step, and how many there are.
struct StepRuns {
  StepKind kind;
  int runs = 0;
};

/// Describes the stages of one request.
class StageMaker {
 public:
  StageMaker(const OpenedModels& models, const Request& request, DType dtype,
             const std::shared_ptr<const AppliedLoras>& loras,
             const std::shared_ptr<const AppliedControls>& controls, const PictureSampler& sampler)
      : models_(models),
        request_(request),
        dtype_(dtype),
        loras_(loras),
        controls_(controls),
        types_(value_types(models, request)),
        of_steps_(sampler.values(types_.latent)),
        shared_(shared_values(models, request, types_.latent.type, dtype, *sampler.sampler)) {
    of_steps_.insert(of_steps_.end(), types_.kept.begin(), types_.kept.end());
    if (types_.masks.blend) of_steps_.push_back(*types_.masks.blend);
  }

  Stage encoder() const {
    std::vector<NamedType> outs = types_.kept;
    if (types_.masked) outs.push_back(*types_.masked);
    outs.push_back(types_.latent);
    return {.id = StageId::kEncoder,
            .graph = [&models = models_, size = size(),
                      dtype = vae_dtype(dtype_)] { return encoder_graph(models, size, dtype); },
            .weights = &models_.vae_weights,
            .runs = types_.masked ? 2 : 1,
            .outs = std::move(outs),
            .beside = encoder_memory(request_, types_.latent)};
  }

  Stage text_encoder(std::size_t encoder) const {
    const bool first = encoder == 0;
    return {.id = first ? StageId::kTextEncoder1 : StageId::kTextEncoder2,
            .graph =
                [&models = models_, encoder, prompts = types_.prompts, skip = request_.clip_skip] {
                  return text_encoder_graph(models, encoder, prompts.prompts, skip,
                                            prompts.has_vectors);
                },
            .weights = &models_.clip_weights[encoder],
            .patches = patches(first ? LoraPart::kTextEncoder1 : LoraPart::kTextEncoder2),
            .keeps_weights = types_.prompts.groups > 1,
            .runs = types_.prompts.groups,
            .ins = first ? std::vector{types_.ids[0], types_.weights}
                         : std::vector{types_.ids[1], types_.weights, types_.text},
            .outs = {first ? types_.text : types_.pooled},
            .run =
                [&models = models_, encoder, types = types_](Session& session, Values& values,
                                                             const std::stop_token& stop) {
                  run_text_encoder(models, encoder, types, session, values, stop);
                }};
  }

  Stage resampler() const {
    return {.id = StageId::kResampler,
            .graph =
                [&models = models_, length = types_.embeddings.type.shape[1]] {
                  return resampler_graph(models, length);
                },
            .weights = &models_.resampler_weights,
            .runs = guidance_halves(models_, request_) *
                    static_cast<int>(types_.embeddings.type.shape[0]),
            .ins = {types_.embeddings},
            .outs = {types_.face},
            .run =
                [types = types_, layout = face_layout(request_), noise = request_.identity_noise](
                    Session& session, Values& values, const std::stop_token& stop) {
                  run_resampler(types, layout, noise, session, values, stop);
                }};
  }

  Stage keypoints() const {
    return {.id = StageId::kKeypoints,
            .graph = [&models = models_, size = size(),
                      dtype = dtype_] { return keypoint_graph(models, size, dtype); },
            .weights = &models_.denoiser_weights,
            .runs = static_cast<int>(people_in(request_)),
            .ins = {types_.face_points},
            .outs = {types_.keypoints},
            .held = held(),
            .run =
                [types = types_, size = size(), drawn = !request_.no_keypoints](
                    Session& session, Values& values, const std::stop_token& stop) {
                  run_keypoints(types, size, drawn, session, values, stop);
                }};
  }

  std::uint64_t picture_bytes() const { return semblance::picture_bytes(request_); }

  std::size_t control_count() const { return controls_ ? controls_->controls.size() : 0; }

  Stage control(std::size_t i) const {
    return {.id = StageId::kControl,
            .graph = [controls = controls_, i, size = size(),
                      dtype = dtype_] { return control_graph(controls->controls[i], size, dtype); },
            .weights = &controls_->weights,
            .outs = {control_features(i)},
            .held = held()};
  }

  /// `steps`: all kinds.
  Stage denoiser(const StepRuns& each, const std::vector<StepRuns>& steps) const {
    const StepKind& kind = each.kind;
    Stage stage{.id = kind.with_identity() ? StageId::kDenoiser : StageId::kDenoiserAlone,
                .step = kind,
                .graph =
                    [&models = models_, request = request_, tokens = types_.prompts.tokens, kind,
                     dtype = dtype_, controls = controls_] {
                      return step_graph(models, request, tokens, kind, dtype, controls.get());
                    },
                .weights = controls_ ? &controls_->weights : &models_.denoiser_weights,
                .patches = patches(LoraPart::kUNet),
                .keeps_weights = true,
                .runs = each.runs,
                .ins = {types_.latent, types_.text, types_.pooled, types_.time_ids, types_.face},
                .outs = {types_.scaled, types_.noise},
                .held = of_steps_};
    if (types_.guidance) stage.ins.push_back(*types_.guidance);
    if (types_.masked) stage.ins.push_back(*types_.masked);
    const auto read = [&](const NamedType& value, auto&& reads) {
      if (!reads(each)) return;
      stage.ins.push_back(value);
      if (std::ranges::count_if(steps, reads) == 1) stage.given_up.push_back(value.name);
    };
    read(types_.keypoints, [](const StepRuns& step) { return step.kind.with_identity(); });
    for (const NamedType& value : masks_of_step(types_.masks, kind)) stage.ins.push_back(value);
    for (std::size_t i = 0; i < control_count(); ++i) {
      read(control_features(i), [i](const StepRuns& step) { return step.kind.has_control(i); });
    }
    if (shared_) {
      (kind.from_deep ? stage.ins : stage.outs).push_back(shared_->deep);
      stage.held.push_back(shared_->restart);
    }
    return stage;
  }

  Stage decoder() const {
    const bool tiles = decodes_in_tiles(models_.vae, size(), request_.vae_tiling);
    const auto side = static_cast<int>(models_.vae.sample_size);
    const Size one = tiles ? Size{std::min(side, size().w), std::min(side, size().h)} : size();
    Stage stage = decoder_stage(models_, one, dtype_);
    stage.ins = {types_.latent};
    stage.beside.added_bytes = picture_bytes();
    if (!tiles) return stage;
    const auto count = [&](int extent) { return (extent + side * 3 / 4 - 1) / (side * 3 / 4); };
    stage.runs = count(size().w) * count(size().h);
    stage.beside = tile_memory(models_.vae, size());
    return stage;
  }

  Stage picture(ImageFormat format) const {
    return {
        .id = StageId::kPicture,
        .ins = {types_.latent},  // kept until the generation ends
        .beside = {.kept_bytes = picture_bytes(), .added_bytes = encoding_bytes(format, size())}};
  }

 private:
  std::shared_ptr<const WeightPatches> patches(LoraPart part) const {
    if (!loras_) return nullptr;
    return {loras_, &loras_->patches[static_cast<std::size_t>(part)]};
  }
  NamedType control_features(std::size_t i) const {
    const Control& control = controls_->controls[i];
    const Shape shape = types_.keypoints.type.shape.with(0, 1);
    return {control.value, {DType::kF32, shape.with(-1, control.config.channels[0])}};
  }
  /// While features of pictures are computed, before the first step that reads them.
  std::vector<NamedType> held() const {
    std::vector<NamedType> values = of_steps_;
    values.push_back(types_.latent);
    return values;
  }
  Size size() const { return {request_.width, request_.height}; }
  const OpenedModels& models_;
  const Request& request_;
  DType dtype_;
  const std::shared_ptr<const AppliedLoras>& loras_;
  const std::shared_ptr<const AppliedControls>& controls_;
  ValueTypes types_;
  std::vector<NamedType> of_steps_;  // what they need beside the network's inputs
  std::optional<SharedValues> shared_;
};

/// In the order of their first step, those with IdentityNet first: afterwards the keypoints are not
/// needed.
std::vector<StepRuns> steps_of(const OpenedModels& models, const Request& request, int first_step,
                               int steps) {
  std::vector<StepRuns> found;
  for (int step = first_step; step < steps; ++step) {
    const StepKind kind = kind_of_step(models, request, step, steps);
    auto same = std::ranges::find(found, kind, &StepRuns::kind);
    if (same == found.end()) same = found.insert(same, {kind});
    ++same->runs;
  }
  std::stable_partition(found.begin(), found.end(),
                        [](const StepRuns& each) { return each.kind.with_identity(); });
  return found;
}

}  // namespace

Stage decoder_stage(const OpenedModels& models, Size size, DType dtype) {
  dtype = vae_dtype(dtype);
  return {.id = StageId::kDecoder,
          .graph = [&models, size, dtype] { return decoder_graph(models, size, dtype); },
          .weights = &models.vae_weights};
}

std::optional<SharedValues> shared_values(const OpenedModels& models, const Request& request,
                                          const TensorType& latent, DType dtype,
                                          const Sampler& sampler) {
  if (request.reuse <= 1) return std::nullopt;
  const Shape& shape = latent.shape;
  const StepKind most{.is_guided = guidance_halves(models, request) == 2};
  return SharedValues{
      .deep = {"deep",
               {dtype, {pictures_of(request, most), shape[1], shape[2], models.unet.channels[0]}}},
      .restart = {"restart",
                  {DType::kF32, {1 + sampler.kept_latents(), shape[0], shape[1], shape[2]}}}};
}

std::vector<Stage> stages_of(const OpenedModels& models, const Request& request, DType dtype,
                             std::optional<ImageFormat> format, int first_step,
                             const std::shared_ptr<const AppliedLoras>& loras,
                             const std::shared_ptr<const AppliedControls>& controls) {
  if (models.unet.reads_masks() && !request.has_mask) {
    fail(ErrorKind::kArgument,
         "cannot make the picture: the base model is made for inpainting\n  give it a picture "
         "(--init) and a mask (--mask), or use another base model");
  }
  const PictureSampler sampler = make_picture_sampler(request, models.scheduler);
  const StageMaker make(models, request, dtype, loras, controls, sampler);
  std::vector<Stage> stages;
  if (request.strength && first_step == 0) stages.push_back(make.encoder());
  stages.push_back(make.text_encoder(0));
  stages.push_back(make.text_encoder(1));
  stages.push_back(make.resampler());
  const std::vector<StepRuns> steps =
      steps_of(models, request, first_step, sampler.sampler->evaluations());
  const auto with_identity =
      std::ranges::count_if(steps, [](const StepRuns& each) { return each.kind.with_identity(); });
  if (with_identity > 0) stages.push_back(make.keypoints());
  std::uint32_t made = 0;
  for (const StepRuns& each : steps) {
    for (std::size_t i = 0; i < make.control_count(); ++i) {
      if (each.kind.has_control(i) && (made >> i & 1U) == 0) stages.push_back(make.control(i));
    }
    made |= each.kind.controls;
    stages.push_back(make.denoiser(each, steps));
  }
  stages.push_back(make.decoder());
  if (format) stages.push_back(make.picture(*format));
  add_values(stages);
  const std::uint64_t pictures = make.control_count() * make.picture_bytes();
  for (Stage& stage : stages) {
    if (loras) stage.beside.kept_bytes += loras->held_bytes;
    if (controls) stage.beside.kept_bytes += controls->held_bytes + pictures;
    // Of their regions' masks.
    if (!request.people.empty())
      stage.beside.kept_bytes += people_in(request) * make.picture_bytes() / 3;
  }
  return stages;
}

namespace {

/// Of a pass's picture, for the next pass.
Stage enlarging(const Request& pass, const Request& next) {
  const std::uint64_t both = picture_bytes(pass) + picture_bytes(next);
  return {.id = StageId::kEnlarging, .beside = {.added_bytes = (1 + pass.controls.size()) * both}};
}

}  // namespace

std::vector<Stage> stages_of_passes(const OpenedModels& models, const Request& whole, DType dtype,
                                    std::optional<ImageFormat> format, RunStart start,
                                    const std::shared_ptr<const AppliedLoras>& loras,
                                    const std::shared_ptr<const AppliedControls>& controls) {
  std::vector<Stage> stages;
  const int passes = passes_of(whole);
  for (int pass = start.pass; pass < passes; ++pass) {
    const bool is_last = pass + 1 == passes;
    const Request request = pass_of(whole, pass);
    for (Stage& stage : stages_of(models, request, dtype, is_last ? format : std::nullopt,
                                  pass == start.pass ? start.step : 0, loras, controls)) {
      stage.pass = pass;
      stages.push_back(std::move(stage));
    }
    if (!is_last) stages.push_back(enlarging(request, pass_of(whole, pass + 1)));
  }
  return stages;
}

}  // namespace semblance
