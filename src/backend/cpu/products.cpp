// Convolutions and linear layers by our own products. Each thread takes panels of the weight and,
// for each, ranges of rows: the panel stays in the second-level cache while the rows pass, and the
// next one is fetched meanwhile.
#include "backend/cpu/products.h"

#include <unistd.h>

#include <algorithm>

#include "backend/cpu/convolution.h"
#include "backend/cpu/cpu.h"
#include "core/integers.h"
#include "core/parallel.h"

namespace semblance::cpu {
namespace {

constexpr std::int64_t kLeastChannels = 16;  // of x: loops over fewer words are mostly overhead
constexpr std::int64_t kRangeRows = 192;     // whose sums are kept while parts of a panel pass
constexpr std::int64_t kCacheLine = 64;

/// What lies beyond the picture's edge.
constexpr std::int64_t kMostRowBytes = 1 << 14;
alignas(kCacheLine) constexpr std::byte kZeros[kMostRowBytes] = {};

/// Bytes of a panel that are multiplied at once: half of a core's second-level cache.
std::int64_t cached_bytes() {
  static const std::int64_t bytes = [] {
    constexpr std::int64_t kLeast = 1 << 17, kMost = 1 << 19;
    return std::clamp<std::int64_t>(sysconf(_SC_LEVEL2_CACHE_SIZE) / 4, kLeast, kMost);
  }();
  return bytes;
}

/// Panels of `width` output channels: [panel, kernel position, word, channel].
onednn::WeightLayout layout_of(const onednn::ConvolutionShape& shape, std::int64_t width) {
  const std::int64_t pair = shape.dtype == DType::kBF16 ? 2 : 1;
  const std::int64_t position = shape.c * width;
  onednn::WeightLayout layout;
  layout.sizes = {1, shape.out_c, shape.c, shape.kernel[0], shape.kernel[1]};
  layout.padded = layout.sizes;
  layout.padded[1] = round_up(shape.out_c, width);
  const std::int64_t panel = position * shape.kernel[0] * shape.kernel[1];
  layout.strides = {panel * layout.padded[1] / width, panel, width * pair,
                    position * shape.kernel[1], position};
  layout.inner_blocks = {width, pair};
  layout.inner_axes = {1, 2};
  layout.inner_count = pair > 1 ? 2 : 1;
  layout.dtype = shape.dtype;
  layout.bytes = static_cast<std::size_t>(panel * layout.padded[1] / width) * size_of(shape.dtype);
  return layout;
}

class ProductKernel : public PackedWeightKernel {
 public:
  ProductKernel(const NodeView& node, const ConvolutionNode& described, const Products& products)
      : PackedWeightKernel(node),
        shape_(described.shape),
        bias_(described.bias),
        residual_(described.residual),
        products_(products),
        layout_(layout_of(shape_, products.width)),
        element_(static_cast<std::int64_t>(size_of(shape_.dtype))),
        positions_(shape_.kernel[0] * shape_.kernel[1]),
        words_(shape_.c * element_ / 4),
        rows_(shape_.n * shape_.out_h * shape_.out_w),
        panels_(layout_.padded[1] / products.width),
        workers_(threads()) {
    part_words_ = even_part(cached_bytes() / (4 * products_.width));
    const std::int64_t ranges = std::max((rows_ + kRangeRows - 1) / kRangeRows, ranges_to_share());
    range_rows_ = round_up((rows_ + ranges - 1) / ranges, kProductRows);
    ranges_ = (rows_ + range_rows_ - 1) / range_rows_;
    sums_bytes_ = (part_words_ < all_words() ? range_rows_ : kProductRows) * products_.width * 4;
  }

  const onednn::WeightLayout& weight_layout() const override { return layout_; }
  std::size_t scratch_bytes() const override {
    return static_cast<std::size_t>(workers_ * sums_bytes_);
  }

