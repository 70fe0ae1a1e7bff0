// Shared by tests: the paths of goldens, and the only tolerance.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <span>
#include <string>

namespace semblance::testing {

/// Folder tests/goldens/<name> of the source tree.
inline std::filesystem::path golden_path(const std::string& name) {
  return std::filesystem::path(SEMBLANCE_SOURCE_DIR) / "tests" / "goldens" / name;
}

/// The bound is |got - want| <= absolute + relative * max|want|.
struct Tolerance {
  double absolute;
  double relative;
};
inline constexpr Tolerance kF32{1e-6, 1e-4};
inline constexpr Tolerance kF16{1e-4, 1e-3};
inline constexpr Tolerance kBF16{1e-3, 3e-2};

/// On failure names the worst index, both values, and how many are out of bounds.
inline void expect_close(std::span<const float> got, std::span<const float> want,
                         Tolerance tolerance = kF32) {
  ASSERT_EQ(got.size(), want.size());
  double largest = 0;
  for (float value : want) largest = std::fmax(largest, std::fabs(static_cast<double>(value)));
  const double bound = tolerance.absolute + tolerance.relative * largest;
  double worst = -1;
  std::size_t worst_index = 0;
  std::size_t out = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    double distance = std::fabs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    if (std::isnan(distance)) distance = INFINITY;
    if (distance > bound) ++out;
    if (distance > worst) {
      worst = distance;
      worst_index = i;
    }
  }
  EXPECT_EQ(out, 0U) << out << " of " << got.size() << " differ by more than " << bound
                     << "; the worst at " << worst_index << ": got " << got[worst_index]
                     << ", want " << want[worst_index];
}

/// The face adapter of a golden checkpoint, in either published format.
inline std::filesystem::path adapter_in(const std::filesystem::path& checkpoint) {
  const std::filesystem::path archive = checkpoint / "ip-adapter.bin";
  return std::filesystem::exists(archive) ? archive : checkpoint / "ip-adapter.safetensors";
}

}  // namespace semblance::testing
