#include "pipeline/stages.h"

#include <algorithm>

#include "image/encode.h"
#include "pipeline/conditions.h"
#include "pipeline/decoder.h"
#include "pipeline/picture_sampler.h"
#include "pipeline/stage_graphs.h"

namespace semblance {
namespace {

/// Describes the stages of one request.
class StageMaker {
 public:
  StageMaker(const OpenedModels& models, const Request& request, DType dtype,
             const PictureSampler& sampler)
      : models_(models),
        request_(request),
        dtype_(dtype),
        types_(value_types(models, request)),
        of_sampler_(sampler.values(types_.latent)) {}

  Stage text_encoder(std::size_t encoder) const {
    const bool first = encoder == 0;
    return {
        .id = first ? StageId::kTextEncoder1 : StageId::kTextEncoder2,
        .graph = [&models = models_, encoder, n = encoded_prompts(models_, request_),
                  skip =
                      request_.clip_skip] { return text_encoder_graph(models, encoder, n, skip); },
        .weights = &models_.clip_weights[encoder],
        .ins = first ? std::vector{types_.ids[0]} : std::vector{types_.ids[1], types_.text},
        .outs = {first ? types_.text : types_.pooled},
        .run =
            [&models = models_, encoder, types = types_](Session& session, Values& values,
                                                         const std::stop_token& stop) {
              run_text_encoder(models, encoder, types, session, values, stop);
            }};
  }

  Stage resampler() const {
    return {.id = StageId::kResampler,
            .graph = [&models = models_] { return resampler_graph(models); },
            .weights = &models_.resampler_weights,
            .runs = guidance_halves(request_),
            .ins = {types_.embedding},
            .outs = {types_.face},
            .run =
                [types = types_](Session& session, Values& values, const std::stop_token& stop) {
                  run_resampler(types, session, values, stop);
                }};
  }

  Stage keypoints() const {
    return {.id = StageId::kKeypoints,
            .graph = [&models = models_, size = size(),
                      dtype = dtype_] { return keypoint_graph(models, size, dtype); },
            .weights = &models_.denoiser_weights,
            .ins = {types_.face_points},
            .outs = {types_.keypoints},
            .held = held(),
            .run =
                [types = types_, size = size()](Session& session, Values& values,
                                                const std::stop_token& stop) {
                  run_keypoints(types, size, session, values, stop);
                }};
  }

  Stage denoiser(bool with_identity, int runs) const {
    Stage stage{
        .id = with_identity ? StageId::kDenoiser : StageId::kDenoiserAlone,
        .graph = [&models = models_, request = request_, with_identity,
                  dtype = dtype_] { return step_graph(models, request, with_identity, dtype); },
        .weights = &models_.denoiser_weights,
        .keeps_weights = true,
        .runs = runs,
        .ins = {types_.latent, types_.text, types_.pooled, types_.time_ids, types_.face},
        .outs = {types_.scaled, types_.noise},
        .held = of_sampler_};
    if (with_identity) {
      stage.ins.push_back(types_.keypoints);
      stage.given_up.push_back(types_.keypoints.name);
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
    stage.beside = tiles_beside(models_.vae, size());
    return stage;
  }

  Stage picture(ImageFormat format) const {
    return {
        .id = StageId::kPicture,
        .ins = {types_.latent},  // kept until the generation ends
        .beside = {.kept_bytes = picture_bytes(), .added_bytes = encoding_bytes(format, size())}};
  }

 private:
  /// While keypoints are computed, before the first step with IdentityNet.
  std::vector<NamedType> held() const {
    std::vector<NamedType> values = of_sampler_;
    values.push_back(types_.latent);
    return values;
  }
  Size size() const { return {request_.width, request_.height}; }
  std::uint64_t picture_bytes() const {
    return 3 * static_cast<std::uint64_t>(request_.width) *
           static_cast<std::uint64_t>(request_.height);
  }

  const OpenedModels& models_;
  const Request& request_;
  DType dtype_;
  ValueTypes types_;
  std::vector<NamedType> of_sampler_;
};

}  // namespace

Stage decoder_stage(const OpenedModels& models, Size size, DType dtype) {
  return {.id = StageId::kDecoder,
          .graph = [&models, size, dtype] { return decoder_graph(models, size, dtype); },
          .weights = &models.vae_weights};
}

std::vector<Stage> stages_of(const OpenedModels& models, const Request& request, DType dtype,
                             std::optional<ImageFormat> format, int first_step) {
  const PictureSampler sampler = make_picture_sampler(request, models.scheduler);
  const StageMaker make(models, request, dtype, sampler);
  std::vector<Stage> stages{make.text_encoder(0), make.text_encoder(1), make.resampler()};
  const int steps = sampler.sampler->evaluations();
  int with_identity = 0;
  for (int step = first_step; step < steps; ++step)
    with_identity += identity_on(request, step, steps);
  if (with_identity > 0) {
    stages.push_back(make.keypoints());
    stages.push_back(make.denoiser(true, with_identity));
  }
  const int alone = steps - first_step - with_identity;
  if (alone > 0) stages.push_back(make.denoiser(false, alone));
  stages.push_back(make.decoder());
  if (format) stages.push_back(make.picture(*format));
  add_values(stages);
  return stages;
}

}  // namespace semblance
