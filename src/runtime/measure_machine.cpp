// The measuring of machine_facts.h.
#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "core/convert.h"
#include "core/error.h"
#include "core/parallel.h"
#include "memory/budget.h"
#include "memory/buffer.h"
#include "memory/file.h"
#include "memory/scratch_file.h"
#include "runtime/machine_facts.h"
#include "runtime/trace.h"

namespace semblance {
namespace {

constexpr double kPatience = 0.15;  // seconds for one figure; at least one run
constexpr std::size_t kRuns = 5;
constexpr std::size_t kMiB = std::size_t{1} << 20;

template <typename F>
std::vector<double> sorted_seconds(F&& run, std::size_t runs = kRuns) {
  std::vector<double> seconds;
  const double begin = Trace::now();
  do {
    const double start = Trace::now();
    run();
    seconds.push_back(std::max(Trace::now() - start, 1e-9));
  } while (seconds.size() < runs && Trace::now() - begin < kPatience);
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

template <typename F>
double median_seconds(F&& run) {
  const std::vector<double> seconds = sorted_seconds(run);
  return seconds[seconds.size() / 2];
}

/// Ordinary numbers, be they read as f32, bf16 or f16: zeros could be quicker.
void fill(std::span<std::byte> bytes) {
  auto* values = reinterpret_cast<std::uint16_t*>(bytes.data());
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < bytes.size() / sizeof(std::uint16_t); ++i) {
    state = state * 1664525U + 1013904223U;
    values[i] = static_cast<std::uint16_t>((state >> 31 << 15) | 0x3c00U | (state >> 22 & 0x1ffU));
  }
}

/// What the measuring may hold, of buffers under the tag that it alone uses meanwhile.
class Room {
 public:
  explicit Room(std::uint64_t bytes) : bytes_(bytes), others_(count_of(kTag).bytes) {}

  static constexpr Tag kTag = Tag::kScratch;
  struct TooSmall {};

  /// Throws TooSmall unless so much can be taken.
  void check(std::uint64_t bytes) const {
    const std::uint64_t held = count_of(kTag).bytes - others_;
    if (held > bytes_ || bytes > bytes_ - held) throw TooSmall{};
  }
  Buffer take(std::uint64_t bytes) const {
    check(bytes);
    return {bytes, kTag};
  }
  /// What figure(divisor) gives at the largest shapes that there is room for: those of SDXL divided
  /// by 1, 2, 4 or 8.
  template <typename F>
  auto measure(F&& figure) {
    constexpr int kMostDivisor = 8;
    for (int divisor = 1;; divisor *= 2) {
      try {
        return figure(divisor);
      } catch (const TooSmall&) {
        if (divisor == kMostDivisor) {
          fail(ErrorKind::kMemory, "cannot measure this machine in {}\n  give it more --memory",
               bytes_text(bytes_));
        }
        is_small_ = true;
      }
    }
  }
  bool is_small() const { return is_small_; }

 private:
  std::uint64_t bytes_;
  std::uint64_t others_;
  bool is_small_ = false;
};

/// One node with everything that it needs.
class Probe {
 public:
  struct Source {
    TensorType type;
    bool is_weight = false;
  };
  Probe(const Backend& backend, const Room& room, Op op, const std::vector<Source>& sources) {
    std::vector<ValueId> ids;
    for (const Source& source : sources) {
      const std::string name = fmt::format("x{}", ids.size());
      ids.push_back(source.is_weight ? graph_.add_weight(name, source.type)
                                     : graph_.add_input(name, source.type));
    }
    graph_.add(std::move(op), ids);
    const NodeView node(graph_, graph_.nodes().back());
    chosen_ = choose_kernel(backend, node);
    if (is_reference()) return;
    std::vector<std::uint64_t> bytes;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      bytes.push_back(sources[i].is_weight ? chosen_.kernel->packed_bytes(static_cast<int>(i))
                                           : sources[i].type.bytes());
    }
    const std::uint64_t beside = node.dst().bytes() + chosen_.kernel->scratch_bytes();
    room.check(std::accumulate(bytes.begin(), bytes.end(), beside));  // before there is any work
    chosen_.kernel->compile();
    for (const std::uint64_t size : bytes) {
      src_.push_back(room.take(size));
      fill(src_.back().bytes());
      pointers_.push_back(src_.back().data());
    }
    dst_ = room.take(node.dst().bytes());
    scratch_ = room.take(chosen_.kernel->scratch_bytes());
    run();
  }
  bool is_reference() const { return chosen_.name == "reference"; }
  const Kernel& kernel() const { return *chosen_.kernel; }
  std::span<std::byte> source(std::size_t i) const { return src_[i].bytes(); }
  NodeView node() const { return {graph_, graph_.nodes().back()}; }

