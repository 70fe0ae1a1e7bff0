#include "service/a1111_samplers.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "app/web_ui.h"
#include "sampling/sampler.h"

namespace semblance::service {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::size_t kShownBytes = 60;

}  // namespace

void read_sampler(const Fields& body, JobRequest& request, std::vector<std::string>& warnings) {
  std::string_view field = "sampler_name";
  std::string name = body.text(field).value_or("");
  if (name.empty()) {  // as in the web UI, the older field counts if the newer one is empty
    field = "sampler_index";
    name = body.text(field).value_or("");
  }
  const std::string scheduler = body.text("scheduler").value_or("");
  const auto sampling = web_ui_sampling(name, scheduler);
  if (!sampling) body.refuse(field, "expected one of " + sampler_titles());
  const SamplerRow& sampler = *sampling->sampler;
  if (sampling->is_nearest) {
    warnings.push_back(fmt::format("{}: {} is not available, using the nearest: {}", field,
                                   name.substr(0, kShownBytes), sampler.title));
  }
  if (sampling->lacks_scheduler) {
    warnings.push_back(fmt::format("scheduler: {} is not available, using {}",
                                   scheduler.substr(0, kShownBytes), sampling->curve->title));
  }
  if (sampling->unused != nullptr) {
    warnings.push_back(
        fmt::format("scheduler: {} has no effect with {}", sampling->unused->title, sampler.title));
  }
  set_sampling(*sampling, request);
  request.noise = Choice("a1111-cpu");
  if (sampler.has(kTakesEta) || request.eta == 0) return;
  // 1 is what ancestral samplers have there.
  if (request.eta != 1) warnings.push_back(fmt::format("eta has no effect with {}", sampler.title));
  request.eta = 0;
}

bool is_sampler_of(const JobRequest& request, std::string_view name) {
  const auto choice = find_choice(name);
  return name.empty() || (choice && choice->sampler->name == request.scheduler->name);
}

bool is_scheduler_of(const JobRequest& request, std::string_view name) {
  const CurveRow* curve = find_curve(name);
  return is_automatic_scheduler(name) || (curve != nullptr && curve->name == request.sigmas->name);
}

std::string_view sampler_title(const JobRequest& request) {
  return sampler_of(*request.scheduler).title;
}

std::string_view scheduler_title(const JobRequest& request) {
  return curve_of(*request.sigmas).title;
}

std::string samplers_response() {
  OrderedJson all = OrderedJson::array();
  for (const SamplerRow& row : samplers()) {
    OrderedJson aliases = OrderedJson::array({row.name});
    for (const std::string_view alias : row.aliases) aliases.push_back(alias);
    OrderedJson options = OrderedJson::object();
    if (row.web_ui_curve != Curve::kDefault) options["scheduler"] = name_of(row.web_ui_curve);
    all.push_back({{"name", row.title}, {"aliases", aliases}, {"options", options}});
  }
  return all.dump();
}

std::string schedulers_response() {
  OrderedJson all = OrderedJson::array();
  for (const CurveRow& row : curves()) {
    const bool is_default = row.curve == Curve::kDefault && !row.spacing;
    OrderedJson aliases = OrderedJson::array();
    for (const std::string_view alias : row.aliases) aliases.push_back(alias);
    all.push_back({{"name", is_default ? "automatic" : row.name},
                   {"label", row.title},
                   {"aliases", aliases},
                   {"default_rho", row.curve == Curve::kKarras ? 7.0 : -1.0},
                   {"need_inner_model", false}});
  }
  return all.dump();
}

}  // namespace semblance::service
