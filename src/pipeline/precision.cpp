#include "pipeline/precision.h"

#include "core/error.h"
#include "runtime/host_device.h"

namespace semblance {
namespace {

DType type_of(Precision precision) {
  if (precision == Precision::kBF16) return DType::kBF16;
  return precision == Precision::kF16 ? DType::kF16 : DType::kF32;
}

}  // namespace

Precision usable_precision(Precision precision, const Backend& backend) {
  const std::optional<DType> half = backend.half();
  if (precision == Precision::kAuto) {
    if (!half) return Precision::kF32;
    return *half == DType::kF16 ? Precision::kF16 : Precision::kBF16;
  }
  if (precision == Precision::kF32 || half == type_of(precision)) return precision;
  if (precision == Precision::kBF16 && &backend.device() == &host_device()) {
    fail(ErrorKind::kDevice,
         "cannot compute in bf16: this processor has no instructions for it\n  use --precision "
         "f32, which is faster here");
  }
  fail(ErrorKind::kDevice,
       "cannot compute in {}: backend {} computes in f32{}\n  use --precision "
       "auto",
       name_of(precision), backend.name(),
       half ? fmt::format(" or {}", name_of(*half)) : std::string());
}

DType dtype_of(Precision precision, const Backend& backend) {
  return type_of(usable_precision(precision, backend));
}

}  // namespace semblance
