// links: semblance_backend
// Kernels at the shapes of SDXL: operations and bytes per second, and the share of this machine's
// peak (the fastest of a few large linear layers, measured first).
// tools/oracle/kernels.py times torch on the same shapes.
//
// On a busy machine use OMP_NUM_THREADS=1 and the column CPU: a single thread's processor time is
// steady. On an idle machine use all threads and the column Time.
#include <benchmark/benchmark.h>

#include <chrono>
#include <ctime>
#include <functional>

#include "backend/backends.h"
#include "core/parallel.h"
#include "runtime/node_run.h"
#include "tests/support/random_values.h"

namespace semblance {
namespace {

using testing::random_values;

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Processor seconds with a single thread, else wall-clock seconds.
double seconds_now() {
  if (threads() == 1) return processor_seconds();
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

NodeRun filled(const Op& op, const std::vector<NodeRun::Source>& sources) {
  NodeRun run(cpu_backend(), op, sources);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    run.set(i, random_values(sources[i].type.shape.elements(), static_cast<unsigned>(i), 0.1F));
  }
  return run;
}

double best_seconds(NodeRun& run, int times) {
  double best = 1e9;
  for (int i = 0; i < times; ++i) {
    const double begin = seconds_now();
    run.run();
    best = std::min(best, seconds_now() - begin);
  }
  return best;
}

NodeRun linear(DType dtype, std::int64_t rows, std::int64_t k, std::int64_t o) {
  return filled(
      Linear{},
      {{{dtype, Shape{rows, k}}}, {{dtype, Shape{o, k}}, true}, {{DType::kF32, Shape{o}}, true}});
}

/// Operations per second of the fastest of a few linear layers.
double peak(DType dtype) {
  static double peaks[2] = {0, 0};
  double& known = peaks[dtype == DType::kBF16 ? 1 : 0];
  if (known == 0) {
    for (const std::int64_t width : {512, 1024}) {
      NodeRun run = linear(dtype, 1024, width, width);
      known =
          std::max(known, 2.0 * 1024 * static_cast<double>(width * width) / best_seconds(run, 10));
    }
  }
  return known;
}

void time_run(benchmark::State& state, NodeRun run, DType dtype, double operations, double bytes) {
  const double reachable = operations > 0 ? peak(dtype) : 0;
  run.run();
  double best = 1e9;
  for (auto _ : state) {
    const double begin = seconds_now();
    run.run();
    const double seconds = seconds_now() - begin;
    state.SetIterationTime(seconds);
    best = std::min(best, seconds);
  }
  if (operations > 0) {
    state.counters["GFLOP/s"] = operations / best / 1e9;
    state.counters["of_peak"] = operations / best / reachable;
  }
  if (bytes > 0) state.counters["GB/s"] = bytes / best / 1e9;
  state.SetLabel(std::string(run.entry().name));
}

void add(const std::string& name, DType dtype, double operations, double bytes,
         std::function<NodeRun()> make) {
  benchmark::RegisterBenchmark(
      fmt::format("{}/{}", name, name_of(dtype)).c_str(),
      [=](benchmark::State& state) { time_run(state, make(), dtype, operations, bytes); })
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond)
      ->MinTime(0.3);
}

void add_conv(DType dtype, std::int64_t n, std::int64_t size, std::int64_t c, std::int64_t o) {
  add(fmt::format("conv3x3/{}x{}x{}x{}->{}", n, size, size, c, o), dtype,
      18.0 * static_cast<double>(n * size * size * c * o), 0, [=] {
        Conv2d op;
        op.pad = {1, 1, 1, 1};
        return filled(op, {{{dtype, Shape{n, size, size, c}}},
                           {{dtype, Shape{o, c, 3, 3}}, true},
                           {{DType::kF32, Shape{o}}, true}});
      });
}

void add_linear(DType dtype, std::int64_t rows, std::int64_t k, std::int64_t o) {
  add(fmt::format("linear/{}x{}->{}", rows, k, o), dtype, 2.0 * static_cast<double>(rows * k * o),
      0, [=] { return linear(dtype, rows, k, o); });
}

void add_attention(DType dtype, std::int64_t n, std::int64_t heads, std::int64_t queries,
                   std::int64_t keys, std::int64_t d) {
  add(fmt::format("attention/{}x{}x{}x{}x{}", n, heads, queries, keys, d), dtype,
      4.0 * static_cast<double>(n * heads * queries * keys * d), 0, [=] {
        const Shape q{n, queries, heads * d};
        const Shape k{n, keys, heads * d};
        return filled(Attention{.heads = heads}, {{{dtype, q}}, {{dtype, k}}, {{dtype, k}}});
      });
}

void add_rest(DType dtype) {
  const double element = static_cast<double>(size_of(dtype));
  const auto f32 = [](std::int64_t c) { return NodeRun::Source{{DType::kF32, Shape{c}}, true}; };
  const auto moved = [=](std::int64_t elements) {
    return 2 * element * static_cast<double>(elements);
  };
  const Shape picture{2, 64, 64, 640};
  const Shape tokens{2, 1024, 1280};
  add("group_norm_silu/2x64x64x640", dtype, 0, moved(picture.elements()), [=] {
    return filled(GroupNorm{.silu = true}, {{{dtype, picture}}, f32(640), f32(640)});
  });
  add("layer_norm/2x1024x1280", dtype, 0, moved(tokens.elements()), [=] {
    return filled(LayerNorm{}, {{{dtype, tokens}}, f32(1280), f32(1280)});
  });
  add("geglu/2x1024x10240", dtype, 0, moved(2 * 1024 * 5120) * 1.5, [=] {
    return filled(Geglu{}, {{{dtype, Shape{2, 1024, 10240}}}});
  });
  add("silu/2x64x64x640", dtype, 0, moved(picture.elements()), [=] {
    return filled(Unary{}, {{{dtype, picture}}});
  });
  add("add/2x64x64x640", dtype, 0, moved(picture.elements()) * 1.5, [=] {
    return filled(Binary{}, {{{dtype, picture}}, {{dtype, picture}}});
  });
  add("concat/2x64x64x(640,320)", dtype, 0, moved(2 * 64 * 64 * 960), [=] {
    return filled(Concat{}, {{{dtype, picture}}, {{dtype, Shape{2, 64, 64, 320}}}});
  });
  add("transpose/2x64x64x640->nchw", dtype, 0, moved(picture.elements()), [=] {
    return filled(Transpose{.perm = {0, 3, 1, 2}}, {{{dtype, picture}}});
  });
}

/// Packing on one thread, in bytes of f32 read.
void add_pack(DType dtype, const Op& op, const Shape& weight, const Shape& x) {
  benchmark::RegisterBenchmark(
      fmt::format("pack/{}/{}", to_string(weight), name_of(dtype)).c_str(),
      [=](benchmark::State& state) {
        NodeRun run(
            cpu_backend(), op,
            {{{dtype, x}}, {{dtype, weight}, true}, {{DType::kF32, Shape{weight[0]}}, true}});
        const std::vector<float> values = random_values(weight.elements(), 1);
        double best = 1e9;
        for (auto _ : state) {
          const double begin = processor_seconds();
          run.set(1, values);
          const double seconds = processor_seconds() - begin;
          state.SetIterationTime(seconds);
          best = std::min(best, seconds);
        }
        state.counters["GB/s"] = 4.0 * static_cast<double>(weight.elements()) / best / 1e9;
      })
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond)
      ->MinTime(0.3);
}

