// Group normalisation, channels last.
//
// Pictures are cut into chunks that depend on their size alone, so that sums do
// not depend on how many threads there are. In a chunk channels are summed in f32 over at most
// kRun pixels and then in double; squared distances are taken from the group's mean of those
// pixels while they are in the cache; runs are merged as in Chan, Golub and LeVeque (1983).
#include <algorithm>
#include <cmath>

#include "backend/cpu/cpu.h"
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

/// Of a group in some pixels.
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
  Moments* moments;  // [groups], merged into
  bool bf16;
};

struct GroupScale {
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
using cpu::GroupScale;
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
      // The sum about the rounded centre is not zero; its rest is kept in double.
      s.moments[s.groups + group] = {count, sum / count, 0};
    }
    sum_channels<true>(src, pixels, s.c, s.centres, s.sums);
    for (std::int64_t group = 0; group < s.groups; ++group) {
      double squares = 0;
      for (std::int64_t i = group * width; i < (group + 1) * width; ++i) squares += s.sums[i];
      Moments run = s.moments[s.groups + group];
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
void group_scale_of(const GroupScale& s) {
  const auto result = [&s](Vector x, Vector mean, Vector scale, Vector shift) HWY_ATTR {
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

void group_scale(const GroupScale& s) {
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

class GroupNormKernel : public PlainKernel {
 public:
  explicit GroupNormKernel(const NodeView& node)
      : PlainKernel(node),
        op_(node.op<GroupNorm>()),
        bf16_(node.src(0).dtype == DType::kBF16),
        n_(node.src(0).shape[0]),
        c_(node.src(0).shape[-1]),
        pixels_(node.src(0).shape.elements_from(1) / c_),
        chunk_((std::max(4 * kRun, (pixels_ + kMostChunks - 1) / kMostChunks) + kRun - 1) / kRun *
               kRun),
        chunks_((pixels_ + chunk_ - 1) / chunk_),
        workers_(threads()) {}

  std::size_t scratch_bytes() const override {
    return moments_bytes() + static_cast<std::size_t>((3 * n_ + 2 * workers_) * padded_c()) * 4;
  }

  void run(const KernelCall& call) const override {
    auto* moments = reinterpret_cast<Moments*>(call.scratch);
    auto* scales = reinterpret_cast<float*>(call.scratch + moments_bytes());
    sum_up(call, moments, scales + 3 * n_ * padded_c());
    find_scales(call, moments, scales);
    scale(call, scales);
  }

 private:
  static constexpr std::int64_t kMostChunks = 256;

  std::int64_t padded_c() const { return (c_ + 15) / 16 * 16; }
  std::size_t moments_bytes() const {
    const auto count = static_cast<std::size_t>(n_ * chunks_ * 2 * op_.groups);
    return (count * sizeof(Moments) + 63) / 64 * 64;
  }
  std::int64_t element() const { return bf16_ ? 2 : 4; }

  void sum_up(const KernelCall& call, Moments* moments, float* sums) const {
    const auto chosen = HWY_DYNAMIC_DISPATCH(group_statistics);
    parallel_ranges(n_ * chunks_, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t first = i % chunks_ * chunk_;
        GroupStatistics s{};
        s.src = call.src[0] + (i / chunks_ * pixels_ + first) * c_ * element();
        s.pixels = std::min(chunk_, pixels_ - first);
        s.c = c_;
        s.groups = op_.groups;
        s.sums = sums + worker * 2 * padded_c();
        s.centres = s.sums + padded_c();
        s.moments = moments + i * 2 * op_.groups;
        s.bf16 = bf16_;
        std::fill_n(s.moments, 2 * op_.groups, Moments{});
        std::fill_n(s.centres, padded_c(), 0.0F);
        std::fill_n(s.sums, padded_c(), 0.0F);
        chosen(s);
      }
    });
  }

  /// Mean, scale and shift of every picture's channels: [n][3][c].
  void find_scales(const KernelCall& call, const Moments* moments, float* scales) const {
    const auto* weight = reinterpret_cast<const float*>(call.src[1]);
    const auto* bias = reinterpret_cast<const float*>(call.src[2]);
    const std::int64_t width = c_ / op_.groups;
    for (std::int64_t picture = 0; picture < n_; ++picture) {
      float* mean = scales + picture * 3 * padded_c();
      float* scale = mean + padded_c();
      float* shift = scale + padded_c();
      for (std::int64_t group = 0; group < op_.groups; ++group) {
        Moments all;
        for (std::int64_t chunk = 0; chunk < chunks_; ++chunk) {
          all.merge(moments[(picture * chunks_ + chunk) * 2 * op_.groups + group]);
        }
        const double factor =
            1.0 / std::sqrt(all.squares / all.count + static_cast<double>(op_.eps));
        const auto rounded = static_cast<float>(all.mean);
        const double rest = all.mean - static_cast<double>(rounded);
        for (std::int64_t i = group * width; i < (group + 1) * width; ++i) {
          const double slope = factor * static_cast<double>(weight[i]);
          mean[i] = rounded;
          scale[i] = static_cast<float>(slope);
          shift[i] = static_cast<float>(static_cast<double>(bias[i]) - rest * slope);
        }
      }
    }
  }

  void scale(const KernelCall& call, const float* scales) const {
    const auto chosen = HWY_DYNAMIC_DISPATCH(group_scale);
    parallel_ranges(n_ * pixels_, 8, [&](std::int64_t begin, std::int64_t end, int) {
      while (begin < end) {
        const std::int64_t picture = begin / pixels_;
        const std::int64_t last = std::min(end, (picture + 1) * pixels_);
        const float* mean = scales + picture * 3 * padded_c();
        chosen({call.src[0] + begin * c_ * element(), call.dst + begin * c_ * element(),
                last - begin, c_, mean, mean + padded_c(), mean + 2 * padded_c(), op_.silu, bf16_});
        begin = last;
      }
    });
  }

  GroupNorm op_;
  bool bf16_;
  std::int64_t n_, c_, pixels_;
  std::int64_t chunk_, chunks_;
  int workers_;
};

}  // namespace

Made make_group_norm(const NodeView& node) {
  const std::string why_not = why_not_norm(node);
  if (!why_not.empty()) return decline(why_not);
  if (node.dst().shape.elements() == 0) return decline("x is empty");
  return accept(std::make_unique<GroupNormKernel>(node));
}

}  // namespace semblance::cpu
#endif
