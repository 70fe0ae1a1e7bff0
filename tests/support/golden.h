// Shared by tests: the paths of goldens, and comparison with the only tolerance.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <span>
#include <string>

#include "core/closeness.h"

namespace semblance::testing {

/// Folder tests/goldens/<name> of the source tree.
inline std::filesystem::path golden_path(const std::string& name) {
  return std::filesystem::path(SEMBLANCE_SOURCE_DIR) / "tests" / "goldens" / name;
}

inline constexpr Tolerance kF32 = tolerance_of(DType::kF32);
inline constexpr Tolerance kF16 = tolerance_of(DType::kF16);
inline constexpr Tolerance kBF16 = tolerance_of(DType::kBF16);

/// On failure names the worst index, both values, and how many are out of bounds.
inline void expect_close(std::span<const float> got, std::span<const float> want,
                         Tolerance tolerance = kF32) {
  ASSERT_EQ(got.size(), want.size());
  const Closeness found = compare(got, want, tolerance);
  if (found.out == 0) return;
  ADD_FAILURE() << found.out << " of " << got.size() << " differ by more than " << found.bound
                << "; the worst at " << found.worst_index << ": got " << got[found.worst_index]
                << ", want " << want[found.worst_index];
}

/// The face adapter of a golden checkpoint, in either published format.
inline std::filesystem::path adapter_in(const std::filesystem::path& checkpoint) {
  const std::filesystem::path archive = checkpoint / "ip-adapter.bin";
  return std::filesystem::exists(archive) ? archive : checkpoint / "ip-adapter.safetensors";
}

}  // namespace semblance::testing
