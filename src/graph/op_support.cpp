#include "graph/op_support.h"

#include <algorithm>

namespace semblance {

std::string to_string(const TensorType& type) {
  return std::string(name_of(type.dtype)) + to_string(type.shape);
}

void require(bool ok, std::string_view op, std::string_view rule, Types src) {
  if (ok) return;
  std::string got;
  for (const TensorType& type : src) {
    if (!got.empty()) got += ", ";
    got += to_string(type);
  }
  fail(ErrorKind::kShape, "{}: {}, got {}", op, rule, got.empty() ? "nothing" : got);
}

Shape broadcast(std::string_view op, Types src) {
  require(src.size() == 2, op, "needs two sources", src);
  const Shape& a = src[0].shape;
  const Shape& b = src[1].shape;
  const int rank = std::max(a.rank(), b.rank());
  Shape result = a.rank() == rank ? a : b;
  for (int i = 1; i <= rank; ++i) {
    const std::int64_t size_a = i <= a.rank() ? a[-i] : 1;
    const std::int64_t size_b = i <= b.rank() ? b[-i] : 1;
    require(size_a == size_b || size_a == 1 || size_b == 1, op,
            "aligned from the last axis, sizes must be equal or 1", src);
    result = result.with(-i, size_a == 1 ? size_b : size_a);
  }
  return result;
}

}  // namespace semblance
