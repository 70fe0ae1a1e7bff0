// Holds every kernel of a backend to the reference kernels, for shapes listed in text files
// (tests/support/op_case.h), in f32 and bf16. Of each kernel that accepts a case:
//   - its result is within the tolerance of its dtype of the reference's f32 result, from inputs
//     and weights that are exact in that dtype;
//   - a second run gives the same bits, and so does a run whose dst is the source that the op may
//     overwrite;
//   - weights packed in slices of rows, in any order, give the same bits as packed whole;
//   - it keeps inside dst, packed weights and exactly scratch_bytes(), whatever they held before,
//     and leaves sources alone;
//   - parts of the result that the op lets be computed alone have the bits of the whole.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <set>

#include "backend/backends.h"
#include "tests/support/golden.h"
#include "tests/support/op_case.h"
#include "tests/support/op_parts.h"

namespace semblance::testing {

/// Bytes aligned to 64, poisoned at first, between guards that must stay as they are.
class GuardedBytes {
 public:
  explicit GuardedBytes(std::size_t size)
      : size_(size), storage_(size + 2 * kGuard + kAlignment, kPoison) {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data()) + kGuard;
    begin_ = storage_.data() + kGuard + (kAlignment - address % kAlignment) % kAlignment;
  }
  explicit GuardedBytes(const std::vector<std::byte>& content) : GuardedBytes(content.size()) {
    std::copy(content.begin(), content.end(), begin_);
  }
  GuardedBytes(GuardedBytes&&) = default;

  std::byte* data() { return begin_; }
  std::span<std::byte> bytes() { return {begin_, size_}; }
  std::vector<std::byte> copy() const { return {begin_, begin_ + size_}; }
  bool intact() const {
    const auto poisoned = [](std::byte byte) { return byte == kPoison; };
    return std::all_of(storage_.data(), static_cast<const std::byte*>(begin_), poisoned) &&
           std::all_of(static_cast<const std::byte*>(begin_) + size_,
                       storage_.data() + storage_.size(), poisoned);
  }

 private:
  static constexpr std::size_t kGuard = 256;
  static constexpr std::size_t kAlignment = 64;
  // NaN in f32, f16 and bf16: what is read without having been written shows.
  static constexpr std::byte kPoison{0xff};
  std::size_t size_;
  std::vector<std::byte> storage_;
  std::byte* begin_;
};

/// One kernel on one case.
class KernelUnderTest {
 public:
  /// Makes the kernel for the op on these sources, or leaves why_not().
  KernelUnderTest(const KernelEntry& entry, const Op& op, const std::vector<Tensor>& src)
      : graph_(graph_of(op, src)), src_(src) {
    Made made = entry.make(NodeView(graph_, graph_.nodes()[0]));
    kernel_ = std::move(made.kernel);
    why_not_ = std::move(made.why_not);
    if (kernel_) kernel_->compile();
  }

  bool accepted() const { return kernel_ != nullptr; }
  bool keeps_bits_by_output_channels() const { return kernel_->keeps_bits_by_output_channels(); }
  const std::string& why_not() const { return why_not_; }
  const TensorType& dst_type() const { return graph_.type(graph_.nodes()[0].dst); }

  /// Packs every weight: whole, or in slices of rows in a random order.
  void pack(std::mt19937* random) {
    packed_.clear();
    for (std::size_t i = 0; i < src_.size(); ++i) {
      if (!src_[i].is_weight) {
        packed_.emplace_back(encode(src_[i]));
        continue;
      }
      packed_.emplace_back(kernel_->packed_bytes(static_cast<int>(i)));
      for (const auto& [begin, end] : slices_of(static_cast<int>(i), random)) {
        const Shape& shape = src_[i].type.shape;
        const std::int64_t row = shape.rank() == 0 ? 1 : shape.elements_from(1);
        const std::vector<float> plain(src_[i].values.begin() + begin * row,
                                       src_[i].values.begin() + end * row);
        kernel_->pack(static_cast<int>(i), begin, end - begin, plain, packed_.back().bytes());
      }
      EXPECT_TRUE(packed_.back().intact()) << "pack() wrote beyond packed_bytes";
    }
  }

  /// Runs with dst apart, or in the place of source `in_place`; gives the result's bytes.
  std::vector<std::byte> run(int in_place = -1) {
    std::vector<const std::byte*> pointers;
    std::vector<std::vector<std::byte>> before;
    for (GuardedBytes& bytes : packed_) {
      pointers.push_back(bytes.data());
      before.push_back(bytes.copy());
    }
    GuardedBytes dst(dst_type().bytes());
    if (in_place >= 0) {
      const std::vector<std::byte>& source = before[static_cast<std::size_t>(in_place)];
      std::copy(source.begin(), source.end(), dst.data());
      pointers[static_cast<std::size_t>(in_place)] = dst.data();
    }
    GuardedBytes scratch(kernel_->scratch_bytes());
    kernel_->run({pointers, dst.data(), scratch.data()});
    EXPECT_TRUE(dst.intact()) << "run() wrote outside dst";
    EXPECT_TRUE(scratch.intact()) << "run() wrote outside scratch_bytes";
    for (std::size_t i = 0; i < packed_.size(); ++i) {
      EXPECT_TRUE(packed_[i].intact() && packed_[i].copy() == before[i])
          << "run() wrote to source " << i;
    }
    return dst.copy();
  }

