#include "pipeline/request_plan.h"

#include <algorithm>
#include <cmath>

#include "core/integers.h"
#include "image/encode.h"
#include "pipeline/stage_graphs.h"
#include "sampling/euler.h"

namespace semblance {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

std::uint64_t floats(std::int64_t count) {
  return static_cast<std::uint64_t>(count) * sizeof(float);
}

std::uint64_t pixels_of(const Request& request) {
  return static_cast<std::uint64_t>(request.width) * static_cast<std::uint64_t>(request.height);
}

std::int64_t latent_elements(const OpenedModels& models, const Request& request) {
  const std::int64_t fold = models.vae.fold();
  return models.unet.in_channels * (request.height / fold) * (request.width / fold);
}

/// An encoder's result, as f32.
std::uint64_t encoded_bytes(const OpenedModels& models, std::size_t encoder,
                            const Request& request) {
  const ClipConfig& clip = models.clip[encoder];
  const std::int64_t n = encoded_prompts(models, request);
  const std::int64_t rows = n * models.prompt_length(static_cast<int>(encoder));
  return floats(rows * clip.width + (encoder == 1 ? n * clip.projection : 0));
}

/// Text, pooled vector and face tokens: Conditions, without the keypoints' features.
std::uint64_t text_bytes(const OpenedModels& models, const Request& request) {
  const std::int64_t n = guidance_halves(request);
  return floats(
      n * (models.prompt_length(0) * models.resampler.output + models.unet.pooled_channels()));
}

std::uint64_t face_bytes(const OpenedModels& models, const Request& request) {
  return floats(guidance_halves(request) * models.resampler.tokens * models.resampler.output);
}

std::uint64_t feature_bytes(const OpenedModels& models, const Request& request) {
  const std::int64_t fold = models.vae.fold();
  return floats(models.identitynet.channels[0] * (request.height / fold) * (request.width / fold));
}

std::uint64_t picture_bytes(const Request& request) { return 3 * pixels_of(request); }

}  // namespace

HeldBeside text_encoder_beside(const OpenedModels& models, std::size_t encoder,
                               const Request& request) {
  return {.kept_bytes = encoder == 0 ? 0 : encoded_bytes(models, 0, request),
          .added_bytes = encoded_bytes(models, encoder, request)};
}

HeldBeside resampler_beside(const OpenedModels& models, const Request& request) {
  return {.kept_bytes = text_bytes(models, request), .added_bytes = face_bytes(models, request)};
}

HeldBeside keypoints_beside(const OpenedModels& models, const Request& request) {
  return {.kept_bytes = text_bytes(models, request) + face_bytes(models, request),
          .added_bytes = feature_bytes(models, request)};
}

HeldBeside denoiser_beside(const OpenedModels& models, const Request& request, bool with_identity) {
  const auto n = static_cast<std::uint64_t>(guidance_halves(request));
  const std::uint64_t latent = floats(latent_elements(models, request));
  // The latent, scaled; the noise comes from the session.
  return {.kept_bytes = text_bytes(models, request) + face_bytes(models, request) + latent,
          .released_bytes = with_identity ? feature_bytes(models, request) : 0,
          .added_bytes = (1 + n) * latent};
}

HeldBeside decoder_beside(const OpenedModels& models, const Request& request) {
  const auto n = static_cast<std::uint64_t>(guidance_halves(request));
  const std::uint64_t latents = (2 + n) * floats(latent_elements(models, request));
  const std::uint64_t picture = picture_bytes(request);
  const Size size{request.width, request.height};
  if (!decodes_in_tiles(models.vae, size, request.vae_tiling))
    return {.kept_bytes = latents, .added_bytes = picture};
  // The picture as f32, a tile as f32, strips of a quarter tile above and beside; at the end the
  // picture's bytes.
  const auto tile = static_cast<std::uint64_t>(models.vae.sample_size);
  const std::uint64_t strips = (static_cast<std::uint64_t>(request.width) + 2 * tile) * tile / 4;
  return {.kept_bytes = latents + 4 * picture,
          .added_bytes = sizeof(float) * 3 * (2 * tile * tile + strips)};
}

