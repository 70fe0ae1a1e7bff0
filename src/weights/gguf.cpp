#include "weights/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/integers.h"
#include "weights/names.h"

namespace semblance {
namespace {

constexpr std::uint64_t kMaxGgufTensors = 200'000;
constexpr std::uint64_t kMaxGgufEntries = 500'000;  // one for each tensor's true shape
constexpr std::uint64_t kMaxGgufNameBytes = 4096;
constexpr std::uint64_t kMaxTextBytes = 1 << 20;  // of a text that is stored
constexpr std::uint64_t kMaxItems = 1 << 24;      // of an array of texts: a large vocabulary
constexpr std::uint64_t kMaxAlignment = 1 << 20;
constexpr std::string_view kTrueShape = "comfy.gguf.orig_shape.";
constexpr std::string_view kDownload = "the download was probably interrupted: download it again";

/// Types of a value.
enum : std::int32_t { kU32 = 4, kI32 = 5, kText = 8, kArray = 9 };
/// Bytes of each type of value; 0 for types without a fixed size.
constexpr std::array<std::uint64_t, 13> kValueBytes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

struct TensorType {
  std::int32_t id;
  std::string_view name;
  std::optional<DType> dtype;  // none: cannot be read
};
constexpr auto kTypes = std::to_array<TensorType>({
    {0, "F32", DType::kF32},    {1, "F16", DType::kF16},
    {2, "Q4_0", DType::kQ4_0},  {3, "Q4_1", DType::kQ4_1},
    {6, "Q5_0", DType::kQ5_0},  {7, "Q5_1", DType::kQ5_1},
    {8, "Q8_0", DType::kQ8_0},  {9, "Q8_1", {}},
    {10, "Q2_K", {}},           {11, "Q3_K", {}},
    {12, "Q4_K", DType::kQ4_K}, {13, "Q5_K", DType::kQ5_K},
    {14, "Q6_K", DType::kQ6_K}, {15, "Q8_K", {}},
    {16, "IQ2_XXS", {}},        {17, "IQ2_XS", {}},
    {18, "IQ3_XXS", {}},        {19, "IQ1_S", {}},
    {20, "IQ4_NL", {}},         {21, "IQ3_S", {}},
    {22, "IQ2_S", {}},          {23, "IQ4_XS", {}},
    {24, "I8", DType::kI8},     {25, "I16", DType::kI16},
    {26, "I32", DType::kI32},   {27, "I64", DType::kI64},
    {28, "F64", DType::kF64},   {29, "IQ1_M", {}},
    {30, "BF16", DType::kBF16}, {34, "TQ1_0", {}},
    {35, "TQ2_0", {}},          {39, "MXFP4", {}},
    {40, "NVFP4", {}},
});

/// Reads the header from front to back, in pieces.
class Cursor {
 public:
  explicit Cursor(const File& file) : file_(file) {}

  std::uint64_t at() const { return at_; }
  std::uint64_t left() const { return file_.size() - at_; }

  void skip(std::uint64_t bytes) {
    need(bytes);
    at_ += bytes;
  }
  std::uint64_t number(std::size_t width) {
    std::array<std::byte, 8> raw{};
    take(std::span(raw).first(width));
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i)
      value |= std::to_integer<std::uint64_t>(raw[i]) << (8 * i);
    return value;
  }
  std::int32_t type() { return static_cast<std::int32_t>(static_cast<std::uint32_t>(number(4))); }
  /// A text of at most `limit` bytes.
  std::string text(std::uint64_t limit, std::string_view what) {
    const std::uint64_t bytes = number(8);
    if (bytes > limit) {
      fail(ErrorKind::kCorrupt, "cannot read {}: expected {} of at most {} bytes, got {}",
           file_.name(), what, limit, bytes);
    }
    need(bytes);
    std::string value(bytes, '\0');
    take(std::as_writable_bytes(std::span(value)));
    return value;
  }

 private:
  void need(std::uint64_t bytes) const {
    if (bytes <= left()) return;
    fail(ErrorKind::kCorrupt,
         "cannot read {}: its GGUF header needs {} bytes at byte {}, the file has only {} of "
         "them\n  {}",
         file_.name(), bytes, at_, left(), kDownload);
  }
  void take(std::span<std::byte> dst) {
    need(dst.size());
    while (!dst.empty()) {
      if (at_ < begin_ || at_ >= begin_ + window_.size()) {
        begin_ = at_;
        window_.resize(std::min<std::uint64_t>(kWindowBytes, left()));
        file_.read(begin_, window_);
      }
      const std::uint64_t place = at_ - begin_;
      const std::uint64_t count = std::min<std::uint64_t>(dst.size(), window_.size() - place);
      std::copy_n(window_.begin() + static_cast<std::ptrdiff_t>(place), count, dst.begin());
      at_ += count;
      dst = dst.subspan(count);
    }
  }

