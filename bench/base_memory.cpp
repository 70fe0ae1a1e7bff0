// links: semblance_pipeline
// Memory of the process outside Buffers, by kind of mapping and by phase: at the start, with the
// models open, the prompts encoded, the graph of a step built, its kernels chosen, their code
// generated. Up to there no arena is allocated and no weight is read. With --run a session runs
// one step; its arena is not counted.
//
//   base_memory --checkpoint DIR [--size WxH] [--threads N] [--trim] [--drop] [--run]
//
// In resident MiB. "code" is the code of the program and its libraries, "copied" their pages that
// were written to (relocations, variables), "heap" malloc's heap and all stacks, "generated"
// oneDNN's code. "asked" is what malloc's callers hold at that moment. --trim returns freed heap to
// the system before each reading, --drop unused code as well.
#include "memory/base_memory.h"

#include <malloc.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>

#include "backend/backends.h"
#include "bench/options.h"
#include "core/parallel.h"
#include "memory/buffer.h"
#include "models/unet.h"
#include "pipeline/opened_models.h"
#include "runtime/backend.h"
#include "runtime/workspace.h"

namespace semblance {
namespace {

double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / 1048576; }

/// Resident KiB of one kind of mapping.
struct Resident {
  std::map<std::string, std::uint64_t> kib;
  std::map<std::string, std::uint64_t> file_kib;  // by file
  std::uint64_t total = 0;
};

/// If `arena` is not null, the mapping that it points into is excluded.
Resident read_smaps(const void* arena = nullptr) {
  Resident resident;
  bool in_arena = false;
  std::ifstream smaps("/proc/self/smaps");
  std::string kind;
  std::string file;
  for (std::string line; std::getline(smaps, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    char permissions[5] = {};
    int at = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %4s %*x %*x:%*x %*u %n", &begin, &end, permissions,
                    &at) == 3) {
      const std::string path = line.substr(std::min(line.size(), static_cast<std::size_t>(at)));
      const auto address = reinterpret_cast<std::uintptr_t>(arena);
      in_arena = address >= begin && address < end;
      file = path.starts_with('/') ? path : "";
      kind = permissions[2] == 'x' ? "generated" : "heap";
      continue;
    }
    unsigned long kib = 0;
    if (in_arena) continue;
    if (std::sscanf(line.c_str(), "Rss: %lu kB", &kib) == 1) {
      resident.total += kib;
      if (file.empty())
        resident.kib[kind] += kib;
      else
        resident.file_kib[file] += kib;
    } else if (!file.empty() && std::sscanf(line.c_str(), "Anonymous: %lu kB", &kib) == 1) {
      resident.kib["copied"] += kib;
      resident.kib["code"] -= kib;
    }
  }
  for (const auto& [name, kib] : resident.file_kib) resident.kib["code"] += kib;
  return resident;
}

class Report {
 public:
  Report(bool trim, bool drop) : trim_(trim), drop_(drop) {
    std::printf("%-20s %9s %9s %9s %9s %9s %9s %9s %9s\n", "after", "seconds", "total", "code",
                "copied", "heap", "asked", "generated", "measured");
  }
  void phase(const char* name, const void* arena = nullptr) {
    const double seconds = now() - last_;
    if (trim_) malloc_trim(0);
    if (drop_ && arena == nullptr) drop_unmodified_code();  // a session does this itself
    const Resident resident = read_smaps(arena);
    const auto of = [&](const char* kind) {
      const auto found = resident.kib.find(kind);
      return found == resident.kib.end() ? 0.0 : mib(found->second * 1024);
    };
    const struct mallinfo2 heap = mallinfo2();
    const std::uint64_t staging = count_of(Tag::kStaging).bytes;
    std::printf("%-20s %9.2f %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f\n", name, seconds,
                mib(resident.total * 1024 - staging), of("code"), of("copied"),
                of("heap") - mib(staging), mib(heap.uordblks + heap.hblkhd), of("generated"),
                mib(measure_base().total()));
    std::fflush(stdout);
    last_ = now();
  }
  static void files() {
    const Resident resident = read_smaps();
    std::multimap<std::uint64_t, std::string, std::greater<>> sorted;
    for (const auto& [name, kib] : resident.file_kib) sorted.emplace(kib, name);
    for (const auto& [kib, name] : sorted)
      std::printf("%8.2f %s\n", static_cast<double>(kib) / 1024, name.c_str());
  }

 private:
  bool trim_;
  bool drop_;
  double last_ = now();
};

