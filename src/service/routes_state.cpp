// /api/info, /api/memory, /api/plan, and monitoring: health, ready, metrics; the API's document.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "app/parameters.h"
#include "core/error.h"
#include "memory/file.h"
#include "memory/meter.h"
#include "pipeline/warnings.h"
#include "sampling/sampler.h"
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

/// Prometheus' text format.
std::string metrics_text(const Context& context) {
  const JobCounts jobs = context.jobs.counts();
  const ProcessMemory process = Meter().process();
  std::string out;
  const auto add = [&out](std::string_view name, std::string_view type, std::string_view help,
                          auto value, std::string_view labels = "") {
    if (!help.empty())
      out += fmt::format("# HELP semblance_{0} {1}\n# TYPE semblance_{0} {2}\n", name, help, type);
    out += fmt::format("semblance_{}{} {}\n", name, labels, value);
  };
  add("jobs_total", "counter", "Ended jobs by state.", jobs.done, "{state=\"done\"}");
  add("jobs_total", "counter", "", jobs.failed, "{state=\"failed\"}");
  add("jobs_total", "counter", "", jobs.cancelled, "{state=\"cancelled\"}");
  add("jobs_queued", "gauge", "Waiting jobs.", jobs.queued);
  add("jobs_running", "gauge", "Running jobs.", jobs.running ? 1 : 0);
  add("pictures_total", "counter", "Pictures made.", jobs.pictures);
  add("steps_total", "counter", "Steps computed.", jobs.steps);
  add("step_seconds_total", "counter", "Seconds spent on steps.", jobs.step_seconds);
  add("requests_total", "counter", "HTTP requests.", context.requests());
  add("memory_budget_bytes", "gauge", "The memory budget.", context.engine.budget().bytes);
  add("memory_planned_bytes", "gauge", "Planned memory of the running job.",
      context.jobs.planned_bytes().value_or(0));
  add("memory_resident_bytes", "gauge", "Resident memory of the process.", process.resident_bytes);
  add("memory_peak_bytes", "gauge", "Peak resident memory.", process.peak_resident_bytes);
  return out;
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
  router.add(
      "GET", "/api/health",
      [](const HttpRequest&, const Captures&) { return json_response(R"({"status":"ok"})"); },
      open);
  router.add(
      "GET", "/api/ready",
      [&context](const HttpRequest&, const Captures&) {
        if (!context.jobs.accepts())
          return error_response(503, "shutting_down", "the service is shutting down");
        return json_response(R"({"status":"ready"})");
      },
      open);
  router.add("GET", "/metrics", [&context](const HttpRequest&, const Captures&) {
    return HttpResponse{.type = "text/plain; version=0.0.4; charset=utf-8",
                        .body = metrics_text(context)};
  });
  router.add(
      "GET", "/openapi.json",
      [](const HttpRequest&, const Captures&) {
        return HttpResponse{.body = Body(file_over("the document", api_document()))};
      },
      open);
}

}  // namespace semblance::service
