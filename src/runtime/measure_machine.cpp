// measure_machine() of machine_facts.h.
#include <algorithm>
#include <limits>
#include <vector>

#include "core/error.h"
#include "memory/budget.h"
#include "memory/buffer.h"
#include "memory/file.h"
#include "memory/scratch_file.h"
#include "runtime/host_device.h"
#include "runtime/machine_facts.h"
#include "runtime/node_run.h"
#include "runtime/trace.h"
#include "runtime/weight_packer.h"
#include "runtime/weight_rows.h"

namespace semblance {
namespace {

constexpr double kPatience = 0.15;  // seconds per figure; at least one run
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

/// Ordinary numbers whether read as f32, bf16 or f16, since zeros could be faster.
void fill(std::span<std::byte> bytes) {
  auto* values = reinterpret_cast<std::uint16_t*>(bytes.data());
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < bytes.size() / sizeof(std::uint16_t); ++i) {
    state = state * 1664525U + 1013904223U;
    values[i] = static_cast<std::uint16_t>((state >> 31 << 15) | 0x3c00U | (state >> 22 & 0x1ffU));
  }
}

/// The memory limit for measuring. Counts buffers of a tag that nothing else uses meanwhile.
class Room {
 public:
  explicit Room(std::uint64_t bytes) : bytes_(bytes), others_(count_of(kTag).bytes) {}

  static constexpr Tag kTag = Tag::kActivations;
  struct TooSmall {};

