// links: semblance_service
// A content-type line and a body of any bytes give parts inside the body, or an Error.
#include <cstdlib>
#include <functional>

#include "core/error.h"
#include "service/multipart.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  if (line == std::string_view::npos) return 0;
  const std::string_view body = text.substr(line + 1);
  try {
    const std::vector<service::Part> parts = service::parse_multipart(text.substr(0, line), body);
    const std::less_equal<const char*> before;
    for (const service::Part& part : parts) {
      if (!before(body.data(), part.data.data())) std::abort();
      if (!before(part.data.data() + part.data.size(), body.data() + body.size())) std::abort();
      service::find_part(parts, part.name);
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kArgument) std::abort();
  }
  return 0;
}
