#include "backend/ref/ref.h"

#include <type_traits>

#include "backend/backends.h"
#include "backend/ref/run.h"

namespace semblance {

namespace {

bool reads_as_float(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

template <typename T>
constexpr bool kOnlyMoves =
    std::is_same_v<T, Concat> || std::is_same_v<T, Slice> || std::is_same_v<T, Transpose> ||
    std::is_same_v<T, Paste> || std::is_same_v<T, Blank> || std::is_same_v<T, Spill> ||
    std::is_same_v<T, Fetch> || std::is_same_v<T, Embedding> || std::is_same_v<T, TakeRow> ||
    std::is_same_v<T, Upsample>;

/// Group statistics are f64; their ops' infer() ensures it.
template <typename T>
constexpr int kDoublesSource = std::is_same_v<T, GroupScale> ? 1 : -1;
template <typename T>
constexpr bool kGivesDoubles = std::is_same_v<T, GroupMoments>;

template <typename T>
class ReferenceKernel : public HostKernel {
 public:
  explicit ReferenceKernel(const NodeView& node)
      : HostKernel(node), op_(node.op<T>()), dst_(node.dst()) {
    for (int i = 0; i < node.src_count(); ++i) src_.push_back(node.src(i));
  }

  std::size_t scratch_bytes() const override {
    if constexpr (std::is_same_v<T, Attention>) {
      return reference::attention_scratch_bytes(src_[1].shape, src_[2].shape, op_.heads);
    }
    if constexpr (std::is_same_v<T, ScaleLowFrequencies>)
      return reference::frequencies_scratch_bytes(src_[0].shape);
    return 0;
  }

  void run(const KernelCall& call) const override { reference::run(op_, {src_, dst_, call}); }

 private:
  T op_;
  std::vector<TensorType> src_;
  TensorType dst_;
};

template <typename T>
Made make(const NodeView& node, const Device&) {
  if constexpr (!kOnlyMoves<T>) {
    bool floats = kGivesDoubles<T> || reads_as_float(node.dst().dtype);
    for (int i = 0; i < node.src_count(); ++i)
      floats = floats && (i == kDoublesSource<T> || reads_as_float(node.src(i).dtype));
    if (!floats) return decline("sources and result must be f32, f16 or bf16");
  }
  return accept(std::make_unique<ReferenceKernel<T>>(node));
}

// Built from the closed list of ops, so that an op without a reference kernel does not compile.
template <typename... T>
std::vector<KernelEntry> entries(const std::variant<T...>*) {
  std::vector<KernelEntry> result;
  const auto add = [&]<typename U>(const U*) {
    if constexpr (!std::is_same_v<U, Reshape>)
      result.push_back({U::kName, "reference", &make<U>, false, true});
  };
  (add(static_cast<const T*>(nullptr)), ...);
  return result;
}

class ReferenceBackend : public Backend {
 public:
  std::string_view name() const override { return "ref"; }
  const Device& device() const override { return host_device(); }
  std::optional<DType> half() const override { return cpu_backend().half(); }
  std::span<const KernelEntry> kernels() const override { return reference_kernels(); }
};

}  // namespace

std::span<const KernelEntry> reference_kernels() {
  static const std::vector<KernelEntry> kernels = entries(static_cast<const Op*>(nullptr));
  return kernels;
}

const Backend& reference_backend() {
  static const ReferenceBackend backend;
  return backend;
}

}  // namespace semblance
