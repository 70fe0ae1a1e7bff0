// Plans of the published models on graphics cards, without any card.
#include <gtest/gtest.h>

#include <cstdlib>

#include "backend/backends.h"
#include "device/card_rates.h"
#include "device/vulkan_device.h"
#include "pipeline/opened_models.h"
#include "pipeline/request_plan.h"
#include "runtime/host_device.h"

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
  RequestPlanner planner() const { return {stages_, workspace_}; }

  /// A stage's program, checked.
  Program program(const Stage& stage) const {
    KernelNeeds kernels(*backend_, stage.view(), session_.seconds);
    session_ = workspace_.planned(stage.keeps_weights, stage.beside);
    return plan_session(stage.graph(), kernels, session_);
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
    options.facts = std::make_shared<MachineFacts>(assumed_facts(machine.rates, host));
    return options;
  }

  VulkanDevice device_;
  std::unique_ptr<const Backend> backend_;
  AssumedModels models_;
  std::vector<Stage> stages_;
  Workspace workspace_;
  mutable SessionOptions session_;
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
    double step = 0;
    for (const Stage& stage : plan.stages()) {
      if (!stage.graph || stage.on_processor) continue;
      const Program program = plan.program(stage);  // checks the plan
      EXPECT_LE(program.plan.places_bytes(), gigabytes * kGB);
      if (!stage.step) continue;
      step = program.seconds;
      // Hidden behind the computation, but for the first upload.
      EXPECT_LT(program.wait_seconds, 0.05 * program.seconds) << program.seconds;
    }
    std::printf("%d GB: step %.2f s, card %.0f MB, process %.0f MB\n", int(gigabytes), step,
                double(all.card_bytes) / 1e6, double(all.peak_bytes) / 1e6);
    EXPECT_LE(step, before * 1.001) << "more memory is never slower";
    before = step;
  }
}

TEST(CardPlans, TheLeastMemoryAt1024IsBelow1GiB) {
  const CardPlan plan({.rates = kUsual, .card_bytes = 8 * kGB});
  const std::uint64_t least = plan.planner().minimum_on_card();
  std::printf("least %llu MiB\n", (unsigned long long)(least / kMiB));
  EXPECT_LT(least, 1024 * kMiB);
  const CardPlan tight({.rates = kUsual, .card_bytes = least});
  EXPECT_TRUE(tight.planner().plan().fits);
  const CardPlan less({.rates = kUsual, .card_bytes = least - kMiB});
  EXPECT_FALSE(less.planner().plan().fits);
  EXPECT_EQ(less.planner().minimum_on_card(), least);
}

}  // namespace
}  // namespace semblance
