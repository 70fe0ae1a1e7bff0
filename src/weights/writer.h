// Writes safetensors files: goldens, converted checkpoints, test data. The file appears whole or
// not at all (memory/file.h).
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/shape.h"
#include "memory/file.h"
#include "weights/safetensors.h"

namespace semblance {

/// A tensor that will be written, declared before its bytes exist.
struct DeclaredTensor {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
};

/// Writes tensors one after the other, so that only a piece of one needs to be in memory.
class SafetensorsWriter {
 public:
  /// Writes the header. Throws what OutputFile throws, and Error(kArgument) for a name that is
  /// declared twice or is "__metadata__". Texts in `metadata` must be UTF-8.
  SafetensorsWriter(const std::filesystem::path& path, std::span<const DeclaredTensor> tensors,
                    const SafetensorsMetadata& metadata = {}, Readers readers = Readers::kAll);

  /// Writes the next bytes of all tensors, in their declared order, row-major, little endian.
  void write(std::span<const std::byte> bytes);
  /// Makes the file appear; every declared byte must have been written.
  void commit();

 private:
  OutputFile file_;
  std::uint64_t left_bytes_ = 0;
};

struct TensorBytes {
  DeclaredTensor tensor;
  std::span<const std::byte> bytes;
};
/// Writes the whole file at once. Wider element types come first, so that every tensor is aligned.
void write_safetensors(const std::filesystem::path& path, std::vector<TensorBytes> tensors,
                       const SafetensorsMetadata& metadata = {}, Readers readers = Readers::kAll);

}  // namespace semblance
