// The contract between the runtime and the kernels of a backend.
//
// A backend is a device and a table of kernels: for each op, the best kernel first. A kernel sees a
// node's types; it accepts and says what it needs, or declines with a reason. Two phases: make()
// and compile() choose and allocate everything that lasts; a run allocates nothing of ours. How a
// kernel is run is up to its device's executor (device.h): on the host it is a HostKernel
// (host_device.h).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "graph/graph.h"

namespace semblance {

class Device;

/// What a kernel knows about its node: types, and which sources are weights. Cheap to copy.
class NodeView {
 public:
  NodeView(const Graph& graph, const Node& node) : graph_(&graph), node_(&node) {}
  template <typename T>
  const T& op() const {
    return std::get<T>(node_->op);
  }
  const Op& any_op() const { return node_->op; }
  int src_count() const { return static_cast<int>(node_->src.size()); }
  const TensorType& src(int i) const {
    return graph_->type(node_->src[static_cast<std::size_t>(i)]);
  }
  bool src_is_weight(int i) const {
    return graph_->values()[static_cast<std::size_t>(node_->src[static_cast<std::size_t>(i)])]
               .kind == ValueKind::kWeight;
  }
  const TensorType& dst() const { return graph_->type(node_->dst); }
  double operations() const { return graph_->cost(*node_); }

 private:
  const Graph* graph_;
  const Node* node_;
};

/// Rows [first, first + count) of a weight's first axis, row-major, aligned to their elements.
struct PackRows {
  std::int64_t first = 0;
  std::int64_t count = 0;
  DType dtype = DType::kF32;
  std::span<const std::byte> bytes;

  static PackRows of(std::int64_t first, std::int64_t count, std::span<const float> values) {
    return {first, count, DType::kF32, std::as_bytes(values)};
  }
  /// Only if dtype is kF32.
  std::span<const float> f32() const;
};

/// What the planner and the packer need to know about a kernel. By default, weights are packed as
/// plain row-major values of their type.
class Kernel {
 public:
  explicit Kernel(const NodeView& node);
  virtual ~Kernel() = default;
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  /// Scratch memory during a run, of undefined content.
  virtual std::size_t scratch_bytes() const { return 0; }
  /// Whether a range of output channels, computed alone, has the same bits as in the whole result,
  /// if the op can be cut so. A faster kernel may give that up. All other parts that the op allows
  /// always have the same bits.
  virtual bool is_exact_by_channels() const { return true; }

  /// Bytes of weight source `src` once packed.
  virtual std::size_t packed_bytes(int src) const;
  /// Equal for two kernels that pack the same rows into the same bytes.
  virtual std::uint64_t layout(int src) const;
  /// Weights can be packed in slices that begin at multiples of this many rows (of the first axis).
  virtual std::int64_t pack_rows(int src) const;
  /// Whether pack() takes unconverted rows of this dtype from a file. It always takes f32; rows of
  /// any other dtype are converted to f32 first.
  virtual bool packs_raw(int src, DType file_dtype) const;
  /// Whether the packed weight is the file's bytes, if they are of this dtype: then they can be
  /// read straight into its place.
  virtual bool packs_as_is(int /*src*/, DType /*file_dtype*/) const { return false; }
  /// Packs the rows into `packed`, which is the weight's whole place. Called from several threads
  /// at once on disjoint rows; uses only the calling thread and allocates nothing lasting.
  virtual void pack(int src, const PackRows& rows, std::span<std::byte> packed) const;

  /// Allocates everything that lasts (generated code). Called once, before the first pack() or run.
  virtual void compile() {}
  /// Frees what compile() allocated; compile() is called again before the next run.
  virtual void release() {}

 private:
  std::vector<TensorType> src_;
};

/// A kernel, or the reason why it declined.
struct Made {
  std::unique_ptr<Kernel> kernel;
  std::string why_not;
};
inline Made decline(std::string why_not) { return {nullptr, std::move(why_not)}; }
inline Made accept(std::unique_ptr<Kernel> kernel) { return {std::move(kernel), {}}; }

struct KernelEntry {
  std::string_view op;    // Op's kName
  std::string_view name;  // "onednn_conv2d", for messages and benches
  Made (*make)(const NodeView& node, const Device& device);
  bool generates_code = false;  // in compile(); no Buffer counts that memory
  bool is_reference = false;    // plain loops, not worth measuring
};

/// Must outlive every kernel chosen from it.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;
  /// Where its kernels run. A whole graph runs on one device.
  virtual const Device& device() const = 0;
  /// The 16-bit type in which its kernels compute models; absent if f32 is the better choice.
  virtual std::optional<DType> half() const { return std::nullopt; }
  /// Kernels in order of preference.
  virtual std::span<const KernelEntry> kernels() const = 0;
};

/// The first kernel that accepts the node. Appends every refusal to `declined` if given. If all
/// decline, throws Error(kDevice) with the op, its types and all reasons.
struct ChosenKernel {
  std::unique_ptr<Kernel> kernel;
  const KernelEntry* entry = nullptr;
};
ChosenKernel choose_kernel(const Backend& backend, const NodeView& node,
                           std::vector<std::string>* declined = nullptr);

}  // namespace semblance
