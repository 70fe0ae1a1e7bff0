// Nearest-neighbour resizing of a picture.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// x [n,h,w,c] -> [n,height,width,c]; result row i reads row floor(i * h / height), columns
/// likewise, as torch.nn.functional.interpolate(mode="nearest") and ONNX Resize (asymmetric,
/// floor).
struct Upsample {
  static constexpr std::string_view kName = "upsample";
  static constexpr Reuse kReuse = Reuse::kRecompute;
  static constexpr Price kPrice = Price::kElementwise;
  std::int64_t height = 0;
  std::int64_t width = 0;

  template <typename F>
  void fields(F&& f) {
    f("height", height), f("width", width);
  }
  int may_overwrite() const { return -1; }

  TensorType infer(Types src) const {
    require(src.size() == 1 && src[0].shape.rank() == 4, kName, "needs x [n,h,w,c]", src);
    require(height > 0 && width > 0 && src[0].shape.elements() > 0, kName, "sizes must be positive",
            src);
    return {src[0].dtype, src[0].shape.with(1, height).with(2, width)};
  }
  Operations cost(Types, const TensorType&) const { return 0; }

  Cut cut(Types src, const TensorType&) const {
    return height % src[0].shape[1] == 0 ? Cut::kRows : Cut::kPictures;
  }
  Part source_part(std::size_t, Types src, const TensorType& dst, const Part& part) const {
    if (cut(src, dst) == Cut::kPictures) return whole_picture(src[0].shape, part.picture);
    return part_of_rows(src[0].shape, part.picture, source_rows(src, dst, part));
  }
  /// Works on whole source rows, so the part grows to cover them.
  void narrow(Types src, const TensorType& dst, Part& part) {
    if (cut(src, dst) == Cut::kPictures) return;
    const std::int64_t times = height / src[0].shape[1];
    const RowSpan rows = source_rows(src, dst, part);
    const std::int64_t row = row_of(dst.shape) * times;
    height = (rows.end - rows.begin) * times;
    part = {part.picture, rows.begin * row, rows.end * row};
  }

 private:
  RowSpan source_rows(Types src, const TensorType& dst, const Part& part) const {
    const std::int64_t times = height / src[0].shape[1];
    const RowSpan rows = rows_of(dst.shape, part);
    return {rows.begin / times, (rows.end + times - 1) / times};
  }
};

}  // namespace semblance
