#include "weights/safetensors.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/error.h"
#include "weights/json_events.h"
#include "weights/names.h"

namespace semblance {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr std::size_t kMaxTensors = 200'000;            // SDXL in one file has about 2,500

struct Entry {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> range;  // data_offsets: begin, end
  bool has_dtype = false;
  bool has_shape = false;
  bool has_range = false;
};

/// {"name": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}, ...}
class HeaderEvents final : public JsonEvents {
 public:
  explicit HeaderEvents(std::string file)
      : JsonEvents(std::move(file),
                   "a safetensors header: {\"name\": {\"dtype\": \"F16\", \"shape\": [2, 3], "
                   "\"data_offsets\": [0, 12]}, ...}") {}

  std::vector<Entry> take() { return std::move(entries_); }
  SafetensorsMetadata take_metadata() { return std::move(metadata_); }

 private:
  void on_object() override {
    if (depth() == 0) return;
    if (depth() != 1) refuse_unexpected("an object in " + place());
  }

  void on_key(std::string& name) override {
    if (depth() == 1) {
      in_metadata_ = name == "__metadata__";
      if (in_metadata_) return;
      if (entries_.size() == kMaxTensors) {
        refuse(fmt::format("it declares more than {} tensors", kMaxTensors));
      }
      if (has_control_bytes(name)) {
        refuse(fmt::format("the name \"{}\" has a control character", printable(name)));
      }
      entries_.emplace_back().name = std::move(name);
      return;
    }
    if (in_metadata_) {
      metadata_key_ = std::move(name);
      return;
    }
    constexpr std::array<std::string_view, 3> kFields = {"dtype", "shape", "data_offsets"};
    const auto field = std::find(kFields.begin(), kFields.end(), name);
    if (field == kFields.end())
      refuse_unexpected(fmt::format("the key \"{}\" in {}", printable(name), place()));
    field_ = *field;
    Entry& entry = entries_.back();
    bool& has = field_ == "dtype"   ? entry.has_dtype
                : field_ == "shape" ? entry.has_shape
                                    : entry.has_range;
    if (has) refuse(fmt::format("{} has {} twice", place(), field_));
    has = true;
  }

  void on_string(std::string& value) override {
    if (depth() != 2) refuse_unexpected("a string");
    if (in_metadata_) {
      metadata_[metadata_key_] = std::move(value);
      return;
    }
    if (field_ != "dtype") refuse_unexpected("a string in " + place());
    entries_.back().dtype = std::move(value);
  }

  void on_array() override {
    if (depth() != 2 || in_metadata_ || field_ == "dtype") refuse_unexpected("an array");
  }

  void on_unsigned(std::uint64_t value) override {
    if (depth() != 3) refuse_unexpected("a number");
    auto& numbers = field_ == "shape" ? entries_.back().shape : entries_.back().range;
    const std::size_t most = field_ == "shape" ? Shape::kMaxRank : 2;
    if (numbers.size() == most) {
      refuse(fmt::format("{} has more than {} numbers in {}", place(), most, field_));
    }
    numbers.push_back(value);
  }

  void on_other() override {
    refuse(fmt::format("{} has a value that is neither text nor a whole number", place()));
  }

  std::string place() const {
    if (in_metadata_) return "__metadata__";
    return entries_.empty() ? "the header" : "tensor " + entries_.back().name;
  }

