// links: semblance_service
// Any bytes as a job's settings give settings that the pipeline accepts and that survive a round
// trip, or an HttpError of the documented shape whose param is UTF-8.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "service/http.h"
#include "service/job.h"
#include "service/settings.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const service::JobRequest settings = service::parse_settings(text);
    Request request = service::request_of(settings, RequestDefaults(5));
    if (request.width == 0) request.width = request.height = 64;
    check(request);
    // Stored settings must be readable after the next start.
    service::Job job{.id = "job", .request = settings};
    service::Job back{.id = "job"};
    service::take_kept_text(back, service::kept_text(job));
    if (service::to_json(back.request) != service::to_json(settings)) std::abort();
  } catch (const service::HttpError& error) {
    const auto body = nlohmann::json::parse(error.response().body.whole());
    const auto& details = body.at("error");
    if (details.size() != 4 || !details.at("param").is_string()) std::abort();
    if (error.response().status != 400 && error.response().status != 413) std::abort();
  } catch (const Error& error) {  // of a prompt's syntax, or a LoRA that is not there
    if (error.kind() != ErrorKind::kArgument && error.kind() != ErrorKind::kMissing) std::abort();
  }
  return 0;
}
