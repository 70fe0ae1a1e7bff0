#include "runtime/patch_norms.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <mutex>

#include "core/convert.h"
#include "core/integers.h"
#include "core/parallel.h"
#include "memory/buffer.h"
#include "runtime/patch_kernels.h"
#include "runtime/row_patcher.h"
#include "weights/weight_map.h"

namespace semblance {
namespace {

/// Rows of a tensor are summed in this many parts, whatever the number of threads.
constexpr std::int64_t kParts = 16;
constexpr std::int64_t kSliceFloats = 64 * 1024;

std::vector<float> values_of(const StoredTensor& tensor) {
  std::vector<std::byte> raw(tensor.bytes());
  tensor.file->read(tensor.offset, raw);
  std::vector<float> values(at(tensor.shape.elements()));
  to_f32(tensor.dtype, raw, values);
  return values;
}

/// The squares of W + scale D, summed over the columns of each row, or over the rows of each
/// column.
class SquareSums {
 public:
  SquareSums(const StoredTensor& tensor, std::span<const WeightPatch> patches)
      : tensor_(tensor),
        patcher_(patches, tensor.shape, {}),
        factors_(patcher_.factor_bytes(), Tag::kStaging),
        shared_(patcher_.shared_bytes(), Tag::kStaging),
        scratch_(RowPatcher::kScratchBytes * at(threads()), Tag::kStaging) {
    patcher_.read_factors(factors_.bytes());
    patcher_.expand(factors_.bytes(), shared_.bytes(), scratch_.bytes());
  }

  std::vector<double> find(bool of_rows, const std::function<void()>& check) const {
    const std::int64_t rows = tensor_.rows();
    const std::int64_t columns = tensor_.row_elements();
    const std::int64_t slice = std::max<std::int64_t>(1, kSliceFloats / columns);
    const Buffer raw(at(slice) * tensor_.row_bytes() * at(threads()), Tag::kStaging);
    const Buffer floats(at(slice * columns * threads()) * sizeof(float), Tag::kStaging);
    std::vector<double> sums(at(of_rows ? rows : kParts * columns));
    std::exception_ptr failure;
    std::mutex mutex;
    parallel_ranges(kParts, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
      try {
        const auto values = floats.as<float>().subspan(at(worker * slice * columns));
        const auto bytes = raw.bytes().subspan(at(worker * slice) * tensor_.row_bytes());
        for (std::int64_t part = begin; part < end; ++part) {
          const std::int64_t last = rows * (part + 1) / kParts;
          for (std::int64_t row = rows * part / kParts; row < last; row += slice) {
            if (check) check();
            const std::int64_t count = std::min(slice, last - row);
            const auto place = values.first(at(count * columns));
            read_rows(tensor_, row, count, bytes.first(at(count) * tensor_.row_bytes()), place);
            patcher_.apply(row, count, factors_.bytes(), shared_.bytes(),
                           scratch_.bytes().subspan(at(worker) * RowPatcher::kScratchBytes,
                                                    RowPatcher::kScratchBytes),
                           place);
            for (std::int64_t r = 0; r < count; ++r) {
              const float* const values_of_row = place.data() + r * columns;
              of_rows ? sum_row(values_of_row, columns, sums[at(row + r)])
                      : add_squares(values_of_row, sums.data() + part * columns, columns);
            }
          }
        }
      } catch (...) {
        const std::scoped_lock lock(mutex);
        failure = std::current_exception();
      }
    });
    if (failure) std::rethrow_exception(failure);
    if (of_rows) return sums;
    for (std::int64_t part = 1; part < kParts; ++part) {
      for (std::int64_t c = 0; c < columns; ++c) sums[at(c)] += sums[at(part * columns + c)];
    }
    sums.resize(at(columns));
    return sums;
  }

 private:
  static void sum_row(const float* row, std::int64_t columns, double& sum) {
    // In as many columns as fit a cache line, so that vectors can do it.
    constexpr std::int64_t kWide = 64;
    std::array<double, kWide> sums{};
    for (std::int64_t c = 0; c < columns; c += kWide)
      add_squares(row + c, sums.data(), std::min(kWide, columns - c));
    for (const double one : sums) sum += one;
  }

  const StoredTensor& tensor_;
  RowPatcher patcher_;
  Buffer factors_, shared_, scratch_;
};

void find_ratio(const StoredTensor& tensor, std::span<const WeightPatch> patches,
                WeightPatch::Norm& norm, const std::function<void()>& check) {
  const std::vector<double> sums = SquareSums(tensor, patches).find(norm.of_rows, check);
  norm.ratio = values_of(norm.wanted);
  const std::size_t positions = sums.size() / norm.ratio.size();
  for (std::size_t i = 0; i < norm.ratio.size(); ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < positions; ++k) sum += sums[i * positions + k];
    // A row or column of zeros stays one.
    norm.ratio[i] =
        sum > 0 ? static_cast<float>(static_cast<double>(norm.ratio[i]) / std::sqrt(sum)) : 0.0F;
  }
}

}  // namespace

void find_ratios(const StoredTensor& tensor, std::span<WeightPatch> patches,
                 const std::function<void()>& check) {
  std::vector<WeightPatch> before;  // and the one at hand, without its norm
  for (WeightPatch& patch : patches) {
    before.push_back(patch);
    if (!patch.norm) continue;
    before.back().norm = nullptr;
    find_ratio(tensor, before, *patch.norm, check);
    before.back().norm = patch.norm;
  }
}

}  // namespace semblance
