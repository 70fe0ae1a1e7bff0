#include <algorithm>

#include "backend/vulkan/launch.h"
#include "backend/vulkan/vulkan.h"

namespace semblance::vulkan {
namespace {

/// Elements to move between two strided places. Axes are fastest first; offsets and strides count
/// elements until in_words().
struct Move {
  struct Axis {
    std::int64_t size, src_stride, dst_stride;
  };
  std::int64_t src_first = 0, dst_first = 0;
  std::vector<Axis> axes;

  /// Adds the next slower axis, or merges it with the one before.
  void add(std::int64_t size, std::int64_t src_stride, std::int64_t dst_stride) {
    if (size == 1) return;
    if (!axes.empty()) {
      Axis& last = axes.back();
      if (src_stride == last.size * last.src_stride && dst_stride == last.size * last.dst_stride) {
        last.size *= size;
        return;
      }
    }
    axes.push_back({size, src_stride, dst_stride});
  }
  std::int64_t count() const {
    std::int64_t product = 1;
    for (const Axis& axis : axes) product *= axis.size;
    return product;
  }
};

/// The widest word in which whole runs of contiguous elements can be moved, in bytes; an element's
/// own size if there are none. 0 if even that is no word of the shaders.
std::int64_t word_bytes(const Move& move, std::int64_t element_bytes) {
  const bool contiguous =
      !move.axes.empty() && move.axes[0].src_stride == 1 && move.axes[0].dst_stride == 1;
  for (std::int64_t word : {16, 8, 4, 2}) {
    if (word < element_bytes || (word > element_bytes && !contiguous)) continue;
    const auto whole = [&](std::int64_t elements) { return elements * element_bytes % word == 0; };
    bool fits = whole(move.src_first) && whole(move.dst_first);
    if (word > element_bytes) fits = fits && whole(move.axes[0].size);
    for (std::size_t i = 1; i < move.axes.size(); ++i)
      fits = fits && whole(move.axes[i].src_stride) && whole(move.axes[i].dst_stride);
    if (fits) return word;
  }
  return 0;
}

Move in_words(Move move, std::int64_t element_bytes, std::int64_t word) {
  if (word == element_bytes) return move;
  const std::int64_t elements = word / element_bytes;
  SEMBLANCE_ASSERT(elements > 0);
  move.src_first /= elements;
  move.dst_first /= elements;
  move.axes[0].size /= elements;
  for (std::size_t i = 1; i < move.axes.size(); ++i) {
    move.axes[i].src_stride /= elements;
    move.axes[i].dst_stride /= elements;
  }
  return move;
}

/// The launch that moves source `src` to the result. `word` is word_bytes() and not 0.
Launch launch_of(const Move& elements, int src, std::int64_t element_bytes, std::int64_t word) {
  const Move move = in_words(elements, element_bytes, word);
  std::array<std::uint32_t, Shape::kMaxRank> sizes{1, 1, 1, 1, 1, 1}, src_strides{}, dst_strides{};
  for (std::size_t i = 0; i < move.axes.size(); ++i) {
    sizes[i] = word_of(move.axes[i].size);
    src_strides[i] = word_of(move.axes[i].src_stride);
    dst_strides[i] = word_of(move.axes[i].dst_stride);
  }
  const std::int64_t count = move.count();
  std::vector<std::uint32_t> push = words(count, move.src_first, move.dst_first);
  for (const auto& values : {sizes, src_strides, dst_strides})
    push.insert(push.end(), values.begin(), values.end());
  return {&shader(fmt::format("copy_{}", word)),
          words(kThreads, std::max<std::size_t>(1, move.axes.size())),
          {Slot::of_src(src), Slot::of_dst()},
          std::move(push),
          grid(divided_up(count, kThreads))};
}

/// Whether the card's shaders can address words of this size.
std::string why_not_word(std::int64_t word, DType dtype, const Device& device) {
  if (word == 0) return fmt::format("{} elements that lie apart cannot be moved", name_of(dtype));
  if (word == 2 && !facts_of(device).has_16_bit_storage)
    return "16-bit elements that lie apart, and the card has no 16-bit storage";
  return "";
}

struct SourceMove {
  int src;
  Move move;
};

/// The launches of the moves, or the reason why one is impossible.
struct Launches {
  std::vector<Launch> launches;
  std::string why_not;
};
Launches launches_of(const std::vector<SourceMove>& moves, DType dtype, const Device& device) {
  Launches result;
  const auto element = static_cast<std::int64_t>(size_of(dtype));
  for (const auto& [src, move] : moves) {
    if (move.count() == 0) continue;
    const std::int64_t word = word_bytes(move, element);
    result.why_not = why_not_word(word, dtype, device);
    if (!result.why_not.empty()) return result;
    result.launches.push_back(launch_of(move, src, element, word));
  }
  return result;
}

Made move_kernel(const NodeView& node, const Device& device, const std::vector<SourceMove>& moves) {
  if (std::string why_not = why_not_placed(node, device); !why_not.empty()) return decline(why_not);
  Launches made = launches_of(moves, node.dst().dtype, device);
  if (!made.why_not.empty()) return decline(std::move(made.why_not));
  return accept(std::make_unique<LaunchKernel>(node, std::move(made.launches)));
}

Move whole(const Shape& shape) {
  Move move;
  move.add(shape.elements(), 1, 1);
  return move;
}

/// Copies y unless the result takes its place, then the part into it.
class PasteKernel : public VulkanKernel {
 public:
  PasteKernel(const NodeView& node, std::vector<Launch> launches)
      : VulkanKernel(node), launches_(std::move(launches)) {}

