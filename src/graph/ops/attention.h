// Scaled dot-product attention over heads.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// q [n,lq,heads*d], k [n,lk,heads*d], v [n,lk,heads*e] -> [n,lq,heads*e] in q's dtype: for every
/// head softmax(q k^T * scale) v, computed in f32. Scale 0 means 1/sqrt(d). Causal: position i sees
/// keys up to i (lq = lk).
struct Attention {
  static constexpr std::string_view kName = "attention";
  static constexpr Reuse kReuse = Reuse::kKeep;
  std::int64_t heads = 1;
  bool causal = false;
  float scale = 0.0F;

  template <typename F>
  void fields(F&& f) {
    f("heads", heads), f("causal", causal), f("scale", scale);
  }
  int may_overwrite() const { return -1; }

  TensorType infer(Types src) const {
    require(src.size() == 3, kName, "needs q, k, v", src);
    const Shape& q = src[0].shape;
    const Shape& k = src[1].shape;
    const Shape& v = src[2].shape;
    require(q.rank() == 3 && k.rank() == 3 && v.rank() == 3, kName, "q, k and v must be [n,l,c]",
            src);
    require(q[0] == k[0] && q[0] == v[0] && k[1] == v[1] && k[1] > 0 && q[2] == k[2], kName,
            "q, k and v must agree in pictures, keys and channels", src);
    require(heads > 0 && q[2] % heads == 0 && v[2] % heads == 0, kName,
            "heads must divide the channels", src);
    require(!causal || q[1] == k[1], kName, "causal needs as many queries as keys", src);
    return {src[0].dtype, Shape{q[0], q[1], v[2]}};
  }
  Operations cost(Types src, const TensorType&) const {
    const Shape& q = src[0].shape;
    return 2.0 * static_cast<double>(q[0] * q[1] * src[1].shape[1]) *
           static_cast<double>(q[2] + src[2].shape[2]) * (causal ? 0.5 : 1.0);
  }

  /// What a causal query sees depends on its position in the whole sequence.
  Cut cut(Types, const TensorType&) const { return causal ? Cut::kPictures : Cut::kRows; }
  bool reads_whole_picture(std::size_t i) const { return i > 0; }
  Price price(Types src) const {
    constexpr std::int64_t kManyKeys = 256;  // fewer: a prompt's or a face's tokens
    return src[1].shape[1] < kManyKeys ? Price::kShortAttention : Price::kAttention;
  }
};

}  // namespace semblance
