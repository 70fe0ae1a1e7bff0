// Shared by the targets for weight files.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>

#include "core/error.h"
#include "memory/file.h"
#include "weights/weight_map.h"

namespace semblance::fuzz {

inline std::shared_ptr<const File> file_of(const std::uint8_t* data, std::size_t size) {
  std::vector<std::byte> bytes(size);
  if (size > 0) std::memcpy(bytes.data(), data, size);
  return memory_file("fuzz", std::move(bytes));
}

/// Checks that reading gives tensors inside a file of `size` bytes whose last rows can be read, or
/// throws Error(kCorrupt).
void expect_tensors_inside(std::size_t size, const auto& reading) {
  try {
    const WeightMap weights = reading();
    for (const auto& [name, tensor] : weights) {
      if (tensor.offset > size || tensor.bytes() > size - tensor.offset) std::abort();
      if (tensor.bytes() == 0) continue;
      std::vector<std::byte> raw(tensor.row_bytes());
      std::vector<float> row(static_cast<std::size_t>(tensor.row_elements()));
      read_rows(tensor, tensor.rows() - 1, 1, raw, row);
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kCorrupt) std::abort();
  }
}

}  // namespace semblance::fuzz
