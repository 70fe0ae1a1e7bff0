#include "weights/writer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "weights/safetensors.h"

namespace semblance {
namespace {

std::string_view format_name(DType dtype) {
  const auto* row = std::ranges::find_if(
      kSafetensorsTypes, [dtype](const auto& type) { return type.second == dtype; });
  SEMBLANCE_ASSERT(row != kSafetensorsTypes.end());
  return row->first;
}

std::uint64_t bytes_of(const DeclaredTensor& tensor) {
  return static_cast<std::uint64_t>(tensor.shape.elements()) * size_of(tensor.dtype);
}

/// The length and the JSON, padded with spaces so that the data begins at a multiple of 8, as the
/// format recommends.
std::string header_of(const std::filesystem::path& path, std::span<const DeclaredTensor> tensors,
                      const SafetensorsMetadata& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::set<std::string_view> names = {"__metadata__"};
  std::uint64_t offset = 0;
  for (const DeclaredTensor& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      fail(ErrorKind::kArgument, "cannot write {}: the name {} is already taken", path.string(),
           tensor.name);
    }
    header.push_back({tensor.name,
                      {{"dtype", format_name(tensor.dtype)},
                       {"shape", tensor.shape.sizes()},
                       {"data_offsets", {offset, offset + bytes_of(tensor)}}}});
    offset += bytes_of(tensor);
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string length(8, '\0');
  for (std::size_t i = 0; i < length.size(); ++i) {
    length[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
  }
  return length + text;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     std::span<const DeclaredTensor> tensors,
                                     const SafetensorsMetadata& metadata, Readers readers)
    : file_(path, readers) {
  file_.write(header_of(path, tensors, metadata));
  for (const DeclaredTensor& tensor : tensors) left_bytes_ += bytes_of(tensor);
}

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  SEMBLANCE_ASSERT(bytes.size() <= left_bytes_);
  file_.write(bytes);
  left_bytes_ -= bytes.size();
}

void SafetensorsWriter::commit() {
  SEMBLANCE_ASSERT(left_bytes_ == 0);
  file_.commit();
}

void write_safetensors(const std::filesystem::path& path, std::vector<TensorBytes> tensors,
                       const SafetensorsMetadata& metadata, Readers readers) {
  std::stable_sort(tensors.begin(), tensors.end(), [](const TensorBytes& a, const TensorBytes& b) {
    return size_of(a.tensor.dtype) > size_of(b.tensor.dtype);
  });
  std::vector<DeclaredTensor> declared;
  for (const TensorBytes& tensor : tensors) {
    SEMBLANCE_ASSERT(tensor.bytes.size() == bytes_of(tensor.tensor));
    declared.push_back(tensor.tensor);
  }
  SafetensorsWriter writer(path, declared, metadata, readers);
  for (const TensorBytes& tensor : tensors) writer.write(tensor.bytes);
  writer.commit();
}

}  // namespace semblance
