#include "check/random_weights.h"

#include <cstring>
#include <random>
#include <vector>

#include "pipeline/values.h"

namespace semblance::checking {
namespace {

/// A file of any size, full of small random numbers in f16, which are made as fast as a file in the
/// page cache is read.
class RandomFile : public File {
 public:
  explicit RandomFile(std::uint64_t bytes) : bytes_(bytes), numbers_(kBlock / 2) {
    std::mt19937 random(1);
    // Between 1/64 and 1/32, of either sign: results stay far from f16's limits.
    for (std::uint16_t& number : numbers_) {
      const auto bits = static_cast<std::uint32_t>(random());
      number = static_cast<std::uint16_t>((bits >> 31 << 15) | 0x2400U | (bits & 0x3ffU));
    }
  }
  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return bytes_; }
  double cached_share() const override { return 1; }
  void read(std::uint64_t offset, std::span<std::byte> dst) const override {
    const auto block = std::as_bytes(std::span(numbers_));
    while (!dst.empty()) {
      const std::span<const std::byte> rest = block.subspan(offset % kBlock);
      const std::size_t count = std::min(rest.size(), dst.size());
      std::memcpy(dst.data(), rest.data(), count);
      dst = dst.subspan(count);
      offset += count;
    }
  }

 private:
  static constexpr std::size_t kBlock = std::size_t{8} << 20;
  std::string name_ = "random weights";
  std::uint64_t bytes_;
  std::vector<std::uint16_t> numbers_;
};

}  // namespace

WeightMap random_weights(const Graph& graph) {
  std::uint64_t bytes = 0;
  std::vector<std::pair<const ValueInfo*, std::uint64_t>> places;
  for (const ValueInfo& value : graph.values()) {
    if (value.kind != ValueKind::kWeight) continue;
    places.emplace_back(&value, bytes);
    bytes += 2 * static_cast<std::uint64_t>(value.type.shape.elements());
  }
  const auto file = std::make_shared<const RandomFile>(bytes);
  WeightMap weights;
  for (const auto& [value, offset] : places) {
    weights.add(value->name,
                {.dtype = DType::kF16, .shape = value->type.shape, .file = file, .offset = offset});
  }
  return weights;
}

void set_random_inputs(Session& session, const Graph& graph) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (const ValueInfo& value : graph.values()) {
    if (value.kind != ValueKind::kInput) continue;
    Values values;
    Tensor& tensor = values.make({value.name, {DType::kF32, value.type.shape}});
    for (float& number : tensor.f32()) number = uniform(random);
    set_input(session, value.name, tensor);
  }
}

}  // namespace semblance::checking
