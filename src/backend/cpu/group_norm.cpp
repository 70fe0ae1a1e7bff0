// Group normalisation, channels last: moments of chunks of pixels, then scaling by them. The whole,
// and each half as its own op.
//
// Chunks depend only on the picture's size, so that sums do not depend on the number of threads.
// Within a chunk, channels are summed in f32 over at most kRun pixels and then in double. Squared
// distances are taken from the group's mean of those pixels while they are in the cache. Runs are
// merged as in Chan, Golub and LeVeque (1983).
#include <algorithm>
#include <cmath>

#include "backend/cpu/cpu.h"
#include "core/integers.h"
#include "core/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/group_norm.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
//
#include "backend/cpu/vectors-inl.h"

#ifndef SEMBLANCE_GROUP_NORM_ONCE
#define SEMBLANCE_GROUP_NORM_ONCE
namespace semblance::cpu {

/// Moments of a group over some pixels, with the memory layout of GroupMoments' result.
struct Moments {
  double count = 0;
  double mean = 0;
  double squares = 0;  // sum of squared distances from the mean

  void merge(const Moments& other) {
    if (other.count == 0) return;
    const double total = count + other.count;
    const double distance = other.mean - mean;
    mean += distance * (other.count / total);
    squares += other.squares + distance * distance * (count * other.count / total);
    count = total;
  }
};

constexpr std::int64_t kRun = 32;  // pixels

struct GroupStatistics {
  const std::byte* src;  // of the first pixel
  std::int64_t pixels, c, groups;
  float* sums;       // c floats
  float* centres;    // c floats
  Moments* run;      // [groups]
  Moments* moments;  // [groups], merged into
  bool bf16;
};

struct GroupScaling {
  const std::byte* src;
  std::byte* dst;
  std::int64_t pixels, c;
  const float* mean;  // [c] each
  const float* scale;
  const float* shift;
  bool silu, bf16;
};

}  // namespace semblance::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace semblance::HWY_NAMESPACE {
using cpu::GroupScaling;
using cpu::GroupStatistics;
using cpu::kRun;
using cpu::Moments;

/// sums[i] = sum over pixels of x, or of (x - centre)^2, for channels i.
template <bool kSquares, typename T>
HWY_INLINE void sum_channels(const T* src, std::int64_t pixels, std::int64_t c,
                             const float* centres, float* sums) {
  const Floats d;
  const auto term = [](Vector x, Vector centre, Vector sum) HWY_ATTR {
    if constexpr (!kSquares) return hn::Add(sum, x);
    const Vector distance = hn::Sub(x, centre);
    return hn::MulAdd(distance, distance, sum);
  };
  std::int64_t i = 0;
  const std::int64_t lane = kFixedLanes;
  for (; i + 4 * lane <= c; i += 4 * lane) {
    Vector a = hn::Zero(d), b = a, e = a, f = a;
    const Vector ca = load(centres + i), cb = load(centres + i + lane);
    const Vector ce = load(centres + i + 2 * lane), cf = load(centres + i + 3 * lane);
    for (std::int64_t p = 0; p < pixels; ++p) {
      const T* x = src + p * c + i;
      a = term(load(x), ca, a);
      b = term(load(x + lane), cb, b);
      e = term(load(x + 2 * lane), ce, e);
      f = term(load(x + 3 * lane), cf, f);
    }
    store(a, sums + i);
    store(b, sums + i + lane);
    store(e, sums + i + 2 * lane);
    store(f, sums + i + 3 * lane);
  }
  for (; i < c; i += lane) {
    const std::int64_t count = std::min(lane, c - i);
    Vector a = hn::Zero(d);
    const Vector centre = load_part(centres + i, count);
    for (std::int64_t p = 0; p < pixels; ++p) {
      a = term(load_part(src + p * c + i, count), centre, a);
    }
    store_part(a, sums + i, count);
  }
}

