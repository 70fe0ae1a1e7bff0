// Memory, order and results of runs on a card.
#include <algorithm>
#include <fstream>
#include <random>

#include "core/integers.h"
#include "device/card_test.h"
#include "device/vulkan_staging.h"
#include "memory/buffer.h"
#include "planted_spirv.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

using testing::card_facts;
using testing::floats_at;
using testing::MultiplyAdd;
using testing::read_floats;
using testing::write_floats;

/// Whether places are mapped.
class VulkanExecutorTest : public testing::CardTest, public ::testing::WithParamInterface<bool> {
 protected:
  /// Its own device, so that nothing is shared between cases.
  const VulkanDevice& device() {
    if (!device_)
      device_.emplace(card_facts(), VulkanDevice::Options{.pipeline_folder = {},
                                                          .maps_shared_memory = GetParam()});
    return *device_;
  }
  std::optional<VulkanDevice> device_;
};

std::vector<float> numbers(std::uint64_t count, int seed) {
  std::mt19937 random(static_cast<std::uint32_t>(seed));
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random() % 1000);
  return values;
}

TEST_P(VulkanExecutorTest, CopiesBothWays) {
  const auto executor = device().make_executor({.arena = 1 << 20, .resident = 1 << 16});
  for (const Region region : {Region::kArena, Region::kResident}) {
    for (const std::uint64_t bytes : {0, 1, 2, 3, 63, 64, 1000, 65536}) {
      const DevicePlace place{region, 0, bytes};
      const std::span<std::byte> view = executor->begin_write(place);
      ASSERT_EQ(view.size(), bytes);
      for (std::size_t i = 0; i < view.size(); ++i) view[i] = static_cast<std::byte>(i * 7 + bytes);
      executor->end_write(place);
      const std::span<const std::byte> read = executor->begin_read(place);
      ASSERT_EQ(read.size(), bytes);
      for (std::size_t i = 0; i < read.size(); ++i)
        ASSERT_EQ(read[i], static_cast<std::byte>(i * 7 + bytes)) << i << " of " << bytes;
      executor->end_read(place);
    }
  }
}

TEST_P(VulkanExecutorTest, AWriteChangesOnlyItsPlace) {
  const auto executor = device().make_executor({.arena = 3 * 64});
  write_floats(*executor, floats_at(0, 48), std::vector<float>(48, 1));
  write_floats(*executor, floats_at(16, 15), std::vector<float>(15, 2));
  const std::vector<float> all = read_floats(*executor, floats_at(0, 48));
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], i >= 16 && i < 31 ? 2 : 1) << i;
}

TEST_P(VulkanExecutorTest, SeveralViewsAreOpenAtOnce) {
  const auto executor = device().make_executor({.arena = 256});
  const std::span<std::byte> first = executor->begin_write(floats_at(0, 16));
  const std::span<std::byte> second = executor->begin_write(floats_at(16, 16));
  std::ranges::fill(first, std::byte{1});
  std::ranges::fill(second, std::byte{2});
  executor->end_write(floats_at(16, 16));
  executor->end_write(floats_at(0, 16));
  const auto a = executor->begin_read(floats_at(0, 16));
  const auto b = executor->begin_read(floats_at(16, 16));
  EXPECT_EQ(a[63], std::byte{1});
  EXPECT_EQ(b[0], std::byte{2});
  executor->end_read(floats_at(0, 16));
  executor->end_read(floats_at(16, 16));
}