void add_all(DType dtype) {
  add_conv(dtype, 2, 64, 320, 320);
  add_conv(dtype, 2, 32, 1280, 1280);
  add_conv(dtype, 1, 128, 256, 256);
  add_linear(dtype, 2048, 1280, 1280);
  add_linear(dtype, 2048, 1280, 10240);
  add_linear(dtype, 2048, 5120, 1280);
  add_linear(dtype, 2, 1280, 1280);
  add_attention(dtype, 2, 10, 1024, 1024, 64);
  add_attention(dtype, 2, 20, 256, 256, 64);
  add_attention(dtype, 2, 20, 1024, 77, 64);
  add_attention(dtype, 1, 1, 4096, 4096, 512);
  add_rest(dtype);
  Conv2d conv;
  conv.pad = {1, 1, 1, 1};
  add_pack(dtype, Linear{}, {1280, 1280}, {1024, 1280});
  add_pack(dtype, Linear{}, {10240, 1280}, {1024, 1280});
  add_pack(dtype, conv, {640, 640, 3, 3}, {2, 32, 32, 640});
}

}  // namespace
}  // namespace semblance

int main(int argc, char** argv) {
  semblance::add_all(semblance::DType::kF32);
  if (semblance::has_native_bf16()) semblance::add_all(semblance::DType::kBF16);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
