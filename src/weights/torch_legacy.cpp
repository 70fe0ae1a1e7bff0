#include "weights/torch_legacy.h"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "weights/names.h"
#include "weights/torch_tensors.h"

namespace semblance {
namespace {

using Kind = PickleNode::Kind;
using Index = PickleNode::Index;

// 0x1950a86a20f9469cfc6c, and the end of its pickle.
constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 11);
constexpr std::size_t kMagicWithin = 32;
constexpr std::int64_t kVersion = 1001;

class TorchLegacy {
 public:
  explicit TorchLegacy(std::shared_ptr<const File> file) : file_(std::move(file)) {
    head_.resize(std::min(file_->size(), kMaxPickleBytes));
    file_->read(0, std::as_writable_bytes(std::span(head_)));
    at_ = std::string_view(head_).substr(0, kMagicWithin).find(kMagic) + kMagic.size();
  }

  WeightMap read() {
    if (const Pickle version = next(); version.nodes[version.top].integer != kVersion)
      refuse("its version is not 1001, the only one known");
    check_machine(next());
    const Pickle dict = next();
    const Pickle keys = next();
    find_storages(dict, keys);
    return torch_tensors(dict, file_, [this](const PickleNode& node) { return place_of(node); });
  }

 private:
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> reason, Args&&... args) const {
    fail(ErrorKind::kCorrupt,
         "cannot read {}: {}\n  load it with a recent torch and save it again with "
         "torch.save(state_dict)",
         file_->name(), fmt::format(reason, std::forward<Args>(args)...));
  }

  Pickle next() {
    Pickle pickle = read_pickle(file_->name(), std::string_view(head_).substr(at_));
    at_ += pickle.bytes;
    return pickle;
  }

  /// {"protocol_version": 1001, "little_endian": True, "type_sizes": {...}}
  void check_machine(const Pickle& said) const {
    const PickleNode& top = said.nodes[said.top];
    if (top.kind != Kind::kDict) refuse("it has no description of the machine that wrote it");
    for (std::size_t i = 0; i + 1 < top.children.size(); i += 2) {
      const PickleNode& value = said.nodes[top.children[i + 1]];
      if (said.nodes[top.children[i]].text == "little_endian" && value.integer == 0)
        refuse("its numbers are big-endian, expected little-endian");
    }
  }

  /// The storages are in the order of `keys`; the dict gives the size of their elements.
  void find_storages(const Pickle& dict, const Pickle& keys) {
    std::unordered_map<std::string, DType> dtypes;
    for (const PickleNode& node : dict.nodes) {
      if (node.kind == Kind::kStorage) dtypes.emplace(node.text, node.dtype);
    }
    const PickleNode& list = keys.nodes[keys.top];
    if (list.kind != Kind::kList) refuse("it has no list of its storages");
    std::uint64_t at = at_;
    for (Index index : list.children) {
      const std::string& key = keys.nodes[index].text;
      const auto dtype = dtypes.find(key);
      if (dtype == dtypes.end())
        refuse("it has a storage {}, which its pickle does not mention", printable(key));
      const std::uint64_t elements = number(at);
      at += sizeof(elements);
      const std::uint64_t width = size_of(dtype->second);
      if (elements > (file_->size() - at) / width) {
        fail(
            ErrorKind::kCorrupt,
            "cannot read {}: its storage {} has {} elements of {}, the file ends after {} bytes\n  "
            "the download was probably interrupted: download it again",
            file_->name(), printable(key), elements, name_of(dtype->second), file_->size() - at);
      }
      places_[key] = {.offset = at, .elements = static_cast<std::int64_t>(elements)};
      at += elements * width;
    }
  }

  std::uint64_t number(std::uint64_t at) const {
    std::array<std::byte, 8> raw{};
    if (raw.size() > file_->size() - at) {
      fail(ErrorKind::kCorrupt,
           "cannot read {}: it ends before its storages do\n  the download was probably "
           "interrupted: download it again",
           file_->name());
    }
    file_->read(at, raw);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < raw.size(); ++i)
      value |= std::to_integer<std::uint64_t>(raw[i]) << (8 * i);
    return value;
  }

  StoragePlace place_of(const PickleNode& storage) const {
    const auto place = places_.find(storage.text);
    if (place == places_.end())
      refuse("it lacks the storage {}, to which its pickle refers", printable(storage.text));
    if (place->second.elements != storage.integer) {
      refuse("its storage {} has {} elements, its pickle says {}", printable(storage.text),
             place->second.elements, storage.integer);
    }
    return place->second;
  }

  std::shared_ptr<const File> file_;
  std::string head_;
  std::size_t at_ = 0;
  std::unordered_map<std::string, StoragePlace> places_;
};

}  // namespace

bool is_torch_legacy(std::string_view head) {
  return head.starts_with('\x80') &&
         head.substr(0, kMagicWithin).find(kMagic) != std::string_view::npos;
}

WeightMap read_torch_legacy(std::shared_ptr<const File> file) {
  return TorchLegacy(std::move(file)).read();
}

}  // namespace semblance
