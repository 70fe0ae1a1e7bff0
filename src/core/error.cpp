#include "core/error.h"

namespace semblance {

std::string_view name_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kArgument:
      return "argument";
    case ErrorKind::kMissing:
      return "missing";
    case ErrorKind::kCorrupt:
      return "corrupt";
    case ErrorKind::kShape:
      return "shape";
    case ErrorKind::kMemory:
      return "memory";
    case ErrorKind::kDevice:
      return "device";
    case ErrorKind::kCancelled:
      return "cancelled";
    case ErrorKind::kInternal:
      return "internal";
  }
  return "internal";
}

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kArgument:
      return 2;
    case ErrorKind::kMissing:
      return 3;
    case ErrorKind::kCorrupt:
      return 4;
    case ErrorKind::kShape:
      return 5;
    case ErrorKind::kMemory:
      return 6;
    case ErrorKind::kDevice:
      return 7;
    case ErrorKind::kCancelled:
      return 130;
    case ErrorKind::kInternal:
      return 70;
  }
  return 70;
}

}  // namespace semblance
