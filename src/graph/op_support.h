// What every op's header needs: tensor types, operation counts and checks for shape rules.
#pragma once

#include <span>
#include <string_view>

#include "core/dtype.h"
#include "core/error.h"
#include "core/shape.h"
#include "graph/op_facts.h"

namespace semblance {

struct TensorType {
  DType dtype = DType::kF32;
  Shape shape;

  std::uint64_t bytes() const {
    return static_cast<std::uint64_t>(shape.elements()) * size_of(dtype);
  }
  friend bool operator==(const TensorType&, const TensorType&) = default;
};

/// "f32[2,64,64,320]"
std::string to_string(const TensorType& type);

/// Arithmetic operations (a multiply-add is two), for the planner's time estimates.
using Operations = double;

/// Largest kernel, stride, dilation or pad of a window, so that their sums and products cannot
/// overflow, whatever a file says.
inline constexpr std::int64_t kLargestWindow = 1 << 20;

using Types = std::span<const TensorType>;

/// Throws Error(kShape) "<op>: <rule>, got <types>" unless ok.
void require(bool ok, std::string_view op, std::string_view rule, Types src);

/// Result shape under numpy broadcasting; throws as require() does.
Shape broadcast(std::string_view op, Types src);

}  // namespace semblance
