// Plans of the published models on graphics cards, without any card.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "app/planning.h"
#include "backend/backends.h"
#include "device/card_rates.h"
#include "device/vulkan_device.h"
#include "memory/file.h"
#include "pipeline/opened_models.h"
#include "pipeline/request_plan.h"

namespace semblance {
namespace {

constexpr double kGiga = 1e9;
constexpr double kTera = 1e12;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kGB = 1'000'000'000;

VulkanFacts facts_of_card() {
  VulkanFacts facts;
  facts.name = "an imaginary card";
  facts.type = CardType::kDiscrete;
  facts.largest_binding_bytes = 0xffffffff;
  facts.most_groups = {65535, 65535, 65535};
  facts.most_group_size = 1024;
  facts.shared_bytes = 48 << 10;
  facts.has_16_bit_storage = facts.has_f16 = facts.has_subgroup_arithmetic = true;
  facts.subgroup_size = 32;
  facts.has_one_subgroup_size = true;
  facts.matrices = {{16, 16, 16, DType::kF16, DType::kF32}};
  return facts;
}

struct Machine {
  CardRates rates;
  std::uint64_t card_bytes = 0;
  bool has_own_memory = true;
  double host_rate = 12 * kGiga;  // bytes per second from the page cache
  std::uint64_t budget_bytes = std::uint64_t{12} << 30;
  bool is_assumed = true;
};

/// Plans 1024 x 1024 with IdentityNet and guidance.
class CardPlan {
 public:
  explicit CardPlan(const Machine& machine)
      : device_(facts_of_card(), VulkanDevice::Options{.pipeline_folder = {}}),
        backend_(vulkan_backend(device_)),
        models_(assume_models({})),
        stages_(stages_of(models_.models, request(), DType::kF16, {})),
        workspace_(*backend_, options(machine)) {}

  const std::vector<Stage>& stages() const { return stages_; }
  const Workspace& workspace() const { return workspace_; }
  RequestPlanner planner() const { return {stages_, workspace_}; }

  /// A stage's program, checked.
  Program program(const Stage& stage) const {
    const SessionOptions session = workspace_.planned(stage.keeps_weights, stage.beside);
    KernelNeeds kernels(*backend_, stage.view(), session.seconds);
    return plan_session(stage.graph(), kernels, session);
  }

 private:
  static Request request() {
    Request request;
    request.prompt = "a man in the snow";
    request.width = request.height = 1024;
    request.steps = 30;
    return request;
  }
  static Workspace::Options options(const Machine& machine) {
    MachineFacts host;
    host.cached_read = machine.host_rate;
    host.f32.pack = machine.host_rate;
    host.disk_read = host.scratch_write = 1 * kGiga;
    Workspace::Options options;
    options.budget_bytes = machine.budget_bytes;
    options.base_bytes = 200 * kMiB;
    options.device_room = {machine.card_bytes, machine.has_own_memory};
    options.dtype = DType::kF16;
    const auto facts = std::make_shared<MachineFacts>(assumed_facts(machine.rates, host));
    facts->is_assumed = machine.is_assumed;
    options.facts = facts;
    return options;
  }

