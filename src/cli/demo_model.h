// The bundled demo model, for a first run without downloads: models/demo in the source tree,
// share/semblance/demo when installed.
#pragma once

#include <filesystem>
#include <optional>

#include "app/subject.h"
#include "pipeline/opened_models.h"

namespace semblance::cli {

struct DemoModel {
  ModelPaths models;
  std::filesystem::path face_models;  // laid out like insightface's antelopev2
};

/// Looks for the demo model relative to the executable `program`: in ../share/semblance/demo, and
/// for a build folder in the source tree's models/demo. nullopt if it is in neither.
std::optional<DemoModel> find_demo_model(const std::filesystem::path& program);
/// Relative to the running program.
std::optional<DemoModel> find_demo_model();

/// Fill in the demo model's files if none is given. False if one is given or there is no demo
/// model.
bool take_demo_face_models(FaceFiles& files);
bool take_demo_models(ModelPaths& models, FaceFiles& files);

}  // namespace semblance::cli
