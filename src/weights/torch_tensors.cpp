#include "weights/torch_tensors.h"

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/error.h"
#include "weights/names.h"

namespace semblance {
namespace {

using Kind = PickleNode::Kind;
using Index = PickleNode::Index;

constexpr std::size_t kMaxTorchTensors = 200'000;
constexpr int kMaxDepth = 16;
constexpr std::size_t kMaxTorchNameBytes = 4096;

class TorchReader {
 public:
  TorchReader(const Pickle& pickle, std::shared_ptr<const File> file, FindStorage find)
      : pickle_(pickle), file_(std::move(file)), find_(std::move(find)) {}

  WeightMap read() {
    const Index top = state_dict(pickle_.top);
    if (node(top).kind != Kind::kDict) {
      const std::string what = node(top).kind == Kind::kObject
                                   ? fmt::format("an object ({})", printable(node(top).text))
                                   : "something else";
      fail(ErrorKind::kCorrupt,
           "cannot read {}: expected a dict of names and tensors, got {}\n  save it "
           "again with torch.save(model.state_dict())",
           file_->name(), what);
    }
    add_dict("", top, 0);
    return std::move(weights_);
  }

 private:
  const PickleNode& node(Index index) const { return pickle_.nodes[index]; }

  /// The innermost dict under "state_dict"; the given value if there is none.
  Index state_dict(Index index) const {
    for (int depth = 0; depth < kMaxDepth && node(index).kind == Kind::kDict; ++depth) {
      const std::vector<Index>& children = node(index).children;
      Index inner = index;
      for (std::size_t i = 0; i < children.size(); i += 2) {
        const bool is_it = node(children[i]).kind == Kind::kText &&
                           node(children[i]).text == "state_dict" &&
                           node(children[i + 1]).kind == Kind::kDict;
        if (is_it) inner = children[i + 1];
      }
      if (inner == index) break;
      index = inner;
    }
    return index;
  }

  void add_dict(const std::string& prefix, Index index, int depth) {
    if (depth > kMaxDepth) {
      fail(ErrorKind::kCorrupt, "cannot read {}: its dicts are nested more than {} deep",
           file_->name(), kMaxDepth);
    }
    const std::vector<Index>& children = node(index).children;
    for (std::size_t i = 0; i < children.size(); i += 2) {
      const PickleNode& key = node(children[i]);
      const PickleNode& value = node(children[i + 1]);
      // A dict can be in many dicts at once, so a few bytes can expand to endless names.
      if (++visited_ > kMaxTorchTensors * 2) {
        fail(ErrorKind::kCorrupt, "cannot read {}: it names more than {} values", file_->name(),
             kMaxTorchTensors * 2);
      }
      if (value.kind != Kind::kTensor && value.kind != Kind::kDict) continue;
      if (key.kind != Kind::kText && key.kind != Kind::kInteger) {
        fail(ErrorKind::kCorrupt,
             "cannot read {}: a name in its dicts is neither text nor a number", file_->name());
      }
      const std::string name =
          prefix + (key.kind == Kind::kText ? key.text : std::to_string(key.integer));
      if (has_control_bytes(name)) {
        fail(ErrorKind::kCorrupt, "cannot read {}: the name \"{}\" has a control character",
             file_->name(), printable(name));
      }
      if (name.size() > kMaxTorchNameBytes) {
        fail(ErrorKind::kCorrupt, "cannot read {}: a name in it is longer than {} bytes",
             file_->name(), kMaxTorchNameBytes);
      }
      if (value.kind == Kind::kDict) {
        add_dict(name + ".", children[i + 1], depth + 1);
      } else {
        weights_.add(name, stored(name, value));
      }
    }
  }

  StoragePlace place_of(Index index) {
    const auto known = places_.find(index);
    if (known != places_.end()) return known->second;
    return places_[index] = find_(node(index));
  }

  StoredTensor stored(const std::string& name, const PickleNode& tensor) {
    const DType dtype = node(tensor.children[0]).dtype;
    const StoragePlace storage = place_of(tensor.children[0]);
    StoredTensor made{.dtype = dtype, .shape = shape_of(name, tensor), .file = file_, .offset = 0};
    const std::int64_t elements = made.shape.elements();
    if (elements == 0) return made;
    std::int64_t stride = 1;
    for (std::size_t axis = tensor.sizes.size(); axis-- > 0;) {
      if (tensor.sizes[axis] != 1 && tensor.strides[axis] != stride) {
        fail(ErrorKind::kCorrupt,
             "cannot read {}: tensor {} is not stored in row-major order (axis {} has stride {}, "
             "expected {})\n  save it again with .contiguous()",
             file_->name(), name, axis, tensor.strides[axis], stride);
      }
      stride *= tensor.sizes[axis];
    }
    if (tensor.integer < 0 || tensor.integer > storage.elements ||
        elements > storage.elements - tensor.integer) {
      fail(ErrorKind::kCorrupt,
           "cannot read {}: tensor {} takes {} elements from {} on, its storage has {}",
           file_->name(), name, elements, tensor.integer, storage.elements);
    }
    made.offset = storage.offset + static_cast<std::uint64_t>(tensor.integer) * size_of(dtype);
    return made;
  }

  Shape shape_of(const std::string& name, const PickleNode& tensor) const {
    try {
      return Shape(tensor.sizes);
    } catch (const Error& error) {
      fail(ErrorKind::kCorrupt, "cannot read {}: tensor {}: {}", file_->name(), name, error.what());
    }
  }

  const Pickle& pickle_;
  std::shared_ptr<const File> file_;
  FindStorage find_;
  WeightMap weights_;
  std::unordered_map<Index, StoragePlace> places_;
  std::size_t visited_ = 0;
};

}  // namespace

WeightMap torch_tensors(const Pickle& pickle, std::shared_ptr<const File> file, FindStorage find) {
  return TorchReader(pickle, std::move(file), std::move(find)).read();
}

}  // namespace semblance