/// Random launches, copies and reads over a few places, some of which overlap, against the same on
/// the host: every order that a barrier must keep.
TEST_P(VulkanExecutorTest, KeepsTheOrderOfRandomPrograms) {
  constexpr std::uint64_t kFloats = 4096;
  constexpr std::uint64_t kPart = 256;
  std::mt19937 random(1);
  const auto pick = [&](std::uint64_t count) {
    return static_cast<std::uint64_t>(random()) % count;
  };
  for (int program = 0; program < 20; ++program) {
    const auto executor = device().make_executor({.arena = kFloats * sizeof(float)});
    std::vector<float> host = numbers(kFloats, program);
    write_floats(*executor, floats_at(0, kFloats), host);
    const MultiplyAdd kernel(-0.25F);
    const auto place = [&] { return pick((kFloats - kPart) / 16) * 16; };
    for (int step = 0; step < 60; ++step) {
      if (pick(8) == 0) {
        const std::uint64_t to = place();
        const std::vector<float> values = numbers(kPart, step);
        write_floats(*executor, floats_at(to, kPart), values);
        std::copy(values.begin(), values.end(), host.begin() + static_cast<std::ptrdiff_t>(to));
        continue;
      }
      const std::uint64_t a = place();
      const std::uint64_t b = place();
      std::uint64_t dst = place();
      // dst may be a source, but must not overlap a part of one.
      const auto overlaps = [&](std::uint64_t src) {
        return dst != src && dst < src + kPart && src < dst + kPart;
      };
      while (overlaps(a) || overlaps(b)) dst = place();
      executor->run(executor->prepare(kernel, {.src = {floats_at(a, kPart), floats_at(b, kPart)},
                                               .dst = floats_at(dst, kPart),
                                               .scratch = {}}));
      std::vector<float> result(kPart);
      for (std::size_t i = 0; i < kPart; ++i) result[i] = host[b + i] + host[a + i] * -0.25F;
      std::copy(result.begin(), result.end(), host.begin() + static_cast<std::ptrdiff_t>(dst));
    }
    ASSERT_EQ(read_floats(*executor, floats_at(0, kFloats)), host) << "program " << program;
  }
}

/// Streamed weights: a place is written again and again while commands that used it are under way,
/// and views are larger than a batch of copies or much smaller.
TEST_P(VulkanExecutorTest, UploadsKeepTheirOrder) {
  constexpr std::uint64_t kLarge = 1 << 21;  // floats
  const auto executor = device().make_executor({.arena = (3 * kLarge + 128) * sizeof(float)});
  const MultiplyAdd add(1);
  const DevicePlace weight = floats_at(0, kLarge);
  const DevicePlace sum = floats_at(kLarge, kLarge);
  const DevicePlace small = floats_at(3 * kLarge, 64);
  const DevicePlace small_sum = floats_at(3 * kLarge + 64, 64);
  const std::size_t add_weight =
      executor->prepare(add, {.src = {weight, sum}, .dst = sum, .scratch = {}});
  const std::size_t add_small =
      executor->prepare(add, {.src = {small, small_sum}, .dst = small_sum, .scratch = {}});
  write_floats(*executor, sum, std::vector<float>(kLarge, 0));
  write_floats(*executor, small_sum, std::vector<float>(64, 0));
  for (int i = 1; i <= 12; ++i) {
    if (i % 4 == 0) write_floats(*executor, weight, numbers(kLarge, i));  // never used
    write_floats(*executor, weight, std::vector<float>(kLarge, static_cast<float>(i)));
    write_floats(*executor, small, std::vector<float>(64, static_cast<float>(-i)));
    executor->run(add_small);
    executor->run(add_weight);
  }
  EXPECT_EQ(read_floats(*executor, small_sum), std::vector<float>(64, -78));
  EXPECT_EQ(read_floats(*executor, sum), std::vector<float>(kLarge, 78));
}

TEST_P(VulkanExecutorTest, CommandsRunAnyNumberOfTimes) {
  const auto executor = device().make_executor({.arena = 3 * 1024 * sizeof(float)});
  const MultiplyAdd kernel(1);
  const std::size_t command =
      executor->prepare(kernel, {.src = {floats_at(0, 1000), floats_at(1024, 1000)},
                                 .dst = floats_at(1024, 1000),
                                 .scratch = {}});
  write_floats(*executor, floats_at(0, 1000), std::vector<float>(1000, 1));
  write_floats(*executor, floats_at(1024, 1000), std::vector<float>(1000, 0));
  for (int i = 0; i < 1000; ++i) executor->run(command);
  EXPECT_EQ(read_floats(*executor, floats_at(1024, 1000)), std::vector<float>(1000, 1000));
}

