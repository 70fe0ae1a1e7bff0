#include "cli/demo_model.h"

#include <cerrno>  // program_invocation_name

namespace semblance::cli {

std::optional<DemoModel> find_demo_model(const std::filesystem::path& program) {
  const std::filesystem::path folder = program.parent_path();
  for (const char* relative : {"../share/semblance/demo", "../../models/demo"}) {
    const std::filesystem::path model = (folder / relative).lexically_normal();
    std::error_code none;
    if (!std::filesystem::exists(model / "ip-adapter.bin", none)) continue;
    return DemoModel{.models = {.base = model / "base",
                                .identitynet = model / "ControlNetModel",
                                .adapter = model / "ip-adapter.bin"},
                     .face_models = model / "face-models"};
  }
  return std::nullopt;
}

std::optional<DemoModel> find_demo_model() {
  std::error_code none;
  const auto demo = find_demo_model(std::filesystem::read_symlink("/proc/self/exe", none));
  if (demo) return demo;
  // That is the dynamic linker if the program was started through it (tools/vulkan_run).
  return find_demo_model(std::filesystem::absolute(program_invocation_name, none));
}

bool take_demo_face_models(FaceFiles& files) {
  if (!files.folder.empty() || !files.detector.empty() || !files.recogniser.empty()) return false;
  const std::optional<DemoModel> demo = find_demo_model();
  if (demo) files.folder = demo->face_models;
  return demo.has_value();
}

bool take_demo_models(ModelPaths& models, FaceFiles& files) {
  if (!models.base.empty() || !models.identitynet.empty() || !models.adapter.empty()) return false;
  const std::optional<DemoModel> demo = find_demo_model();
  if (!demo) return false;
  models.base = demo->models.base;
  models.identitynet = demo->models.identitynet;
  models.adapter = demo->models.adapter;
  take_demo_face_models(files);
  return true;
}

}  // namespace semblance::cli