template <typename T>
void group_statistics_of(const GroupStatistics& s) {
  const std::int64_t width = s.c / s.groups;
  for (std::int64_t first = 0; first < s.pixels; first += kRun) {
    const std::int64_t pixels = std::min(kRun, s.pixels - first);
    const T* src = reinterpret_cast<const T*>(s.src) + first * s.c;
    const double count = static_cast<double>(pixels * width);
    sum_channels<false>(src, pixels, s.c, s.sums, s.sums);
    for (std::int64_t group = 0; group < s.groups; ++group) {
      double sum = 0;
      for (std::int64_t i = group * width; i < (group + 1) * width; ++i) sum += s.sums[i];
      s.sums[group * width] = static_cast<float>(sum / count);
      std::fill_n(s.centres + group * width, width, s.sums[group * width]);
      // The sum about the rounded centre is not zero; the remainder is kept in double.
      s.run[group] = {count, sum / count, 0};
    }
    sum_channels<true>(src, pixels, s.c, s.centres, s.sums);
    for (std::int64_t group = 0; group < s.groups; ++group) {
      double squares = 0;
      for (std::int64_t i = group * width; i < (group + 1) * width; ++i) squares += s.sums[i];
      Moments run = s.run[group];
      const double rest = run.mean - static_cast<double>(s.centres[group * width]);
      run.squares = std::max(0.0, squares - count * rest * rest);
      s.moments[group].merge(run);
    }
  }
}

void group_statistics(const GroupStatistics& s) {
  s.bf16 ? group_statistics_of<std::uint16_t>(s) : group_statistics_of<float>(s);
}

template <bool kSilu, typename T>
void group_scale_of(const GroupScaling& s) {
  const auto result = [](Vector x, Vector mean, Vector scale, Vector shift) HWY_ATTR {
    const Vector y = hn::MulAdd(hn::Sub(x, mean), scale, shift);
    if constexpr (!kSilu) return y;
    return hn::Mul(y, sigmoid(y));
  };
  for (std::int64_t p = 0; p < s.pixels; ++p) {
    const T* src = reinterpret_cast<const T*>(s.src) + p * s.c;
    T* dst = reinterpret_cast<T*>(s.dst) + p * s.c;
    std::int64_t i = 0;
    for (; i + kFixedLanes <= s.c; i += kFixedLanes) {
      store(result(load(src + i), load(s.mean + i), load(s.scale + i), load(s.shift + i)), dst + i);
    }
    if (i < s.c) {
      const std::int64_t count = s.c - i;
      store_part(result(load_part(src + i, count), load_part(s.mean + i, count),
                        load_part(s.scale + i, count), load_part(s.shift + i, count)),
                 dst + i, count);
    }
  }
}

void group_scale(const GroupScaling& s) {
  if (s.bf16) {
    s.silu ? group_scale_of<true, std::uint16_t>(s) : group_scale_of<false, std::uint16_t>(s);
  } else {
    s.silu ? group_scale_of<true, float>(s) : group_scale_of<false, float>(s);
  }
}

}  // namespace semblance::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace semblance {
HWY_EXPORT(group_statistics);
HWY_EXPORT(group_scale);
}  // namespace semblance

namespace semblance::cpu {
namespace {

static_assert(sizeof(Moments) == 3 * sizeof(double));

/// x [n,...,c], and how its channels are grouped.
struct Picture {
  std::int64_t n, pixels, c, groups;
  bool bf16;

  Picture(const TensorType& x, std::int64_t groups_of_c)
      : n(x.shape[0]),
        pixels(x.shape.with(0, 1).elements_before(-1)),
        c(x.shape[-1]),
        groups(groups_of_c),
        bf16(x.dtype == DType::kBF16) {}

  std::int64_t pixel_bytes() const { return c * (bf16 ? 2 : 4); }
  /// Floats that a row of channels takes in scratch.
  std::int64_t padded_c() const { return round_up(c, 16); }
};

/// GroupMoments' arithmetic.
class SumUp {
 public:
  SumUp(const Picture& x, std::int64_t chunk_pixels)
      : x_(x),
        chunk_(chunk_pixels),
        chunks_(round_up(x.pixels, chunk_) / chunk_),
        workers_(threads()) {}