  std::vector<Dispatch> dispatches(const KernelPlaces& places) const override {
    const bool in_place =
        places.dst.region == places.src[0].region && places.dst.offset == places.src[0].offset;
    std::vector<Dispatch> dispatches;
    for (const Launch& launch : launches_) {
      if (in_place && launch.slots[0].src == 0) continue;
      dispatches.push_back(launch.in(places));
    }
    return dispatches;
  }

 private:
  std::vector<Launch> launches_;
};

/// The widest word that divides the bytes, in bytes; 0 if they are odd.
std::int64_t widest_word(std::int64_t bytes) {
  for (std::int64_t word : {16, 8, 4, 2}) {
    if (bytes % word == 0) return word;
  }
  return 0;
}

/// For embedding and take_row: rows of source `table`, chosen by the numbers in the other source.
Made gather_kernel(const NodeView& node, const Device& device, int table, std::int64_t rows,
                   std::int64_t row_elements, std::int64_t table_elements) {
  if (std::string why_not = why_not_placed(node, device); !why_not.empty()) return decline(why_not);
  const auto element = static_cast<std::int64_t>(size_of(node.dst().dtype));
  std::vector<Launch> launches;
  if (const std::int64_t count = node.dst().shape.elements(); count > 0) {
    if (rows == 0) return decline("the table has no rows");
    const std::int64_t word = widest_word(row_elements * element);
    std::string why_not = why_not_word(word, node.dst().dtype, device);
    if (!why_not.empty()) return decline(std::move(why_not));
    const auto in_words = [&](std::int64_t elements) { return elements * element / word; };
    launches.push_back(
        {&shader(fmt::format("gather_{}", word)),
         words(kThreads),
         {Slot::of_src(table), Slot::of_src(1 - table), Slot::of_dst()},
         words(in_words(count), in_words(row_elements), rows, in_words(table_elements)),
         grid(divided_up(in_words(count), kThreads))});
  }
  return accept(std::make_unique<LaunchKernel>(node, std::move(launches)));
}

}  // namespace

Made make_copy(const NodeView& node, const Device& device) {
  return move_kernel(node, device, {{0, whole(node.dst().shape)}});
}

Made make_concat(const NodeView& node, const Device& device) {
  const Shape& dst = node.dst().shape;
  const int axis = dst.place_of(node.op<Concat>().axis);
  const std::int64_t dst_block = dst.elements_from(axis);
  std::vector<SourceMove> moves;
  std::int64_t offset = 0;
  for (int i = 0; i < node.src_count(); ++i) {
    const std::int64_t block = node.src(i).shape.elements_from(axis);
    Move move{0, offset, {}};
    move.add(block, 1, 1);
    move.add(dst.elements_before(axis), block, dst_block);
    moves.push_back({i, std::move(move)});
    offset += block;
  }
  return move_kernel(node, device, moves);
}

Made make_slice(const NodeView& node, const Device& device) {
  const auto& op = node.op<Slice>();
  const Shape& x = node.src(0).shape;
  const Shape& dst = node.dst().shape;
  const int axis = x.place_of(op.axis);
  const std::int64_t inner = x.elements_from(axis + 1);
  Move move{op.begin * inner, 0, {}};
  move.add(inner, 1, 1);
  move.add(dst[axis], op.step * inner, inner);
  move.add(x.elements_before(axis), x[axis] * inner, dst[axis] * inner);
  return move_kernel(node, device, {{0, std::move(move)}});
}

Made make_paste(const NodeView& node, const Device& device) {
  if (std::string why_not = why_not_placed(node, device); !why_not.empty()) return decline(why_not);
  const std::int64_t c = node.dst().shape[-1];
  const std::int64_t part = node.src(1).shape[-1];
  Move move{0, node.op<Paste>().begin, {}};
  move.add(part, 1, 1);
  move.add(node.dst().shape.elements_before(-1), part, c);
  Launches made =
      launches_of({{0, whole(node.dst().shape)}, {1, std::move(move)}}, node.dst().dtype, device);
  if (!made.why_not.empty()) return decline(std::move(made.why_not));
  return accept(std::make_unique<PasteKernel>(node, std::move(made.launches)));
}

Made make_transpose(const NodeView& node, const Device& device) {
  const auto& op = node.op<Transpose>();
  const Shape& x = node.src(0).shape;
  const Shape& dst = node.dst().shape;
  Move move;
  std::int64_t dst_stride = 1;
  for (int i = dst.rank() - 1; i >= 0; --i) {
    const auto from = static_cast<int>(op.perm[static_cast<std::size_t>(i)]);
    move.add(dst[i], x.elements_from(from + 1), dst_stride);
    dst_stride *= dst[i];
  }
  return move_kernel(node, device, {{0, std::move(move)}});
}

Made make_embedding(const NodeView& node, const Device& device) {
  const Shape& table = node.src(1).shape;
  return gather_kernel(node, device, 1, table[0], table[1], 0);
}

Made make_take_row(const NodeView& node, const Device& device) {
  const Shape& x = node.src(0).shape;
  return gather_kernel(node, device, 0, x[1], x[2], x[1] * x[2]);
}

Made make_upsample(const NodeView& node, const Device& device) {
  if (std::string why_not = why_not_placed(node, device); !why_not.empty()) return decline(why_not);
  const Shape& x = node.src(0).shape;
  const auto& op = node.op<Upsample>();
  const auto element = static_cast<std::int64_t>(size_of(node.dst().dtype));
  const std::int64_t word = widest_word(x[3] * element);
  if (std::string why_not = why_not_word(word, node.dst().dtype, device); !why_not.empty())
    return decline(std::move(why_not));
  // The shader multiplies rows before it divides.
  if (std::max(x[1], x[2]) * std::max(op.height, op.width) > std::int64_t{1} << 32)
    return decline("the picture has too many rows or columns");
  const std::int64_t pixel_words = x[3] * element / word;
  const std::int64_t count = node.dst().shape.elements_before(-1) * pixel_words;
  std::vector<Launch> launches{{&shader(fmt::format("upsample_{}", word)),
                                words(kThreads),
                                {Slot::of_src(0), Slot::of_dst()},
                                words(count, pixel_words, x[1], x[2], op.height, op.width),
                                grid(divided_up(count, kThreads))}};
  return accept(std::make_unique<LaunchKernel>(node, std::move(launches)));
}

}  // namespace semblance::vulkan
