// Compares every kernel of a backend with the reference kernels, for shapes listed in text files
// (tests/support/op_case.h), in f32 and bf16 or f16. For each kernel that accepts a case:
//   - its result differs from the reference's f32 result by no more than its dtype's tolerance,
//   from
//     inputs and weights that are exact in that dtype;
//   - a second run gives the same bits, and so does a run in place, if the op may overwrite a
//   source;
//   - weights packed in slices of rows, in any order, give the same bits as packed whole;
//   - it writes only to dst, packed weights and exactly scratch_bytes() of scratch, does not depend
//     on their previous contents, and does not change its sources;
//   - parts of the result that the op allows to be computed separately have the bits of the whole.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <set>

#include "backend/backends.h"
#include "runtime/node_run.h"
#include "tests/support/golden.h"
#include "tests/support/op_case.h"
#include "tests/support/op_parts.h"
#include "tests/support/sanitized.h"

namespace semblance::testing {

/// One kernel on one case, with poisoned memory around every place.
class KernelUnderTest {
 public:
  /// Makes the kernel for the op on these sources, or sets why_not().
  KernelUnderTest(const Backend& backend, const KernelEntry& entry, const Op& op,
                  const std::vector<CaseTensor>& src)
      : run_(backend, entry, op, sources_of(src)), src_(src) {
    if (!accepted()) return;
    run_.take_memory(kGuard);
    Executor& executor = run_.executor();
    std::ranges::fill(executor.begin_write(run_.whole()), kPoison);
    executor.end_write(run_.whole());
  }

  bool accepted() const { return run_.has_kernel(); }
  bool is_exact_by_channels() const { return run_.kernel().is_exact_by_channels(); }
  const std::string& why_not() const { return run_.declined().front(); }
  TensorType dst_type() const { return run_.node().dst(); }

  /// Fills every source and packs every weight: whole, or in slices of rows in random order.
  void pack(std::mt19937* random) {
    for (std::size_t i = 0; i < src_.size(); ++i) {
      if (!src_[i].is_weight) {
        run_.set_bytes(i, encode(src_[i]));
        continue;
      }
      const std::vector<std::byte> before = memory();
      const DevicePlace& place = run_.places().src[i];
      const std::span<std::byte> packed = run_.executor().begin_write(place);
      std::ranges::fill(packed, kPoison);
      for (const auto& [begin, end] : slices_of(static_cast<int>(i), random)) {
        const Shape& shape = src_[i].type.shape;
        const std::int64_t row = shape.rank() == 0 ? 1 : shape.elements_from(1);
        const std::vector<float> plain(src_[i].values.begin() + begin * row,
                                       src_[i].values.begin() + end * row);
        run_.kernel().pack(static_cast<int>(i), PackRows::of(begin, end - begin, plain), packed);
      }
      run_.executor().end_write(place);
      EXPECT_TRUE(is_same_outside({place}, before, memory())) << "pack() wrote beyond packed_bytes";
    }
  }

  /// Runs with a separate dst, or in place of source `in_place`; returns the result's bytes.
  std::vector<std::byte> run(int in_place = -1) {
    const KernelPlaces& places = run_.places();
    for (const DevicePlace& place : {places.dst, places.scratch}) {
      std::ranges::fill(run_.executor().begin_write(place), kPoison);
      run_.executor().end_write(place);
    }
    const DevicePlace& dst =
        in_place >= 0 ? places.src[static_cast<std::size_t>(in_place)] : places.dst;
    const std::vector<std::byte> before = memory();
    run_.run(in_place);
    const std::vector<std::byte> after = memory();
    EXPECT_TRUE(is_same_inside(around(places.dst), {dst}, before, after) &&
                is_same_inside(around(dst), {dst}, before, after))
        << "run() wrote outside dst";
    EXPECT_TRUE(is_same_inside(around(places.scratch), {places.scratch}, before, after))
        << "run() wrote outside scratch_bytes";
    for (std::size_t i = 0; i < places.src.size(); ++i) {
      EXPECT_TRUE(is_same_inside(around(places.src[i]), {dst}, before, after))
          << "run() wrote to source " << i;
    }
    const std::vector<std::byte> result = run_.result_bytes();
    if (in_place >= 0) run_.set_bytes(static_cast<std::size_t>(in_place), bytes_at(before, dst));
    return result;
  }

 private:
  static constexpr std::uint64_t kGuard = 256;
  // NaN in f32, f16 and bf16, so that reads of unwritten memory show.
  static constexpr std::byte kPoison{0xff};
  using Bytes = std::vector<std::byte>;

  static std::vector<NodeRun::Source> sources_of(const std::vector<CaseTensor>& src) {
    std::vector<NodeRun::Source> sources;
    for (const CaseTensor& tensor : src) sources.push_back({tensor.type, tensor.is_weight});
    return sources;
  }