 private:
  using Ranges = std::vector<std::pair<std::int64_t, std::int64_t>>;
  Ranges slices_of(int src, std::mt19937* random) const {
    const Shape& shape = src_[static_cast<std::size_t>(src)].type.shape;
    const std::int64_t rows = shape.rank() == 0 ? 1 : shape[0];
    const std::int64_t step = kernel_->pack_rows(src);
    EXPECT_GT(step, 0);
    Ranges ranges;
    for (std::int64_t begin = 0; begin < rows;) {
      std::int64_t end = rows;
      if (random != nullptr) {
        const std::int64_t steps = (rows - begin + step - 1) / step;
        end = std::min(rows, begin + (1 + static_cast<std::int64_t>((*random)()) % steps) * step);
      }
      ranges.emplace_back(begin, end);
      begin = end;
    }
    if (random != nullptr) std::shuffle(ranges.begin(), ranges.end(), *random);
    return ranges;
  }

  Graph graph_;
  std::vector<Tensor> src_;
  std::unique_ptr<Kernel> kernel_;
  std::string why_not_;
  std::vector<GuardedBytes> packed_;
};

inline void expect_same_bits(const std::vector<std::byte>& got, const std::vector<std::byte>& want,
                             DType dtype, const std::string& what) {
  if (got == want) return;
  ASSERT_EQ(got.size(), want.size()) << what;
  const std::vector<float> got_values = decode(got, dtype);
  const std::vector<float> want_values = decode(want, dtype);
  std::size_t first = got_values.size();
  std::size_t count = 0;
  for (std::size_t i = 0; i < got_values.size(); ++i) {
    if (std::memcmp(&got_values[i], &want_values[i], sizeof(float)) == 0) continue;
    first = std::min(first, i);
    ++count;
  }
  ADD_FAILURE() << what << ": " << count << " of " << got_values.size() << " differ, the first at "
                << first << ": " << got_values[first] << ", not " << want_values[first];
}

/// All of the above for one kernel that accepted the case.
inline void check_kernel(const KernelEntry& entry, const Op& op, const std::vector<Tensor>& src,
                         KernelUnderTest& kernel, const std::vector<float>& want,
                         std::mt19937& random) {
  const TensorType dst_type = kernel.dst_type();
  kernel.pack(nullptr);
  const std::vector<std::byte> whole = kernel.run();
  const bool exact = dst_type.dtype == DType::kF32 || dst_type.dtype == DType::kF64;
  expect_close(decode(whole, dst_type.dtype), want, exact ? kF32 : kBF16);
  expect_same_bits(kernel.run(), whole, dst_type.dtype, "a second run");

  const int in_place = std::visit([](const auto& o) { return o.may_overwrite(); }, op);
  if (in_place >= 0 && !src[static_cast<std::size_t>(in_place)].is_weight &&
      src[static_cast<std::size_t>(in_place)].type == dst_type) {
    expect_same_bits(kernel.run(in_place), whole, dst_type.dtype, "in place");
  }
  kernel.pack(&random);
  expect_same_bits(kernel.run(), whole, dst_type.dtype, "weights packed in slices");

  for (const Part& part : parts_of(op, src, dst_type.shape, random)) {
    KernelUnderTest partial(entry, part.op, part.src);
    if (!partial.accepted()) {
      ADD_FAILURE() << part.what << ": declined: " << partial.why_not();
      continue;
    }
    if (part.by_output_channels && !kernel.keeps_bits_by_output_channels()) continue;
    partial.pack(nullptr);
    expect_same_bits(partial.run(), cut(whole, dst_type, part.axis, part.begin, part.end),
                     dst_type.dtype, part.what);
  }
}

/// Holds the backend's kernels of the op to the reference on every line of the file.
inline void expect_agreement(const Backend& backend, std::string_view op_name,
                             const std::filesystem::path& shapes) {
  std::map<std::string_view, bool> accepted;
  std::map<std::string_view, std::set<std::string>> refusals;
  std::mt19937 random(2024);
  for (const std::string& line : read_case_lines(shapes)) {
    const Graph graph = graph_of_case(line);
    const Node& node = graph.nodes()[0];
    ASSERT_EQ(name_of(node.op), op_name) << line;
    for (DType dtype : dtypes_of(node.op)) {
      const std::vector<Tensor> src = random_sources(graph, dtype, random);
      std::vector<Tensor> exact = src;  // the same values, computed in f32
      for (Tensor& tensor : exact) {
        if (tensor.type.dtype == DType::kBF16) tensor.type.dtype = DType::kF32;
      }
      std::vector<float> want;
      for (const KernelEntry& entry : backend.kernels()) {
        if (entry.op != op_name) continue;
        const bool is_reference = entry.make == reference_entry(op_name).make;
        if (is_reference && &backend != &reference_backend()) continue;
        SCOPED_TRACE(fmt::format("{} in {}: {}", entry.name, name_of(dtype), line));
        KernelUnderTest kernel(entry, node.op, src);
        accepted[entry.name] |= kernel.accepted();
        if (!kernel.accepted()) {
          EXPECT_FALSE(kernel.why_not().empty()) << "declines without a reason";
          refusals[entry.name].insert(kernel.why_not());
          continue;
        }
        if (want.empty()) {
          KernelUnderTest reference(reference_entry(op_name), node.op, exact);
          ASSERT_TRUE(reference.accepted()) << reference.why_not();
          reference.pack(nullptr);
          want = decode(reference.run(), reference.dst_type().dtype);
        }
        check_kernel(entry, node.op, src, kernel, want, random);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
  for (const auto& [name, any] : accepted) {
    std::string reasons;
    for (const std::string& reason : refusals[name]) reasons += "\n  " + reason;
    EXPECT_TRUE(any) << name << " accepts no case of " << shapes << reasons;
  }
}

}  // namespace semblance::testing
