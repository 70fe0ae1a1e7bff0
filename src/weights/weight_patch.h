// What is added to a stored tensor when its rows are read: LoRA and its relatives. The tensor W
// [rows, columns] (all axes but the first are one) becomes
//
//   W + scale D                                     without a norm
//   W + blend (ratio (W + scale D) - W)             with one (DoRA)
//
// where D is one matrix, the product of two element by element (LoHa), or their Kronecker product
// (LoKr). A tensor's patches are applied in order, in f32. Nothing here holds numbers but `ratio`;
// factors stay in their files, like the weights (runtime/row_patcher.h reads and applies them).
// Formulas: docs/reference.md, section 5.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weights/weight_map.h"

namespace semblance {

/// A matrix [rows, columns]: one tensor, or a product of factors. `tensors` are
///   {whole}           [rows, columns]
///   {up, down}        up [rows, rank] times down [rank, columns]
///   {up, down, mid}   sum over p, q of up[o,p] mid[p,q,k] down[q,i], with column (i,k): k are the
///                     positions of a convolution's kernel
struct FactoredMatrix {
  std::vector<StoredTensor> tensors;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t rank = 0;       // 0 if whole
  std::int64_t inner = 0;      // with mid: size of q
  std::int64_t positions = 1;  // with mid: size of k
  bool up_is_turned = false;   // up is stored as [rank, rows]

  bool is_whole() const { return tensors.size() == 1; }
  bool has_mid() const { return tensors.size() == 3; }
};

struct WeightPatch {
  enum class Combine : std::uint8_t {
    kOne,        // D = first
    kTimes,      // D = first * second, element by element
    kKronecker,  // D[o1 rows2 + o2, i1 columns2 + i2] = first[o1,i1] second[o2,i2]
  };
  /// DoRA: `ratio` is the wanted norm of each row or column of W + scale D over the one it has.
  struct Norm {
    StoredTensor wanted;
    bool of_rows = false;  // else of columns: one for each channel of W's second axis
    float blend = 1;
    std::vector<float> ratio = {};  // computed by find_ratios() (runtime/patch_norms.h)
  };

  Combine combine = Combine::kOne;
  float scale = 1;
  FactoredMatrix first;
  std::optional<FactoredMatrix> second = {};
  std::shared_ptr<Norm> norm = {};

  /// Multiplications and additions to compute `rows` rows of it.
  double operations(std::int64_t rows) const;
  /// Every stored tensor of it.
  std::vector<const StoredTensor*> tensors() const;
};

/// Patches by the names of the tensors that they change.
using WeightPatches = std::map<std::string, std::vector<WeightPatch>, std::less<>>;

/// A component's weights: the stored tensors, and what is added to them. A view, cheap to copy;
/// what it shows must outlive it.
class WeightView {
 public:
  WeightView(const WeightMap& map, const WeightPatches* patches = nullptr)
      : map_(&map), patches_(patches) {}

  const StoredTensor* find(std::string_view name) const { return map_->find(name); }
  /// Empty if nothing is added to the tensor.
  std::span<const WeightPatch> patches_of(std::string_view name) const;

 private:
  const WeightMap* map_;
  const WeightPatches* patches_;
};

}  // namespace semblance
