// links: semblance_service
// Any bytes as a body of /sdapi/v1/txt2img give a request within the limits, or one of two errors.
// An accepted request is answered with JSON.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "service/a1111.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  try {
    const service::Txt2Img wanted = service::parse_txt2img(body, "demo", 256);
    service::check_settings(wanted.request);
    if (wanted.request.photo.bytes.empty()) std::abort();
    const service::Job job{.request = wanted.request};
    const service::ResponseFrame frame = service::txt2img_frame(wanted, job, {}, "demo");
    const auto answer = nlohmann::json::parse(frame.before + frame.after);
    if (!nlohmann::json::parse(answer.at("info").get<std::string>()).contains("warnings"))
      std::abort();
  } catch (const service::HttpError& error) {
    if (error.response().status != 400 && error.response().status != 413) std::abort();
    if (!nlohmann::json::accept(error.response().body.whole())) std::abort();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kArgument) std::abort();
  }
  return 0;
}