  std::int64_t chunks() const { return chunks_; }
  std::size_t scratch_bytes() const { return static_cast<std::size_t>(workers_ * worker_bytes()); }
  /// moments [n][chunks][groups]
  void run(const std::byte* src, Moments* moments, std::byte* scratch) const {
    const auto chosen = HWY_DYNAMIC_DISPATCH(group_statistics);
    parallel_ranges(x_.n * chunks_, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t first = i % chunks_ * chunk_;
        GroupStatistics s{};
        s.src = src + (i / chunks_ * x_.pixels + first) * x_.pixel_bytes();
        s.pixels = std::min(chunk_, x_.pixels - first);
        s.c = x_.c;
        s.groups = x_.groups;
        s.sums = reinterpret_cast<float*>(scratch + worker * worker_bytes());
        s.centres = s.sums + x_.padded_c();
        s.run = reinterpret_cast<Moments*>(s.centres + x_.padded_c());
        s.moments = moments + i * x_.groups;
        s.bf16 = x_.bf16;
        std::fill_n(s.moments, x_.groups, Moments{});
        std::fill_n(s.sums, 2 * x_.padded_c(), 0.0F);
        chosen(s);
      }
    });
  }

 private:
  std::int64_t worker_bytes() const {
    return 2 * x_.padded_c() * std::int64_t{sizeof(float)} +
           round_up(x_.groups * std::int64_t{sizeof(Moments)}, 64);
  }

  Picture x_;
  std::int64_t chunk_, chunks_, workers_;
};

/// GroupScale's arithmetic.
class Scale {
 public:
  Scale(const Picture& x, std::int64_t chunks, float eps, bool silu)
      : x_(x), chunks_(chunks), eps_(eps), silu_(silu) {}

  std::size_t scratch_bytes() const {
    return static_cast<std::size_t>(3 * x_.n * x_.padded_c()) * sizeof(float);
  }
  void run(const std::byte* src, const Moments* moments, const float* weight, const float* bias,
           std::byte* dst, std::byte* scratch) const {
    auto* scales = reinterpret_cast<float*>(scratch);
    find_scales(moments, weight, bias, scales);
    const auto chosen = HWY_DYNAMIC_DISPATCH(group_scale);
    parallel_ranges(x_.n * x_.pixels, 8, [&](std::int64_t begin, std::int64_t end, int) {
      while (begin < end) {
        const std::int64_t picture = begin / x_.pixels;
        const std::int64_t last = std::min(end, (picture + 1) * x_.pixels);
        const float* mean = scales + picture * 3 * x_.padded_c();
        chosen({src + begin * x_.pixel_bytes(), dst + begin * x_.pixel_bytes(), last - begin, x_.c,
                mean, mean + x_.padded_c(), mean + 2 * x_.padded_c(), silu_, x_.bf16});
        begin = last;
      }
    });
  }

 private:
  /// Mean, scale and shift of every picture's channels: [n][3][c].
  void find_scales(const Moments* moments, const float* weight, const float* bias,
                   float* scales) const {
    const std::int64_t width = x_.c / x_.groups;
    parallel_for(x_.n * x_.groups, [&](std::int64_t item) {
      const std::int64_t picture = item / x_.groups;
      const std::int64_t group = item % x_.groups;
      float* mean = scales + picture * 3 * x_.padded_c();
      float* scale = mean + x_.padded_c();
      float* shift = scale + x_.padded_c();
      Moments all;
      for (std::int64_t chunk = 0; chunk < chunks_; ++chunk)
        all.merge(moments[(picture * chunks_ + chunk) * x_.groups + group]);
      const double factor = 1.0 / std::sqrt(all.squares / all.count + static_cast<double>(eps_));
      const auto rounded = static_cast<float>(all.mean);
      const double rest = all.mean - static_cast<double>(rounded);
      for (std::int64_t i = group * width; i < (group + 1) * width; ++i) {
        const double slope = factor * static_cast<double>(weight[i]);
        mean[i] = rounded;
        scale[i] = static_cast<float>(slope);
        shift[i] = static_cast<float>(static_cast<double>(bias[i]) - rest * slope);
      }
    });
  }

