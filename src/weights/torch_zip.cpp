#include "weights/torch_zip.h"

#include <string>
#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "weights/names.h"
#include "weights/pickle.h"
#include "weights/zip_directory.h"

namespace semblance {
namespace {

using Kind = PickleNode::Kind;
using Index = PickleNode::Index;

constexpr std::uint64_t kMaxPickleBytes = 32 << 20;  // SDXL's UNet has about 300 KB
constexpr std::size_t kMaxTensors = 200'000;
constexpr int kMaxDepth = 16;

/// The archive's root folder, with its slash: the one that contains data.pkl.
std::string root_of(const File& file, const ZipDirectory& zip) {
  constexpr std::string_view kPickle = "data.pkl";
  std::string root;
  bool found = false;
  for (const auto& [name, entry] : zip.entries()) {
    const auto slash = name.find('/');
    const auto begin = slash == std::string::npos ? 0 : slash + 1;
    if (name.substr(begin) != kPickle) continue;
    if (found) {
      fail(ErrorKind::kCorrupt,
           "cannot read {}: expected a torch archive with one data.pkl, got two", file.name());
    }
    root = name.substr(0, begin);
    found = true;
  }
  if (!found) {
    fail(ErrorKind::kCorrupt,
         "cannot read {}: it is a zip archive, but not from torch.save: it has no data.pkl",
         file.name());
  }
  return root;
}

class TorchZip {
 public:
  explicit TorchZip(std::shared_ptr<const File> file)
      : file_(std::move(file)), zip_(file_), root_(root_of(*file_, zip_)) {
    refuse_torchscript();
    const auto byteorder = zip_.entries().find(root_ + "byteorder");
    if (byteorder != zip_.entries().end() && text_of(*byteorder, 16) != "little") {
      fail(ErrorKind::kCorrupt,
           "cannot read {}: its numbers are big-endian, expected little-endian\n  save it again on "
           "an x86 or ARM machine",
           file_->name());
    }
  }

  WeightMap read() {
    const std::string bytes = text_of(*zip_.entries().find(root_ + "data.pkl"), kMaxPickleBytes);
    pickle_ = read_pickle(file_->name(), bytes);
    if (node(pickle_.top).kind != Kind::kDict) {
      fail(ErrorKind::kCorrupt,
           "cannot read {}: expected a dict of names and tensors, got something else\n  save it "
           "again with torch.save(model.state_dict())",
           file_->name());
    }
    add_dict("", pickle_.top, 0);
    return std::move(weights_);
  }

 private:
  const PickleNode& node(Index index) const { return pickle_.nodes[index]; }

  void refuse_torchscript() const {
    for (const auto& [name, entry] : zip_.entries()) {
      const std::string_view inside = name.starts_with(root_)
                                          ? std::string_view(name).substr(root_.size())
                                          : std::string_view();
      if (inside == "constants.pkl" || inside.starts_with("code/")) {
        fail(ErrorKind::kCorrupt,
             "cannot read {}: expected a checkpoint of tensors, got a TorchScript archive (a "
             "program)\n  load it with torch.jit.load and save it again with "
             "torch.save(model.state_dict())",
             file_->name());
      }
    }
  }

  std::string text_of(const ZipDirectory::Entries::value_type& entry,
                      std::uint64_t limit_bytes) const {
    const std::uint64_t offset = zip_.locate(entry);
    if (entry.second.bytes > limit_bytes) {
      fail(ErrorKind::kCorrupt, "cannot read {}: its entry {} has {} bytes, at most {} are allowed",
           file_->name(), entry.first, entry.second.bytes, limit_bytes);
    }
    std::string text(entry.second.bytes, '\0');
    file_->read(offset, std::as_writable_bytes(std::span(text)));
    return text;
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
      if (++visited_ > kMaxTensors * 2) {
        fail(ErrorKind::kCorrupt, "cannot read {}: it names more than {} values", file_->name(),
             kMaxTensors * 2);
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
      if (name.size() > kMaxNameBytes) {
        fail(ErrorKind::kCorrupt, "cannot read {}: a name in it is longer than {} bytes",
             file_->name(), kMaxNameBytes);
      }
      if (value.kind == Kind::kDict) {
        add_dict(name + ".", children[i + 1], depth + 1);
      } else {
        weights_.add(name, stored(name, value));
      }
    }
  }

  struct Storage {
    std::uint64_t offset;
    std::int64_t elements;
  };

  Storage storage_of(Index index) {
    const auto known = storages_.find(index);
    if (known != storages_.end()) return known->second;
    const PickleNode& storage = node(index);
    const std::string entry_name = root_ + "data/" + storage.text;
    const auto entry = zip_.entries().find(entry_name);
    if (entry == zip_.entries().end()) {
      fail(ErrorKind::kCorrupt, "cannot read {}: it has no entry {}, which its pickle refers to",
           file_->name(), printable(entry_name));
    }
    const std::uint64_t width = size_of(storage.dtype);
    if (entry->second.bytes % width != 0 ||
        entry->second.bytes / width != static_cast<std::uint64_t>(storage.integer)) {
      fail(ErrorKind::kCorrupt,
           "cannot read {}: its entry {} has {} bytes, its pickle says {} elements of {}",
           file_->name(), entry_name, entry->second.bytes, storage.integer, name_of(storage.dtype));
    }
    return storages_[index] = {.offset = zip_.locate(*entry), .elements = storage.integer};
  }

  StoredTensor stored(const std::string& name, const PickleNode& tensor) {
    const DType dtype = node(tensor.children[0]).dtype;
    const Storage storage = storage_of(tensor.children[0]);
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

  static constexpr std::size_t kMaxNameBytes = 4096;

  std::shared_ptr<const File> file_;
  ZipDirectory zip_;
  std::string root_;
  Pickle pickle_;
  WeightMap weights_;
  std::unordered_map<Index, Storage> storages_;
  std::size_t visited_ = 0;
};

}  // namespace

WeightMap read_torch_zip(std::shared_ptr<const File> file) {
  return TorchZip(std::move(file)).read();
}

}  // namespace semblance