TEST_P(VulkanExecutorTest, UploadsReuseAFewBlocks) {
  constexpr std::uint64_t kFloats = 5 << 18;  // 5 MiB
  const std::uint64_t before = count_of(Tag::kStaging).bytes;
  {
    const auto executor = device().make_executor({.arena = kFloats * sizeof(float)});
    for (int i = 0; i < 100; ++i) {
      const std::uint64_t count = kFloats - static_cast<std::uint64_t>(i) * 1000;
      write_floats(*executor, floats_at(0, count),
                   std::vector<float>(count, static_cast<float>(i)));
    }
    EXPECT_EQ(read_floats(*executor, floats_at(0, 16)), std::vector<float>(16, 99));
    EXPECT_LE(count_of(Tag::kStaging).bytes - before, VulkanStaging::kLimitBytes);
  }
  EXPECT_EQ(count_of(Tag::kStaging).bytes, before);
}

TEST_P(VulkanExecutorTest, AbandoningARunDropsItsViews) {
  const auto executor = device().make_executor({.arena = 4096});
  const MultiplyAdd kernel(2);
  const std::size_t command = executor->prepare(
      kernel,
      {.src = {floats_at(0, 64), floats_at(64, 64)}, .dst = floats_at(128, 64), .scratch = {}});
  write_floats(*executor, floats_at(0, 64), std::vector<float>(64, 3));
  executor->run(command);
  executor->begin_write(floats_at(64, 64));
  executor->begin_read(floats_at(0, 64));
  executor->abandon();
  write_floats(*executor, floats_at(0, 64), std::vector<float>(64, 5));
  write_floats(*executor, floats_at(64, 64), std::vector<float>(64, 7));
  executor->run(command);
  EXPECT_EQ(read_floats(*executor, floats_at(128, 64)), std::vector<float>(64, 17));
}

TEST_P(VulkanExecutorTest, WeightsThatStayLieInPieces) {
  const VulkanDevice in_pieces(card_facts(), {.pipeline_folder = {}, .slab_bytes = 4096});
  EXPECT_EQ(in_pieces.slab_bytes(), 4096U);
  const auto executor = in_pieces.make_executor({.arena = 4096, .resident = 3 * 4096 - 1000});
  for (std::uint64_t slab = 0; slab < 3; ++slab) {
    write_floats(*executor, floats_at(slab * 1024 + 512, 256, Region::kResident),
                 numbers(256, static_cast<int>(slab)));
  }
  for (std::uint64_t slab = 0; slab < 3; ++slab) {
    EXPECT_EQ(read_floats(*executor, floats_at(slab * 1024 + 512, 256, Region::kResident)),
              numbers(256, static_cast<int>(slab)));
  }
  EXPECT_THROW(executor->begin_write(floats_at(1000, 100, Region::kResident)), Error);
}

/// Weights of 64 to 2048 bytes that stay in slabs of 4096, as the next session's plan has them:
/// some are dropped, new ones lie in between.
TEST_P(VulkanExecutorTest, WeightsThatStayMoveToTheNextPlansPlaces) {
  constexpr std::uint64_t kSlab = 4096;
  const VulkanDevice in_slabs(
      card_facts(), {.pipeline_folder = {}, .slab_bytes = kSlab, .maps_shared_memory = GetParam()});
  std::mt19937 random(7);
  const auto place_after = [&](std::uint64_t& end, std::uint64_t bytes) {
    end += random() % 3 * 64;
    if (end / kSlab != (end + bytes - 1) / kSlab) end = round_up(end, kSlab);
    end += bytes;
    return DevicePlace{Region::kResident, end - bytes, bytes};
  };
  for (int round = 0; round < 30; ++round) {
    std::vector<DevicePlace> places;
    std::uint64_t end = 0;
    for (int i = 0; i < 20; ++i) places.push_back(place_after(end, (1 + random() % 32) * 64));
    const auto executor = in_slabs.make_executor({.arena = 1024, .resident = end});
    for (std::size_t i = 0; i < places.size(); ++i)
      write_floats(*executor, places[i], numbers(places[i].bytes / 4, static_cast<int>(i)));
    ASSERT_TRUE(executor->keep_resident());
    std::vector<Executor::Move> moves;
    std::vector<std::pair<DevicePlace, int>> kept;
    std::uint64_t next_end = random() % 2 * 3000 / 64 * 64;
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (random() % 3 == 0) continue;
      kept.emplace_back(place_after(next_end, places[i].bytes), static_cast<int>(i));
      moves.push_back({places[i].offset, kept.back().first.offset, places[i].bytes});
    }
    executor->restart({.arena = 64, .resident = next_end}, moves);
    for (const auto& [place, seed] : kept)
      ASSERT_EQ(read_floats(*executor, place), numbers(place.bytes / 4, seed)) << round;
    write_floats(*executor, floats_at(0, 16), std::vector<float>(16, 1));
    EXPECT_EQ(read_floats(*executor, floats_at(0, 16)), std::vector<float>(16, 1));
  }
}

