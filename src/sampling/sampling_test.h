// Helpers of the sampler tests: goldens of tools/oracle/sampling.py.
#pragma once

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/json.h"
#include "sampling/noise.h"
#include "sampling/sampler.h"
#include "tests/support/errors.h"
#include "tests/support/golden.h"

namespace semblance::testing {

inline std::vector<float> floats(const Json& json, std::string_view key) {
  std::vector<float> values;
  for (const double value : json.get_float_list(key)) values.push_back(static_cast<float>(value));
  return values;
}

/// SDXL 1.0's scheduler_config.json with some keys changed; null removes a key.
inline SchedulerConfig sdxl(const nlohmann::json& changes = nlohmann::json::object()) {
  static const Json golden = Json::load(golden_path("sampling/steps.json"));
  nlohmann::json config = golden.child("base").value();
  config.update(changes);
  return SchedulerConfig::read(Json::parse("scheduler_config.json", config.dump()));
}

/// A row of a golden: a sampler and its config.
struct GoldenRow {
  explicit GoldenRow(const Json& json)
      : row(json),
        sampler(find_sampler(json.get_string("sampler"))),
        config(sdxl(json.child("config").value())),
        steps(static_cast<int>(json.get_int("steps"))),
        title(json.get_string("sampler") + " " + json.child("config").value().dump() + " steps " +
              std::to_string(steps)) {}
  Json row;
  const SamplerRow* sampler;
  SchedulerConfig config;
  int steps;
  std::string title;
};

inline std::vector<GoldenRow> golden_rows(const std::string& name) {
  std::vector<GoldenRow> rows;
  const Json golden = Json::load(golden_path("sampling/" + name + ".json"));
  for (const Json& row : golden.child("rows").items()) rows.emplace_back(row);
  return rows;
}

/// Runs a sampler like the pipeline: model(evaluation, scaled) returns an output, draw(evaluation)
/// a step's noise.
template <typename Model, typename Draw>
void run(const Sampler& sampler, std::vector<float>& latent, std::vector<float>& kept, int begin,
         int end, const Model& model, const Draw& draw) {
  for (int i = begin; i < end; ++i) {
    std::vector<float> scaled = latent;
    sampler.scale_model_input(i, scaled);
    const std::vector<float> output = model(i, scaled);
    const std::vector<float> noise = sampler.noise(i) ? draw(i) : std::vector<float>{};
    sampler.step(
        {.evaluation = i, .output = output, .noise = noise, .latent = latent, .kept = kept});
  }
}

/// Memory for a run, filled with NaN: nothing may be read before it is written.
inline std::vector<float> kept_of(const Sampler& sampler, std::size_t size) {
  return std::vector<float>(static_cast<std::size_t>(sampler.kept_latents()) * size,
                            std::numeric_limits<float>::quiet_NaN());
}

}  // namespace semblance::testing