std::vector<Stage> stages_of(const OpenedModels& models, const Request& request, DType dtype,
                             std::optional<ImageFormat> format, int first_step) {
  std::vector<Stage> stages;
  const Size size{request.width, request.height};
  for (std::size_t i = 0; i < 2; ++i) {
    stages.push_back({.name = i == 0 ? Message::kStageText1 : Message::kStageText2,
                      .graph =
                          [&models, i, n = encoded_prompts(models, request)] {
                            return text_encoder_graph(models, i, n);
                          },
                      .weights = &models.clip_weights[i],
                      .beside = text_encoder_beside(models, i, request)});
  }
  stages.push_back({.name = Message::kStageResampler,
                    .graph = [&models] { return resampler_graph(models); },
                    .weights = &models.resampler_weights,
                    .runs = guidance_halves(request),
                    .beside = resampler_beside(models, request)});
  const int steps =
      static_cast<int>(EulerScheduler(models.scheduler, request.steps).timesteps().size());
  int with_identity = 0;
  for (int step = first_step; step < steps; ++step)
    with_identity += identity_on(request, step, steps);
  if (request.identity_strength > 0) {
    stages.push_back(
        {.name = Message::kStageKeypoints,
         .graph = [&models, size, dtype] { return keypoint_graph(models, size, dtype); },
         .weights = &models.denoiser_weights,
         .beside = keypoints_beside(models, request)});
  }
  for (const bool identity : {true, false}) {
    const int runs = identity ? with_identity : steps - first_step - with_identity;
    if (runs == 0) continue;
    stages.push_back({.name = identity ? Message::kStageDenoiser : Message::kStageDenoiserAlone,
                      .graph = [&models, request, identity,
                                dtype] { return step_graph(models, request, identity, dtype); },
                      .weights = &models.denoiser_weights,
                      .keeps_weights = true,
                      .runs = runs,
                      .beside = denoiser_beside(models, request, identity)});
  }
  const bool tiles = decodes_in_tiles(models.vae, size, request.vae_tiling);
  const auto side = static_cast<int>(models.vae.sample_size);
  const Size decoded = tiles ? Size{std::min(side, size.w), std::min(side, size.h)} : size;
  const auto count = [&](int extent) {
    return tiles ? (extent + side * 3 / 4 - 1) / (side * 3 / 4) : 1;
  };
  stages.push_back(
      {.name = Message::kStageDecoder,
       .graph = [&models, decoded, dtype] { return decoder_graph(models, decoded, dtype); },
       .weights = &models.vae_weights,
       .runs = count(size.w) * count(size.h),
       .beside = decoder_beside(models, request)});
  if (format) {
    HeldBeside writing = decoder_beside(models, request);
    stages.push_back({.name = Message::kStagePicture,
                      .beside = {.kept_bytes = writing.kept_bytes + picture_bytes(request),
                                 .added_bytes = encoding_bytes(*format, size)}});
  }
  return stages;
}

std::string_view name_of(Limit limit) { return format_of(title_of(limit), Language::kEnglish); }

Message title_of(Limit limit) {
  switch (limit) {
    case Limit::kComputing:
      return Message::kLimitComputing;
    case Limit::kReadingWeights:
      return Message::kLimitReading;
    case Limit::kScratchFile:
      return Message::kLimitScratch;
  }
  return Message::kLimitComputing;
}

namespace {

std::uint64_t moved_through_file(const Program& program) {
  std::uint64_t bytes = 0;
  for (std::size_t n = 0; n < program.graph.nodes().size(); ++n) {
    const Node& node = program.graph.nodes()[n];
    const bool moves =
        std::holds_alternative<Spill>(node.op) || std::holds_alternative<Fetch>(node.op);
    if (moves && !program.plan.silent[n]) bytes += program.graph.type(node.dst).bytes();
  }
  return bytes;
}

void take_program(StagePlan& stage, const Program& program, const Rates& rates) {
  const Plan& plan = program.plan;
  std::uint64_t loaded = 0;  // before the first run, of what stays
  std::uint64_t packed = 0;
  std::uint64_t last_place = ~std::uint64_t{0};
  std::vector<bool> seen;
  for (const WeightUse& use : plan.weights) {
    if (use.keep == Keep::kStreamed) stage.streamed_bytes += use.needs.raw_bytes;
    if (use.keep != Keep::kPacked || use.packed.offset == last_place) continue;
    last_place = use.packed.offset;
    loaded += use.needs.raw_bytes;
    packed += use.needs.packed_bytes;
  }
  for (const Place& scratch : plan.scratch)
    stage.kernel_scratch_bytes = std::max(stage.kernel_scratch_bytes, scratch.bytes);
  stage.resident_bytes = plan.resident_bytes;
  stage.activation_bytes = plan.arena_bytes;
  stage.reading_bytes = plan.ring_bytes + plan.staging_bytes;
  stage.scratch_bytes = plan.file_bytes;
  stage.run_seconds = program.seconds;
  stage.wait_seconds = program.wait_seconds;
  stage.seconds = stage.runs * program.seconds + static_cast<double>(loaded) / rates.read +
                  static_cast<double>(packed) / rates.pack;
  if (program.wait_seconds > 0.1 * program.seconds) {
    const double reading = static_cast<double>(stage.streamed_bytes) / rates.read;
    const double moving = static_cast<double>(moved_through_file(program)) /
                          std::min(rates.file_read, rates.file_write);
    stage.limit = reading >= moving ? Limit::kReadingWeights : Limit::kScratchFile;
  }
}

std::uint64_t whole_mib(std::uint64_t bytes) { return round_up(bytes, kMiB); }

/// What a stage holds for a moment before its places are in use: an input twice.
std::uint64_t before_run(const Stage& stage) {
  return stage.beside.released_bytes == 0 ? 0 : 2 * stage.beside.released_bytes + 2 * kMiB;
}

/// The stages that need the most come first, so that the others need only be looked at.
int weight_of(const Stage& stage) {
  switch (stage.name) {
    case Message::kStageDenoiser:
      return 0;
    case Message::kStageDenoiserAlone:
      return 1;
    case Message::kStageDecoder:
      return 2;
    case Message::kStageKeypoints:
      return 3;
    default:
      return 4;
  }
}

}  // namespace

