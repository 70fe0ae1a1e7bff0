// What an op declares about itself for the planner: how its result can be computed in parts,
// whether it is worth keeping, and which measured rate prices it.
//
// A value is pictured if it is [n,h,w,c] or [n,l,c]. A pixel is a position in h x w, or in l. Parts
// consist of whole rows of one picture, so that each is one contiguous piece of memory.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>

#include "core/shape.h"

namespace semblance {

/// Pixels [begin, end) of one picture, or the whole value.
struct Part {
  int picture = -1;  // -1: the whole value, whatever its shape
  std::int64_t begin = 0;
  std::int64_t end = 0;

  bool whole() const { return picture < 0; }
  friend auto operator<=>(const Part&, const Part&) = default;
};

inline bool is_pictured(const Shape& shape) {
  return (shape.rank() == 3 || shape.rank() == 4) && shape.elements() > 0;
}
/// Pixels of one picture of a pictured value.
inline std::int64_t pixels_of(const Shape& shape) {
  return shape.rank() == 4 ? shape[1] * shape[2] : shape[1];
}
/// Parts begin and end at multiples of this: the width of [n,h,w,c], 1 for [n,l,c].
inline std::int64_t row_of(const Shape& shape) { return shape.rank() == 4 ? shape[2] : 1; }
/// The shape of a part: [1,rows,w,c] or [1,pixels,c].
inline Shape shape_of(const Shape& whole, const Part& part) {
  if (part.whole()) return whole;
  return whole.with(0, 1).with(1, (part.end - part.begin) / row_of(whole));
}
/// The source's picture for a picture of the result; a batch of one serves them all.
inline Part whole_picture(const Shape& src, int picture) {
  return {src[0] == 1 ? 0 : picture, 0, pixels_of(src)};
}

/// Rows [begin, end) of a picture.
struct RowSpan {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};
/// The rows that a part covers, and the part of those rows that exist.
inline RowSpan rows_of(const Shape& shape, const Part& part) {
  const std::int64_t row = row_of(shape);
  return {part.begin / row, (part.end + row - 1) / row};
}
inline Part part_of_rows(const Shape& shape, int picture, RowSpan rows) {
  return {picture, std::max<std::int64_t>(0, rows.begin) * row_of(shape),
          std::min(rows.end, shape[1]) * row_of(shape)};
}

/// How a pictured result can be computed in parts without changing a bit. An op declares `kCut`, or
/// cut(src, dst) if it depends on the types.
enum class Cut : std::uint8_t {
  kWhole,     // not at all
  kPictures,  // one picture of the batch at a time
  kRows,      // rows of a picture; source_part() says which rows of the sources they need
  kPixels,    // rows; each pixel needs the same pixel of every pictured source
};

/// Whether a result is kept in memory or computed again for every part that needs it. An op
/// declares `kReuse`.
enum class Reuse : std::uint8_t {
  kKeep,       // too expensive to compute twice
  kRecompute,  // cheap
  kFuse,       // cheap and pointwise: can follow a kept op part by part
};

/// Which measured rate of the machine prices an op. An op declares `kPrice`, or price(src) if it
/// depends on the types.
enum class Price : std::uint8_t {
  kNothing,  // a view, or work of the scratch file
  // Priced by arithmetic operations.
  kLinear,
  kNarrowConvolution,
  kWideConvolution,
  kAttention,
  kShortAttention,
  // Priced by the bytes moved.
  kElementwise,
  kNorm,
  kGate,
};

}  // namespace semblance
