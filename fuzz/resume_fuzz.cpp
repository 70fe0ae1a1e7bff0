// links: semblance_pipeline
// Any bytes as a saved run give a consistent one, or an Error.
#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "fuzz/memory_path.h"
#include "pipeline/resume.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  const fuzz::MemoryPath file(data, size);
  try {
    const SavedRun run = load_saved_run(file.path());
    check(run.request);
    const std::int64_t pixels = std::int64_t{run.request.width / 8} * (run.request.height / 8);
    if (static_cast<std::int64_t>(run.latent.size()) != pixels * run.latent_channels) std::abort();
    if (run.step < 0 || run.step > 2 * run.request.step_count() + 1 ||
        run.people.embeddings.empty())
      std::abort();
    for (const float number : run.people.embeddings) {
      if (!std::isfinite(number)) std::abort();
    }
    for (const auto& output : run.outputs) {
      if (output.string().find('\0') != std::string::npos) std::abort();
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kCorrupt && error.kind() != ErrorKind::kArgument) std::abort();
  }
  return 0;
}