TEST_P(VulkanExecutorTest, RefusesMoreMemoryThanTheCardHas) {
  const auto make = [&] { device().make_executor({.arena = std::uint64_t{1} << 50}); };
  const std::string text =
      testing::expect_error(ErrorKind::kMemory, "on the graphics card " + card_facts().name, make);
  EXPECT_NE(text.find("--gpu-memory"), std::string::npos) << text;
}

TEST_P(VulkanExecutorTest, RefusesAPlaceTooLargeToBind) {
  VulkanFacts facts = card_facts();
  facts.largest_binding_bytes = 1 << 20;
  const VulkanDevice small(facts, {.pipeline_folder = {}});
  const auto executor = small.make_executor({.arena = 2 << 20});
  const MultiplyAdd kernel(1);
  const auto prepare = [&] {
    executor->prepare(
        kernel,
        {.src = {floats_at(0, 64), floats_at(0, 64)}, .dst = floats_at(0, 2 << 18), .scratch = {}});
  };
  testing::expect_error(ErrorKind::kMemory,
                        "multiply_add needs 2 MiB in one piece, and its driver binds 1 MiB at most",
                        prepare);
}

TEST_P(VulkanExecutorTest, ACardThatIsGoneIsNamed) {
  VulkanFacts facts = card_facts();
  facts.uuid[0] = facts.uuid[0] == '0' ? '1' : '0';
  const VulkanDevice other(facts, {.pipeline_folder = {}});
  testing::expect_error(ErrorKind::kDevice, facts.name + ": it is gone",
                        [&] { other.make_executor({.arena = 64}); });
}

/// What is spilled: the content of the moment, whatever runs before it is read.
TEST_P(VulkanExecutorTest, ReadsWhatWasThereWhenAReadWasStarted) {
  const auto executor = device().make_executor({.arena = 3 * 4096});
  const MultiplyAdd add(1);
  const DevicePlace a = floats_at(0, 1024);
  const DevicePlace b = floats_at(1024, 1024);
  const std::size_t command = executor->prepare(add, {.src = {b, a}, .dst = a, .scratch = {}});
  write_floats(*executor, a, std::vector<float>(1024, 0));
  write_floats(*executor, b, std::vector<float>(1024, 1));
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(executor->start_read(a));
    executor->run(command);
  }
  write_floats(*executor, a, std::vector<float>(1024, 100));
  for (int i = 0; i < 10; ++i) {
    executor->is_read(a);
    EXPECT_EQ(read_floats(*executor, a), std::vector<float>(1024, static_cast<float>(i)));
  }
  EXPECT_EQ(read_floats(*executor, a), std::vector<float>(1024, 100));
}

INSTANTIATE_TEST_SUITE_P(Places, VulkanExecutorTest, ::testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "mapped" : "copied");
});

/// Reverses 64 numbers; planted.comp explains the bugs.
class PlantedKernel : public VulkanKernel {
 public:
  enum Bug : std::uint8_t { kNone, kSharedMemoryRace, kWritePastAPlace };
  PlantedKernel(const NodeView& node, Bug bug) : VulkanKernel(node), bug_(bug) {}
  std::vector<Dispatch> dispatches(const KernelPlaces& places) const override {
    static constexpr Shader kShader{"planted", planted_spirv};
    Dispatch dispatch;
    dispatch.shader = &kShader;
    dispatch.constants = {static_cast<std::uint32_t>(bug_)};
    dispatch.buffers = {places.src[0], places.dst};
    return {dispatch};
  }

 private:
  Bug bug_;
};

class ValidatedShader : public testing::CardTest {
 protected:
  static std::vector<float> run(PlantedKernel::Bug bug) {
    const VulkanDevice device(card_facts(), {.pipeline_folder = {}});
    Graph graph;
    const ValueId src = graph.add_input("src", {DType::kF32, Shape{64}});
    graph.add_output("dst", graph.add(Unary{}, {src}));
    const PlantedKernel kernel(NodeView(graph, graph.nodes()[0]), bug);
    const auto executor = device.make_executor({.arena = 4096});
    write_floats(*executor, floats_at(0, 64), numbers(64, 1));
    executor->run(executor->prepare(
        kernel, {.src = {floats_at(0, 64)}, .dst = floats_at(64, 64), .scratch = {}}));
    return read_floats(*executor, floats_at(64, 64));
  }
};

