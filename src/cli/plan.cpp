// semblance plan: estimates what `generate` with the same flags would need.
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "app/planning.h"
#include "backend/backends.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/request_flags.h"
#include "core/error.h"
#include "core/parallel.h"
#include "image/encode.h"
#include "pipeline/hires.h"
#include "pipeline/opened_models.h"
#include "pipeline/pipeline.h"
#include "pipeline/precision.h"
#include "pipeline/prompts.h"
#include "runtime/device.h"

namespace semblance::cli {
namespace {

/// Everything that is printed.
struct Report {
  RequestPlan plan;
  Size picture;
  Budget budget;
  Mode mode = Mode::kNormal;
  std::uint64_t minimum_bytes = 0;
  std::uint64_t minimum_card_bytes = 0;
  std::optional<Size> largest;
  std::vector<std::string> assumed;
  std::vector<QualityTime> qualities;
  std::optional<std::string> few_steps;
};

nlohmann::ordered_json json_of(const StagePlan& stage) {
  nlohmann::ordered_json json;
  json["name"] = title_of(stage, Language::kEnglish);
  json["fits"] = stage.fits;
  json["runs"] = stage.runs;
  json["base_bytes"] = stage.base_bytes;
  json["values_bytes"] = stage.values_bytes;
  json["resident_bytes"] = stage.resident_bytes;
  json["streamed_bytes"] = stage.streamed_bytes;
  json["activation_bytes"] = stage.activation_bytes;
  json["kernel_scratch_bytes"] = stage.kernel_scratch_bytes;
  json["reading_bytes"] = stage.reading_bytes;
  json["scratch_bytes"] = stage.scratch_bytes;
  json["peak_bytes"] = stage.peak_bytes;
  json["card_bytes"] = stage.card_bytes;
  json["seconds"] = stage.seconds;
  json["run_seconds"] = stage.run_seconds;
  json["wait_seconds"] = stage.wait_seconds;
  json["limited_by"] = name_of(stage.limit);
  return json;
}

std::string size_text(Size size) { return fmt::format("{}x{}", size.w, size.h); }

nlohmann::ordered_json card_json(const Report& report, const Workspace& workspace) {
  const auto& room = workspace.options().device_room;
  if (!room) return nullptr;
  return {{"name", workspace.backend().device().name()},
          {"budget_bytes", room->bytes},
          {"has_own_memory", room->is_separate},
          {"peak_bytes", report.plan.card_bytes},
          {"minimum_bytes", report.minimum_card_bytes}};
}

std::string json_of(const Report& report, const Workspace& workspace) {
  const RequestPlan& plan = report.plan;
  nlohmann::ordered_json json;
  json["fits"] = plan.fits;
  json["size"] = {report.picture.w, report.picture.h};
  json["budget_bytes"] = report.budget.bytes;
  json["peak_bytes"] = plan.peak_bytes;
  json["minimum_bytes"] = report.minimum_bytes;
  json["seconds"] = plan.seconds;
  json["step_seconds"] = plan.step_seconds;
  json["scratch_bytes"] = plan.scratch_bytes;
  json["mode"] = name_of(report.mode);
  json["gpu"] = card_json(report, workspace);
  json["qualities"] = nlohmann::ordered_json::array();
  for (const QualityTime& quality : report.qualities)
    json["qualities"].push_back(
        {{"name", quality.name}, {"steps", quality.steps}, {"seconds", quality.seconds}});
  json["stages"] = nlohmann::ordered_json::array();
  for (const StagePlan& stage : plan.stages) json["stages"].push_back(json_of(stage));
  json["assumed"] = report.assumed;
  return json.dump(2);
}

/// The number of UTF-8 characters.
std::size_t letters(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

/// Aligns the first and last columns left, the others right.
std::string table_of(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], letters(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - letters(row[i]), ' ');
      const bool left = i == 0 || i + 1 == row.size();
      line += (i == 0 ? "" : "  ") + (left ? row[i] + space : space + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

std::string amount(std::uint64_t bytes) { return bytes == 0 ? "-" : bytes_text(bytes); }

std::string seconds_text(double seconds) {
  return seconds < 9.95 ? fmt::format("{:.1f}", seconds) : fmt::format("{:.0f}", seconds);
}

std::string table_of(const RequestPlan& plan) {
  std::vector<std::vector<std::string>> rows{
      {text_of(Message::kStage), text_of(Message::kResident), text_of(Message::kStreamed),
       text_of(Message::kActivations), text_of(Message::kScratch), text_of(Message::kPeak),
       text_of(Message::kSeconds), text_of(Message::kLimitedBy)}};
  for (const StagePlan& stage : plan.stages) {
    std::string name = title_of(stage, language());
    if (stage.runs > 1) name += fmt::format(" x {}", stage.runs);
    if (!stage.fits) {
      rows.push_back({name, "-", "-", "-", "-", "-", "-", text_of(Message::kNameInsufficient)});
      continue;
    }
    rows.push_back({name, amount(stage.resident_bytes), amount(stage.streamed_bytes),
                    amount(stage.activation_bytes + stage.values_bytes),
                    amount(stage.scratch_bytes), amount(stage.peak_bytes),
                    seconds_text(stage.seconds),
                    stage.run_seconds > 0 ? text_of(title_of(stage.limit)) : ""});
  }
  rows.push_back({text_of(Message::kTotal), "", "", "", amount(plan.scratch_bytes),
                  amount(plan.peak_bytes), seconds_text(plan.seconds), ""});
  return table_of(rows);
}

std::string text_of(const Report& report, const Workspace& workspace) {
  std::string out;
  for (const std::string& path : report.assumed)
    out += semblance::text_of(Message::kSizesAssumed, path) + '\n';
  out += table_of(report.plan);
  if (report.plan.fits) {
    for (const std::string& line : summary_of(report.plan, report.budget, workspace))
      out += line + '\n';
    if (report.few_steps) out += *report.few_steps + '\n';
    std::vector<std::string> each;
    for (const QualityTime& quality : report.qualities)
      each.push_back(semblance::text_of(Message::kQualityTime, quality.name, quality.steps,
                                        clock_text(quality.seconds)));
    out +=
        semblance::text_of(Message::kQualityTimes, fmt::format("{}", fmt::join(each, "; "))) + '\n';
  } else {
    out += refusal_of(report.picture, {report.minimum_bytes, report.minimum_card_bytes},
                      report.budget.bytes, report.largest, workspace);
    out += '\n';
  }
  out += semblance::text_of(Message::kSmallestBudget, bytes_text(report.minimum_bytes));
  if (report.largest)
    out += '\n' + semblance::text_of(Message::kLargestPicture, size_text(*report.largest));
  return out;
}

/// The request's ControlNets; nullptr for none. Those that are not there are assumed.
std::shared_ptr<const AppliedControls> controls_of(
    const OpenedModels& models, const Request& request,
    const std::vector<std::filesystem::path>& folders, Report& report) {
  if (request.controls.empty()) return nullptr;
  auto made = std::make_shared<const AppliedControls>(
      open_controls(models, request.controls, folders, MissingControl::kAssume));
  report.assumed.insert(report.assumed.end(), made->assumed.begin(), made->assumed.end());
  return made;
}

}  // namespace

int plan(std::span<const char* const> words) {
  RequestSettings s;
  bool json = false;
  std::optional<StageId> stage;
  s.language = language_of_environment();
  Flags flags("plan [--size WxH] [--memory AMOUNT] [--json] [the flags of generate]",
              "Estimates the memory, time and disk space that `semblance generate` would need with "
              "the same flags, stage by stage. Nothing is computed. Missing files, models "
              "included, are assumed to be as published. No flag is required.");
  declare_request(flags, s);
  flags.group("What to do");
  flags.toggle("--json",
               "Prints {\"fits\", \"peak_bytes\", \"minimum_bytes\", \"seconds\", "
               "\"scratch_bytes\", \"mode\", \"stages\", ...}; docs/memory.md lists all keys.",
               json);
  flags.value(
      "--explain", "STAGE",
      "After the table, explains the plan of one stage: which kernels run it and why others "
      "declined, what is kept in memory, sliced, read and spilled, and how long planning took. Not "
      "with --json. STAGE is text-encoder-1, text-encoder-2, resampler, keypoints, control, "
      "denoiser, "
      "denoiser-alone, decoder, detector or recogniser.",
      [&](const std::string& flag, const std::string& name) { stage = parse_stage(name, flag); });
  flags.epilogue(
      "Examples\n"
      "  semblance plan --size 1024x1024 --memory 256MiB\n"
      "  semblance plan --base sdxl --face me.json --memory 60% --json\n"
      "\n" +
      exit_codes_text());
  if (!flags.read(words)) {
    print(flags.help());
    return 0;
  }
  if (stage && json)
    fail(ErrorKind::kArgument, "--explain cannot be used with --json\n  leave out one of them");
  set_language(s.language);
  find_device(s, flags);
  find_models(s, IfMissing::kKeep);
  s.prompts.read_file();
  locate_loras(s);
  locate_controls(s);
  take_people(s);
  const std::optional<InitialPicture> initial = take_initial(s);
  check_request(s);
  set_threads(s.threads > 0 ? static_cast<int>(s.threads) : available_cores());

  Report report;
  report.budget = budget_of(s.memory);
  const AssumedModels opened = assume_models(s.models);
  report.assumed = opened.assumed;
  const OpenedModels& models = opened.models;
  const Backend& backend = backend_by_name(s.backend_name());
  const Workspace workspace =
      Workspace(backend, workspace_options(backend, report.budget, s.scratch, !s.no_spill, false,
                                           s.where.card_memory))
          .with_base(planned_base());
  PhotoOptions looking = s.looking.options(s.backend_name(), is_reduced(report.budget));
  looking.workspace = workspace;
  SubjectReader reader(s.looking.files, looking);
  const auto native = static_cast<int>(models.unet.sample_size * models.vae.fold());
  report.picture = size_of_picture(s, initial, reader, native);
  const std::vector<Request> requests = s.prompts.requests(s.request, s.images);
  Request request = most_demanding(models, requests);
  const std::vector<std::filesystem::path> folders = lora_places(s.places, s.models);
  const RequestDefaults defaults(models, s.models, folders);
  const Request asked = request;
  report.few_steps = few_steps_line(defaults, asked, models.scheduler);
  request = defaults.complete(std::move(request));
  request.width = report.picture.w;
  request.height = report.picture.h;
  report.picture = finished_size(request);
  request.photos = photo_counts(s, reader);
  check(request);
  std::shared_ptr<const AppliedLoras> loras;
  if (const std::vector<std::string> choices = loras_of(request); !choices.empty()) {
    loras = std::make_shared<const AppliedLoras>(open_loras(models, choices, folders));
  }
  const auto controls = controls_of(models, request, control_places(s.places, s.models), report);
  const DType dtype = dtype_of(static_cast<Precision>(s.precision), workspace.backend());
  const ImageFormat format = s.output.empty() ? ImageFormat::kPng : format_for(s.output);
  const PlannedPicture planned = plan_picture(models, dtype, workspace,
                                              {.request = request,
                                               .format = format,
                                               .before = stages_before(s, initial, reader, request),
                                               .after = reader.result_stages(report.picture),
                                               .loras = loras,
                                               .controls = controls,
                                               .minimum = Wanted::kAlways,
                                               .largest = json ? Wanted::kNever : Wanted::kAlways,
                                               .explained = stage});
  const std::string explanation =
      stage ? "\n\n" + planned.explanation.substr(0, planned.explanation.size() - 1) : "";
  report.plan = planned.plan;
  if (report.plan.fits)
    report.qualities = quality_times(report.plan, asked, defaults, models.scheduler);
  report.minimum_bytes = planned.minimum_bytes;
  report.minimum_card_bytes = planned.minimum_card_bytes;
  report.largest = planned.largest;
  report.mode = mode_for(report.plan.fits ? report.budget.for_mode_bytes : 0, report.minimum_bytes);
  print(json ? json_of(report, workspace) : text_of(report, workspace) + explanation);
  return 0;
}

}  // namespace semblance::cli
