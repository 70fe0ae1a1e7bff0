#include <array>

#include "backend/ref/run.h"

namespace semblance::reference {

void run(const Concat& op, const Run& r) {
  const int axis = r.dst_type.shape.place_of(op.axis);
  const std::int64_t blocks = r.dst_type.shape.elements_before(axis);
  const std::int64_t dst_block = r.dst_type.shape.elements_from(axis);
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < r.types.size(); ++i) {
    const std::int64_t block = r.shape(i).elements_from(axis);
    for (std::int64_t b = 0; b < blocks; ++b) r.move(i, b * block, b * dst_block + offset, block);
    offset += block;
  }
}

void run(const Slice& op, const Run& r) {
  const Shape& shape = r.shape(0);
  const Shape& dst = r.dst_type.shape;
  const int axis = shape.place_of(op.axis);
  const std::int64_t inner = shape.elements_from(axis + 1);
  for (std::int64_t b = 0; b < shape.elements_before(axis); ++b) {
    for (std::int64_t i = 0; i < dst[axis]; ++i) {
      r.move(0, (b * shape[axis] + op.begin + i * op.step) * inner, (b * dst[axis] + i) * inner,
             inner);
    }
  }
}

void run(const Paste& op, const Run& r) {
  const std::int64_t c = r.dst_type.shape[-1];
  const std::int64_t p = r.shape(1)[-1];
  const std::int64_t rows = r.dst_type.shape.elements_before(-1);
  if (r.call.dst != r.call.src[0]) r.move(0, 0, 0, rows * c);
  for (std::int64_t row = 0; row < rows; ++row) r.move(1, row * p, row * c + op.begin, p);
}

/// NaN in every float type, so that reading it shows in results.
void run(const Blank&, const Run& r) { std::memset(r.call.dst, 0xff, r.dst_type.bytes()); }

void run(const Spill&, const Run& r) { r.move(0, 0, 0, r.dst_type.shape.elements()); }
void run(const Fetch&, const Run& r) { r.move(0, 0, 0, r.dst_type.shape.elements()); }

void run(const Transpose& op, const Run& r) {
  const Shape& shape = r.shape(0);
  const Shape& dst = r.dst_type.shape;
  std::array<std::int64_t, Shape::kMaxRank> strides{};
  for (int i = 0; i < dst.rank(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    strides[at] = shape.elements_from(static_cast<int>(op.perm[at]) + 1);
  }
  parallel_ranges(dst.elements(), 64, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t to = begin; to < end; ++to) {
      std::int64_t from = 0;
      std::int64_t rest = to;
      for (int i = dst.rank() - 1; i >= 0; --i) {
        from += rest % dst[i] * strides[static_cast<std::size_t>(i)];
        rest /= dst[i];
      }
      r.move(0, from, to, 1);
    }
  });
}

void run(const Embedding&, const Run& r) {
  const std::int64_t c = r.shape(1)[1];
  for (std::int64_t i = 0; i < r.shape(0).elements(); ++i) r.move(1, r.ints(0)[i] * c, i * c, c);
}

void run(const TakeRow&, const Run& r) {
  const Shape& x = r.shape(0);
  for (std::int64_t i = 0; i < x[0]; ++i) {
    const std::int64_t row = std::clamp<std::int64_t>(r.ints(1)[i], 0, x[1] - 1);
    r.move(0, (i * x[1] + row) * x[2], i * x[2], x[2]);
  }
}

void run(const Upsample& op, const Run& r) {
  const Shape& x = r.shape(0);
  const std::int64_t c = x[3];
  parallel_for(x[0] * op.height, [&](std::int64_t row) {
    const std::int64_t picture = row / op.height;
    const std::int64_t y = row % op.height * x[1] / op.height;
    for (std::int64_t column = 0; column < op.width; ++column) {
      r.move(0, ((picture * x[1] + y) * x[2] + column * x[2] / op.width) * c,
             (row * op.width + column) * c, c);
    }
  });
}

}  // namespace semblance::reference