  void run() const { chosen_.kernel->run({pointers_, dst_.data(), scratch_.data()}); }

  double operations() const {
    std::vector<TensorType> types;
    for (int i = 0; i < node().src_count(); ++i) types.push_back(node().src(i));
    return std::visit([&](const auto& op) { return op.cost(types, node().dst()); },
                      node().any_op());
  }
  double moved_bytes() const {
    std::uint64_t bytes = node().dst().bytes();
    for (int i = 0; i < node().src_count(); ++i) bytes += node().src(i).bytes();
    return static_cast<double>(bytes);
  }

 private:
  Graph graph_;
  ChosenKernel chosen_;
  std::vector<Buffer> src_;
  std::vector<const std::byte*> pointers_;
  Buffer dst_, scratch_;
};

/// For kernels that only the reference has, which nobody should run.
constexpr double kReferenceRate = 1e9;
constexpr double kReferenceCallSeconds = 1e-6;

/// Units of work a second over some nodes that run in turn, so that each finds the processor's
/// cache full of the others' bytes, as in a graph.
double rate_of(std::span<const Probe> probes, double (Probe::*work)() const) {
  double sum = 0;
  for (const Probe& probe : probes) {
    if (probe.is_reference()) return kReferenceRate;
    sum += (probe.*work)();
  }
  return sum / median_seconds([&] {
           for (const Probe& probe : probes) probe.run();
         });
}
template <typename... P>
double operations_rate(P&&... probes) {
  const Probe all[] = {std::forward<P>(probes)...};
  return rate_of(all, &Probe::operations);
}
double bytes_rate(Probe probe) { return rate_of({&probe, 1}, &Probe::moved_bytes); }

/// What figures are measured with.
struct Setup {
  const Backend& backend;
  DType dtype;
  Room& room;
};

Probe linear(const Setup& s, std::int64_t rows, std::int64_t k, std::int64_t o) {
  return {s.backend,
          s.room,
          Linear{},
          {{{s.dtype, Shape{rows, k}}},
           {{s.dtype, Shape{o, k}}, true},
           {{DType::kF32, Shape{o}}, true}}};
}

Probe conv(const Setup& s, std::int64_t size, std::int64_t channels, std::int64_t o) {
  return {s.backend,
          s.room,
          Conv2d{.pad = {1, 1, 1, 1}},
          {{{s.dtype, Shape{2, size, size, channels}}},
           {{s.dtype, Shape{o, channels, 3, 3}}, true},
           {{DType::kF32, Shape{o}}, true}}};
}

Probe attention(const Setup& s, std::int64_t queries, std::int64_t keys) {
  const Shape k{2, keys, 640};
  return {s.backend,
          s.room,
          Attention{.heads = 10},
          {{{s.dtype, Shape{2, queries, 640}}}, {{s.dtype, k}}, {{s.dtype, k}}}};
}

/// Bytes of f16 a second that become packed weights of a linear layer, on all threads.
double pack_rate(const Setup& s, int divisor) {
  constexpr std::int64_t kColumns = 1280;
  const std::int64_t rows = 5120 / divisor;
  const Probe probe = linear(s, 16, kColumns, rows);
  if (probe.is_reference()) return kReferenceRate;
  const Buffer raw = s.room.take(static_cast<std::uint64_t>(rows * kColumns * 2));
  fill(raw.bytes());
  const std::int64_t step = std::max<std::int64_t>(1, probe.kernel().pack_rows(1));
  const std::int64_t slice = (96 / divisor + step - 1) / step * step;
  const Buffer staging = s.room.take(static_cast<std::uint64_t>(slice * kColumns * 4 * threads()));
  const auto pack = [&] {
    parallel_ranges(
        (rows + slice - 1) / slice, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
          for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t count = std::min(slice, rows - i * slice);
            const std::span<float> plain =
                staging.as<float>().subspan(static_cast<std::size_t>(worker * slice * kColumns),
                                            static_cast<std::size_t>(count * kColumns));
            to_f32(DType::kF16,
                   raw.bytes().subspan(static_cast<std::size_t>(i * slice * kColumns * 2),
                                       plain.size() * 2),
                   plain);
            probe.kernel().pack(1, i * slice, count, plain, probe.source(1));
          }
        });
  };
  return static_cast<double>(raw.size()) / median_seconds(pack);
}