  Picture x_;
  std::int64_t chunks_;
  float eps_;
  bool silu_;
};

const float* floats(const std::byte* data) { return reinterpret_cast<const float*>(data); }

class GroupMomentsKernel : public HostKernel {
 public:
  explicit GroupMomentsKernel(const NodeView& node)
      : HostKernel(node),
        sum_up_(Picture(node.src(0), node.op<GroupMoments>().groups),
                node.op<GroupMoments>().chunk_pixels) {}

  std::size_t scratch_bytes() const override { return sum_up_.scratch_bytes(); }
  void run(const KernelCall& call) const override {
    sum_up_.run(call.src[0], reinterpret_cast<Moments*>(call.dst), call.scratch);
  }

 private:
  SumUp sum_up_;
};

class GroupScaleKernel : public HostKernel {
 public:
  explicit GroupScaleKernel(const NodeView& node)
      : HostKernel(node),
        scale_(Picture(node.src(0), node.op<GroupScale>().groups), node.src(1).shape[1],
               node.op<GroupScale>().eps, node.op<GroupScale>().silu) {}

  std::size_t scratch_bytes() const override { return scale_.scratch_bytes(); }
  void run(const KernelCall& call) const override {
    scale_.run(call.src[0], reinterpret_cast<const Moments*>(call.src[1]), floats(call.src[2]),
               floats(call.src[3]), call.dst, call.scratch);
  }

 private:
  Scale scale_;
};

/// GroupMoments, then GroupScale.
class GroupNormKernel : public HostKernel {
 public:
  explicit GroupNormKernel(const NodeView& node)
      : HostKernel(node),
        picture_(node.src(0), node.op<GroupNorm>().groups),
        sum_up_(picture_, group_chunk_pixels(node.src(0).shape)),
        scale_(picture_, sum_up_.chunks(), node.op<GroupNorm>().eps, node.op<GroupNorm>().silu) {}

  std::size_t scratch_bytes() const override {
    return moments_bytes() + std::max(sum_up_.scratch_bytes(), scale_.scratch_bytes());
  }
  void run(const KernelCall& call) const override {
    auto* moments = reinterpret_cast<Moments*>(call.scratch);
    std::byte* rest = call.scratch + moments_bytes();
    sum_up_.run(call.src[0], moments, rest);
    scale_.run(call.src[0], moments, floats(call.src[1]), floats(call.src[2]), call.dst, rest);
  }

 private:
  std::size_t moments_bytes() const {
    return static_cast<std::size_t>(round_up(
        picture_.n * sum_up_.chunks() * picture_.groups * std::int64_t{sizeof(Moments)}, 64));
  }

  Picture picture_;
  SumUp sum_up_;
  Scale scale_;
};

}  // namespace

Made make_group_norm(const NodeView& node, const Device&) {
  const std::string why_not = why_not_norm(node, 1);
  if (!why_not.empty()) return decline(why_not);
  if (node.dst().shape.elements() == 0) return decline("x is empty");
  return accept(std::make_unique<GroupNormKernel>(node));
}

Made make_group_moments(const NodeView& node, const Device&) {
  const std::string why_not = why_not_computed(node);
  if (!why_not.empty()) return decline(why_not);
  if (node.src(0).shape.elements() == 0) return decline("x is empty");
  return accept(std::make_unique<GroupMomentsKernel>(node));
}

Made make_group_scale(const NodeView& node, const Device&) {
  const std::string why_not = why_not_norm(node, 2);
  if (!why_not.empty()) return decline(why_not);
  if (node.dst().shape.elements() == 0) return decline("x is empty");
  return accept(std::make_unique<GroupScaleKernel>(node));
}

}  // namespace semblance::cpu
#endif
