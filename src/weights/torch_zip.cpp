#include "weights/torch_zip.h"

#include <string>

#include "core/error.h"
#include "weights/names.h"
#include "weights/torch_tensors.h"
#include "weights/zip_directory.h"

namespace semblance {
namespace {

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
    const Pickle pickle = read_pickle(file_->name(), bytes);
    return torch_tensors(pickle, file_, [this](const PickleNode& node) { return place_of(node); });
  }

 private:
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

  StoragePlace place_of(const PickleNode& storage) const {
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
    return {.offset = zip_.locate(*entry), .elements = storage.integer};
  }

  std::shared_ptr<const File> file_;
  ZipDirectory zip_;
  std::string root_;
};

}  // namespace

WeightMap read_torch_zip(std::shared_ptr<const File> file) {
  return TorchZip(std::move(file)).read();
}

}  // namespace semblance