KernelRates measure_kernels(const Setup& s) {
  const auto f32 = [](std::int64_t c) { return Probe::Source{{DType::kF32, Shape{c}}, true}; };
  const auto picture = [&](int divisor) {
    return Probe::Source{{s.dtype, Shape{2, 64 / divisor, 64, 640}}};
  };
  const auto rate = [&](auto&& figure) { return s.room.measure(figure); };
  KernelRates rates;
  rates.linear = rate([&](int divisor) {
    return operations_rate(linear(s, 512, 1280, 5120 / divisor),
                           linear(s, 2048 / divisor, 640, 640),
                           linear(s, 512, 5120 / divisor, 1280));
  });
  rates.narrow_conv = rate([&](int divisor) {
    const std::int64_t side = std::max(16, 48 / divisor);
    return operations_rate(conv(s, side, 320, 320));
  });
  rates.wide_conv = rate([&](int divisor) {
    return operations_rate(conv(s, 16, 1280, 1280 / divisor), conv(s, 24, 640, 640 / divisor));
  });
  rates.attention = rate([&](int divisor) {
    return operations_rate(attention(s, 1024 / divisor, std::max(256, 1024 / divisor)));
  });
  rates.short_attention =
      rate([&](int divisor) { return operations_rate(attention(s, 1024 / divisor, 77)); });
  rates.elementwise = rate([&](int divisor) {
    return bytes_rate(Probe(s.backend, s.room, Binary{}, {picture(divisor), picture(divisor)}));
  });
  rates.norm = rate([&](int divisor) {
    return bytes_rate(
        Probe(s.backend, s.room, GroupNorm{.silu = true}, {picture(divisor), f32(640), f32(640)}));
  });
  rates.gate = rate([&](int divisor) {
    return bytes_rate(
        Probe(s.backend, s.room, Geglu{}, {{{s.dtype, Shape{2, 1024 / divisor, 5120}}}}));
  });
  rates.pack = rate([&](int divisor) { return pack_rate(s, divisor); });
  return rates;
}

/// This program's own file: it runs, so it lies in the page cache.
double measure_cached_read(const Room& room, int divisor) {
  const auto file = open_file("/proc/self/exe");
  const Buffer place = room.take(
      std::min<std::uint64_t>(file->size(), 4 * kMiB / static_cast<std::size_t>(divisor)));
  file->read(0, place.bytes());
  return static_cast<double>(place.size()) / median_seconds([&] { file->read(0, place.bytes()); });
}

/// Moves pieces of `bytes`, as many as there is patience for; counts the bytes moved. Gives bytes a
/// second.
template <typename F>
double move_rate(std::uint64_t bytes, std::size_t piece, std::uint64_t& moved, F&& move) {
  const double begin = Trace::now();
  for (moved = 0; moved < bytes && Trace::now() - begin < 4 * kPatience; moved += piece)
    move(moved);
  return static_cast<double>(moved) / std::max(Trace::now() - begin, 1e-9);
}

struct ScratchRates {
  double write = 0;
  double read = 0;
};
ScratchRates measure_scratch(const std::filesystem::path& folder, const Room& room, int divisor) {
  constexpr std::uint64_t kBytes = 32 * kMiB;
  const Buffer piece = room.take(4 * kMiB / static_cast<std::size_t>(divisor));
  fill(piece.bytes());
  ScratchFile file(folder, kBytes);
  std::uint64_t written = 0, read = 0;
  ScratchRates rates;
  rates.write = move_rate(kBytes, piece.size(), written,
                          [&](std::uint64_t offset) { file.write(offset, piece.bytes()); });
  rates.read = move_rate(written, piece.size(), read,
                         [&](std::uint64_t offset) { file.read(offset, piece.bytes()); });
  return rates;
}

}  // namespace

MachineFacts measure_machine(const Backend& backend, const std::filesystem::path& folder,
                             std::uint64_t room_bytes) {
  Room room(room_bytes);
  MachineFacts facts;
  const auto scratch =
      room.measure([&](int divisor) { return measure_scratch(folder, room, divisor); });
  facts.scratch_write = scratch.write;
  facts.disk_read = scratch.read;
  facts.cached_read = room.measure([&](int divisor) { return measure_cached_read(room, divisor); });
  facts.f32 = measure_kernels({backend, DType::kF32, room});
  facts.bf16 = measure_kernels({backend, DType::kBF16, room});
  const Probe tiny = linear({backend, DType::kF32, room}, 4, 64, 64);
  // The least of all: where another process has the cores, waking a thread takes milliseconds.
  facts.call_seconds = tiny.is_reference() ? kReferenceCallSeconds
                                           : sorted_seconds([&] { tiny.run(); }, 200).front();
  if (room.is_small()) facts.measured_in_bytes = room_bytes;
  return facts;
}

}  // namespace semblance
