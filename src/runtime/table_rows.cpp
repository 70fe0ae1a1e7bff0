#include "runtime/table_rows.h"

#include "core/convert.h"
#include "core/error.h"
#include "core/integers.h"

namespace semblance {

TableRows::TableRows(WeightRows weight)
    : weight_(std::move(weight)),
      raw_(weight_.tensor.row_bytes()),
      plain_(at(weight_.tensor.row_elements())) {
  SEMBLANCE_ASSERT(!weight_.patcher);  // LoRAs do not change tables
}

void TableRows::read(std::span<const std::int32_t> ids, DType dtype, std::span<std::byte> dst) {
  const std::size_t row_bytes = plain_.size() * size_of(dtype);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= weight_.row_count()) {
      fail(ErrorKind::kShape, "token id {} is outside the embedding table in {}, which has {} rows",
           ids[i], weight_.tensor.file->name(), weight_.row_count());
    }
    weight_.read(ids[i], 1, raw_, plain_);
    from_f32(plain_, dtype, dst.subspan(i * row_bytes, row_bytes));
  }
}

}  // namespace semblance