Graph step_graph(const OpenedModels& models, std::int64_t height, std::int64_t width) {
  Graph graph;
  const Scope root(&graph, "");
  const UNetConfig& config = models.unet;
  const std::int64_t h = height / models.vae.fold();
  const std::int64_t w = width / models.vae.fold();
  const StepInputs inputs{root.input("latent", DType::kF32, {2, h, w, config.in_channels}),
                          root.input("timestep", DType::kF32, {2}),
                          root.input("pooled", DType::kF32, {2, config.pooled_channels()}),
                          root.input("time_ids", DType::kF32, {12})};
  const std::int64_t cross = models.resampler.output;
  const Value text = root.input("text", DType::kF32, {2, models.prompt_length(0), cross});
  const Value face = root.input("face", DType::kF32, {2, models.resampler.tokens, cross});
  const Value keypoints =
      root.input("keypoints", DType::kF32, {1, h, w, models.identitynet.channels[0]});
  graph.add_output("noise", unet(Scope(&graph, "unet."), config, inputs, text, face,
                                 {ControlInputs{Scope(&graph, "identitynet."), &models.identitynet,
                                                keypoints, face, 1.0F}},
                                 AdapterInputs{Scope(&graph, "ip_adapter."),
                                               {{0, models.resampler.tokens, 1.0F}}},
                                 DType::kF32)
                                .noise.id);
  return graph;
}

int run(BenchOptions options) {
  set_threads(options.contains("--threads") ? std::stoi(options["--threads"]) : available_cores());
  long width = 1024;
  long height = 1024;
  if (options.contains("--size"))
    std::sscanf(options["--size"].c_str(), "%ldx%ld", &width, &height);
  Report report(options.contains("--trim"), options.contains("--drop"));
  report.phase("start");
  const std::filesystem::path checkpoint = options["--checkpoint"];
  OpenedModels models =
      open_models({checkpoint / "base", checkpoint / "identitynet", checkpoint / "ip-adapter.bin"});
  report.phase("open_models");
  for (const Tokenizer& tokenizer : models.tokenizers) {
    static_cast<void>(
        tokenizer.encode("analog film photo of a man in the snow", models.prompt_length(0)));
  }
  report.phase("tokenizing");
  Graph graph = step_graph(models, height, width);
  report.phase("graph");
  RunCounts run_counts{.nodes = static_cast<int>(graph.nodes().size()), .threads = threads()};
  std::map<std::string, std::unique_ptr<Kernel>> kernels;
  std::map<std::string_view, int> counts;
  for (const Node& node : graph.nodes()) {
    if (std::holds_alternative<Reshape>(node.op)) continue;
    std::string key{name_of(node.op)};
    for (ValueId id : node.src) key += to_string(graph.type(id));
    if (options.contains("--apart")) key += std::to_string(node.dst);
    if (kernels.contains(key)) continue;
    ChosenKernel chosen = choose_kernel(cpu_backend(), NodeView(graph, node));
    ++counts[chosen.entry->name];
    if (chosen.entry->generates_code) ++run_counts.generated_kernels;
    kernels.emplace(std::move(key), std::move(chosen.kernel));
  }
  report.phase("choosing kernels");
  const BaseMemory predicted = predict_base(measure_base(), run_counts);
  for (const auto& [key, kernel] : kernels) kernel->compile();
  report.phase("generating code");
  if (options.contains("--run")) {
    kernels.clear();
    Session session(std::move(graph), cpu_backend(), models.denoiser_weights,
                    Workspace(cpu_backend()).for_one_run());
    report.phase("making a session", session.input("latent").data());
    session.run();
    report.phase("a step", session.input("latent").data());
  }
  std::printf("%-20s %9s %9.1f %9.1f %9.1f %9.1f %9s %9.1f\n", "predicted for a step", "",
              mib(predicted.total()), mib(predicted.code_bytes), mib(predicted.copied_bytes),
              mib(predicted.heap_bytes), "", mib(predicted.generated_bytes));
  std::printf("\n%d nodes:", run_counts.nodes);
  for (const auto& [name, count] : counts) std::printf(" %d %s", count, std::string(name).c_str());
  std::printf("\n\nresident MiB of each file\n");
  Report::files();
  return 0;
}

}  // namespace
}  // namespace semblance

int main(int argc, char** argv) {
  semblance::wait_passively(argv);
  return semblance::run_bench("base_memory", [&] {
    return semblance::run(
        semblance::options_of(argc, argv, {"--trim", "--drop", "--run", "--apart"}));
  });
}
