#include "pipeline/request_plan.h"

#include <algorithm>
#include <cmath>

#include "core/integers.h"
#include "planner/make_plan.h"
#include "runtime/device.h"
#include "runtime/explain.h"

namespace semblance {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

}  // namespace

std::string_view name_of(Limit limit) { return format_of(title_of(limit), Language::kEnglish); }

std::string title_of(const StagePlan& stage, Language language) {
  std::string title(format_of(title_of(stage.id), language));
  for (const auto& [applies, message] : {std::pair(stage.is_half, Message::kStepUnguided),
                                         {stage.from_deep, Message::kStepFromDeep},
                                         {stage.pass > 0, Message::kStageEnlarged}}) {
    if (applies) title = fmt::format(fmt::runtime(format_of(message, language)), title);
  }
  return title;
}

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
    if (moves && !program.plan.is_view[n]) bytes += program.graph.type(node.dst).bytes();
  }
  return bytes;
}

void take_program(StagePlan& stage, const Program& program, const Rates& rates) {
  const Plan& plan = program.plan;
  std::uint64_t loaded = 0;  // before or in the first run, of weights that are not read again
  std::uint64_t packed = 0;
  double added = 0;
  std::uint64_t last_place = ~std::uint64_t{0};
  std::vector<bool> seen;
  for (const WeightUse& use : plan.weights) {
    if (use.keep == Keep::kStreamed) stage.streamed_bytes += use.needs.raw_bytes;
    if (use.keep == Keep::kStreamed) continue;
    if (use.keep == Keep::kPacked &&
        std::exchange(last_place, use.packed.offset) == use.packed.offset)
      continue;
    loaded += use.needs.raw_bytes;
    packed += use.needs.packed_bytes;
    added += use.needs.added_operations;
  }
  for (const Place& scratch : plan.scratch)
    stage.kernel_scratch_bytes = std::max(stage.kernel_scratch_bytes, scratch.bytes);
  stage.resident_bytes = plan.resident_bytes;
  stage.activation_bytes = plan.arena_bytes;
  stage.reading_bytes = plan.host_bytes() - plan.tables_bytes;
  stage.scratch_bytes = plan.file_in_memory ? 0 : plan.file_bytes;
  stage.run_seconds = program.seconds;
  stage.wait_seconds = program.wait_seconds;
  stage.seconds = stage.runs * program.seconds + static_cast<double>(loaded) / rates.read +
                  static_cast<double>(packed) / rates.pack + added / rates.add;
  for (std::size_t n = 0; n < plan.runs_once.size(); ++n)
    if (plan.runs_once[n]) stage.seconds += program.needs[n].seconds;
  if (program.wait_seconds > 0.1 * program.seconds) {
    const double reading = static_cast<double>(stage.streamed_bytes) / rates.read;
    const double moving = static_cast<double>(moved_through_file(program)) /
                          std::min(rates.file_read, rates.file_write);
    stage.limit = reading >= moving ? Limit::kReadingWeights : Limit::kScratchFile;
  }
}

std::uint64_t whole_mib(std::uint64_t bytes) { return round_up(bytes, kMiB); }

/// Memory that a stage holds briefly before its arena is in use: a second copy of an input.
std::uint64_t before_run(const Stage& stage) {
  return stage.beside.released_bytes == 0 ? 0 : 2 * stage.beside.released_bytes + 2 * kMiB;
}

/// Heaviest stages first, so that the others need only a quick check.
constexpr int kLight = 4;
int weight_of(const Stage& stage) {
  switch (stage.id) {
    case StageId::kDenoiser:
      return 0;
    case StageId::kDenoiserAlone:
      return 1;
    case StageId::kDecoder:
      return 2;
    case StageId::kKeypoints:
    case StageId::kControl:
      return 3;
    default:
      return kLight;
  }
}

}  // namespace