TEST_F(ValidatedShader, HasNoMessageWithoutABug) {
  std::vector<float> want = numbers(64, 1);
  std::reverse(want.begin(), want.end());
  EXPECT_EQ(run(PlantedKernel::kNone), want);
}

// These run only to see that the validation layer reports them (CMakeLists.txt).
TEST_F(ValidatedShader, PlantedSharedMemoryRace) { run(PlantedKernel::kSharedMemoryRace); }
TEST_F(ValidatedShader, PlantedWritePastAPlace) { run(PlantedKernel::kWritePastAPlace); }

TEST_F(ValidatedShader, PlantedMissingBarrier) {
  const VulkanDevice broken(card_facts(), {.pipeline_folder = {}, .hook = [](VulkanApi& api) {
                                             api.CmdPipelineBarrier = [](auto...) {};
                                           }});
  const auto executor = broken.make_executor({.arena = 4096});
  const MultiplyAdd kernel(2);
  for (int i = 0; i < 2; ++i) {
    executor->run(executor->prepare(
        kernel,
        {.src = {floats_at(0, 64), floats_at(64, 64)}, .dst = floats_at(64, 64), .scratch = {}}));
  }
  read_floats(*executor, floats_at(64, 64));
}

/// A driver that says that its second kind of queue only copies: no driver that runs here has one.
class CopyQueue {
 public:
  static VulkanHook hook(bool waits) {
    return [waits](VulkanApi& api) {
      if (api.QueueSubmit == nullptr || api.QueueSubmit == submit_at_once) return;
      families_ = std::exchange(api.GetPhysicalDeviceQueueFamilyProperties, families);
      submit_ = api.QueueSubmit;
      if (!waits) api.QueueSubmit = submit_at_once;
    };
  }
  /// Whether the driver had a second kind.
  static bool is_used() { return is_used_; }

 private:
  static void VKAPI_CALL families(VkPhysicalDevice card, std::uint32_t* count,
                                  VkQueueFamilyProperties* all) {
    families_(card, count, all);
    if (all == nullptr || *count < 2) return;
    all[1].queueFlags = VK_QUEUE_TRANSFER_BIT;
    is_used_ = true;
  }
  static VkResult VKAPI_CALL submit_at_once(VkQueue queue, std::uint32_t, const VkSubmitInfo* info,
                                            VkFence fence) {
    VkSubmitInfo one = *info;
    one.waitSemaphoreCount = 0;
    return submit_(queue, 1, &one, fence);
  }
  static inline PFN_vkGetPhysicalDeviceQueueFamilyProperties families_ = nullptr;
  static inline PFN_vkQueueSubmit submit_ = nullptr;
  static inline bool is_used_ = false;
};

/// Copies to a place that a kernel uses before and after, on a queue of their own.
void upload_between_runs(bool waits) {
  const VulkanDevice device(testing::card_facts(),
                            {.pipeline_folder = {}, .hook = CopyQueue::hook(waits)});
  const auto executor = device.make_executor({.arena = 4096});
  if (!CopyQueue::is_used()) GTEST_SKIP() << "the driver has one kind of queue";
  const MultiplyAdd kernel(2);
  const std::size_t command = executor->prepare(
      kernel,
      {.src = {floats_at(0, 64), floats_at(64, 64)}, .dst = floats_at(128, 64), .scratch = {}});
  for (int i = 0; i < 2; ++i) {
    write_floats(*executor, floats_at(0, 64), numbers(64, 1));
    write_floats(*executor, floats_at(64, 64), numbers(64, 2));
    executor->run(command);
  }
  read_floats(*executor, floats_at(128, 64));
}

class ValidatedUploads : public testing::CardTest {};
TEST_F(ValidatedUploads, WaitOnAQueueOfTheirOwn) { upload_between_runs(true); }
TEST_F(ValidatedUploads, PlantedMissingSemaphore) { upload_between_runs(false); }

}  // namespace
}  // namespace semblance
