#include "image/psnr.h"

#include <gtest/gtest.h>

namespace semblance {
namespace {

TEST(Psnr, MeasuresInDecibels) {
  const std::uint8_t black[] = {0, 0, 0};
  const std::uint8_t white[] = {255, 255, 255};
  const std::uint8_t nearly[] = {0, 0, 1};
  EXPECT_EQ(psnr(black, white), 0);
  EXPECT_NEAR(psnr(black, nearly), 52.9020, 1e-4);  // 10 log10(255^2 * 3)
  EXPECT_EQ(psnr(black, black), std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace semblance
