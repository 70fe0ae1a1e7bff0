// What every op's header needs: the type of a tensor, what an op costs, and checks for shape rules.
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

/// Arithmetic operations (a multiply-add is two), for the planner's time.
using Operations = double;

/// No kernel, stride, dilation or pad of a window is larger: sums and products of them cannot
/// overflow, whatever a file says.
inline constexpr std::int64_t kLargestWindow = 1 << 20;

using Types = std::span<const TensorType>;

/// Throws Error(kShape) "group_norm: <rule>, got <types>" unless ok.
void require(bool ok, std::string_view op, std::string_view rule, Types src);

/// Shape of numpy broadcasting; throws as require() does.
Shape broadcast(std::string_view op, Types src);

}  // namespace semblance
