#include "service/a1111_samplers.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "core/ascii.h"
#include "sampling/sampler.h"

namespace semblance::service {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::size_t kShownBytes = 60;

bool is_automatic(std::string_view name) {
  const std::string plain = lower(name);
  return plain.empty() || plain == "automatic";
}

const CurveRow& row_of(Curve curve) { return *find_curve(name_of(curve)); }

/// The curve that `scheduler` asks for; the sampler's own for Automatic.
const CurveRow& curve_for(const SamplerChoice& choice, std::string_view scheduler,
                          std::vector<std::string>& warnings) {
  const CurveRow& usual =
      choice.curve == nullptr ? row_of(choice.sampler->web_ui_curve) : *choice.curve;
  if (is_automatic(scheduler)) return usual;
  const CurveRow* curve = find_curve(scheduler);
  if (curve == nullptr) {
    warnings.push_back(fmt::format("scheduler: {} is not available, using {}",
                                   scheduler.substr(0, kShownBytes), usual.title));
    return usual;
  }
  if (curve->curve == Curve::kDefault || choice.sampler->has(kTakesCurve)) return *curve;
  warnings.push_back(
      fmt::format("scheduler: {} has no effect with {}", curve->title, choice.sampler->title));
  return usual;
}

}  // namespace

void read_sampler(const Fields& body, JobRequest& request, std::vector<std::string>& warnings) {
  std::string_view field = "sampler_name";
  std::string name = body.text(field).value_or("");
  if (name.empty()) {  // as in the web UI, the older field counts if the newer one is empty
    field = "sampler_index";
    name = body.text(field).value_or("");
  }
  const auto choice =
      name.empty() ? SamplerChoice{.sampler = &default_sampler()} : find_choice(name);
  if (!choice) body.refuse(field, "expected one of " + sampler_titles());
  const SamplerRow& sampler = *choice->sampler;
  if (choice->is_nearest) {
    warnings.push_back(fmt::format("{}: {} is not available, using the nearest: {}", field,
                                   name.substr(0, kShownBytes), sampler.title));
  }
  const CurveRow& curve = curve_for(*choice, body.text("scheduler").value_or(""), warnings);
  request.scheduler = Choice(std::string(sampler.name));
  request.sigmas = Choice(std::string(curve.name));
  if (sampler.has(kReadsSpacing) && !curve.spacing) {
    // There DDIM and PLMS count timesteps from the start, all others interpolate noise levels.
    request.spacing = Choice(sampler.has(kTakesCurve) ? "linspace" : "leading");
  }
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
  return is_automatic(name) || (curve != nullptr && curve->name == request.sigmas->name);
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
