#include "weights/weight_patch.h"

namespace semblance {
namespace {

/// To compute `rows` rows, and before that what all rows share.
double operations_of(const FactoredMatrix& matrix, double rows) {
  if (matrix.is_whole()) return 0;
  const auto columns = static_cast<double>(matrix.columns);
  const auto rank = static_cast<double>(matrix.rank);
  double sum = 2 * rows * rank * columns;
  if (matrix.has_mid()) sum += 2 * rank * static_cast<double>(matrix.inner) * columns;
  return sum;
}

}  // namespace

double WeightPatch::operations(std::int64_t count) const {
  const auto rows = static_cast<double>(count);
  if (combine == Combine::kKronecker) {
    return operations_of(first, static_cast<double>(first.rows)) +
           operations_of(*second, static_cast<double>(second->rows)) +
           2 * rows * static_cast<double>(first.columns * second->columns);
  }
  const auto columns = static_cast<double>(first.columns);
  double sum = operations_of(first, rows) + 2 * rows * columns;
  if (second) sum += operations_of(*second, rows) + rows * columns;
  return sum;
}

std::vector<const StoredTensor*> WeightPatch::tensors() const {
  std::vector<const StoredTensor*> all;
  for (const StoredTensor& tensor : first.tensors) all.push_back(&tensor);
  if (second) {
    for (const StoredTensor& tensor : second->tensors) all.push_back(&tensor);
  }
  if (norm) all.push_back(&norm->wanted);
  return all;
}

std::span<const WeightPatch> WeightView::patches_of(std::string_view name) const {
  if (patches_ == nullptr) return {};
  const auto found = patches_->find(name);
  return found == patches_->end() ? std::span<const WeightPatch>() : found->second;
}

}  // namespace semblance
