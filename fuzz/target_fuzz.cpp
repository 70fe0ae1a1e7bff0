// links: semblance_service
// Any bytes as a request's target give a path that cannot climb up, or an Error.
#include <cstdlib>

#include "core/error.h"
#include "service/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  try {
    const service::Target target =
        service::parse_target({reinterpret_cast<const char*>(data), size});
    const std::string path = target.path + "/";
    if (!path.starts_with('/') || path.find("/../") != std::string::npos ||
        path.find("/./") != std::string::npos || path.find('\0') != std::string::npos) {
      std::abort();
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kArgument) std::abort();
  }
  return 0;
}
