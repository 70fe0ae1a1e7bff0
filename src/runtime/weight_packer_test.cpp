#include "runtime/weight_packer.h"

#include <gtest/gtest.h>

#include <mutex>
#include <numeric>
#include <set>

#include "core/convert.h"
#include "tests/support/op_case.h"

namespace semblance {
namespace {

/// Packs its weight as f16, and takes unconverted rows of an f16 file.
class HalfKernel : public Kernel {
 public:
  explicit HalfKernel(const NodeView& node) : Kernel(node), columns_(node.src(1).shape[1]) {}
  bool packs_raw(int, DType file_dtype) const override { return file_dtype == DType::kF16; }
  void pack(int, const PackRows& rows, std::span<std::byte> packed) const override {
    const auto row_bytes = static_cast<std::size_t>(columns_) * 2;
    const auto place = packed.subspan(static_cast<std::size_t>(rows.first) * row_bytes,
                                      static_cast<std::size_t>(rows.count) * row_bytes);
    if (rows.dtype == DType::kF16) {
      std::copy(rows.bytes.begin(), rows.bytes.end(), place.begin());
    } else {
      from_f32(rows.f32(), DType::kF16, place);
    }
    const std::scoped_lock lock(mutex_);
    seen_.insert(rows.dtype);
  }
  const std::set<DType>& seen() const { return seen_; }

 private:
  std::int64_t columns_;
  mutable std::mutex mutex_;
  mutable std::set<DType> seen_;
};

class PackedFrom : public ::testing::TestWithParam<DType> {};

TEST_P(PackedFrom, EachDTypeHasTheKernelsLayout) {
  const DType dtype = GetParam();
  const Shape shape{500, 300};  // several slices
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  std::iota(values.begin(), values.end(), 0.0F);
  for (float& value : values) value = static_cast<float>(static_cast<int>(value) % 251);
  std::vector<std::byte> stored(values.size() * size_of(dtype)), want(values.size() * 2);
  from_f32(values, dtype, stored);
  from_f32(values, DType::kF16, want);

  const Graph graph = testing::graph_of_case("linear f32[2,300] w:f16[500,300] has_bias=false");
  const NodeView node(graph, graph.nodes()[0]);
  const WeightRows file{{dtype, shape, memory_file("weights", stored), 0}, {}};
  for (const bool from_file : {false, true}) {
    const HalfKernel kernel(node);
    std::vector<std::byte> packed(kernel.packed_bytes(1));
    std::vector<std::byte> staging(staging_bytes(kernel, 1, shape));
    std::vector<std::byte> raw(raw_staging_bytes(kernel, 1, shape, dtype));
    const PackedWeight target{kernel, 1, shape, staging, packed};
    from_file ? read_and_pack(target, file, raw) : pack(target, file, stored);
    EXPECT_TRUE(packed == want) << from_file;
    EXPECT_EQ(kernel.seen(), std::set{dtype == DType::kF16 ? DType::kF16 : DType::kF32});
  }
}

INSTANTIATE_TEST_SUITE_P(Files, PackedFrom,
                         ::testing::Values(DType::kF16, DType::kBF16, DType::kF32),
                         [](const auto& info) { return std::string(name_of(info.param)); });

}  // namespace
}  // namespace semblance