  Bytes memory() const {
    const std::span<const std::byte> view = run_.executor().begin_read(run_.whole());
    Bytes bytes(view.begin(), view.end());
    run_.executor().end_read(run_.whole());
    return bytes;
  }
  static Bytes bytes_at(const Bytes& memory, const DevicePlace& place) {
    const auto begin = memory.begin() + static_cast<std::ptrdiff_t>(place.offset);
    return {begin, begin + static_cast<std::ptrdiff_t>(place.bytes)};
  }
  static DevicePlace around(const DevicePlace& place) {
    return {place.region, place.offset - kGuard, place.bytes + 2 * kGuard};
  }
  /// Whether two states of the memory are the same in `where`, ignoring the place `but`.
  static bool is_same_inside(const DevicePlace& where, const DevicePlace& but, const Bytes& before,
                             const Bytes& after) {
    const auto same = [&](std::uint64_t begin, std::uint64_t end) {
      return begin >= end || std::memcmp(&before[begin], &after[begin], end - begin) == 0;
    };
    const std::uint64_t end = where.offset + where.bytes;
    return same(where.offset, std::min(end, but.offset)) &&
           same(std::max(where.offset, but.offset + but.bytes), end);
  }
  bool is_same_outside(const DevicePlace& place, const Bytes& before, const Bytes& after) const {
    return is_same_inside(run_.whole(), place, before, after);
  }

  using Ranges = std::vector<std::pair<std::int64_t, std::int64_t>>;
  Ranges slices_of(int src, std::mt19937* random) const {
    const Shape& shape = src_[static_cast<std::size_t>(src)].type.shape;
    const std::int64_t rows = shape.rank() == 0 ? 1 : shape[0];
    const std::int64_t step = run_.kernel().pack_rows(src);
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

  NodeRun run_;
  std::vector<CaseTensor> src_;
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
inline void check_kernel(const Backend& backend, const KernelEntry& entry, const Graph& graph,
                         const std::vector<CaseTensor>& src, KernelUnderTest& kernel,
                         const std::vector<float>& want, std::mt19937& random) {
  const Op& op = graph.nodes()[0].op;
  const TensorType dst_type = kernel.dst_type();
  kernel.pack(nullptr);
  const std::vector<std::byte> whole = kernel.run();
  expect_close(decode(whole, dst_type.dtype), want, tolerance_of(dst_type.dtype));
  expect_same_bits(kernel.run(), whole, dst_type.dtype, "a second run");

  const int in_place = std::visit([](const auto& o) { return o.may_overwrite(); }, op);
  if (in_place >= 0 && !src[static_cast<std::size_t>(in_place)].is_weight &&
      src[static_cast<std::size_t>(in_place)].type == dst_type) {
    expect_same_bits(kernel.run(in_place), whole, dst_type.dtype, "in place");
  }
  kernel.pack(&random);
  expect_same_bits(kernel.run(), whole, dst_type.dtype, "weights packed in slices");

  for (const PartCase& part : parts_of(graph, src, random)) {
    KernelUnderTest partial(backend, entry, part.op, part.src);
    if (!partial.accepted()) {
      ADD_FAILURE() << part.what << ": declined: " << partial.why_not();
      continue;
    }
    if (part.by_output_channels && !kernel.is_exact_by_channels()) continue;
    partial.pack(nullptr);
    expect_same_bits(partial.run(), cut(whole, dst_type, part), dst_type.dtype, part.what);
  }
}

/// A sanitizer build leaves out cases of more operations.
inline constexpr Operations kMostSanitizedOperations = 4e6;

/// Compares the backend's kernels of the op with the reference on every line of the file, in f32
/// and in `half`.
inline void expect_agreement(const Backend& backend, std::string_view op_name,
                             const std::filesystem::path& shapes, DType half = DType::kBF16) {
  std::map<std::string_view, bool> accepted;
  std::map<std::string_view, std::set<std::string>> refusals;
  std::mt19937 random(2024);
  bool all_cases = true;
  for (const std::string& line : read_case_lines(shapes)) {
    const Graph graph = graph_of_case(line);
    const Node& node = graph.nodes()[0];
    ASSERT_EQ(name_of(node.op), op_name) << line;
    for (DType dtype : dtypes_of(node.op, half)) {
      if (kSanitized && graph.cost() > kMostSanitizedOperations) {
        all_cases = false;
        continue;
      }
      const std::vector<CaseTensor> src = random_sources(graph, dtype, random);
      const std::vector<CaseTensor> exact = widened(src);
      std::vector<float> want;
      for (const KernelEntry& entry : backend.kernels()) {
        if (entry.op != op_name) continue;
        if (entry.is_reference && &backend != &reference_backend()) continue;
        SCOPED_TRACE(fmt::format("{} in {}: {}", entry.name, name_of(dtype), line));
        KernelUnderTest kernel(backend, entry, node.op, src);
        accepted[entry.name] |= kernel.accepted();
        if (!kernel.accepted()) {
          EXPECT_FALSE(kernel.why_not().empty()) << "declines without a reason";
          refusals[entry.name].insert(kernel.why_not());
          continue;
        }
        if (want.empty()) {
          KernelUnderTest reference(reference_backend(), reference_entry(op_name), node.op, exact);
          ASSERT_TRUE(reference.accepted()) << reference.why_not();
          reference.pack(nullptr);
          want = decode(reference.run(), reference.dst_type().dtype);
        }
        check_kernel(backend, entry, graph, src, kernel, want, random);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
  if (!all_cases) return;
  for (const auto& [name, any] : accepted) {
    std::string reasons;
    for (const std::string& reason : refusals[name]) reasons += "\n  " + reason;
    EXPECT_TRUE(any) << name << " accepts no case of " << shapes << reasons;
  }
}

}  // namespace semblance::testing
