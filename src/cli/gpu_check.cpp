// semblance gpu check: compares a graphics card with the processor and measures it.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "app/parameters.h"
#include "check/card_check.h"
#include "cli/command.h"
#include "cli/demo_model.h"
#include "cli/flags.h"
#include "cli/interrupt.h"
#include "cli/outputs.h"
#include "cli/progress.h"
#include "core/messages.h"
#include "core/parallel.h"
#include "device/cards.h"
#include "memory/budget.h"
#include "runtime/host_device.h"
#include "runtime/trace.h"

namespace semblance::cli {
namespace {

using OrderedJson = nlohmann::ordered_json;

/// One JSON object a line, written at once, so that the last line of a report tells what a driver
/// was doing when it ended the program. Nothing if `path` is empty.
class ReportFile {
 public:
  explicit ReportFile(std::filesystem::path path) : path_(std::move(path)) {
    if (path_.empty()) return;
    check_output("-o", path_, {});
    file_.reset(std::fopen(path_.c_str(), "w"));
    if (!file_) fail_to_write();
  }
  void add(const OrderedJson& line) {
    if (!file_) return;
    const std::string text =
        line.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + '\n';
    if (std::fputs(text.c_str(), file_.get()) < 0 || std::fflush(file_.get()) != 0) fail_to_write();
  }

 private:
  [[noreturn]] void fail_to_write() const {
    fail(ErrorKind::kDevice, "cannot write {}: {}", path_.string(), std::strerror(errno));
  }
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

/// What the results come to, for people.
class Summary {
 public:
  void add(const CheckPiece& piece, const OrderedJson& result) {
    ++pieces_;
    if (!result.at("ok").get<bool>()) failed_.push_back(describe(piece, result));
    if (result.contains("error")) return;
    if (piece.part == "agreement") ++agreements_;
    if (piece.part == "memory") add_memory(result);
    if (piece.part == "layer") add_layer(result);
    if (piece.part == "copies") {
      lines_.push_back(fmt::format("Copies: {:.1f} GB/s to the card, {:.1f} GB/s from it",
                                   number(result, "to_card_gb_s"),
                                   number(result, "from_card_gb_s")));
    }
    if (piece.part == "rates") {
      lines_.push_back(fmt::format(
          "Plans for this card now go by {:.0f} GFLOP/s of linear layers and {:.1f} GB/s "
          "of its memory",
          number(result, "linear_gflops"), number(result, "elementwise_gb_s")));
    }
    if (piece.part == "picture") {
      const OrderedJson& psnr = result.at("psnr_db");
      const std::string decibels =
          psnr.is_number() ? fmt::format("{:.1f}", psnr.get<double>()) : psnr.get<std::string>();
      lines_.push_back(fmt::format(
          "Picture in {}: {} dB, {:.1f} s on the card, {:.1f} s on the "
          "processor",
          piece.what, decibels, number(result, "seconds"), number(result, "processor_seconds")));
    }
    if (piece.part == "step") add_step(result);
  }
  const std::vector<std::string>& failed() const { return failed_; }

  std::string text() const {
    std::string text;
    const auto line = [&](const std::string& one) { text += one + '\n'; };
    for (const std::string& one : lines_) line(one);
    line(fmt::format("Agreement with the processor: {} kernels and types checked", agreements_));
    if (!fastest_.empty()) line("Fastest layers of SDXL");
    for (const auto& [name, fastest] : fastest_)
      line(fmt::format("  {}: {:.1f} {}", name, fastest.rate, fastest.unit));
    line(failed_.empty() ? fmt::format("All {} checks passed.", pieces_)
                         : fmt::format("{} of {} checks failed:", failed_.size(), pieces_));
    for (const std::string& one : failed_) line("  " + one);
    return text;
  }

 private:
  static double number(const OrderedJson& json, const char* key) {
    return json.at(key).get<double>();
  }
  static std::string amount(const OrderedJson& json, const char* key) {
    return bytes_text(json.at(key).get<std::uint64_t>());
  }
  static std::string describe(const CheckPiece& piece, const OrderedJson& result) {
    if (result.contains("error"))
      return fmt::format("{}, {}: {}", piece.part, piece.what,
                         result.at("error").get<std::string>());
    return fmt::format("{}, {}: {}", piece.part, piece.what, result.dump());
  }
  void add_memory(const OrderedJson& result) {
    lines_.push_back(fmt::format("Memory, {}: {} free of {}, {} used by this program",
                                 lines_.empty() ? "card opened" : "every kernel compiled",
                                 amount(result, "free_bytes"), amount(result, "total_bytes"),
                                 amount(result, "used_bytes")));
  }
  void add_layer(const OrderedJson& result) {
    const bool computes = result.contains("gflops");
    const double rate = number(result, computes ? "gflops" : "gb_s");
    Fastest& fastest = fastest_[fmt::format("{} in {}", result.at("kernel").get<std::string>(),
                                            result.at("dtype").get<std::string>())];
    if (rate > fastest.rate) fastest = {rate, computes ? "GFLOP/s" : "GB/s"};
  }
  void add_step(const OrderedJson& result) {
    for (const OrderedJson& budget : result.at("budgets")) {
      lines_.push_back(
          fmt::format("Denoiser step in {}: {:.2f} s, of which {:.2f} s waiting for {} "
                      "of weights",
                      amount(budget, "budget_bytes"), number(budget, "seconds"),
                      number(budget, "wait_seconds"), amount(budget, "streamed_bytes")));
    }
  }

