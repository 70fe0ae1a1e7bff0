// The service's routes: what each path does with engine, jobs and store.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "service/engine.h"
#include "service/http.h"
#include "service/http_stats.h"
#include "service/jobs.h"
#include "service/links.h"
#include "service/model_shop.h"
#include "service/store.h"

namespace semblance::service {

/// Shared by all routes; outlives the server.
struct Context {
  Engine& engine;
  Jobs& jobs;
  Store& store;
  const Links& links;
  std::uint64_t upload_bytes = std::uint64_t{16} << 20U;  // the most for a form with its photos
  int queue_limit = 64;
  bool key_required = false;
  ModelShop* shop = nullptr;
  /// The files of "demo" or "photos", or those for another base model. Throws Error(kMissing) if
  /// they are not there.
  std::function<ModelSet(const std::string& name, const OtherModel* other)> find_models =
      [](const std::string&, const OtherModel*) { return ModelSet{}; };
  /// The server's.
  std::shared_ptr<HttpStats> http = std::make_shared<HttpStats>();
};

void add_page_routes(Router& router);
/// /api/...: the page's API.
void add_job_routes(Router& router, Context& context);
void add_face_routes(Router& router, Context& context);
void add_state_routes(Router& router, Context& context);
void add_recipe_routes(Router& router);
void add_model_routes(Router& router, Context& context);
/// /v1/...: the OpenAI API's image requests.
void add_openai_routes(Router& router, Context& context);
/// /sdapi/v1/...: the API of AUTOMATIC1111's web UI.
void add_a1111_routes(Router& router, Context& context);
void add_a1111_list_routes(Router& router, Context& context);
/// /controlnet/...: the API of that web UI's ControlNet extension.
void add_control_net_routes(Router& router, Context& context);

inline void add_all_routes(Router& router, Context& context) {
  add_page_routes(router);
  add_state_routes(router, context);
  add_face_routes(router, context);
  add_job_routes(router, context);
  add_recipe_routes(router);
  add_model_routes(router, context);
  add_openai_routes(router, context);
  add_a1111_routes(router, context);
  add_a1111_list_routes(router, context);
  add_control_net_routes(router, context);
}

/// The models that use_models() can switch to.
std::vector<ModelSet> model_sets(const Context& context);
/// Uses these models from now on. Throws HttpError 409 while a picture is being made, and what
/// Engine::use() throws.
void use_models(Context& context, const HttpRequest& request, const ModelSet& set);

// For the APIs whose clients wait for their pictures:
/// Puts the job into the queue and returns its id. Frees the body, the photos and the prompts:
/// waiting may take long, and the Job has the prompts again. Throws as Jobs::submit().
std::string submit_job(Context& context, const HttpRequest& request, JobRequest& wanted);
/// Waits for the job's end. If the client leaves, abandons the job and throws HttpError 499.
Job wait_for_job(Context& context, const HttpRequest& request, const std::string& id);
/// Adds the job's warnings to those of its request, for the answer.
void add_warnings(std::vector<std::string>& warnings, const Job& job);
/// The response for a failed or cancelled job; `wanted` has the names of its photos.
HttpResponse failure_of(const Job& job, const JobRequest& wanted);

/// The OpenAPI document: web/openapi.json with the parameters added.
std::string_view api_document();

/// A server-sent event with its closing empty line. `data` is one line.
std::string event_text(std::string_view name, std::string_view data);

}  // namespace semblance::service