  VulkanDevice device_;
  std::unique_ptr<const Backend> backend_;
  AssumedModels models_;
  std::vector<Stage> stages_;
  Workspace workspace_;
};

constexpr CardRates kUsual{20 * kTera, 8 * kTera, 300 * kGiga, 12 * kGiga};

TEST(CardPlans, FullSizeModelsFitCardsOf3To8GB) {
  double before = 1e9;
  for (const std::uint64_t gigabytes : {3, 4, 6, 8}) {
    SCOPED_TRACE(gigabytes);
    const CardPlan plan({.rates = kUsual, .card_bytes = gigabytes * kGB});
    const RequestPlan all = plan.planner().plan();
    ASSERT_TRUE(all.fits);
    EXPECT_LE(all.card_bytes, gigabytes * kGB);
    EXPECT_EQ(all.scratch_bytes, 0U);
    for (const Stage& stage : plan.stages()) {
      if (!stage.graph || stage.on_processor) continue;
      const Program program = plan.program(stage);  // checks the plan
      EXPECT_LE(program.plan.places_bytes(), gigabytes * kGB);
      if (!stage.step) continue;
      EXPECT_LT(program.wait_seconds, 0.01 * program.seconds);
    }
    EXPECT_LE(all.step_seconds, before) << "more memory is never slower";
    before = all.step_seconds;
  }
}

TEST(CardPlans, TheLeastMemoryAt1024IsBelow1GiB) {
  const auto plan_in = [](std::uint64_t bytes) {
    return CardPlan({.rates = kUsual, .card_bytes = bytes});
  };
  const CardPlan plan = plan_in(64 * kMiB);
  EXPECT_FALSE(plan.planner().plan().fits);
  const std::uint64_t least = plan.planner().minimum_on_card();
  EXPECT_LT(least, 128 * kMiB);
  EXPECT_EQ(plan_in(8 * kGB).planner().minimum_on_card(), least);
  EXPECT_TRUE(plan_in(least).planner().plan().fits);
  EXPECT_FALSE(plan_in(least - kMiB).planner().plan().fits);
  EXPECT_EQ(card_refusal_of({1024, 1024}, least, plan.workspace()).value_or("none"),
            fmt::format("cannot fit: 1024x1024 needs at least {0} MiB on the graphics card an "
                        "imaginary card, the budget there is 64 MiB\n  try --gpu-memory {0}MiB, or "
                        "--device cpu",
                        least / kMiB));
  EXPECT_FALSE(card_refusal_of({1024, 1024}, least, plan_in(least).workspace()).has_value());
}

TEST(CardPlans, SayIfTheCardWasNotMeasured) {
  const auto last_line = [](bool is_assumed) {
    const CardPlan plan({.rates = kUsual, .card_bytes = 8 * kGB, .is_assumed = is_assumed});
    return summary_of(plan.planner().plan(), {.machine = {}, .bytes = 12 * kGB}, plan.workspace())
        .back();
  };
  EXPECT_EQ(last_line(true),
            "an imaginary card was not measured: the time is that of a usual card of its kind");
  EXPECT_TRUE(last_line(false).starts_with("Predicted time: ")) << last_line(false);
}

/// What docs/gpu.md predicts for cards that nobody has run yet.
TEST(CardPlans, TheDocumentedPredictionsAreCurrent) {
  struct Named {
    const char* name;
    Machine machine;
  };
  const std::string docs =
      read_small_file(std::filesystem::path(SEMBLANCE_SOURCE_DIR) / "docs/gpu.md", 1 << 20);
  for (const auto& [name, machine] : {
           Named{"Tesla T4, 15 GB",
                 {.rates = {14 * kTera, 4 * kTera, 300 * kGiga, 6 * kGiga},
                 .card_bytes = 12 * kGB,
                 .host_rate = 6 * kGiga,
                 .budget_bytes = 10 * kGB}},
           Named{"Tesla T4, 4 GB of it",
                 {.rates = {14 * kTera, 4 * kTera, 300 * kGiga, 6 * kGiga},
                 .card_bytes = 4 * kGB,
                 .host_rate = 6 * kGiga,
                 .budget_bytes = 10 * kGB}},
           Named{"RTX 3060, 12 GB",
                 {.rates = {15 * kTera, 6 * kTera, 340 * kGiga, 12 * kGiga},
                 .card_bytes = 96 * kGB / 10}},
           Named{
               "RTX 3060, 4 GB of it",
               {.rates = {15 * kTera, 6 * kTera, 340 * kGiga, 12 * kGiga}, .card_bytes = 4 * kGB}},
           Named{"Radeon 780M, 8 GB of 16",
                 {.rates = {4 * kTera, 2 * kTera, 70 * kGiga, 10 * kGiga},
                 .card_bytes = 8 * kGB,
                 .has_own_memory = false,
                 .host_rate = 10 * kGiga}},
       }) {
    const CardPlan card(machine);
    const RequestPlan plan = card.planner().plan();
    ASSERT_TRUE(plan.fits) << name;
    double waiting = 0;
    for (const StagePlan& stage : plan.stages) {
      if (stage.id == StageId::kDenoiser) waiting = stage.wait_seconds / stage.run_seconds;
    }
    const CardRates& rates = machine.rates;
    const std::string row = fmt::format(
        "| {} | {:.0f} TFLOP/s, {:.0f} GB/s, {:.0f} GB/s | {:.1f} s | {:.0f} % | {:.0f} s |", name,
        rates.half_operations / kTera, rates.memory / kGiga, rates.upload / kGiga,
        plan.step_seconds, 100 * waiting, plan.seconds);
    EXPECT_NE(docs.find(row), std::string::npos) << "expected in docs/gpu.md: " << row;
  }
}

}  // namespace
}  // namespace semblance
