#include "weights/transposed.h"

#include <utility>
#include <vector>

#include "core/error.h"

namespace semblance {
namespace {

class TransposedFile final : public File {
 public:
  explicit TransposedFile(StoredTensor matrix)
      : matrix_(std::move(matrix)), name_(matrix_.file->name() + " (transposed)") {}

  DType dtype() const { return is_in_blocks(matrix_.dtype) ? DType::kF32 : matrix_.dtype; }

  const std::string& name() const override { return name_; }
  std::uint64_t size() const override {
    return static_cast<std::uint64_t>(matrix_.shape.elements()) * size_of(dtype());
  }

  void read(std::uint64_t offset, std::span<std::byte> dst) const override {
    if (dst.empty()) return;
    if (offset > size() || dst.size() > size() - offset)
      fail(ErrorKind::kCorrupt, "cannot read {}: it ends at {} bytes", name_, size());
    const std::uint64_t element = size_of(dtype());
    const auto rows = static_cast<std::uint64_t>(matrix_.shape[0]);
    const std::uint64_t first_column = offset / (rows * element);
    const std::uint64_t last_column = (offset + dst.size() - 1) / (rows * element);
    const std::uint64_t width = last_column - first_column + 1;
    std::vector<std::byte> strip(width * element), raw(most_bytes(matrix_.dtype, width));
    for (std::uint64_t row = 0; row < rows; ++row) {
      read_strip(row, first_column, raw, strip);
      for (std::uint64_t column = 0; column < width; ++column) {
        const std::uint64_t at = ((first_column + column) * rows + row) * element;
        for (std::uint64_t byte = 0; byte < element; ++byte) {
          const std::uint64_t place = at + byte - offset;  // wraps past dst if before it
          if (place < dst.size()) dst[place] = strip[column * element + byte];
        }
      }
    }
  }

 private:
  /// Elements of a row from `column` on.
  void read_strip(std::uint64_t row, std::uint64_t column, std::span<std::byte> raw,
                  std::span<std::byte> strip) const {
    const std::uint64_t at = row * static_cast<std::uint64_t>(matrix_.shape[1]) + column;
    if (!is_in_blocks(matrix_.dtype)) {
      matrix_.file->read(matrix_.offset + at * size_of(matrix_.dtype), strip);
      return;
    }
    StoredTensor elements = matrix_;
    elements.shape = Shape{matrix_.shape.elements()};
    elements.scale = 1;  // the transposed tensor has it
    const std::span values(reinterpret_cast<float*>(strip.data()), strip.size() / sizeof(float));
    read_rows(elements, static_cast<std::int64_t>(at), static_cast<std::int64_t>(values.size()),
              raw, values);
  }

  StoredTensor matrix_;
  std::string name_;
};

}  // namespace

StoredTensor transposed_matrix(const StoredTensor& matrix) {
  SEMBLANCE_ASSERT(matrix.shape.rank() == 2);
  const auto file = std::make_shared<TransposedFile>(matrix);
  return {.dtype = file->dtype(),
          .shape = Shape{matrix.shape[1], matrix.shape[0]},
          .file = file,
          .offset = 0,
          .scale = matrix.scale};
}

bool is_transposed(const StoredTensor& tensor) {
  return dynamic_cast<const TransposedFile*>(tensor.file.get()) != nullptr;
}

}  // namespace semblance