  struct Fastest {
    double rate = 0;
    std::string_view unit;
  };
  int pieces_ = 0;
  int agreements_ = 0;
  std::vector<std::string> lines_;
  std::vector<std::string> failed_;
  std::map<std::string, Fastest> fastest_;
};

struct CheckSettings {
  std::string device = "gpu";
  std::filesystem::path output;
  bool full = false;
  bool quiet = false;
};

void declare(Flags& flags, CheckSettings& s) {
  flags.text("--device", "gpu|gpu:N|gpu:NAME", "The card. Default: gpu, the best one.", s.device);
  flags.toggle("--full",
               "Also computes a denoiser step of SDXL with IdentityNet at 1024x1024, with random "
               "weights, in three amounts of the card's memory: the most that is of use, the least "
               "that is possible, and one between. Takes minutes.",
               s.full);
  flags.path("-o,--output", "FILE",
             "The report: one JSON object a line (src/check/card_check.h explains them), each "
             "written when it is known. A report is whole if its last line is {\"kind\":\"end\", "
             "...}; otherwise that line says what was under way.",
             s.output);
  flags.toggle("-q,--quiet", "Shows no progress.", s.quiet);
  flags.epilogue(
      "Every kernel is compared with the processor, in each type of numbers. A card that computes\n"
      "wrongly, or fails, ends the check with exit code 7 after everything has been tried.\n"
      "Nothing is sent anywhere. If a check fails, please report it with the report's file.\n"
      "\n"
      "Examples\n"
      "  semblance gpu check\n"
      "  semblance gpu check --full --device gpu:1 -o report.jsonl\n"
      "\n" +
      exit_codes_text());
}

OrderedJson head_of(const CheckSettings& s, const VulkanFacts& facts) {
  return {{"kind", "begin"},
          {"format", 1},
          {"program", program_version()},
          {"processor", host_device().name()},
          {"threads", threads()},
          {"full", s.full},
          {"card", to_json(facts)}};
}

/// The piece's result; with "error" if it threw.
OrderedJson result_of(const CheckPiece& piece, const std::stop_token& stop) {
  try {
    return piece.run(stop);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kCancelled) throw;
    return {{"ok", false}, {"error", error.what()}};
  }
}

void run_pieces(const std::vector<CheckPiece>& pieces, const Interrupt& interrupt, bool quiet,
                ReportFile& report, Summary& summary) {
  Progress progress(quiet);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const CheckPiece& piece = pieces[i];
    interrupt.check();
    progress.step(piece.part + ", " + piece.what, static_cast<int>(i) + 1,
                  static_cast<int>(pieces.size()));
    report.add({{"kind", "next"}, {"part", piece.part}, {"what", piece.what}});
    const double begin = Trace::now();
    const OrderedJson result = result_of(piece, interrupt.token());
    OrderedJson line{{"kind", "result"}, {"part", piece.part}, {"what", piece.what}};
    line.update(result);
    line["took_seconds"] = Trace::now() - begin;
    report.add(line);
    summary.add(piece, result);
  }
}

}  // namespace

int gpu_check(std::span<const char* const> words) {
  CheckSettings s;
  Flags flags("gpu check [--full] [--device gpu:N] [-o FILE]",
              "Checks that a graphics card computes what the processor computes, and measures it: "
              "copies, every kernel at SDXL's sizes, the driver's memory, and the demo model's "
              "picture. Takes a minute or two on a card.");
  declare(flags, s);
  if (!flags.read(words)) {
    print(flags.help());
    return 0;
  }
  if (!names_card(s.device)) {
    fail(ErrorKind::kArgument,
         "cannot take --device: expected gpu, gpu:N or gpu:NAME, got '{}'\n  `semblance gpu` lists "
         "the graphics cards",
         s.device.substr(0, 40));
  }
  const Interrupt interrupt;
  const Cards cards = find_cards();
  const std::uint64_t free_before = choose_card(cards, s.device).free_bytes;
  ReportFile report(s.output);
  set_threads(available_cores());
  const Backend& backend = backend_by_name(s.device);
  const CheckedCard card{s.device, backend, dynamic_cast<const VulkanDevice&>(backend.device()),
                         free_before};
  const std::optional<DemoModel> demo = find_demo_model();
  const VulkanFacts& facts = card.card.facts();
  report.add(head_of(s, facts));
  print(fmt::format("{}, {} {}", facts.name, facts.driver, facts.driver_version));
  Summary summary;
  run_pieces(card_check(card, demo ? std::optional(demo->models) : std::nullopt, s.full), interrupt,
             s.quiet, report, summary);
  print(summary.text());
  report.add({{"kind", "end"}, {"failed", summary.failed()}});
  if (summary.failed().empty()) return 0;
  fail(ErrorKind::kDevice,
       "the graphics card {} failed {} checks\n  use --device cpu, update the card's driver, and "
       "report it with the file of -o",
       facts.name, summary.failed().size());
}

}  // namespace semblance::cli