/// A stage with cached results about its kernels and what fits.
class RequestPlanner::PlannedStage {
 public:
  PlannedStage(const Stage& stage, const Workspace& workspace, const std::function<void()>& check)
      : stage_(stage),
        workspace_(stage.on_processor ? semblance::on_processor(workspace) : workspace),
        options_(workspace_.planned(stage.keeps_weights, stage.beside)) {
    base_bytes_ = workspace.options().base_bytes.value_or(0);
    beside_bytes_ = base_bytes_ + stage.beside.kept_bytes + stage.beside.added_bytes;
    before_bytes_ = base_bytes_ + stage.beside.kept_bytes + before_run(stage);
    options_.fit.steady_inputs = stage.steady_inputs();
    if (!stage.graph) return;
    kernels_.emplace(workspace_.backend(), stage.view(), options_.seconds, check);
    graph_ = stage.graph();
    fitter_.emplace(
        graph_, [this](const Graph& g, const Node& node) { return kernels_->of(g, node); },
        options_.fit);
  }
  PlannedStage(const PlannedStage&) = delete;
  PlannedStage& operator=(const PlannedStage&) = delete;

  const Stage& stage() const { return stage_; }

  StagePlan plan() {
    StagePlan plan{.id = stage_.id,
                   .from_deep = stage_.step && stage_.step->from_deep,
                   .pass = stage_.pass,
                   .runs = stage_.runs};
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
    plan.card_bytes = is_on_card() ? program->plan.places_bytes() : 0;
    const std::uint64_t own_bytes =
        program->plan.memory_bytes() - plan.card_bytes + workspace_.backend().device().copy_bytes();
    plan.peak_bytes = std::max(before_bytes_, plan.base_bytes + plan.values_bytes + own_bytes);
    plan.base_bytes += program->plan.tables_bytes;
    return plan;
  }

  std::string explain() {
    const std::optional<std::uint64_t> places = places_in(workspace_.options().budget_bytes);
    if (!fitter_) return "no network runs\n";
    const std::optional<Program> program = places ? fitter_->fit(*places) : std::nullopt;
    if (!program) return "it does not fit\n";
    return semblance::explain(*program, fitter_->log(), workspace_.backend());
  }

  bool fits(std::optional<std::uint64_t> budget) {
    const std::optional<std::uint64_t> places = places_in(budget);
    return places && (!fitter_ || fitter_->fits(*places));
  }

  /// The memory the process needs for this stage, or `known` if that suffices.
  std::uint64_t minimum(std::uint64_t known) {
    if (is_on_card()) return std::max({known, before_bytes_, rest_bytes() + least_reading()});
    if (fits(known)) return known;
    const std::uint64_t places = fitter_ ? fitter_->least_memory() : 0;
    return std::max({known, before_bytes_, rest_bytes() + places});
  }

  /// The memory it needs on a card with its own.
  std::uint64_t card_minimum() { return is_on_card() ? with_any_host_memory().least_memory() : 0; }

 private:
  /// What is left for the session's memory, on the card if it has its own; nullopt if not even the
  /// rest fits.
  std::optional<std::uint64_t> places_in(std::optional<std::uint64_t> budget) const {
    const std::uint64_t rest = rest_bytes();
    if (budget && (before_bytes_ > *budget || rest > *budget)) return std::nullopt;
    if (!budget || workspace_.options().places_bytes) return options_.fit.memory_bytes;
    const auto& room = workspace_.options().device_room;
    if (!room) return *budget - rest;
    return room->is_separate ? room->bytes : std::min(room->bytes, *budget - rest);
  }

  /// Whether its session's places are on a card with its own memory.
  bool is_on_card() const {
    const auto& room = workspace_.options().device_room;
    return fitter_ && room && room->is_separate;
  }

  /// In the process besides the session's memory.
  std::uint64_t rest_bytes() const {
    return beside_bytes_ + workspace_.backend().device().copy_bytes();
  }

  Fitter with_any_host_memory() {
    FitOptions options = options_.fit;
    options.host_bytes = LowerRules::kNoLimit;
    return {graph_, [this](const Graph& g, const Node& node) { return kernels_->of(g, node); },
            options};
  }

