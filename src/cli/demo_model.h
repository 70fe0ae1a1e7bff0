// The small model that comes with the program, for a first run without any other: models/demo in
// the tree, share/semblance/demo where it is installed.
#pragma once

#include <filesystem>
#include <optional>

#include "api/subject.h"
#include "pipeline/opened_models.h"

namespace semblance::cli {

struct DemoModel {
  ModelPaths models;
  std::filesystem::path face_models;  // a folder as insightface's antelopev2
};

/// Looks around `program`, an executable: in ../share/semblance/demo and, where it lies in a build
/// folder, in the source tree's models/demo. Nothing where it is in neither.
std::optional<DemoModel> find_demo_model(const std::filesystem::path& program);
/// Around the program that runs.
std::optional<DemoModel> find_demo_model();

/// Take the demo model's files where none is named. False where one is, or there is no demo model.
bool take_demo_face_models(FaceFiles& files);
bool take_demo_models(ModelPaths& models, FaceFiles& files);

}  // namespace semblance::cli