/// A stage with what is known of its kernels and of what fits.
class RequestPlanner::PlannedStage {
 public:
  PlannedStage(const Stage& stage, const Workspace& workspace, const std::function<void()>& check)
      : stage_(stage),
        workspace_(workspace),
        options_(workspace.planned(stage.keeps_weights, stage.beside)) {
    base_bytes_ = workspace.options().base_bytes.value_or(0);
    beside_bytes_ = base_bytes_ + stage.beside.kept_bytes + stage.beside.added_bytes;
    before_bytes_ = base_bytes_ + stage.beside.kept_bytes + before_run(stage);
    if (!stage.graph) return;
    kernels_.emplace(workspace.backend(), *stage.weights, options_.seconds, check);
    graph_ = stage.graph();
    fitter_.emplace(
        graph_, [this](const Graph& g, const Node& node) { return kernels_->of(g, node); },
        options_.fit);
  }
  PlannedStage(const PlannedStage&) = delete;
  PlannedStage& operator=(const PlannedStage&) = delete;

  const Stage& stage() const { return stage_; }

  StagePlan plan() {
    StagePlan plan{.name = stage_.name, .runs = stage_.runs};
    plan.base_bytes = base_bytes_;
    plan.values_bytes = beside_bytes_ - base_bytes_;
    const std::optional<std::uint64_t> places = places_in(workspace_.options().budget_bytes);
    plan.fits = places.has_value();
    if (!plan.fits) return plan;
    plan.peak_bytes = std::max(before_bytes_, beside_bytes_);
    if (!fitter_) return plan;
    const std::optional<Program> program = fitter_->fit(*places);
    plan.fits = program.has_value();
    if (!program) return plan;
    take_program(plan, *program, options_.fit.rates);
    const std::uint64_t spare = spare_base(kernels_->generated_kernels(program->graph));
    plan.base_bytes -= std::min(plan.base_bytes, spare);
    plan.peak_bytes =
        std::max(before_bytes_, plan.base_bytes + plan.values_bytes + program->plan.memory_bytes());
    plan.base_bytes += program->plan.tables_bytes;
    return plan;
  }

  bool fits(std::optional<std::uint64_t> budget) {
    const std::optional<std::uint64_t> places = places_in(budget);
    return places && (!fitter_ || fitter_->fits(*places));
  }

  /// What the process needs for it, or `known`, if that is enough.
  std::uint64_t minimum(std::uint64_t known) {
    if (fits(known)) return known;
    const std::uint64_t places = fitter_ ? fitter_->least_memory() : 0;
    return std::max({known, before_bytes_, beside_bytes_ + places});
  }

 private:
  /// What is left for the places, or nothing where not even the rest fits.
  std::optional<std::uint64_t> places_in(std::optional<std::uint64_t> budget) const {
    if (budget && (before_bytes_ > *budget || beside_bytes_ > *budget)) return std::nullopt;
    if (!budget || workspace_.options().places_bytes) return options_.fit.memory_bytes;
    return *budget - beside_bytes_;
  }

  const Stage& stage_;
  const Workspace& workspace_;
  SessionOptions options_;
  std::uint64_t base_bytes_ = 0;
  std::uint64_t beside_bytes_ = 0;  // base and values while it runs
  std::uint64_t before_bytes_ = 0;  // while its inputs are set
  std::optional<KernelNeeds> kernels_;
  Graph graph_;
  std::optional<Fitter> fitter_;
};

RequestPlanner::RequestPlanner(const std::vector<Stage>& stages, const Workspace& workspace,
                               std::function<void()> check)
    : all_(stages), workspace_(workspace), check_(std::move(check)) {
  for (const Stage& stage : stages)
    stages_.push_back(std::make_unique<PlannedStage>(stage, workspace_, check_));
}
RequestPlanner::~RequestPlanner() = default;