  static constexpr std::uint64_t kWindowBytes = 256 << 10;

  const File& file_;
  std::uint64_t at_ = 0;
  std::uint64_t begin_ = 0;
  std::vector<std::byte> window_;
};

struct GgufEntry {
  std::string name;
  std::vector<std::uint64_t> sizes;  // as in the file
  std::int32_t type = 0;
  std::uint64_t offset = 0;  // in the data
};

class Gguf {
 public:
  explicit Gguf(std::shared_ptr<const File> file) : file_(std::move(file)), cursor_(*file_) {}

  WeightFile read() {
    const auto [tensors, entries] = read_counts();
    for (std::uint64_t i = 0; i < entries; ++i) read_entry();
    std::vector<GgufEntry> declared;
    for (std::uint64_t i = 0; i < tensors; ++i) declared.push_back(read_tensor());
    // Files without tensors can end before the data would begin.
    const std::uint64_t data = round_up(cursor_.at(), alignment_);
    const std::uint64_t data_bytes = file_->size() - std::min(data, file_->size());
    WeightFile result;
    std::vector<std::pair<StoredTensor, std::string>> placed;
    for (GgufEntry& entry : declared) {
      StoredTensor tensor = stored(entry, data, data_bytes);
      placed.emplace_back(tensor, entry.name);
      result.weights.add(std::move(entry.name), tensor);
    }
    check_overlap(placed);
    result.metadata = std::move(metadata_);
    return result;
  }

 private:
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> reason, Args&&... args) const {
    fail(ErrorKind::kCorrupt, "cannot read {}: {}", file_->name(),
         fmt::format(reason, std::forward<Args>(args)...));
  }

  std::pair<std::uint64_t, std::uint64_t> read_counts() {
    cursor_.skip(4);  // "GGUF"
    const std::uint64_t version = cursor_.number(4);
    if (version == 2U << 24 || version == 3U << 24) {
      refuse(
          "its numbers are big-endian, expected little-endian\n  convert the model "
          "again on an x86 or ARM machine");
    }
    if (version != 2 && version != 3)
      refuse("it has GGUF version {}, expected 2 or 3\n  convert the model again", version);
    const std::uint64_t tensors = cursor_.number(8);
    const std::uint64_t entries = cursor_.number(8);
    if (tensors > kMaxGgufTensors)
      refuse("it declares more than {} tensors: {}", kMaxGgufTensors, tensors);
    if (entries > kMaxGgufEntries)
      refuse("it declares more than {} entries: {}", kMaxGgufEntries, entries);
    return {tensors, entries};
  }

  std::uint64_t value_bytes(std::int32_t type, const std::string& key) const {
    if (type < 0 || at(type) >= kValueBytes.size())
      refuse("its entry {} has type {}, expected 0 to {}", key, type, kValueBytes.size() - 1);
    return kValueBytes[at(type)];
  }

  void read_entry() {
    const std::string key = cursor_.text(kMaxGgufNameBytes, "a key");
    if (has_control_bytes(key)) refuse("the key \"{}\" has a control character", printable(key));
    if (!keys_.insert(key).second) refuse("its entry {} occurs twice", key);
    const std::int32_t type = cursor_.type();
    const std::uint64_t bytes = value_bytes(type, key);
    if (key == "general.alignment") {
      if (type != kU32) refuse("general.alignment must be an unsigned integer, got type {}", type);
      alignment_ = cursor_.number(4);
      if (!std::has_single_bit(alignment_) || alignment_ > kMaxAlignment)
        refuse("general.alignment must be a power of two up to {}, got {}", kMaxAlignment,
               alignment_);
    } else if (type == kText) {
      metadata_[key] = cursor_.text(kMaxTextBytes, key);
    } else if (type == kArray) {
      read_array(key);
    } else {
      cursor_.skip(bytes);
    }
  }

  void read_array(const std::string& key) {
    const std::int32_t type = cursor_.type();
    const std::uint64_t bytes = value_bytes(type, key);
    const std::uint64_t count = cursor_.number(8);
    if (type == kArray) refuse("its entry {} is an array of arrays", key);
    if (key.starts_with(kTrueShape)) {
      if (type != kI32 || count > Shape::kMaxRank)
        refuse("{} must be at most {} numbers of type {}, got {} of type {}", key, Shape::kMaxRank,
               static_cast<int>(kI32), count, type);
      std::vector<std::int64_t>& sizes = shapes_[key.substr(kTrueShape.size())];
      for (std::uint64_t i = 0; i < count; ++i) sizes.push_back(cursor_.type());
      return;
    }
    if (type == kText) {
      if (count > kMaxItems)
        refuse("its entry {} has {} texts, expected at most {}", key, count, kMaxItems);
      for (std::uint64_t i = 0; i < count; ++i) cursor_.skip(cursor_.number(8));
      return;
    }
    if (count > cursor_.left() / bytes) {
      refuse("its entry {} has {} values, the file ends after {} bytes\n  {}", key, count,
             cursor_.left(), kDownload);
    }
    cursor_.skip(count * bytes);
  }

