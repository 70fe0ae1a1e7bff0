#include "service/engine.h"

#include "service/service_test.h"
#include "tests/support/errors.h"

namespace semblance::service {
namespace {

class EngineTest : public testing::ServiceTest {};

TEST_F(EngineTest, RefusesAPhotoBeyondTheBudgetByItsHeader) {
  if (semblance::testing::kSanitized) GTEST_SKIP() << "the budget is larger beside a sanitizer";
  std::string png = testing::photo().substr(0, 33);                // the signature and IHDR
  png.replace(16, 8, std::string("\0\0\x27\x10\0\0\x27\x10", 8));  // 10,000 x 10,000
  const auto file = file_over("the photo", png);
  semblance::testing::expect_error(ErrorKind::kMemory, "cannot open the photo: it needs 292 MiB",
                                   [&] { engine().look(*file); });
  semblance::testing::expect_error(ErrorKind::kMemory, "try a smaller photo",
                                   [&] { engine().look(*file); });
}

}  // namespace
}  // namespace semblance::service
