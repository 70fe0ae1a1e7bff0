// semblance bench: measures this machine on the work that a picture takes.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/parameters.h"
#include "check/processor_bench.h"
#include "cli/command.h"
#include "cli/demo_model.h"
#include "cli/flags.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "core/error.h"
#include "core/parallel.h"
#include "memory/budget.h"
#include "memory/meter.h"
#include "pipeline/precision.h"
#include "runtime/host_device.h"
#include "runtime/trace.h"

namespace semblance::cli {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct BenchSettings {
  Size size{512, 512};
  int precision = 0;
  std::vector<MemoryRequest> memory;
  std::optional<std::int64_t> threads;
  bool small = false;
  bool json = false;
  bool quiet = false;
};

void declare(Flags& flags, BenchSettings& s) {
  flags.value("--size", "WxH", "The picture's size. Default: 512x512.",
              [&s](const std::string& flag, const std::string& text) {
                const auto size = parse_size(text);
                if (!size || size->width % 8 != 0 || size->height % 8 != 0 || size->width > 8192 ||
                    size->height > 8192) {
                  fail(ErrorKind::kArgument,
                       "cannot take {}: expected WxH in pixels, both multiples of 8 up to 8192, "
                       "got '{}'",
                       flag, text.substr(0, 40));
                }
                s.size = {size->width, size->height};
              });
  flags.choice("--precision", "auto: bf16 where the processor computes it, else f32.",
               {"auto", "f32", "bf16"}, s.precision);
  flags.values("--memory", "SIZE|SHARE%|auto",
               "Memory for a step, beside the program's own; may be repeated. Default: auto (80 % "
               "of what is available), 2GiB and 512MiB.",
               [&s](const std::string& flag, const std::string& text) {
                 s.memory.push_back(parse_memory(text, flag));
               });
  flags.whole("--threads", "Default: one for each core.", 1, 1024, s.threads);
  flags.toggle("--small", "Measures the demo model's sizes: to try it out, in seconds.", s.small);
  flags.toggle("--json", "Prints one JSON object (src/check/processor_bench.h explains it).",
               s.json);
  flags.toggle("-q,--quiet", "Shows no progress.", s.quiet);
  flags.epilogue(
      "Measured are a guided step of SDXL with IdentityNet, the second of two, and the decoder, "
      "with\nrandom weights that are made as fast as files are read from the page cache. Needs no "
      "files;\nnothing is sent anywhere. Other programs that compute make the figures worse.\n"
      "\n"
      "Examples\n"
      "  semblance bench\n"
      "  semblance bench --size 1024x1024 --memory 256MiB --json > this-machine.json\n"
      "\n" +
      exit_codes_text());
}

/// 1, 2, 4 and so on below `threads`.
std::vector<int> fewer_threads(int threads) {
  std::vector<int> counts;
  for (int count = 1; count < threads; count *= 2) counts.push_back(count);
  return counts;
}

BenchOptions options_of(const BenchSettings& s) {
  const MachineMemory machine = Meter().machine();
  BenchOptions options{.size = s.size,
                       .precision = usable_precision(s.precision == 1   ? Precision::kF32
                                                     : s.precision == 2 ? Precision::kBF16
                                                                        : Precision::kAuto,
                                                     cpu_backend()),
                       .memory = {},
                       .threads = fewer_threads(threads())};
  std::vector<MemoryRequest> asked = s.memory;
  if (asked.empty()) asked = {parse_memory("auto"), parse_memory("2GiB"), parse_memory("512MiB")};
  for (const MemoryRequest& request : asked)
    options.memory.emplace_back(budget_bytes_of(request, machine));
  if (s.small) {
    const std::optional<DemoModel> demo = find_demo_model();
    if (!demo) fail(ErrorKind::kMissing, "cannot take --small: the demo model is not installed");
    options.models = demo->models;
  }
  return options;
}

double figure(const OrderedJson& json, const char* key) { return json.at(key).get<double>(); }

/// A result in a line.
std::string line_of(const CheckPiece& piece, const OrderedJson& result) {
  if (piece.part == "rates") {
    return fmt::format(
        "Kernels: linear layers {:.0f}, convolutions {:.0f}, attention {:.0f} GFLOP/s; weights are "
        "packed at {:.1f}, read from the page cache at {:.1f}, from the disk at {:.1f} GB/s",
        figure(result, "linear_gflops"), figure(result, "conv_gflops"),
        figure(result, "attention_gflops"), figure(result, "pack_gb_s"),
        figure(result, "cached_read_gb_s"), figure(result, "disk_read_gb_s"));
  }
  const auto threads = result.at("threads").get<int>();
  if (piece.part == "decode")
    return fmt::format("Decoding, {} threads: {:.2f} s", threads, figure(result, "seconds"));
  if (!result.at("fits").get<bool>()) return fmt::format("Step in {}: it does not fit", piece.what);
  return fmt::format(
      "Step in {}, {} threads: {:.2f} s (predicted {:.2f}), {} of weights read in it",
      bytes_text(result.at("memory_bytes").get<std::uint64_t>()), threads,
      figure(result, "seconds"), figure(result, "predicted_seconds"),
      bytes_text(result.at("streamed_bytes").get<std::uint64_t>()));
}

}  // namespace

int bench(std::span<const char* const> words) {
  BenchSettings s;
  Flags flags("bench [--size WxH] [--memory SIZE]... [--json]",
              "Measures how fast this machine makes pictures, without a model: a step in several "
              "amounts of memory and with fewer threads, and the decoder. Takes some minutes.");
  declare(flags, s);
  if (!flags.read(words)) {
    print(flags.help());
    return 0;
  }
  const Interrupt interrupt;
  set_threads(s.threads ? static_cast<int>(*s.threads) : available_cores());
  const BenchOptions options = options_of(s);
  OrderedJson report{{"program", program_version()},
                     {"processor", host_device().name()},
                     {"cores", available_cores()},
                     {"threads", threads()},
                     {"ram_bytes", Meter().machine().total_bytes},
                     {"precision", name_of(options.precision)},
                     {"width", s.size.w},
                     {"height", s.size.h},
                     {"small", s.small}};
  if (!s.json) {
    print(fmt::format("{}, {} cores, {} of RAM\n{} x {} in {}", host_device().name(),
                      available_cores(), gib_text(Meter().machine().total_bytes), s.size.w,
                      s.size.h, name_of(options.precision)));
  }
  const std::vector<CheckPiece> pieces = processor_bench(options);
  Progress progress(s.quiet);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const CheckPiece& piece = pieces[i];
    interrupt.check();
    progress.step(fmt::format("{} {}", piece.part, piece.what), static_cast<int>(i) + 1,
                  static_cast<int>(pieces.size()));
    const OrderedJson result = piece.run(interrupt.token());
    OrderedJson& named = report["results"].emplace_back(OrderedJson{{"part", piece.part}});
    named.update(result);
    progress.clear();
    if (!s.json) print(line_of(piece, result));
  }
  if (s.json) print(report.dump(1, ' ', false, OrderedJson::error_handler_t::replace));
  return 0;
}

}  // namespace semblance::cli
