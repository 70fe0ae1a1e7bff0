// The page's files.
#include "memory/file.h"
#include "service/parameters_json.h"
#include "service/routes.h"
#include "service/web_files.h"

namespace semblance::service {
namespace {

/// Whether Accept-Encoding has gzip, and not with a weight of 0.
bool takes_gzip(const HttpRequest& request) {
  const std::string_view accepted = request.header("accept-encoding");
  const std::size_t at = accepted.find("gzip");
  if (at == accepted.npos) return false;
  const std::string_view rest = accepted.substr(at + 4, accepted.find(',', at) - at - 4);
  return rest.find("q=0") == rest.npos || rest.find("q=0.") != rest.npos;
}

HttpResponse page_response(const WebFile& file, const HttpRequest& request) {
  HttpResponse response{.type = std::string(file.type)};
  const bool is_zipped = !file.zipped.empty() && takes_gzip(request);
  std::string etag(file.etag);
  if (is_zipped) etag.insert(etag.size() - 1, "-gzip");
  response.headers["Cache-Control"] = "no-cache";
  if (!file.zipped.empty()) response.headers["Vary"] = "Accept-Encoding";
  if (is_zipped) response.headers["Content-Encoding"] = "gzip";
  if (request.header("if-none-match") == etag) {
    response.status = 304;
  } else {
    response.body = Body(file_over(std::string(file.path), is_zipped ? file.zipped : file.bytes));
  }
  response.headers["ETag"] = std::move(etag);
  return response;
}

}  // namespace

void add_page_routes(Router& router) {
  for (const WebFile& file : web_files()) {
    if (file.path == "/web/openapi.json") continue;  // /openapi.json has it, with the parameters
    router.add("GET", std::string(file.path),
               [&file](const HttpRequest& request, const Router::Captures&) {
                 return page_response(file, request);
               },
               {.open = true});
  }
  router.add("GET", "/web/parameters.json",
             [text = parameters_json()](const HttpRequest&, const Router::Captures&) {
               HttpResponse response = json_response(text);
               response.headers["Cache-Control"] = "no-cache";
               return response;
             },
             {.open = true});
}

}  // namespace semblance::service
