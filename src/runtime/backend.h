// The contract between the runtime and the kernels of a backend.
//
// A backend is an ordered table: for every op some kernels, the best first. A kernel is asked with
// a node's types; it accepts, booking what it needs, or declines with a reason. Two phases: make()
// and compile() choose and allocate all that the library wants to keep; run() allocates nothing of
// ours and cannot fail but for a bug.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "graph/graph.h"

namespace semblance {

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

/// The bytes of one run. src[i] is a packed weight where source i is a weight (see Kernel::pack),
/// else plain values; pointers are aligned to 64 bytes. dst may equal the source that the op may
/// overwrite. Views are not run.
struct KernelCall {
  std::span<const std::byte* const> src;
  std::byte* dst = nullptr;
  std::byte* scratch = nullptr;  // scratch_bytes() of it, undefined content
};

class Kernel {
 public:
  virtual ~Kernel() = default;

  virtual std::size_t scratch_bytes() const { return 0; }
  /// Whether a part of the output channels has the bits of the whole, where the op may be sliced by
  /// them: a faster kernel may give that up. Every other slice that the op allows has them always.
  virtual bool keeps_bits_by_output_channels() const { return true; }

  /// Bytes of weight source `src` as run() wants it. By default its values in the type's dtype,
  /// row-major.
  virtual std::size_t packed_bytes(int src) const = 0;
  /// Equal for two kernels that pack the same rows into the same bytes.
  virtual std::uint64_t layout(int src) const = 0;
  /// Packing may be done in slices that begin at multiples of this many rows (of the first axis).
  virtual std::int64_t pack_rows(int src) const = 0;
  /// Packs rows [first_row, first_row + rows) of the weight, given as plain f32, into `packed`, the
  /// whole place. Called from several threads at once on disjoint rows; runs on the calling thread
  /// alone and allocates nothing lasting.
  virtual void pack(int src, std::int64_t first_row, std::int64_t rows,
                    std::span<const float> plain, std::span<std::byte> packed) const = 0;

  /// Takes everything that lasts (generated code). Called once, before the first pack() or run().
  virtual void compile() {}
  /// Gives back what compile() took; compile() comes again before the next run.
  virtual void release() {}
  /// Computes on all threads of the pool.
  virtual void run(const KernelCall& call) const = 0;
};

/// A kernel whose weights are used as plain row-major values of their type: most of them.
class PlainKernel : public Kernel {
 public:
  explicit PlainKernel(const NodeView& node);
  std::size_t packed_bytes(int src) const override {
    return types_[static_cast<std::size_t>(src)].bytes();
  }
  std::uint64_t layout(int) const override { return 0; }
  std::int64_t pack_rows(int) const override { return 1; }
  void pack(int src, std::int64_t first_row, std::int64_t rows, std::span<const float> plain,
            std::span<std::byte> packed) const override;

 private:
  std::vector<TensorType> types_;
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
  Made (*make)(const NodeView& node);
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;
  /// Kernels in the order in which they are asked.
  virtual std::span<const KernelEntry> kernels() const = 0;
};

/// The first kernel that accepts the node; appends every refusal to `declined` if given. Throws
/// Error(kDevice) naming the op, its types and all reasons when none does.
struct ChosenKernel {
  std::unique_ptr<Kernel> kernel;
  std::string_view name;
};
ChosenKernel choose_kernel(const Backend& backend, const NodeView& node,
                           std::vector<std::string>* declined = nullptr);

}  // namespace semblance