  void run(const KernelCall& call) const override {
    parallel_items(panels_ * ranges_, [&](std::int64_t item, int worker) {
      auto* const sums = reinterpret_cast<float*>(call.scratch + worker * sums_bytes_);
      multiply_range(call, item / ranges_, item % ranges_, sums);
    });
  }

 private:
  struct Rows {  // that are multiplied at once
    std::int64_t first, count;
    const std::byte* picture[kProductRows];
    std::int64_t y[kProductRows], x[kProductRows];  // of kernel position (0,0), maybe outside
  };

  std::int64_t columns_of(std::int64_t panel) const {
    return std::min(products_.width, shape_.out_c - panel * products_.width);
  }
  std::int64_t all_words() const { return positions_ * words_; }

  /// Enough for every thread to have some pieces, so that all end at about the same time.
  std::int64_t ranges_to_share() const {
    constexpr std::int64_t kPieces = 4, kLeastRows = 4 * kProductRows;
    return std::min((kPieces * workers_ + panels_ - 1) / panels_,
                    std::max<std::int64_t>(rows_ / kLeastRows, 1));
  }

  /// At most `fitting` words: several whole kernel positions, or an even part of one.
  std::int64_t even_part(std::int64_t fitting) const {
    const auto even = [](std::int64_t all, std::int64_t most) {
      const std::int64_t parts = (all + most - 1) / most;
      return (all + parts - 1) / parts;
    };
    if (words_ > fitting) return even(words_, fitting);
    return even(positions_, fitting / words_) * words_;
  }
  std::int64_t end_of_part(std::int64_t word) const {
    const std::int64_t most = part_words_ < words_ ? (word / words_ + 1) * words_ : all_words();
    return std::min(word + part_words_, most);
  }

  Rows rows_from(const KernelCall& call, std::int64_t first, std::int64_t end) const {
    Rows rows;
    rows.first = first;
    rows.count = std::min(kProductRows, end - first);
    for (std::int64_t r = 0; r < rows.count; ++r) {
      const std::int64_t row = first + r, line = row / shape_.out_w;
      rows.picture[r] =
          call.src[0] + line / shape_.out_h * shape_.h * shape_.w * shape_.c * element_;
      rows.y[r] = line % shape_.out_h * shape_.stride[0] - shape_.pad[0];
      rows.x[r] = row % shape_.out_w * shape_.stride[1] - shape_.pad[1];
    }
    return rows;
  }

  /// Multiplies words [begin, end) of all kernel positions.
  void multiply_part(const Rows& rows, const std::byte* panel, std::int64_t columns,
                     std::int64_t begin, std::int64_t end, float* sums) const {
    const std::byte* places[kProductRows];
    for (std::int64_t word = begin; word < end;) {
      const std::int64_t position = word / words_, from = word % words_;
      const std::int64_t count = std::min(words_ - from, end - word);
      const std::int64_t dy = position / shape_.kernel[1] * shape_.dilation[0];
      const std::int64_t dx = position % shape_.kernel[1] * shape_.dilation[1];
      for (std::int64_t r = 0; r < rows.count; ++r) {
        const std::int64_t y = rows.y[r] + dy, x = rows.x[r] + dx;
        const bool inside = y >= 0 && y < shape_.h && x >= 0 && x < shape_.w;
        places[r] = inside ? rows.picture[r] + ((y * shape_.w + x) * words_ + from) * 4 : kZeros;
      }
      products_.multiply(places, rows.count, panel + word * products_.width * 4, columns, count,
                         word > 0, sums);
      word += count;
    }
  }

  void finish(const KernelCall& call, const Rows& rows, std::int64_t panel,
              const float* sums) const {
    const std::int64_t channel = panel * products_.width;
    const std::int64_t place = (rows.first * shape_.out_c + channel) * element_;
    ProductResult result{.dst = call.dst + place,
                         .residual = nullptr,
                         .bias = nullptr,
                         .stride = shape_.out_c,
                         .columns = columns_of(panel)};
    if (residual_ >= 0) result.residual = call.src[static_cast<std::size_t>(residual_)] + place;
    if (bias_ >= 0) {
      result.bias =
          reinterpret_cast<const float*>(call.src[static_cast<std::size_t>(bias_)]) + channel;
    }
    products_.finish(sums, rows.count, result);
  }

