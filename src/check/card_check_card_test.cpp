// A check notices cards that compute wrongly or fail. That it passes where they do not is tested by
// `semblance gpu check` itself (src/cli/device_test.cpp).
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "backend/vulkan/card_backend_test.h"
#include "check/card_check.h"
#include "memory/scratch_file.h"
#include "runtime/machine_facts.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

/// The card with a driver that is broken by `hook`.
struct BrokenCard {
  VulkanDevice device;
  std::unique_ptr<const Backend> backend = vulkan_backend(device);
  CheckedCard card{"broken", *backend, device};

  explicit BrokenCard(VulkanHook hook)
      : device(choose_card(find_cards(), "gpu:0").facts,
               {.pipeline_folder = {}, .hook = std::move(hook)}) {}

  nlohmann::ordered_json run(std::string_view part, std::string_view what) const {
    for (const CheckPiece& piece : card_check(card, std::nullopt, false)) {
      if (piece.part == part && piece.what.find(what) != piece.what.npos) return piece.run({});
    }
    fail(ErrorKind::kInternal, "no piece is called {}", what);
  }
};

class CardCheck : public ::testing::Test {
 protected:
  void SetUp() override { testing::skip_without_card(); }
};

TEST_F(CardCheck, NoticesWrongResults) {
  const BrokenCard broken([](VulkanApi& api) { api.CmdDispatch = [](auto...) {}; });
  const auto agreement = broken.run("agreement", "vulkan_affine in f32");
  EXPECT_EQ(agreement.at("ok"), false) << agreement;
  EXPECT_GT(agreement.at("cases"), 0);
  EXPECT_EQ(broken.run("layer", "vulkan_affine in f32").at("ok"), false);
}

TEST_F(CardCheck, SaysThatACardFailed) {
  const BrokenCard lost(
      [](VulkanApi& api) { api.QueueSubmit = [](auto...) { return VK_ERROR_DEVICE_LOST; }; });
  testing::expect_error(ErrorKind::kDevice, "stopped working",
                        [&] { lost.run("copies", "16 MiB"); });
  testing::expect_error(ErrorKind::kDevice, "stopped working",
                        [&] { lost.run("agreement", "vulkan_affine in f32"); });
}

TEST_F(CardCheck, StopsWhenAsked) {
  const BrokenCard card(VulkanHook{});
  std::stop_source stop;
  stop.request_stop();
  int stopped = 0;
  for (const CheckPiece& piece : card_check(card.card, std::nullopt, true)) {
    if (piece.part == "memory") continue;
    testing::expect_error(ErrorKind::kCancelled, "cancelled", [&] { piece.run(stop.get_token()); });
    ++stopped;
  }
  EXPECT_GT(stopped, 50);
}

}  // namespace
}  // namespace semblance