  std::vector<Entry> entries_;
  SafetensorsMetadata metadata_;
  std::string metadata_key_;
  bool in_metadata_ = false;
  std::string_view field_;
};

DType dtype_of(const std::string& file, const Entry& entry) {
  for (const auto& [name, dtype] : kSafetensorsTypes) {
    if (entry.dtype == name) return dtype;
  }
  std::string readable;
  for (const auto& [name, dtype] : kSafetensorsTypes)
    readable += fmt::format("{}{}", readable.empty() ? "" : ", ", name);
  fail(ErrorKind::kCorrupt,
       "cannot read {}: tensor {} has element type {}, expected one of {}\n  save it again as F16 "
       "or BF16",
       file, entry.name, printable(entry.dtype), readable);
}

Shape shape_of(const std::string& file, const Entry& entry) {
  std::vector<std::int64_t> sizes;
  for (std::uint64_t size : entry.shape) {
    sizes.push_back(static_cast<std::int64_t>(
        std::min<std::uint64_t>(size, std::numeric_limits<std::int64_t>::max())));
  }
  try {
    return Shape(sizes);
  } catch (const Error& error) {
    fail(ErrorKind::kCorrupt, "cannot read {}: tensor {}: {}", file, entry.name, error.what());
  }
}

std::uint64_t header_bytes_of(const File& file) {
  if (file.size() < kLengthBytes) {
    fail(ErrorKind::kCorrupt,
         "cannot read {}: expected a safetensors file with 8 bytes of header length, got {} bytes\n"
         "  the download was probably incomplete: download it again",
         file.name(), file.size());
  }
  std::array<std::byte, kLengthBytes> length{};
  file.read(0, length);
  std::uint64_t header_bytes = 0;
  for (std::size_t i = 0; i < length.size(); ++i) {
    header_bytes |= std::to_integer<std::uint64_t>(length[i]) << (8 * i);
  }
  if (header_bytes > kMaxHeaderBytes) {
    fail(ErrorKind::kCorrupt,
         "cannot read {}: its header claims {} bytes, safetensors allows at most {}\n  it is "
         "probably not a safetensors file",
         file.name(), header_bytes, kMaxHeaderBytes);
  }
  if (header_bytes > file.size() - kLengthBytes) {
    fail(ErrorKind::kCorrupt,
         "cannot read {}: its header has {} bytes, the file ends after {} of them\n  the download "
         "was probably incomplete: download it again",
         file.name(), header_bytes, file.size() - kLengthBytes);
  }
  return header_bytes;
}

HeaderEvents read_events(const File& file, std::uint64_t header_bytes) {
  std::string text(header_bytes, '\0');
  file.read(kLengthBytes, std::as_writable_bytes(std::span(text)));
  if (!text.starts_with('{')) {
    fail(ErrorKind::kCorrupt,
         "cannot read {}: expected a safetensors header, which begins with '{{'\n  it is probably "
         "not a safetensors file",
         file.name());
  }
  HeaderEvents events(file.name());
  events.read(text);
  return events;
}

std::vector<Entry> take_entries(const File& file, HeaderEvents& events) {
  std::vector<Entry> entries = events.take();
  for (const Entry& entry : entries) {
    if (!entry.has_dtype || !entry.has_shape || entry.range.size() != 2) {
      fail(ErrorKind::kCorrupt,
           "cannot read {}: tensor {} needs dtype, shape and data_offsets of two numbers",
           file.name(), entry.name);
    }
  }
  return entries;
}

/// The format's rule: the tensors cover the bytes after the header exactly, in some order.
void check_places(const File& file, std::vector<Entry>& entries, std::uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.range[0], a.range[1]) < std::tie(b.range[0], b.range[1]);
  });
  std::uint64_t covered = 0;
  const std::string* previous = nullptr;
  for (const Entry& entry : entries) {
    const std::uint64_t begin = entry.range[0];
    const std::uint64_t end = entry.range[1];
    if (begin > end) {
      fail(ErrorKind::kCorrupt, "cannot read {}: tensor {} begins at {} but ends at {}",
           file.name(), entry.name, begin, end);
    }
    if (end > data_bytes) {
      fail(ErrorKind::kCorrupt,
           "cannot read {}: tensor {} is at bytes {} to {} of the data, the file has {} of them\n"
           "  the download was probably incomplete: download it again",
           file.name(), entry.name, begin, end, data_bytes);
    }
    if (begin < covered) {
      fail(ErrorKind::kCorrupt, "cannot read {}: tensors {} and {} overlap at byte {} of the data",
           file.name(), *previous, entry.name, begin);
    }
    if (begin > covered) {
      fail(ErrorKind::kCorrupt,
           "cannot read {}: bytes {} to {} of the data, before tensor {}, belong to no tensor",
           file.name(), covered, begin, entry.name);
    }
    covered = end;
    previous = &entry.name;
  }
  if (covered != data_bytes) {
    fail(ErrorKind::kCorrupt, "cannot read {}: its tensors end at byte {} of the data, not at {}",
         file.name(), covered, data_bytes);
  }
}

}  // namespace

WeightFile read_safetensors_file(const std::shared_ptr<const File>& file) {
  const std::uint64_t header_bytes = header_bytes_of(*file);
  HeaderEvents events = read_events(*file, header_bytes);
  std::vector<Entry> entries = take_entries(*file, events);
  const std::uint64_t data_begin = kLengthBytes + header_bytes;
  check_places(*file, entries, file->size() - data_begin);
  WeightMap weights;
  for (Entry& entry : entries) {
    StoredTensor tensor{.dtype = dtype_of(file->name(), entry),
                        .shape = shape_of(file->name(), entry),
                        .file = file,
                        .offset = data_begin + entry.range[0]};
    const std::uint64_t bytes = entry.range[1] - entry.range[0];
    if (tensor.bytes() != bytes) {
      fail(ErrorKind::kCorrupt, "cannot read {}: tensor {} of {} {} needs {} bytes, it has {}",
           file->name(), entry.name, entry.dtype, to_string(tensor.shape), tensor.bytes(), bytes);
    }
    weights.add(std::move(entry.name), tensor);
  }
  return {std::move(weights), events.take_metadata()};
}

WeightMap read_safetensors(const std::shared_ptr<const File>& file) {
  return read_safetensors_file(file).weights;
}

SafetensorsMetadata read_safetensors_metadata(const File& file) {
  return read_events(file, header_bytes_of(file)).take_metadata();
}

}  // namespace semblance