  void multiply_range(const KernelCall& call, std::int64_t panel, std::int64_t range,
                      float* sums) const {
    const std::int64_t word_bytes = products_.width * 4, all = all_words();
    const std::byte* const weight = call.src[kWeight] + panel * all * word_bytes;
    const std::int64_t first = range * range_rows_, end = std::min(rows_, first + range_rows_);
    const bool is_whole = part_words_ == all;
    for (std::int64_t word = 0, word_end = 0; word < all; word = word_end) {
      word_end = end_of_part(word);
      // What follows is fetched bit by bit: the next part, or the next panel during all ranges.
      const std::byte* ahead = weight + word_end * word_bytes;
      const std::int64_t blocks =
          ((is_whole ? rows_ : end - first) + kProductRows - 1) / kProductRows;
      const std::int64_t bytes = round_up(part_words_ * word_bytes / blocks + 1, kCacheLine);
      if (is_whole) ahead += first / kProductRows * bytes;
      for (std::int64_t row = first; row < end; row += kProductRows) {
        const Rows rows = rows_from(call, row, end);
        float* const place = is_whole ? sums : sums + (row - first) * products_.width;
        for (std::int64_t i = 0; i < bytes; i += kCacheLine) __builtin_prefetch(ahead + i, 0, 2);
        ahead += bytes;
        multiply_part(rows, weight, columns_of(panel), word, word_end, place);
        if (word_end == all) finish(call, rows, panel, place);
      }
    }
  }

  onednn::ConvolutionShape shape_;
  int bias_, residual_;
  const Products& products_;
  onednn::WeightLayout layout_;
  std::int64_t element_, positions_, words_, rows_, panels_;
  int workers_;
  std::int64_t part_words_;  // of a panel's, multiplied before the next
  std::int64_t range_rows_, ranges_;
  std::int64_t sums_bytes_;  // of a thread
};

/// Why oneDNN should compute it: that is as fast without AVX-512 and in narrow f32 convolutions,
/// and uses units for whole matrices. The answer is the same for any part of the rows and output
/// channels, which must have the bits of the whole.
std::string why_not_product(const onednn::ConvolutionShape& shape, const Products* products) {
  constexpr std::int64_t kNarrow = 512;
  const bool is_pointwise = shape.kernel[0] * shape.kernel[1] == 1;
  const auto row_bytes = shape.c * static_cast<std::int64_t>(size_of(shape.dtype));
  if (products == nullptr || products->width < kMostPanel) return "oneDNN is as fast here";
  if (shape.dtype == DType::kBF16 ? !onednn::multiplies_bf16() || onednn::multiplies_matrices()
                                  : !is_pointwise && shape.c <= kNarrow)
    return "oneDNN is as fast for this";
  if (shape.groups > 1) return "the channels are in groups";
  if (shape.c < kLeastChannels) return "few channels";
  if (row_bytes % 4 != 0) return "x has an odd number of channels";
  if (row_bytes > kMostRowBytes && !is_pointwise) return "many channels";
  return {};
}

}  // namespace

Made make_product(const NodeView& node, const Device&) {
  const ConvolutionNode made = convolution_of(node);
  if (!made.why_not.empty()) return decline(made.why_not);
  const Products* const products =
      made.shape.dtype == DType::kF32 ? f32_products() : bf16_products();
  const std::string why_not = why_not_product(made.shape, products);
  if (!why_not.empty()) return decline(why_not);
  return accept(std::make_unique<ProductKernel>(node, made, *products));
}

}  // namespace semblance::cpu