  /// Throws TooSmall unless that much is left.
  void check(std::uint64_t bytes) const {
    const std::uint64_t held = count_of(kTag).bytes - others_;
    if (held > bytes_ || bytes > bytes_ - held) throw TooSmall{};
  }
  Buffer take(std::uint64_t bytes) const {
    check(bytes);
    return {bytes, kTag};
  }
  /// Returns figure(divisor) for the largest shapes that fit: those of SDXL divided by 1, 2, 4 or
  /// 8.
  template <typename F>
  auto measure(F&& figure) {
    constexpr int kMostDivisor = 8;
    for (int divisor = 1;; divisor *= 2) {
      try {
        return figure(divisor);
      } catch (const TooSmall&) {
        if (divisor == kMostDivisor) {
          fail(ErrorKind::kMemory, "cannot measure this machine in {}\n  use a larger --memory",
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

/// A node with filled sources that has run once.
class Probe {
 public:
  using Source = NodeRun::Source;
  Probe(const Backend& backend, const Room& room, Op op, const std::vector<Source>& sources)
      : is_on_host_(&backend.device() == &host_device()), run_(backend, std::move(op), sources) {
    if (is_reference()) return;
    room.check(run_.bytes());  // before any work
    run_.take_memory();
    for (const DevicePlace& place : run_.places().src) {
      fill(run_.executor().begin_write(place));
      run_.executor().end_write(place);
    }
    run();
    wait();
  }
  bool is_on_host() const { return is_on_host_; }
  bool is_reference() const { return run_.entry().is_reference; }
  NodeView node() const { return run_.node(); }
  const NodeRun& one() const { return run_; }

  void run() { run_.run(); }
  /// Returns once everything that was run has been computed.
  void wait() const { run_.executor().wait_for(run_.places().dst); }

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
  bool is_on_host_;
  NodeRun run_;
};

constexpr double kReferenceCallSeconds = 1e-6;

/// Units of work per second over some nodes that run in turn, so that each finds the processor's
/// cache filled by the others, as in a graph.
double rate_of(std::span<Probe> probes, double (Probe::*work)() const) {
  double sum = 0;
  for (const Probe& probe : probes) {
    if (probe.is_reference()) return kReferenceRate;
    sum += (probe.*work)();
  }
  const auto run = [&](int times) {
    for (int i = 0; i < times; ++i)
      for (Probe& probe : probes) probe.run();
    for (const Probe& probe : probes) probe.wait();
  };
  if (probes.front().is_on_host()) return sum / median_seconds([&] { run(1); });
  // A card is given much at once, as by a graph.
  for (int times = 1;; times *= 4) {
    const double begin = Trace::now();
    run(times);
    const double seconds = Trace::now() - begin;
    if (seconds >= kPatience / 3) return sum * times / seconds;
  }
}
template <typename... P>
double operations_rate(P&&... probes) {
  Probe all[] = {std::forward<P>(probes)...};
  return rate_of(all, &Probe::operations);
}
double bytes_rate(Probe probe) { return rate_of({&probe, 1}, &Probe::moved_bytes); }

/// What all figures are measured with.
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

/// Bytes of f16 per second packed for a linear layer, on all threads.
double pack_rate(const Setup& s, int divisor) {
  constexpr std::int64_t kColumns = 1280;
  const Probe probe = linear(s, 16, kColumns, 5120 / divisor);
  if (probe.is_reference()) return kReferenceRate;
  const Shape& shape = probe.node().src(1).shape;
  const Kernel& kernel = probe.one().kernel();
  const Buffer raw = s.room.take(static_cast<std::uint64_t>(shape.elements()) * 2);
  fill(raw.bytes());
  const Buffer staging = s.room.take(staging_bytes(kernel, 1, shape));
  const WeightRows stored{{.dtype = DType::kF16, .shape = shape, .file = nullptr}, {}};
  const DevicePlace& place = probe.one().places().src[1];
  return static_cast<double>(raw.size()) / median_seconds([&] {
           Executor& executor = probe.one().executor();
           pack({kernel, 1, shape, staging.bytes(), executor.begin_write(place)}, stored,
                raw.bytes());
           executor.end_write(place);
         });
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

/// Reads this program's own file, which is in the page cache because it is running.
double measure_cached_read(const Room& room, int divisor) {
  const auto file = open_file("/proc/self/exe");
  const Buffer place = room.take(
      std::min<std::uint64_t>(file->size(), 4 * kMiB / static_cast<std::size_t>(divisor)));
  file->read(0, place.bytes());
  return static_cast<double>(place.size()) / median_seconds([&] { file->read(0, place.bytes()); });
}

/// Moves `bytes` in pieces until done or out of patience, counts them in `moved` and returns bytes
/// per second.
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

/// Bytes per second from main memory to the device's own.
double measure_upload(const Device& device, const Room& room, int divisor) {
  constexpr std::uint64_t kBytes = 512 * kMiB;
  const DevicePlace place{Region::kArena, 0, 16 * kMiB / static_cast<std::size_t>(divisor)};
  room.check(2 * place.bytes);
  const std::unique_ptr<Executor> executor = device.make_executor({.arena = place.bytes});
  const auto copy = [&](std::uint64_t) {
    executor->begin_write(place);
    executor->end_write(place);
  };
  copy(0);  // takes memory for copies
  executor->wait_for(place);
  std::uint64_t moved = 0;
  const double begin = Trace::now();
  move_rate(kBytes, place.bytes, moved, copy);
  executor->wait_for(place);
  return static_cast<double>(moved) / std::max(Trace::now() - begin, 1e-9);
}

/// Overhead of a call.
double measure_call(const Setup& s) {
  Probe tiny = linear(s, 4, 64, 64);
  if (tiny.is_reference()) return kReferenceCallSeconds;
  constexpr std::size_t kCalls = 200;
  // The minimum: if another process uses the cores, waking a thread takes milliseconds.
  if (tiny.is_on_host()) return sorted_seconds([&] { tiny.run(); }, kCalls).front();
  const double begin = Trace::now();
  for (std::size_t i = 0; i < kCalls; ++i) tiny.run();
  tiny.wait();
  return (Trace::now() - begin) / kCalls;
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
  const bool is_host = &backend.device() == &host_device();
  const std::optional<DType> half = is_host ? DType::kBF16 : backend.half();
  facts.half = half ? measure_kernels({backend, *half, room}) : facts.f32;
  facts.call_seconds = measure_call({backend, DType::kF32, room});
  if (!is_host) {
    facts.upload =
        room.measure([&](int divisor) { return measure_upload(backend.device(), room, divisor); });
  }
  if (room.is_small()) facts.measured_in_bytes = room_bytes;
  return facts;
}

}  // namespace semblance
