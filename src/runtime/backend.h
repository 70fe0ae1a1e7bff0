// The contract between the runtime and the kernels of a backend.
//
// A backend is a device and an ordered table: for every op some kernels, the best first. A kernel
// is asked with a node's types; it accepts, booking what it needs, or declines with a reason. Two
// phases: make() and compile() choose and allocate all that the library wants to keep; a run
// allocates nothing of ours. How a kernel is run is between it and its device's executor
// (device.h): on the host it is a HostKernel (host_device.h).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "graph/graph.h"

namespace semblance {

class Device;

/// What a kernel may know of its node: types, and which sources are weights. Cheap to copy.
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
  /// Of kF32.
  std::span<const float> f32() const;
};

/// What the planner and the packer ask of a kernel. By default its weights are used as plain
/// row-major values of their type.
class Kernel {
 public:
  explicit Kernel(const NodeView& node);
  virtual ~Kernel() = default;
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  /// Of undefined content, while it runs.
  virtual std::size_t scratch_bytes() const { return 0; }
  /// Whether a part of the output channels has the bits of the whole, where the op may be sliced by
  /// them: a faster kernel may give that up. Every other slice that the op allows has them always.
  virtual bool keeps_bits_by_output_channels() const { return true; }

  /// Bytes of weight source `src` as a run wants it.
  virtual std::size_t packed_bytes(int src) const;
  /// Equal for two kernels that pack the same rows into the same bytes.
  virtual std::uint64_t layout(int src) const;
  /// Packing may be done in slices that begin at multiples of this many rows (of the first axis).
  virtual std::int64_t pack_rows(int src) const;
  /// Whether pack() takes rows of a file of this dtype as they lie there. It takes f32 in any case,
  /// to which all other rows are converted.
  virtual bool packs_raw(int src, DType file_dtype) const;
  /// Packs the rows into `packed`, the whole place. Called from several threads at once on disjoint
  /// rows; runs on the calling thread alone and allocates nothing lasting.
  virtual void pack(int src, const PackRows& rows, std::span<std::byte> packed) const;

  /// Takes everything that lasts (generated code). Called once, before the first pack() or run.
  virtual void compile() {}
  /// Gives back what compile() took; compile() comes again before the next run.
  virtual void release() {}

 private:
  std::vector<TensorType> src_;
};

/// A kernel, or the reason why not.
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
  bool generates_code = false;  // in compile(): memory that no Buffer counts
  bool is_reference = false;    // plain loops, which are not worth measuring
};

/// Lives as long as anything that was chosen from it.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;
  /// Where its kernels run. A graph runs wholly on it.
  virtual const Device& device() const = 0;
  /// Kernels in the order in which they are asked.
  virtual std::span<const KernelEntry> kernels() const = 0;
};

/// The first kernel that accepts the node; appends every refusal to `declined` if given. Throws
/// Error(kDevice) naming the op, its types and all reasons when none does.
struct ChosenKernel {
  std::unique_ptr<Kernel> kernel;
  const KernelEntry* entry = nullptr;
};
ChosenKernel choose_kernel(const Backend& backend, const NodeView& node,
                           std::vector<std::string>* declined = nullptr);

}  // namespace semblance
