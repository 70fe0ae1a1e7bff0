#include "service/a1111_scripts.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/ascii.h"
#include "service/a1111_fields.h"
#include "service/a1111_samplers.h"

namespace semblance::service {
namespace {

using nlohmann::json;

/// The arguments of a script by position; missing ones are null.
class Arguments {
 public:
  Arguments(const LongStringJson& whole, const json& args, std::string path)
      : whole_(whole), args_(args), path_(std::move(path)) {}

  const json& at(std::size_t i) const {
    static const json null;
    return i < args_.size() ? args_[i] : null;
  }
  bool is_true(std::size_t i) const { return at(i).is_boolean() && at(i).get<bool>(); }
  [[noreturn]] void refuse(std::size_t i, std::string_view rule) const {
    refuse_field(fmt::format("{}.args[{}]", path_, i), rule, shown(whole_, at(i)));
  }

 private:
  const LongStringJson& whole_;
  const json& args_;
  std::string path_;
};

/// Refuses argument `i` unless it is off or a name that `is_same` accepts; `have`: the request's.
void check_name(const Arguments& args, std::size_t i, const JobRequest& request,
                bool (*is_same)(const JobRequest&, std::string_view), std::string_view have) {
  const json& value = args.at(i);
  if (is_off(value)) return;
  if (value.is_string() && is_same(request, value.get_ref<const std::string&>())) return;
  args.refuse(i, fmt::format("expected {}, as in the request", have));
}

/// Arguments: steps, sampler, scheduler.
void check_sampler_script(const Arguments& args, const JobRequest& settings) {
  const json& steps = args.at(0);
  if (!is_off(steps) && steps != settings.step_count())
    args.refuse(0, fmt::format("expected {}, the request's steps", settings.step_count()));
  check_name(args, 1, settings, is_sampler_of, sampler_title(settings));
  check_name(args, 2, settings, is_scheduler_of, scheduler_title(settings));
}

/// Arguments: seed, whether the others count, subseed, its strength, width and height of the noise.
void check_seed_script(const Arguments& args, const JobRequest& settings) {
  const json& seed = args.at(0);
  const bool is_random = seed.is_null() || seed == -1;
  if (!is_random && (!settings.seed || seed != *settings.seed)) {
    args.refuse(0, fmt::format("expected {}, the request's seed",
                               settings.seed ? std::to_string(*settings.seed) : "-1"));
  }
  if (!args.is_true(1)) return;
  if (!is_off(args.at(3))) args.refuse(3, "variation seeds are not supported");
  for (const std::size_t side : {4U, 5U}) {
    if (!is_off(args.at(side))) args.refuse(side, "resizing from a seed is not supported");
  }
}

/// An argument that is an object of its own: switched off, or a detector without a model.
bool is_group_off(const json& value) {
  for (const char* key : {"enabled", "enable", "is_enabled"}) {
    if (value.contains(key)) return is_off(value[key]);
  }
  return value.contains("ad_model") && is_off(value["ad_model"]);
}

/// Most scripts have an on/off switch as first argument; some have groups with a switch each.
bool is_script_off(const json& script) {
  if (is_off(script)) return true;
  if (!script.is_object()) return false;
  const auto args = script.find("args");
  if (args == script.end() || args->is_null() || args->empty()) return true;
  if (!args->is_array()) return is_off(*args);
  if (args->front().is_boolean() && !args->front().get<bool>()) return true;
  const bool has_group = std::ranges::any_of(*args, [](const json& a) { return a.is_object(); });
  return has_group && std::ranges::all_of(*args, [](const json& a) {
           return a.is_boolean() || (a.is_object() && is_group_off(a));
         });
}

}  // namespace

void check_scripts(const LongStringJson& json, const nlohmann::json& scripts,
                   const JobRequest& settings) {
  if (scripts.is_null() || (scripts.is_array() && scripts.empty())) return;
  const std::string all = "alwayson_scripts";
  const Fields object(json, scripts, all);
  for (const auto& [name, script] : scripts.items()) {
    const std::string kind = lower(name);
    if (kind == "controlnet" || is_script_off(script)) continue;
    const std::string path = object.path_of(name.substr(0, 100));
    const auto args = script.is_object() ? script.find("args") : script.end();
    const bool has_args = script.is_object() && args != script.end() && args->is_array();
    if (has_args && kind == "sampler") {
      check_sampler_script({json, *args, path}, settings);
    } else if (has_args && kind == "seed") {
      check_seed_script({json, *args, path}, settings);
    } else if (has_args && kind == "refiner" && is_off(Arguments(json, *args, path).at(1))) {
      continue;  // on, but without a model
    } else {
      refuse_field(path, "there is no such script; the only one is controlnet");
    }
  }
}

}  // namespace semblance::service