  /// What reads the weights of a session on the card, at least.
  std::uint64_t least_reading() {
    Fitter fitter = with_any_host_memory();
    const std::uint64_t room = workspace_.options().device_room->bytes;
    const auto program = fitter.fit(fitter.fits(room) ? room : fitter.least_memory());
    if (!program) return 0;
    const ReadingBytes reading = reading_bytes(program->needs);
    return reading.ring + reading.staging + program->plan.tables_bytes;
  }

  const Stage& stage_;
  const Workspace workspace_;
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
  // A run with a budget may spill even if the workspace has no budget.
  if (!workspace_.options().budget_bytes)
    return RequestPlanner(all_, workspace_.with_budget(0), check_).minimum_budget();
  std::uint64_t least = 0;
  for (PlannedStage* stage : heaviest_first()) least = whole_mib(stage->minimum(least));
  return least;
}

std::uint64_t RequestPlanner::minimum_on_card() {
  std::uint64_t least = 0;
  for (PlannedStage* stage : heaviest_first())
    least = std::max(least, whole_mib(stage->card_minimum()));
  return least;
}

bool RequestPlanner::fits() {
  const std::vector<PlannedStage*> order = heaviest_first();
  return std::all_of(order.begin(), order.end(), [this](PlannedStage* stage) {
    return stage->fits(workspace_.options().budget_bytes);
  });
}

std::string RequestPlanner::explain(StageId id) {
  std::string text;
  for (const auto& stage : stages_) {
    if (stage->stage().id != id) continue;
    text += fmt::format("{}\n{}", name_of(id), stage->explain());
  }
  if (text.empty()) return fmt::format("{}: this request has no such stage\n", name_of(id));
  return text;
}

RequestPlan RequestPlanner::plan() {
  RequestPlan plan;
  plan.budget_bytes = workspace_.options().budget_bytes;
  const bool has_guided = std::ranges::any_of(stages_, [](const auto& stage) {
    return stage->stage().step && stage->stage().step->is_guided;
  });
  for (const auto& stage : stages_) {
    plan.stages.push_back(stage->plan());
    StagePlan& made = plan.stages.back();
    made.is_half = has_guided && stage->stage().step && !stage->stage().step->is_guided;
    plan.fits = plan.fits && made.fits;
    plan.peak_bytes = std::max(plan.peak_bytes, made.peak_bytes);
    plan.card_bytes = std::max(plan.card_bytes, made.card_bytes);
    plan.scratch_bytes = std::max(plan.scratch_bytes, made.scratch_bytes);
    plan.seconds += made.seconds;
    if (stage->stage().step && plan.step_seconds == 0) plan.step_seconds = made.run_seconds;
  }
  if (!plan.fits) plan.peak_bytes = plan.card_bytes = 0;
  return plan;
}

namespace {

/// Searches for the largest picture that fits. Memory grows roughly with the area, in steps: starts
/// with an estimate from a sufficiently large picture, then bisects.
class LargestPicture {
 public:
  LargestPicture(const OpenedModels& models, DType dtype, const Workspace& workspace,
                 const PlanQuestion& question, const std::function<void()>& check)
      : models_(models),
        dtype_(dtype),
        workspace_(workspace),
        question_(question),
        check_(check),
        budget_(workspace.options().budget_bytes.value_or(~std::uint64_t{0})) {}

  /// `minimum_bytes`: the minimum budget of the request itself.
  std::optional<Size> find(std::uint64_t minimum_bytes) const {
    const Request& request = question_.request;
    const int longest = std::max(request.width, request.height);
    const bool too_much = minimum_bytes > budget_;
    if (!too_much && longest >= kMost * kStep) return Size{request.width, request.height};
    constexpr int kEnough = 512 / kStep;
    int known = (longest + kStep - 1) / kStep;
    if (!too_much && known < kEnough) {
      known = kEnough;
      const std::vector<Stage> stages = stages_at(known);
      minimum_bytes = RequestPlanner(stages, workspace_, check_).minimum_budget();
    }
    const int below = too_much ? std::min((longest - 1) / kStep, kMost) : kMost;
    int good = too_much ? 0 : std::min(longest / kStep, kMost);
    int bad = below + 1;
    int next = guess(known, minimum_bytes);
    for (int tries = 0; (tries < kMostTries || good == 0) && bad - good > 1; ++tries) {
      const int side = std::clamp(next, good + 1, bad - 1);
      const std::vector<Stage> stages = stages_at(side);
      RequestPlanner planner(stages, workspace_, check_);
      const bool fits = planner.fits();
      (fits ? good : bad) = side;
      next = fits && !too_much ? guess(side, planner.minimum_budget()) : (good + bad) / 2;
    }
    return good == 0 ? std::nullopt : std::optional(size_of(good));
  }

