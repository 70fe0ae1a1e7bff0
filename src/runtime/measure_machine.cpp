// The measuring of machine_facts.h.
#include <algorithm>
#include <limits>
#include <vector>

#include "core/convert.h"
#include "core/parallel.h"
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

/// One node with everything that it needs.
class Probe {
 public:
  struct Source {
    TensorType type;
    bool is_weight = false;
  };
  Probe(const Backend& backend, Op op, const std::vector<Source>& sources) {
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
    chosen_.kernel->compile();
    for (std::size_t i = 0; i < sources.size(); ++i) {
      src_.emplace_back(sources[i].is_weight ? chosen_.kernel->packed_bytes(static_cast<int>(i))
                                             : sources[i].type.bytes(),
                        Tag::kScratch);
      fill(src_.back().bytes());
      pointers_.push_back(src_.back().data());
    }
    dst_ = Buffer(node.dst().bytes(), Tag::kScratch);
    scratch_ = Buffer(chosen_.kernel->scratch_bytes(), Tag::kScratch);
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

Probe linear(const Backend& backend, DType dtype, std::int64_t rows, std::int64_t k,
             std::int64_t o) {
  return {
      backend,
      Linear{},
      {{{dtype, Shape{rows, k}}}, {{dtype, Shape{o, k}}, true}, {{DType::kF32, Shape{o}}, true}}};
}

Probe conv(const Backend& backend, DType dtype, std::int64_t size, std::int64_t channels) {
  return {backend,
          Conv2d{.pad = {1, 1, 1, 1}},
          {{{dtype, Shape{2, size, size, channels}}},
           {{dtype, Shape{channels, channels, 3, 3}}, true},
           {{DType::kF32, Shape{channels}}, true}}};
}

Probe attention(const Backend& backend, DType dtype, std::int64_t queries, std::int64_t keys) {
  const Shape k{2, keys, 640};
  return {backend,
          Attention{.heads = 10},
          {{{dtype, Shape{2, queries, 640}}}, {{dtype, k}}, {{dtype, k}}}};
}

/// Bytes of f16 a second that become packed weights of a linear layer, on all threads.
double pack_rate(const Backend& backend, DType dtype) {
  constexpr std::int64_t kRows = 5120, kColumns = 1280;
  const Probe probe = linear(backend, dtype, 16, kColumns, kRows);
  if (probe.is_reference()) return kReferenceRate;
  const Buffer raw(kRows * kColumns * 2, Tag::kScratch);
  fill(raw.bytes());
  const std::int64_t step = std::max<std::int64_t>(1, probe.kernel().pack_rows(1));
  const std::int64_t slice = (96 + step - 1) / step * step;
  const Buffer staging(static_cast<std::size_t>(slice * kColumns * 4 * threads()), Tag::kScratch);
  const auto pack = [&] {
    parallel_ranges(
        (kRows + slice - 1) / slice, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
          for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t rows = std::min(slice, kRows - i * slice);
            const std::span<float> plain =
                staging.as<float>().subspan(static_cast<std::size_t>(worker * slice * kColumns),
                                            static_cast<std::size_t>(rows * kColumns));
            to_f32(DType::kF16,
                   raw.bytes().subspan(static_cast<std::size_t>(i * slice * kColumns * 2),
                                       plain.size() * 2),
                   plain);
            probe.kernel().pack(1, i * slice, rows, plain, probe.source(1));
          }
        });
  };
  return static_cast<double>(raw.size()) / median_seconds(pack);
}

KernelRates measure_kernels(const Backend& backend, DType dtype) {
  const Shape picture{2, 64, 64, 640};
  const Shape tokens{2, 1024, 1280};
  const auto f32 = [](std::int64_t c) { return Probe::Source{{DType::kF32, Shape{c}}, true}; };
  KernelRates rates;
  rates.linear = operations_rate(linear(backend, dtype, 512, 1280, 5120),
                                 linear(backend, dtype, 2048, 640, 640),
                                 linear(backend, dtype, 512, 5120, 1280));
  rates.narrow_conv = operations_rate(conv(backend, dtype, 48, 320));
  rates.wide_conv = operations_rate(conv(backend, dtype, 16, 1280), conv(backend, dtype, 24, 640));
  rates.attention = operations_rate(attention(backend, dtype, 1024, 1024));
  rates.short_attention = operations_rate(attention(backend, dtype, 1024, 77));
  rates.elementwise =
      bytes_rate(Probe(backend, Binary{}, {{{dtype, picture}}, {{dtype, picture}}}));
  rates.norm =
      bytes_rate(Probe(backend, GroupNorm{.silu = true}, {{{dtype, picture}}, f32(640), f32(640)}));
  rates.gate = bytes_rate(Probe(backend, Geglu{}, {{{dtype, Shape{2, 1024, 5120}}}}));
  rates.pack = pack_rate(backend, dtype);
  return rates;
}

/// This program's own file: it runs, so it lies in the page cache.
double measure_cached_read() {
  const auto file = open_file("/proc/self/exe");
  const Buffer place(std::min<std::uint64_t>(file->size(), 4 * kMiB), Tag::kScratch);
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

}  // namespace

MachineFacts measure_machine(const Backend& backend, const std::filesystem::path& folder) {
  MachineFacts facts;
  {
    constexpr std::uint64_t kBytes = 32 * kMiB;
    const Buffer piece(4 * kMiB, Tag::kScratch);
    fill(piece.bytes());
    ScratchFile file(folder, kBytes);
    std::uint64_t written = 0, read = 0;
    facts.scratch_write = move_rate(kBytes, piece.size(), written, [&](std::uint64_t offset) {
      file.write(offset, piece.bytes());
    });
    facts.disk_read = move_rate(written, piece.size(), read,
                                [&](std::uint64_t offset) { file.read(offset, piece.bytes()); });
  }
  facts.cached_read = measure_cached_read();
  facts.f32 = measure_kernels(backend, DType::kF32);
  facts.bf16 = measure_kernels(backend, DType::kBF16);
  const Probe tiny = linear(backend, DType::kF32, 4, 64, 64);
  // The least of all: where another process has the cores, waking a thread takes milliseconds.
  facts.call_seconds = tiny.is_reference() ? kReferenceCallSeconds
                                           : sorted_seconds([&] { tiny.run(); }, 200).front();
  return facts;
}

}  // namespace semblance
