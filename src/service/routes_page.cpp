// The page's files.
#include "memory/file.h"
#include "service/parameters_json.h"
#include "service/routes.h"
#include "service/web_files.h"

namespace semblance::service {

void add_page_routes(Router& router) {
  for (const WebFile& file : web_files()) {
    if (file.path == "/web/openapi.json") continue;  // /openapi.json has it, with the parameters
    router.add("GET", std::string(file.path),
               [&file](const HttpRequest& request, const Router::Captures&) {
                 HttpResponse response{.type = std::string(file.type)};
                 response.headers["ETag"] = file.etag;
                 response.headers["Cache-Control"] = "no-cache";
                 if (request.header("if-none-match") == file.etag) {
                   response.status = 304;
                 } else {
                   response.body = Body(file_over(std::string(file.path), file.bytes));
                 }
                 return response;
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