 private:
  static constexpr int kStep = 64;
  static constexpr int kMost = 2048 / kStep;
  static constexpr int kMostTries = 3;

  Size size_of(int steps) const {
    const Request& request = question_.request;
    const bool wide = request.width >= request.height;
    const double ratio = static_cast<double>(std::min(request.width, request.height)) /
                         std::max(request.width, request.height);
    const int side = steps * kStep;
    const int other = std::max(1, static_cast<int>(std::lround(steps * ratio))) * kStep;
    return wide ? Size{side, other} : Size{other, side};
  }

  std::vector<Stage> stages_at(int steps) const {
    Request other = question_.request;
    other.width = size_of(steps).w;
    other.height = size_of(steps).h;
    std::vector<Stage> stages = stages_of_passes(models_, other, dtype_, question_.format, {},
                                                 question_.loras, question_.controls);
    std::erase_if(stages,
                  [](const Stage& stage) { return weight_of(stage) == kLight && stage.graph; });
    return stages;
  }

  /// Estimates the side that would fit, given the bytes for a picture of `side`.
  int guess(int side, std::uint64_t bytes) const {
    const auto base = static_cast<double>(workspace_.options().base_bytes.value_or(0));
    const double ratio =
        (static_cast<double>(budget_) - base) / std::max(1.0, static_cast<double>(bytes) - base);
    return static_cast<int>(std::min(side * std::sqrt(std::max(ratio, 0.0)), 2.0 * kMost));
  }

  const OpenedModels& models_;
  DType dtype_;
  const Workspace& workspace_;
  const PlanQuestion& question_;
  const std::function<void()>& check_;
  std::uint64_t budget_;
};

}  // namespace

PlannedPicture plan_picture(const OpenedModels& models, DType dtype, const Workspace& workspace,
                            const PlanQuestion& question, const std::function<void()>& check) {
  std::vector<Stage> stages = question.before;
  for (Stage& stage : stages_of_passes(models, question.request, dtype, question.format,
                                       question.start, question.loras, question.controls))
    stages.push_back(std::move(stage));
  const bool has_after = RequestPlanner(question.after, workspace, check).fits();
  if (has_after) {
    const bool writes = stages.back().id == StageId::kPicture;
    stages.insert(stages.end() - (writes ? 1 : 0), question.after.begin(), question.after.end());
  }
  RequestPlanner planner(stages, workspace, check);
  PlannedPicture answer{.plan = planner.plan(), .has_after = has_after};
  const auto is_wanted = [&](Wanted wanted) {
    return wanted == Wanted::kAlways || (wanted == Wanted::kWhereItDoesNotFit && !answer.plan.fits);
  };
  if (is_wanted(question.minimum) || is_wanted(question.largest))
    answer.minimum_bytes = planner.minimum_budget();
  if (is_wanted(question.minimum)) answer.minimum_card_bytes = planner.minimum_on_card();
  if (question.explained) answer.explanation = planner.explain(*question.explained);
  const auto& card = workspace.options().device_room;
  const bool is_too_much_for_card = card && answer.minimum_card_bytes > card->bytes;
  if (is_wanted(question.largest) && !is_too_much_for_card) {
    answer.largest =
        LargestPicture(models, dtype, workspace, question, check).find(answer.minimum_bytes);
  }
  return answer;
}

}  // namespace semblance