std::vector<RequestPlanner::PlannedStage*> RequestPlanner::heaviest_first() const {
  std::vector<PlannedStage*> order;
  for (const auto& stage : stages_) order.push_back(stage.get());
  std::stable_sort(order.begin(), order.end(), [](const PlannedStage* a, const PlannedStage* b) {
    return weight_of(a->stage()) < weight_of(b->stage());
  });
  return order;
}

std::uint64_t RequestPlanner::minimum_budget() {
  // A run with a budget may spill, also where the workspace has none.
  if (!workspace_.options().budget_bytes)
    return RequestPlanner(all_, workspace_.with_budget(0), check_).minimum_budget();
  std::uint64_t least = 0;
  for (PlannedStage* stage : heaviest_first()) least = whole_mib(stage->minimum(least));
  return least;
}

bool RequestPlanner::fits() {
  const std::vector<PlannedStage*> order = heaviest_first();
  return std::all_of(order.begin(), order.end(), [this](PlannedStage* stage) {
    return stage->fits(workspace_.options().budget_bytes);
  });
}

RequestPlan RequestPlanner::plan() {
  RequestPlan plan;
  plan.budget_bytes = workspace_.options().budget_bytes;
  for (const auto& stage : stages_) {
    plan.stages.push_back(stage->plan());
    const StagePlan& made = plan.stages.back();
    plan.fits = plan.fits && made.fits;
    plan.peak_bytes = std::max(plan.peak_bytes, made.peak_bytes);
    plan.scratch_bytes = std::max(plan.scratch_bytes, made.scratch_bytes);
    plan.seconds += made.seconds;
    if (made.name == Message::kStageDenoiser ||
        (made.name == Message::kStageDenoiserAlone && plan.step_seconds == 0))
      plan.step_seconds = made.run_seconds;
  }
  if (!plan.fits) plan.peak_bytes = 0;
  return plan;
}

std::optional<Size> largest_picture(const OpenedModels& models, const Request& request, DType dtype,
                                    const Workspace& workspace, std::optional<ImageFormat> format,
                                    std::uint64_t minimum_bytes,
                                    const std::function<void()>& check) {
  constexpr int kStep = 64;
  constexpr int kMost = 2048 / kStep;
  constexpr int kMostTries = 3;
  const std::uint64_t budget = workspace.options().budget_bytes.value_or(~std::uint64_t{0});
  const bool wide = request.width >= request.height;
  const int longest = std::max(request.width, request.height);
  const double ratio = static_cast<double>(std::min(request.width, request.height)) / longest;
  const auto size_of = [&](int steps) {
    const int side = steps * kStep;
    const int other = std::max(1, static_cast<int>(std::lround(steps * ratio))) * kStep;
    return wide ? Size{side, other} : Size{other, side};
  };
  const auto stages_at = [&](int steps) {
    Request other = request;
    other.width = size_of(steps).w;
    other.height = size_of(steps).h;
    std::vector<Stage> stages = stages_of(models, other, dtype, format);
    std::erase_if(stages, [](const Stage& stage) { return weight_of(stage) == 4 && stage.graph; });
    return stages;
  };
  const bool too_much = minimum_bytes > budget;
  if (!too_much && longest >= kMost * kStep) return Size{request.width, request.height};
  // What a picture needs grows about as its area, in steps: a guess first, from a picture that is
  // large enough for that, then halves.
  const auto base = static_cast<double>(workspace.options().base_bytes.value_or(0));
  const auto guess = [&](int side, std::uint64_t bytes) {
    const double ratio_of_bytes =
        (static_cast<double>(budget) - base) / std::max(1.0, static_cast<double>(bytes) - base);
    return static_cast<int>(std::min(side * std::sqrt(std::max(ratio_of_bytes, 0.0)), 2.0 * kMost));
  };
  constexpr int kEnough = 512 / kStep;
  int known = (longest + kStep - 1) / kStep;
  if (!too_much && known < kEnough) {
    known = kEnough;
    const std::vector<Stage> stages = stages_at(known);
    minimum_bytes = RequestPlanner(stages, workspace, check).minimum_budget();
  }
  const int below = too_much ? std::min((longest - 1) / kStep, kMost) : kMost;
  int good = too_much ? 0 : std::min(longest / kStep, kMost);
  int bad = below + 1;
  int next = guess(known, minimum_bytes);
  for (int tries = 0; (tries < kMostTries || good == 0) && bad - good > 1; ++tries) {
    const int side = std::clamp(next, good + 1, bad - 1);
    const std::vector<Stage> stages = stages_at(side);
    RequestPlanner planner(stages, workspace, check);
    const bool fits = planner.fits();
    (fits ? good : bad) = side;
    next = fits && !too_much ? guess(side, planner.minimum_budget()) : (good + bad) / 2;
  }
  return good == 0 ? std::nullopt : std::optional(size_of(good));
}

}  // namespace semblance
