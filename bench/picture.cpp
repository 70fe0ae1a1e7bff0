// links: semblance_pipeline semblance_face
// One whole picture within a budget, timed by stage. bench/memory/memory.py runs it once for each
// budget, in a control group.
//
//   picture --checkpoint DIR --face identity.json --size WxH --steps N --memory AMOUNT
//           [--precision f32|bf16] [--threads N]
//
// The checkpoint contains base/, identitynet/ and ip-adapter.bin. Prints one line of JSON: seconds,
// the process's measured and planned peak memory, a hash of the picture.
#include <cstdio>

#include "backend/backends.h"
#include "bench/options.h"
#include "core/parallel.h"
#include "face/identity.h"
#include "memory/budget.h"
#include "memory/heap.h"
#include "memory/meter.h"
#include "pipeline/pipeline.h"
#include "runtime/machine_facts.h"

namespace semblance {
namespace {

std::uint64_t hash_of(const Image& image) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const std::uint8_t byte : image.pixels()) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

int run(BenchOptions options) {
  const double start = now();
  if (options.contains("--threads")) {
    set_threads(std::stoi(options["--threads"]));
  } else {
    set_threads(available_cores());
  }
  const std::filesystem::path checkpoint = options["--checkpoint"];
  const std::string& size = options["--size"];
  Request request;
  request.prompt = "analog film photo of a person in the snow";
  request.negative = "blurry";
  request.width = std::stoi(size);
  request.height = std::stoi(size.substr(size.find('x') + 1));
  request.steps = std::stoi(options["--steps"]);
  request.seed = 42;

  PipelineOptions limits;
  limits.precision = options["--precision"] == "bf16" ? Precision::kBF16 : Precision::kF32;
  limits.workspace.budget_bytes = parse_memory(options["--memory"]).bytes;
  limits.workspace.facts = std::make_shared<MachineFacts>(
      machine_facts(backend_by_name(limits.backend), choose_scratch_folder({})));
  Pipeline pipeline(
      {checkpoint / "base", checkpoint / "identitynet", checkpoint / "ip-adapter.bin"}, limits);
  const Identity identity = read_identity(options["--face"]);
  const RequestPlan plan =
      pipeline.plan({.request = request, .format = ImageFormat::kPng, .largest = Wanted::kNever})
          .plan;
  const double opened = now();
  Generation generation = pipeline.start(
      request, identity.embedding, scale_keypoints(identity, {request.width, request.height}));
  const double encoded = now();
  std::string steps;
  double begin = encoded;
  while (generation.next()) {
    steps += fmt::format("{}{:.3f}", steps.empty() ? "" : ", ", now() - begin);
    begin = now();
  }
  const Image picture = generation.decode();
  const double decoded = now();
  std::printf(
      "{\"plan_seconds\": %.3f, \"encode_seconds\": %.3f, \"step_seconds\": [%s], "
      "\"decode_seconds\": %.3f, \"planned_step_seconds\": %.3f, \"planned_seconds\": %.3f, "
      "\"peak_bytes\": %llu, \"planned_bytes\": %llu, \"scratch_bytes\": %llu, "
      "\"picture\": \"%016llx\"}\n",
      opened - start, encoded - opened, steps.c_str(), decoded - begin, plan.step_seconds,
      plan.seconds, static_cast<unsigned long long>(Meter().process().peak_resident_bytes),
      static_cast<unsigned long long>(plan.peak_bytes),
      static_cast<unsigned long long>(plan.scratch_bytes),
      static_cast<unsigned long long>(hash_of(picture)));
  return 0;
}

}  // namespace
}  // namespace semblance

int main(int argc, char** argv) {
  semblance::wait_passively(argv);
  semblance::return_freed_memory();
  return semblance::run_bench("picture",
                              [&] { return semblance::run(semblance::options_of(argc, argv)); });
}
