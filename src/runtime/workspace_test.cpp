#include "runtime/workspace.h"

#include <gtest/gtest.h>

#include <string>

#include "backend/backends.h"
#include "memory/buffer.h"
#include "tests/support/sanitized.h"

namespace semblance {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

TEST(Workspace, ClientMemoryDoesNotReduceTheModelsShare) {
  if (testing::kSanitized) GTEST_SKIP() << "sanitizers use extra memory";
  const Workspace workspace(reference_backend(), {.budget_bytes = 512 * kMiB});
  const std::uint64_t before = workspace.left_bytes();
  const std::string body(40 * kMiB, 'x');
  EXPECT_LT(workspace.left_bytes(), before - 39 * kMiB);
  const Counted held(Tag::kClients, body.size());
  EXPECT_NEAR(static_cast<double>(workspace.left_bytes()), static_cast<double>(before), 2 * kMiB);
}

}  // namespace
}  // namespace semblance
