// /api/info, /api/memory, /api/plan, and monitoring: health, ready, metrics; the API's document.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "app/parameters.h"
#include "core/error.h"
#include "memory/file.h"
#include "memory/meter.h"
#include "pipeline/warnings.h"
#include "sampling/sampler.h"
#include "service/metrics.h"
#include "service/or_null.h"
#include "service/parameters_json.h"
#include "service/routes.h"
#include "service/settings.h"
#include "service/web_files.h"
#include "text/language_hint.h"

namespace semblance::service {
namespace {

using nlohmann::json;
using Captures = Router::Captures;

/// Without the one that changes nothing.
json style_names(const Engine& engine) {
  json names = json::array();
  for (const Style& style : engine.options().prompts.styles.all())
    if (style.name != kNoStyle) names.push_back(style.name);
  return names;
}

json info_json(const Context& context) {
  const ModelFacts& model = context.engine.facts();
  JobRequest defaults;
  static_cast<Request&>(defaults) = model.defaults.complete(defaults);
  json few_step_samplers = json::array();
  for (const SamplerRow& row : samplers())
    if (row.has(kForFewSteps)) few_step_samplers.push_back(row.name);
  return {{"version", program_version()},
          {"model",
           {{"name", model.name},
            {"demo", model.demo},
            {"native_side", model.native_side},
            {"few_steps", model.defaults.few_steps({}) || is_for_few_steps(model.scheduler)},
            {"few_step_samplers", few_step_samplers},
            {"precision", name_of(model.precision)}}},
          {"control_nets", context.engine.controls()},
          {"styles", style_names(context.engine)},
          {"defaults", to_json(defaults)},
          {"limits",
           {{"upload_bytes", context.upload_bytes},
            {"count", most_of_job(parameters::kCount)},
            {"steps", {1, most_of_job(parameters::kSteps)}},
            {"prompt_bytes", kMostPromptBytes},
            {"queue", context.queue_limit}}},
          {"key_required", context.key_required}};
}

/// The language that the request asks for, as the page does; otherwise the program's own.
Language language_of(const HttpRequest& request) {
  const std::string_view wanted = request.header("accept-language").substr(0, 2);
  if (wanted == "es") return Language::kSpanish;
  return wanted == "en" ? Language::kEnglish : language();
}

/// Null if the processor computes, or if the card does not answer.
json gpu_json(const Context& context) {
  try {
    const std::optional<CardUse> gpu = context.engine.card_use();
    if (!gpu) return nullptr;
    return {{"name", gpu->name},
            {"driver", gpu->driver},
            {"total_bytes", gpu->total_bytes},
            {"free_bytes", gpu->free_bytes},
            {"own_bytes", gpu->own_bytes},
            {"other_bytes", gpu->other_bytes}};
  } catch (const Error&) {
    return nullptr;
  }
}

json memory_json(const Context& context) {
  const Meter meter;
  const MachineMemory machine = meter.machine();
  const ProcessMemory process = meter.process();
  const Mode mode = context.engine.mode();
  return {{"budget_bytes", context.engine.budget().bytes},
          {"process_bytes", process.resident_bytes},
          {"peak_bytes", process.peak_resident_bytes},
          {"planned_bytes", or_null(context.jobs.planned_bytes())},
          {"machine_total_bytes", machine.total_bytes},
          {"machine_available_bytes", machine.for_run_bytes()},
          {"gpu", gpu_json(context)},
          {"mode", name_of(mode)},
          {"messages", {text_of(message_of(mode))}}};
}

/// The codes of warnings that are known before anything is computed.
json hints_on(const JobRequest& settings) {
  json hints = json::array();
  if (looks_not_english(settings.prompt)) hints.push_back(code_of(Warning::Kind::kPromptLanguage));
  return hints;
}

json plan_json(Context& context, const HttpRequest& request) {
  const JobRequest settings = parse_settings(request.body);
  context.engine.check_prompts(settings, 1);
  request.book(kPlanningBytes);
  const PlanAnswer plan =
      context.engine.plan(context.engine.drawn(settings), {}, request.client_left);
  json qualities = json::array();
  for (const QualityTime& quality : plan.qualities)
    qualities.push_back({{"name", quality.name},
                         {"steps", quality.steps},
                         {"seconds", quality.seconds * settings.count}});
  json smaller = nullptr;
  if (plan.smaller) smaller = {{"width", plan.smaller->w}, {"height", plan.smaller->h}};
  return {{"fits", plan.fits},
          {"peak_bytes", plan.peak_bytes},
          {"minimum_bytes", plan.minimum_bytes},
          {"budget_bytes", context.engine.budget().bytes},
          {"scratch_bytes", plan.scratch_bytes},
          {"seconds", plan.seconds * settings.count},
          {"step_seconds", plan.step_seconds},
          {"qualities", qualities},
          {"mode", name_of(context.engine.mode())},
          {"summary", plan.summary},
          {"hints", hints_on(settings)},
          {"refusal", or_null(plan.refusal)},
          {"smaller", smaller}};
}

}  // namespace

std::string_view api_document() {
  static const std::string document = [] {
    for (const WebFile& file : web_files()) {
      if (file.path == "/web/openapi.json") return with_parameters(file.bytes);
    }
    fail(ErrorKind::kInternal, "internal error: the API's document is not in the program");
  }();
  return document;
}

void add_state_routes(Router& router, Context& context) {
  router.add("GET", "/api/info", [&context](const HttpRequest&, const Captures&) {
    return json_response(info_json(context).dump());
  });
  router.add("GET", "/api/memory", [&context](const HttpRequest& request, const Captures&) {
    const LanguageScope scope(language_of(request));
    return json_response(memory_json(context).dump());
  });
  router.add("POST", "/api/plan", [&context](const HttpRequest& request, const Captures&) {
    const LanguageScope scope(language_of(request));
    return json_response(plan_json(context, request).dump());
  });
  const RouteOptions open{.open = true};
  const RouteOptions probe{.open = true, .is_probe = true};
  router.add(
      "GET", "/api/health",
      [](const HttpRequest&, const Captures&) { return json_response(R"({"status":"ok"})"); },
      probe);
  router.add(
      "GET", "/api/ready",
      [&context](const HttpRequest&, const Captures&) {
        if (!context.jobs.accepts())
          return error_response(503, "shutting_down", "the service is shutting down");
        return json_response(R"({"status":"ready"})");
      },
      probe);
  router.add("GET", "/metrics",
             [&context](const HttpRequest&, const Captures&) {
               return HttpResponse{.type = "text/plain; version=0.0.4; charset=utf-8",
                                   .body = metrics_text(context)};
             },
             {.is_probe = true});
  router.add(
      "GET", "/openapi.json",
      [](const HttpRequest&, const Captures&) {
        return HttpResponse{.body = Body(file_over("the document", api_document()))};
      },
      open);
}

}  // namespace semblance::service