  GgufEntry read_tensor() {
    GgufEntry entry;
    entry.name = cursor_.text(kMaxGgufNameBytes, "a tensor's name");
    if (has_control_bytes(entry.name))
      refuse("the name \"{}\" has a control character", printable(entry.name));
    const std::uint64_t axes = cursor_.number(4);
    if (axes > Shape::kMaxRank)
      refuse("tensor {} has {} axes, expected at most {}", entry.name, axes, Shape::kMaxRank);
    for (std::uint64_t i = 0; i < axes; ++i) entry.sizes.push_back(cursor_.number(8));
    entry.type = cursor_.type();
    entry.offset = cursor_.number(8);
    return entry;
  }

  DType dtype_of(const GgufEntry& entry) const {
    std::string name = fmt::format("number {}", entry.type), readable;
    for (const TensorType& type : kTypes) {
      if (type.dtype) readable += fmt::format("{}{}", readable.empty() ? "" : ", ", type.name);
      if (type.id != entry.type) continue;
      if (type.dtype) return *type.dtype;
      name = type.name;
    }
    refuse(
        "tensor {} has type {}, expected one of {}\n  use a file with another "
        "quantisation, such as Q4_K or Q8_0",
        entry.name, name, readable);
  }

  Shape shape_of(const GgufEntry& entry, const StoredBlock& block) const {
    std::vector<std::int64_t> sizes;
    for (std::uint64_t size : entry.sizes) {
      sizes.insert(sizes.begin(), static_cast<std::int64_t>(std::min<std::uint64_t>(
                                      size, std::numeric_limits<std::int64_t>::max())));
    }
    const Shape shape = checked(entry.name, sizes);
    if (shape.rank() == 0 ? block.elements > 1 : shape[-1] % block.elements != 0) {
      refuse("tensor {} has rows of {} values in blocks of {}", entry.name,
             shape.rank() == 0 ? 1 : shape[-1], block.elements);
    }
    const auto said = shapes_.find(entry.name);
    if (said == shapes_.end()) return shape;
    const Shape whole = checked(entry.name, said->second);
    if (whole.elements() != shape.elements()) {
      refuse("tensor {} is stored as {}, but its true shape is given as {}", entry.name,
             to_string(shape), to_string(whole));
    }
    return whole;
  }

  Shape checked(const std::string& name, const std::vector<std::int64_t>& sizes) const {
    try {
      return Shape(sizes);
    } catch (const Error& error) {
      refuse("tensor {}: {}", name, error.what());
    }
  }

  StoredTensor stored(const GgufEntry& entry, std::uint64_t data, std::uint64_t data_bytes) const {
    const DType dtype = dtype_of(entry);
    StoredTensor tensor{.dtype = dtype, .shape = shape_of(entry, block_of(dtype)), .file = file_};
    if (entry.offset % alignment_ != 0) {
      refuse("tensor {} begins at byte {} of the data, which is not a multiple of {}", entry.name,
             entry.offset, alignment_);
    }
    if (entry.offset > data_bytes || tensor.bytes() > data_bytes - entry.offset) {
      refuse("tensor {} has {} bytes at byte {} of the data, which has only {} bytes\n  {}",
             entry.name, tensor.bytes(), entry.offset, data_bytes, kDownload);
    }
    // The data of empty tensors alone may begin behind the file's end.
    if (tensor.bytes() > 0) tensor.offset = data + entry.offset;
    return tensor;
  }

  void check_overlap(std::vector<std::pair<StoredTensor, std::string>>& placed) const {
    std::sort(placed.begin(), placed.end(),
              [](const auto& a, const auto& b) { return a.first.offset < b.first.offset; });
    const std::pair<StoredTensor, std::string>* before = nullptr;
    for (const auto& entry : placed) {
      if (entry.first.bytes() == 0) continue;
      if (before != nullptr && before->first.offset + before->first.bytes() > entry.first.offset) {
        refuse("tensors {} and {} overlap at byte {}", before->second, entry.second,
               entry.first.offset);
      }
      before = &entry;
    }
  }

  std::shared_ptr<const File> file_;
  Cursor cursor_;
  std::uint64_t alignment_ = 32;
  Metadata metadata_;
  std::set<std::string> keys_;
  std::map<std::string, std::vector<std::int64_t>> shapes_;
};

}  // namespace

WeightFile read_gguf(std::shared_ptr<const File> file) { return Gguf(std::move(file)).read(); }

}  // namespace semblance
