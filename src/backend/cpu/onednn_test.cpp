#include "backend/cpu/onednn.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "core/error.h"
#include "core/parallel.h"

namespace semblance::onednn {
namespace {

/// The library's choice: the implementation, and how many output channels it computes at once.
std::string choice_of(const ConvolutionShape& shape) {
  std::string why_not;
  const auto convolution = Convolution::make(shape, why_not);
  if (!convolution) return why_not;
  return fmt::format("{} {}", convolution->implementation(), convolution->weight_layout().block(1));
}

class Threads {
 public:
  explicit Threads(int count) : before_(threads()) { set_threads(count); }
  ~Threads() { set_threads(before_); }

 private:
  int before_;
};

// By default the library splits sums differently for few rows than for many, depending on the
// number of threads.
TEST(Convolution, ImplementationDoesNotDependOnRows) {
  constexpr std::int64_t kChannels[] = {3, 4, 8, 16, 32, 64, 96, 128, 192, 256, 320, 512, 640};
  for (const int count : {1, 2, 3, 16}) {
    const Threads scope(count);
    std::mt19937 random(static_cast<unsigned>(count));
    for (int i = 0; i < 60; ++i) {
      ConvolutionShape shape;
      shape.dtype = i % 2 == 0 ? DType::kF32 : DType::kBF16;
      shape.c = kChannels[random() % std::size(kChannels)];
      shape.out_c = kChannels[random() % std::size(kChannels)];
      shape.w = 1 + static_cast<std::int64_t>(random() % 300);
      shape.kernel = {3, 3};
      if (random() % 3 == 0) shape.stride = {2, 2};
      if (i % 3 > 0) shape.w = (shape.w + 7) / 8 * 8 * shape.stride[1];
      shape.pad = {0, 1, 0, 1};
      shape.out_w = (shape.w - 1) / shape.stride[1] + 1;
      std::set<std::string> choices;
      for (int band = 0; band < 10; ++band) {
        shape.n = 1 + static_cast<std::int64_t>(random() % 2);
        shape.out_h = band < 5 ? band + 1 : 1 + static_cast<std::int64_t>(random() % 200);
        shape.pad[0] = static_cast<std::int64_t>(random() % 2);
        shape.h = (shape.out_h - 1) * shape.stride[0] + 3 - shape.pad[0];
        choices.insert(choice_of(shape));
      }
      EXPECT_EQ(choices.size(), 1U)
          << fmt::format("c {} o {} w {} stride {}, {} threads: {}", shape.c, shape.out_c, shape.w,
                         shape.stride[0], count, fmt::join(choices, ", "));
    }
    EXPECT_EQ(threads(), count);
  }
}

TEST(Convolution, ReportsIfOutputChannelsCannotBeSliced) {
  ConvolutionShape shape;
  shape.h = shape.w = shape.out_h = shape.out_w = 64;
  shape.c = shape.out_c = 320;
  shape.kernel = {3, 3};
  shape.pad = {1, 1, 1, 1};
  const auto keeps = [&shape] {
    std::string why_not;
    const auto convolution = Convolution::make(shape, why_not);
    return convolution && convolution->is_exact_by_channels();
  };
  EXPECT_FALSE(keeps());
  shape.c = 640;
  EXPECT_TRUE(keeps());
  shape.c = 320;
  shape.w = shape.out_w = 32;
  EXPECT_TRUE(keeps());
}

}  // namespace
}  // namespace semblance::onednn
