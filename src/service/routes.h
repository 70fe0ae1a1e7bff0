// What the service answers: which path does what with engine, jobs and store.
#pragma once

#include <cstdint>
#include <functional>

#include "service/engine.h"
#include "service/http.h"
#include "service/jobs.h"
#include "service/links.h"
#include "service/store.h"

namespace semblance::service {

/// What all routes share; outlives the server.
struct Context {
  Engine& engine;
  Jobs& jobs;
  Store& store;
  const Links& links;
  std::uint64_t upload_bytes = std::uint64_t{16} << 20U;  // of a form with its photos
  int queue_limit = 64;
  bool key_required = false;
  std::function<std::uint64_t()> requests = [] { return std::uint64_t{0}; };  // since the start
};

void add_page_routes(Router& router);
/// /api/...: what the page speaks.
void add_job_routes(Router& router, Context& context);
void add_face_routes(Router& router, Context& context);
void add_state_routes(Router& router, Context& context);
/// /v1/...: the OpenAI API's pictures.
void add_openai_routes(Router& router, Context& context);
/// /sdapi/v1/...: AUTOMATIC1111's web UI's.
void add_a1111_routes(Router& router, Context& context);

inline void add_all_routes(Router& router, Context& context) {
  add_page_routes(router);
  add_state_routes(router, context);
  add_face_routes(router, context);
  add_job_routes(router, context);
  add_openai_routes(router, context);
  add_a1111_routes(router, context);
}

// For the APIs whose clients wait for their pictures:
/// Puts the job into the queue and gives its id. The body, the photos and the prompts are let go:
/// waiting may take long, and a Job has them again. Throws as Jobs::submit().
std::string submit_job(Context& context, const HttpRequest& request, JobRequest& job);
/// The job once it has ended. Throws HttpError 499, and gives the job up, where the client leaves.
Job wait_for_job(Context& context, const HttpRequest& request, const std::string& id);
/// Adds what the job has been warned of to what its request was: for the answer.
void add_warnings(JobRequest& request, const Job& job);
/// The response for a job that failed or was cancelled; `wanted` has its photos' names.
HttpResponse failure_of(const Job& job, const JobRequest& wanted);

/// The OpenAPI document: web/openapi.json with the parameters in it.
std::string_view api_document();

/// An event of a stream, with its empty line. `data` is one line.
std::string event_text(std::string_view name, std::string_view data);

}  // namespace semblance::service
