// /api/models: the models on this machine, downloading those for photos, and switching between
// them.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json.h"
#include "service/routes.h"

namespace semblance::service {
namespace {

using nlohmann::json;
using Captures = Router::Captures;

/// "demo", the name of another model, or "photos".
std::string used_name(const Context& context, const std::vector<OtherModel>& others) {
  const ModelFacts& facts = context.engine.facts();
  if (facts.demo) return std::string(kDemoName);
  const auto other = std::ranges::find(others, facts.base, &OtherModel::path);
  return other == others.end() ? std::string(kPhotosName) : other->name;
}

json models_json(const Context& context) {
  const ModelShop::View view = context.shop->view();
  const std::vector<OtherModel> all_others = context.shop->others();
  json others = json::array();
  for (const OtherModel& other : all_others)
    others.push_back({{"name", other.name}, {"bytes", other.bytes}});
  json parts = json::array();
  for (const ModelShop::Stock& stock : view.stock) {
    parts.push_back({{"name", stock.name},
                     {"licence", stock.licence},
                     {"stored_bytes", stock.stored_bytes},
                     {"complete", stock.is_whole}});
  }
  const DownloadProgress& progress = view.progress;
  const json left = progress.seconds_left < 0 ? json(nullptr) : json(progress.seconds_left);
  return {{"in_use", used_name(context, all_others)},
          {"others", std::move(others)},
          {"parts", std::move(parts)},
          {"complete", view.is_whole()},
          {"free_bytes", view.free_bytes},
          {"download",
           {{"phase", name_of(view.phase)},
            {"bytes", progress.bytes},
            {"total_bytes", progress.total_bytes},
            {"bytes_per_second", progress.bytes_per_second},
            {"seconds_left", left},
            {"file", progress.now},
            {"problem", view.problem}}}};
}

constexpr std::array kSets{kDemoName, kPhotosName};

}  // namespace

std::vector<ModelSet> model_sets(const Context& context) {
  std::vector<ModelSet> sets;
  const auto add = [&](std::string_view name, const OtherModel* other) {
    try {
      sets.push_back(context.find_models(std::string(name), other));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kMissing) throw;
    }
  };
  for (const std::string_view name : kSets) add(name, nullptr);
  for (const OtherModel& other : context.shop->others()) add(other.name, &other);
  return sets;
}

void use_models(Context& context, const HttpRequest& request, const ModelSet& set) {
  context.jobs.between(request, [&](const std::stop_token& stop) {
    const JobCounts counts = context.jobs.counts();
    if (counts.running || counts.queued > 0)
      throw HttpError(409, "busy", "cannot switch models: pictures are being made");
    context.engine.use(set, stop);
    return true;
  });
}

void add_model_routes(Router& router, Context& context) {
  router.add("GET", "/api/models", [&context](const HttpRequest&, const Captures&) {
    return json_response(models_json(context).dump());
  });
  router.add("POST", "/api/models/pull", [&context](const HttpRequest& request, const Captures&) {
    const Json wanted = Json::parse("the request", request.body);
    if (!wanted.expect_object().get_bool("accept_licences"))
      throw HttpError(400, "argument", "accept_licences: expected true", "accept_licences");
    context.shop->pull();
    return json_response(models_json(context).dump(), 202);
  });
  router.add("POST", "/api/models/cancel", [&context](const HttpRequest&, const Captures&) {
    context.shop->cancel();
    return json_response(models_json(context).dump());
  });
  router.add("POST", "/api/models/use", [&context](const HttpRequest& request, const Captures&) {
    const Json wanted = Json::parse("the request", request.body);
    const std::string name = wanted.expect_object().get_string("name");
    const std::vector<OtherModel> others = context.shop->others();
    const auto other = std::ranges::find(others, name, &OtherModel::name);
    if (other == others.end() && std::ranges::find(kSets, name) == kSets.end())
      throw HttpError(400, "argument",
                      "name: expected demo, photos or another of the models that are here", "name");
    use_models(context, request,
               context.find_models(name, other == others.end() ? nullptr : &*other));
    return json_response(models_json(context).dump());
  });
}

}  // namespace semblance::service
