// links: semblance_pipeline
// Times one guided step and one decode of a checkpoint: the Semblance side of
// bench/peers/peers.py. bench/peers/README.md describes the files.
//
//   step --checkpoint DIR --inputs in.safetensors --outputs out.safetensors
//        [--threads N] [--repeats N] [--memory AMOUNT] [--precision f32|bf16] [--profile]
//        [--decode-only | --step-only]
//
// The checkpoint contains base/, identitynet/ and ip-adapter.bin. The decode's time includes its
// preparation. --memory is the budget of the whole process; without it all weights stay resident.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "backend/backends.h"
#include "bench/options.h"
#include "core/parallel.h"
#include "image/image.h"
#include "memory/budget.h"
#include "pipeline/conditions.h"
#include "pipeline/decoder.h"
#include "pipeline/denoiser.h"
#include "pipeline/layout.h"
#include "pipeline/stages.h"
#include "runtime/machine_facts.h"
#include "weights/safetensors.h"
#include "weights/writer.h"

namespace semblance {
namespace {

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::vector<float> values_of(const WeightMap& map, std::string_view name) {
  const StoredTensor* tensor = map.find(name);
  if (tensor == nullptr) fail(ErrorKind::kMissing, "the inputs have no tensor {}", name);
  std::vector<std::byte> raw(tensor->bytes());
  std::vector<float> values(static_cast<std::size_t>(tensor->shape.elements()));
  read_rows(*tensor, 0, tensor->rows(), raw, values);
  return values;
}

TensorBytes tensor(std::string name, Shape shape, const std::vector<float>& values) {
  return {{std::move(name), DType::kF32, shape}, std::as_bytes(std::span(values))};
}

/// Seconds of one run of the session by kernel, predicted from the machine's facts.
std::map<std::string, double> predict(const Session& session, const MachineFacts& facts) {
  std::map<std::string, double> seconds;
  std::map<std::string, const KernelEntry*> kernels;  // by op and types
  const Graph& graph = session.graph();
  for (const Node& node : graph.nodes()) {
    if (std::holds_alternative<Reshape>(node.op) || std::holds_alternative<Embedding>(node.op))
      continue;
    std::string key{name_of(node.op)};
    for (const TensorType& type : graph.src_types(node)) key += to_string(type);
    key += to_string(graph.type(node.dst));
    if (!kernels.contains(key))
      kernels[key] = choose_kernel(cpu_backend(), NodeView(graph, node)).entry;
    const KernelEntry& kernel = *kernels[key];
    seconds[std::string(kernel.name)] += seconds_of(facts, NodeView(graph, node), kernel);
  }
  return seconds;
}

/// The time of each kernel by the shapes of its sources, down to a thousandth of all.
void print_shapes(const Session& session) {
  const Graph& graph = session.graph();
  std::map<std::string, KernelTime> shapes;
  double sum = 0;
  for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    const KernelTime& time = session.node_times()[n];
    std::string key{time.kernel};
    for (const TensorType& type : graph.src_types(node)) key += " " + to_string(type.shape);
    key += " -> " + to_string(graph.type(node.dst));
    KernelTime& all = shapes[key];
    all.calls += time.calls;
    all.run_seconds += time.run_seconds;
    all.read_seconds += time.read_seconds;
    all.operations += time.operations * time.calls;
    sum += time.run_seconds + time.read_seconds;
  }
  std::vector<std::pair<std::string, KernelTime>> longest(shapes.begin(), shapes.end());
  std::ranges::sort(longest, std::greater(), [](const auto& shape) {
    return shape.second.run_seconds + shape.second.read_seconds;
  });
  for (const auto& [key, time] : longest) {
    if (time.run_seconds + time.read_seconds < sum / 1000) break;
    std::fprintf(stderr, "%6d calls  run %8.3f s  read %7.3f s  %7.1f GFLOP/s  %s\n", time.calls,
                 time.run_seconds, time.read_seconds,
                 time.run_seconds > 0 ? time.operations / time.run_seconds / 1e9 : 0.0,
                 key.c_str());
  }
}

void print_profile(const Session& session, int runs) {
  const double begin = now();
  const MachineFacts facts = measure_machine(cpu_backend(), std::filesystem::temp_directory_path());
  std::fprintf(stderr, "machine measured in %.2f s\n", now() - begin);
  std::map<std::string, double> predicted = predict(session, facts);
  double sum = 0, predicted_sum = 0;
  for (const KernelTime& time : session.times()) {
    const double expected = predicted[std::string(time.kernel)] * runs;
    sum += time.run_seconds;
    predicted_sum += expected;
    std::fprintf(
        stderr, "%-28s %5d calls  run %8.3f s  predicted %8.3f s  read %8.3f s  %8.1f GFLOP/s\n",
        std::string(time.kernel).c_str(), time.calls, time.run_seconds, expected, time.read_seconds,
        time.run_seconds > 0 ? time.operations / time.run_seconds / 1e9 : 0.0);
  }
  std::fprintf(stderr, "run %.3f s, predicted %.3f s\n", sum, predicted_sum);
  print_shapes(session);
}

/// Operations per second of one linear layer of `rows` x `k` -> `o` values with its weight in
/// memory: the best of several runs.
double product_speed(std::int64_t rows, std::int64_t k, std::int64_t o, DType dtype) {
  WeightMap weights;
  weights.add(
      "weight",
      {DType::kF32, Shape{o, k},
       memory_file("zeros", std::vector<std::byte>(static_cast<std::size_t>(o * k) * 4)), 0});
  Graph graph;
  const ValueId x = graph.add_input("x", {dtype, Shape{rows, k}});
  graph.add_output(
      "y", graph.add(Linear{false, false}, {x, graph.add_weight("weight", {dtype, Shape{o, k}})}));
  Session session(std::move(graph), cpu_backend(), weights);
  double best = 0;
  for (int i = 0; i < 8; ++i) {
    const double begin = now();
    session.run();
    best = std::max(best, 2.0 * static_cast<double>(rows * k * o) / (now() - begin));
  }
  return best;
}

int run(BenchOptions options) {
  const auto number = [&](const char* name, const char* fallback) {
    return std::stoull(options.contains(name) ? options[name] : fallback);
  };
  set_threads(static_cast<int>(number("--threads", std::to_string(available_cores()).c_str())));
  const std::filesystem::path checkpoint = options["--checkpoint"];
  const OpenedModels models =
      open_models({checkpoint / "base", checkpoint / "identitynet", checkpoint / "ip-adapter.bin"});
  const WeightMap inputs = read_safetensors(open_file(options["--inputs"]));
  const DType dtype = options["--precision"] == "bf16" ? DType::kBF16 : DType::kF32;
  const auto repeat = static_cast<int>(number("--repeats", "3"));
  Workspace::Options limits;
  if (options.contains("--memory")) limits.budget_bytes = parse_memory(options["--memory"]).bytes;
  const Workspace workspace(cpu_backend(), limits);

  const StoredTensor& latent_tensor = *inputs.find("latent");
  const Size size{static_cast<int>(latent_tensor.shape[3] * models.vae.fold()),
                  static_cast<int>(latent_tensor.shape[2] * models.vae.fold())};
  Request request{.prompt = {}, .negative = {}, .width = size.w, .height = size.h};
  request.identity_strength = values_of(inputs, "identity_strength")[0];
  request.adapter_strength = values_of(inputs, "adapter_strength")[0];
  const std::vector<Stage> stages = stages_of(models, request, dtype, {});
  const ValueTypes types = value_types(models, request);
  Values values;
  for (const auto& [type, name] : {std::pair{types.text, "text"},
                                   {types.pooled, "pooled"},
                                   {types.time_ids, "time_ids"},
                                   {types.face, "face_tokens"}})
    values.make(type, values_of(inputs, name));
  {
    Session session = find_stage(stages, StageId::kKeypoints)
                          ->open(workspace.backend(), workspace.for_one_run(), {});
    const std::vector<float> planes = values_of(inputs, "keypoint_picture");
    std::vector<float> picture(planes.size());
    channels_last(planes, 3, picture);
    session.set_input("picture", picture);
    session.run();
    values.make(types.keypoints, session.output_f32("features"));
  }

  std::vector<float> noise(static_cast<std::size_t>(types.noise.type.shape.elements()));
  std::vector<double> step_seconds;
  double prepare_seconds = 0;
  if (!options.contains("--decode-only")) {
    const double start = now();
    Denoiser denoiser(*find_stage(stages, StageId::kDenoiser), workspace, values, {});
    prepare_seconds = now() - start;
    std::fprintf(stderr, "prepared in %.2f s: arena %.1f MiB, resident %.1f MiB\n", prepare_seconds,
                 static_cast<double>(denoiser.session().plan().arena_bytes) / 1048576.0,
                 static_cast<double>(denoiser.session().plan().resident_bytes) / 1048576.0);
    const std::vector<float> latent = values_of(inputs, "latent");
    const float timestep = values_of(inputs, "timestep")[0];
    for (int i = 0; i < repeat; ++i) {
      const double begin = now();
      denoiser.run(latent, timestep, noise, {});
      step_seconds.push_back(now() - begin);
    }
    if (options.contains("--profile")) print_profile(denoiser.session(), repeat);
  }

  std::vector<float> picture;
  std::vector<double> decode_seconds;
  const StoredTensor& decoded = *inputs.find("decode_latent");
  const Size picture_size{static_cast<int>(decoded.shape[3] * models.vae.fold()),
                          static_cast<int>(decoded.shape[2] * models.vae.fold())};
  for (int i = 0; i < repeat && !options.contains("--step-only"); ++i) {
    const double begin = now();
    picture = decode_latent(models, workspace, values_of(inputs, "decode_latent"), picture_size,
                            dtype, {});
    decode_seconds.push_back(now() - begin);
  }

  picture.resize(3 * static_cast<std::size_t>(picture_size.w) *
                 static_cast<std::size_t>(picture_size.h));
  std::vector<float> planes(picture.size());
  channels_first(picture, 3, planes);
  write_safetensors(
      options["--outputs"],
      std::vector<TensorBytes>{
          tensor("noise",
                 {2, latent_tensor.shape[1], latent_tensor.shape[2], latent_tensor.shape[3]},
                 noise),
          tensor("picture", {1, 3, picture_size.h, picture_size.w}, planes)});
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::string products;
  constexpr std::int64_t kProducts[][3] = {
      {1024, 1280, 1280}, {4096, 640, 640}, {2048, 1280, 10240}};
  for (const auto& [rows, k, o] : kProducts) {
    products += fmt::format("{}\"ours {}x{}x{}\": {:.0f}", products.empty() ? "" : ", ", rows, k, o,
                            product_speed(rows, k, o, dtype));
  }
  fmt::print(
      "{{\"step_seconds\": {:.4f}, \"decode_seconds\": {:.4f}, \"prepare_seconds\": {:.4f}, "
      "\"peak_rss_bytes\": {}, \"matmul_flops\": {{{}}}}}\n",
      median(step_seconds), median(decode_seconds), prepare_seconds,
      static_cast<std::uint64_t>(usage.ru_maxrss) * 1024, products);
  return 0;
}

}  // namespace
}  // namespace semblance

int main(int argc, char** argv) {
  semblance::wait_passively(argv);
  return semblance::run_bench("step", [&] {
    return semblance::run(
        semblance::options_of(argc, argv, {"--profile", "--decode-only", "--step-only"}));
  });
}
