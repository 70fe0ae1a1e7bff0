// links: semblance_core
// Conversion of types stored in less than 16 bits to f32, compared with f16: bytes of f32 per
// second on one thread. Pieces are as large as those that are packed (weight_packer.cpp).
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "core/convert.h"

namespace semblance {
namespace {

void convert(benchmark::State& state, DType dtype) {
  constexpr std::size_t kValues = 65536;
  const StoredBlock block = block_of(dtype);
  std::mt19937 random(1);
  std::vector<std::byte> src(kValues / static_cast<std::size_t>(block.elements) * block.bytes);
  for (std::byte& byte : src) byte = static_cast<std::byte>(random() & 0x3f);
  std::vector<float> dst(kValues);
  for (auto _ : state) {
    to_f32(dtype, src, dst);
    benchmark::DoNotOptimize(dst.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kValues * sizeof(float)));
}

void add_all() {
  for (const DType dtype :
       {DType::kF16, DType::kF8E4M3, DType::kF8E5M2, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
        DType::kQ5_1, DType::kQ8_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    benchmark::RegisterBenchmark(std::string(name_of(dtype)).c_str(),
                                 [dtype](benchmark::State& state) { convert(state, dtype); });
  }
}
const bool added = (add_all(), true);

}  // namespace
}  // namespace semblance
