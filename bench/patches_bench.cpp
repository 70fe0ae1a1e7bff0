// links: semblance_backend
// Weights of SDXL packed with a LoRA added: operations per second of what the LoRA adds to packing,
// and their share of this machine's peak (large f32 linear layers, measured first).
//
// On a busy machine use OMP_NUM_THREADS=1: a single thread's processor time is steady.
#include <benchmark/benchmark.h>

#include <chrono>
#include <ctime>

#include "backend/backends.h"
#include "core/convert.h"
#include "core/integers.h"
#include "core/parallel.h"
#include "memory/buffer.h"
#include "runtime/node_run.h"
#include "runtime/weight_packer.h"
#include "tests/support/random_values.h"

namespace semblance {
namespace {

using testing::random_values;

/// Processor seconds with a single thread, else wall-clock seconds.
double seconds_now() {
  if (threads() > 1)
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <typename F>
double best_seconds(F&& f) {
  double best = 1e9;
  for (int i = 0; i < 20; ++i) {
    const double begin = seconds_now();
    f();
    best = std::min(best, seconds_now() - begin);
  }
  return best;
}

double peak() {
  static const double found = [] {
    constexpr std::int64_t kSide = 1024;
    NodeRun run(cpu_backend(), Linear{},
                {{{DType::kF32, Shape{kSide, kSide}}},
                 {{DType::kF32, Shape{kSide, kSide}}, true},
                 {{DType::kF32, Shape{kSide}}, true}});
    for (std::size_t i = 0; i < 3; ++i) {
      run.set(i, random_values(i == 2 ? kSide : kSide * kSide, static_cast<unsigned>(i), 0.1F));
    }
    return 2.0 * kSide * kSide * kSide / best_seconds([&] { run.run(); });
  }();
  return found;
}

StoredTensor stored(const Shape& shape, unsigned seed) {
  const std::vector<float> values = random_values(shape.elements(), seed, 0.1F);
  std::vector<std::byte> bytes(values.size() * 2);
  from_f32(values, DType::kF16, bytes);
  return {DType::kF16, shape, memory_file("factors", std::move(bytes)), 0};
}

/// Rows, then columns of the weight; a convolution is 3x3.
void time_pack(benchmark::State& state, DType dtype, std::int64_t rows, std::int64_t columns,
               std::int64_t rank) {
  const bool is_conv = columns % 9 == 0;
  const Shape shape = is_conv ? Shape{rows, columns / 9, 3, 3} : Shape{rows, columns};
  const TensorType x = is_conv ? TensorType{dtype, Shape{1, 8, 8, columns / 9}}
                               : TensorType{dtype, Shape{64, columns}};
  const Op op = is_conv ? Op(Conv2d{.has_bias = false}) : Op(Linear{.has_bias = false});
  const NodeRun run(cpu_backend(), op, {{x}, {{dtype, shape}, true}});
  const Kernel& kernel = run.kernel();
  WeightRows weight{stored(shape, 1), {}};
  const std::vector<WeightPatch> patches{
      {.scale = 0.5F,
       .first = {.tensors = {stored({rows, rank}, 2), stored({rank, columns}, 3)},
                 .rows = rows,
                 .columns = columns,
                 .rank = rank}}};
  const RowPatcher::Needs needs = RowPatcher::needs(patches, shape, {});
  const Buffer staging(staging_bytes(kernel, 1, shape) + patch_staging_bytes(needs), Tag::kStaging);
  const Buffer packed(kernel.packed_bytes(1), Tag::kOther);
  Buffer raw(weight.bytes() + needs.factor_bytes, Tag::kRing);
  weight.read_raw(0, rows, raw.bytes().first(weight.bytes()));
  const PackedWeight target{kernel, 1, shape, staging.bytes(), packed.bytes()};
  const double plain =
      best_seconds([&] { pack(target, weight, raw.bytes().first(weight.bytes())); });
  weight.patcher =
      std::make_shared<const RowPatcher>(patches, shape, std::vector<RowRange>(), dtype);
  weight.patcher->read_factors(raw.bytes().subspan(weight.bytes()));
  double best = 1e9;
  for (auto _ : state) {
    const double begin = seconds_now();
    pack(target, weight, raw.bytes());
    const double seconds = seconds_now() - begin;
    state.SetIterationTime(seconds);
    best = std::min(best, seconds);
  }
  const double rate = 2.0 * static_cast<double>(rows * columns * rank) / (best - plain);
  state.counters["plain_ms"] = 1e3 * plain;
  state.counters["GFLOP/s"] = rate / 1e9;
  state.counters["of_peak"] = rate / peak();
}

[[maybe_unused]] const bool kAdded = [] {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const auto& [rows, columns] : {std::pair<std::int64_t, std::int64_t>{640, 640},
                                        {1280, 1280},
                                        {1280, 2048},
                                        {10240, 1280},
                                        {1280, 5120},
                                        {320, 2880},
                                        {1280, 11520},
                                        {1280, 23040}}) {
      for (const std::int64_t rank : {16, 64, 128}) {
        benchmark::RegisterBenchmark(
            fmt::format("{}x{} rank {} {}", rows, columns, rank, name_of(dtype)).c_str(),
            [=](benchmark::State& state) { time_pack(state, dtype, rows, columns, rank); })
            ->UseManualTime()
            ->Unit(benchmark::kMillisecond)
            ->MinTime(0.2);
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace semblance
