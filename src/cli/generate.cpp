// semblance generate: makes pictures from a photo or identity and a prompt.
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <limits>
#include <utility>

#include "app/control_pictures.h"
#include "app/parameters.h"
#include "app/planning.h"
#include "app/subject.h"
#include "backend/backends.h"
#include "cli/command.h"
#include "cli/demo_model.h"
#include "cli/flags.h"
#include "cli/inputs.h"
#include "cli/interrupt.h"
#include "cli/outputs.h"
#include "cli/progress.h"
#include "cli/refine.h"
#include "cli/request_flags.h"
#include "cli/results.h"
#include "cli/run_state.h"
#include "cli/watched.h"
#include "core/error.h"
#include "core/messages.h"
#include "core/parallel.h"
#include "device/cards.h"
#include "face/likeness.h"
#include "image/encode.h"
#include "memory/buffer.h"
#include "pipeline/hires.h"
#include "pipeline/picture_sampler.h"
#include "pipeline/pipeline.h"
#include "pipeline/precision.h"
#include "pipeline/prompts.h"

namespace semblance::cli {
namespace {

/// Refuses flags for the picture or the person beside --resume: the saved run already has them.
void refuse_beside_resume(const Flags& flags) {
  std::vector<std::string> saved = flags_of_parameters();
  saved.insert(saved.end(),
               {"--face", "--pose", "--people-from-pose", "--init", "--mask", "--precision",
                "--threads", "--photo-size", "--detector-size", "--backend"});
  for (const std::string& flag : PromptFlags::names()) saved.push_back(flag);
  for (const std::string& flag : flags.given()) {
    if (std::ranges::find(saved, flag) == saved.end()) continue;
    fail(ErrorKind::kArgument,
         "{} cannot be used with --resume: the saved run already sets it\n  leave it out, or start "
         "a new run without --resume",
         flag);
  }
}

/// The device of the saved run, or a new one with the precision that suits it: a run that a card
/// could not finish goes on on the processor.
void take_device(RequestSettings& s, SavedRun& run, bool moves) {
  if (moves) {
    run.backend = s.backend_name();
    run.precision = usable_precision(Precision::kAuto, backend_by_name(run.backend));
  } else if (names_card(run.backend)) {
    s.where.device = run.backend;
  } else {
    const auto* const backend = std::ranges::find(kBackends, run.backend);
    if (backend == std::end(kBackends)) {
      fail(ErrorKind::kCorrupt, "cannot resume from {}: unknown backend '{}'", s.resume.string(),
           run.backend.substr(0, 20));
    }
    s.backend = static_cast<int>(backend - std::begin(kBackends));
  }
  s.precision = static_cast<int>(run.precision);
}

/// Loads the saved run and fills in the settings that the flags leave open.
SavedRun take_saved(RequestSettings& s, bool has_device) {
  SavedRun run = load_saved_run(s.resume);
  const auto take = [](std::filesystem::path& mine, const std::filesystem::path& saved) {
    if (mine.empty()) mine = saved;
  };
  each_model_path(
      [&take](const ModelPathRow&, auto& mine, const auto& saved) { take(mine, saved); }, s.models,
      run.models);
  if (s.models.embeddings.empty()) s.models.embeddings = run.models.embeddings;
  std::error_code ignored;
  if (std::filesystem::is_directory(run.lora_dir, ignored)) take(s.places.loras, run.lora_dir);
  check_saved_outputs(run, !s.output.empty(), !s.latents.empty());
  s.images = std::max(1, static_cast<int>(run.outputs.size()));
  const bool moves_output = !s.output.empty();
  if (moves_output) run.outputs = renumbered(run.outputs, s.output);
  if (run.outputs.empty()) {
    fail(ErrorKind::kArgument, "-o is needed: {} does not name an output file", s.resume.string());
  }
  s.output = run.outputs.front();
  if (moves_output || !std::filesystem::exists(s.output, ignored)) run.best.reset();
  take(s.latents, run.latents);
  const auto take_there = [&](std::filesystem::path& mine, const std::filesystem::path& saved) {
    if (std::filesystem::exists(saved, ignored)) take(mine, saved);
  };
  take_there(s.looking.files.folder, run.face_models);
  take_there(s.looking.files.detector, run.detector);
  take_there(s.looking.files.recogniser, run.recogniser);
  if (run.request.has_mask || run.outputs.size() > 1) {  // else it is no longer needed
    s.initial = run.init;
    s.mask = run.mask_faces.empty() ? run.mask_file : std::filesystem::path(kFaceMask);
  }
  s.no_metadata = s.no_metadata || !run.metadata;
  s.request = run.request;
  s.size = {.rule = SizeRule::kFixed, .fixed = {run.request.width, run.request.height}};
  s.threads = run.threads;
  take_device(s, run, has_device);
  return run;
}

/// "--face, --prompt and -o"
std::string listed(const std::vector<std::string>& names) {
  const std::string last = names.size() > 1 ? " and " + names.back() : names.back();
  const std::size_t others = names.size() > 1 ? names.size() - 1 : 0;
  return fmt::format(
      "{}{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(others), ", "),
      last);
}

/// Checks everything that can be checked from the flags alone.
void check_flags(const RequestSettings& s, const Flags& flags) {
  std::vector<std::string> missing;
  each_model_path(
      [&missing](const ModelPathRow& row, const auto& path) {
        if (row.is_required && path.empty()) missing.emplace_back(row.flag);
      },
      s.models);
  if (s.faces.empty() && !s.has_people() && s.resume.empty()) missing.emplace_back("--face");
  const bool has_prompt =
      !s.request.prompt.empty() || flags.gives("--prompt") || s.prompts.has_file();
  if (!has_prompt && s.resume.empty()) missing.emplace_back("--prompt");
  if (s.output.empty()) missing.emplace_back("-o");
  if (!missing.empty()) {
    fail(ErrorKind::kArgument,
         "generate needs {}\n  `semblance generate --help` shows an example{}", listed(missing),
         s.models.identitynet.empty() || s.models.adapter.empty()
             ? "; `semblance models pull instantid` downloads IdentityNet and the adapter"
             : "");
  }
  if (flags.gives("--prompt") && s.prompts.has_file())
    fail(ErrorKind::kArgument, "cannot take --prompts: --prompt is given, too\n  leave out one");
  check_request(s);
  if (s.looking.files.are_given()) return;
  const auto refuse_without_models = [](const Parameter& row, std::string_view what) {
    fail(ErrorKind::kArgument,
         "cannot take {}: {} needs face models\n  add --face-models DIR; `semblance models pull "
         "antelopev2` downloads them",
         row.flag_text(), what);
  };
  if (s.best_of > 1) refuse_without_models(parameters::kBestOf, "finding the most alike picture");
  if (s.request.refine_faces.name == "on")
    refuse_without_models(parameters::kRefineFaces, "finding the face");
}

void check_outputs(const RequestSettings& s, const std::vector<std::filesystem::path>& pictures) {
  std::vector<std::filesystem::path> inputs = s.photos();
  inputs.insert(inputs.end(), {s.people_file, s.initial, s.mask, s.resume, s.looking.files.detector,
                               s.looking.files.recogniser});
  each_model_path([&inputs](const ModelPathRow&, const auto& path) { inputs.push_back(path); },
                  s.models);
  for (const std::string& lora : s.request.loras) inputs.emplace_back(parse_lora(lora).name);
  for (const ControlChoice& control : parse_controls(s.request.controls))
    inputs.insert(inputs.end(), {control.model, control.image});
  inputs.insert(inputs.end(), s.models.embeddings.begin(), s.models.embeddings.end());
  for (const auto& picture : pictures) check_output("-o", picture, inputs);
  if (!s.trace.empty()) check_output("--trace", s.trace, inputs);
  if (!s.latents.empty()) {
    if (s.latents.extension() != ".npy") {
      fail(ErrorKind::kArgument,
           "cannot take --latents: expected a file name ending in .npy, got '{}'",
           s.latents.string());
    }
    check_output("--latents", s.latents, inputs);
  }
  if (!s.save_state.empty()) {
    std::vector<std::filesystem::path> others = inputs;
    std::erase(others, s.resume);
    check_output("--save-state", s.save_state, others);
    std::error_code none;
    if (std::filesystem::exists(s.save_state, none) &&
        !std::filesystem::is_regular_file(s.save_state, none)) {
      fail(ErrorKind::kArgument,
           "cannot take --save-state: expected a file that --resume can read, got the device or "
           "pipe {}",
           s.save_state.string());
    }
    for (const auto& path : pictures) {
      if (place_of(path) == place_of(s.save_state))
        fail(ErrorKind::kArgument, "cannot take --save-state: {} is also the path of a picture",
             path.string());
    }
  }
}

/// Runs one step and saves the state; false when all steps are done.
bool next_step(Generation& generation, RunState& state, LowMemory& memory,
               const Interrupt& interrupt, Progress& progress) {
  if (!generation.next(interrupt.token())) return false;
  state.step_done(generation);
  for (const std::string& news : generation.take_news()) progress.warn(news);
  if (generation.step() < generation.steps()) memory.check(generation.planned_bytes(), progress);
  return true;
}

/// Makes one picture, from the noise or the saved latent to its file, which it replaces only if the
/// picture is better than `best`.
Candidate make_picture(const RequestSettings& s, Pipeline& pipeline, const Request& request,
                       Generation& generation, const std::filesystem::path& path,
                       const std::optional<InitialPicture>& initial, const People& people,
                       const LikenessMeter& meter, const std::optional<Candidate>& best,
                       RunState& state, const Interrupt& interrupt, Progress& progress) {
  const std::string name = path.filename().string();
  LowMemory memory;
  do {
    if (generation.step() < generation.steps())
      progress.step(name, generation.step() + 1, generation.steps());
  } while (next_step(generation, state, memory, interrupt, progress));
  progress.now(text_of(Message::kDecoding, name));
  Image picture = generation.decode(interrupt.token());
  interrupt.check();
  const Candidate result{
      request.seed.value_or(Request::kSeed),
      refine_and_measure(picture, request, people, name, pipeline, meter, interrupt, progress)};
  if (!is_better(result, best)) return result;
  if (request.has_mask) picture = initial->finish(picture, request, interrupt.token());
  ImageText text;
  if (!s.no_metadata) {
    text = picture_text(request, {.base = s.models.base,
                                  .parts = s.models,
                                  .precision = pipeline.precision(),
                                  .backend = s.backend_name(),
                                  .scheduler = pipeline.scheduler(),
                                  .warnings = pipeline.warnings(request),
                                  .likeness = result.likeness});
  }
  progress.now(text_of(Message::kWriting, name));
  std::optional<OutputFile> latents;  // written first, so that both files appear or neither
  if (!s.latents.empty()) {
    latents.emplace(s.latents);
    const Size size = generation.size();
    write_npy(*latents, {1, 4, size.h / 8, size.w / 8}, generation.latent());
  }
  write_image(picture, path, text);
  if (latents) latents->commit();
  return result;
}

/// The result that is kept, on stdout.
void tell_result(const RequestSettings& s, const std::filesystem::path& path, Size size,
                 const Candidate& result, Progress& progress) {
  if (s.best_of > 1) {
    progress.note(text_of(Message::kBestKept, path.filename().string(), s.best_of, result.seed));
  }
  progress.clear();
  print(s.json ? result_json(path, size, result) : path.string());
}

/// Tells how alike a result is to the person, if that is measured.
void note_likeness(const LikenessMeter& meter, const std::string& name, const Candidate& result,
                   Progress& progress) {
  if (!meter.measures()) return;
  progress.note(result.likeness ? text_of(Message::kLikeness, name, likeness_text(*result.likeness))
                                : text_of(Message::kNoLikeness, name));
}

/// Makes the picture of each request; the first one resumes from `saved`, if given.
void make_pictures(const RequestSettings& s, Pipeline& pipeline, std::span<const Request> requests,
                   const std::optional<InitialPicture>& initial, const People& people,
                   const ControlPictures& controls, const LikenessMeter& meter,
                   const std::vector<std::filesystem::path>& pictures,
                   std::optional<SavedRun> saved, Interrupt& interrupt, Progress& progress) {
  RunState state(s.save_state, s.places.loras.empty() ? s.places.models : s.places.loras,
                 s.looking.files, interrupt);
  state.starts_from(s.initial, s.mask, initial ? initial->covered_faces() : std::vector<Box>());
  std::optional<Candidate> best = saved ? saved->best : std::nullopt;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    interrupt.check();
    const auto begin = std::chrono::steady_clock::now();
    const Request& request = requests[i];
    const std::string name = pictures[i].filename().string();
    const Size size = finished_size(request);
    const std::string picture =
        text_of(Message::kPicture, name, size.w, size.h, request.step_count(),
                request.seed.value_or(Request::kSeed), name_of(pipeline.precision()));
    if (saved) {
      const int step = evaluations_before(request, saved->pass, pipeline.scheduler()) + saved->step;
      progress.note(text_of(Message::kPictureResumed, picture, step + 1));
    } else {
      progress.note(picture);
    }
    progress.now(text_of(Message::kReadingPromptAndFace, name));
    const auto from = saved ? std::nullopt : read_initial(s, initial, request, interrupt, progress);
    Generation generation = saved ? pipeline.resume(*saved, interrupt.token())
                                  : pipeline.start(request, people, interrupt.token(),
                                                   from ? &*from : nullptr, controls);
    saved.reset();
    state.begin({pictures.begin() + static_cast<std::ptrdiff_t>(i), pictures.end()},
                requests.subspan(i), best, s.latents, !s.no_metadata);
    const Candidate result = state.guard(generation, [&] {
      return make_picture(s, pipeline, request, generation, pictures[i], initial, people, meter,
                          best, state, interrupt, progress);
    });
    note_likeness(meter, name, result, progress);
    if (is_better(result, best)) best = result;
    if (i + 1 == pictures.size() || pictures[i + 1] != pictures[i]) {
      tell_result(s, pictures[i], initial ? initial->finished_size(request) : size, *best,
                  progress);
      best.reset();
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    if (progress.on_terminal())
      progress.note(text_of(Message::kTook, name, clock_text(taken.count())));
  }
  state.done();
}

struct Predicted {
  std::uint64_t peak_bytes = 0;
  double seconds = 0;
  bool has_likeness = true;  // its stages fit
};

/// Plans the whole run and prints a summary in three lines. Throws Error(kMemory) if it does not
/// fit.
Predicted predict_run(const RequestSettings& s, const std::optional<SavedRun>& saved,
                      const std::optional<InitialPicture>& initial, SubjectReader& reader,
                      const Pipeline& pipeline, const Request& request, const Budget& budget,
                      std::size_t pictures, Progress& progress) {
  PlanQuestion question{.request = request, .format = format_for(s.output)};
  if (saved) question.start = {saved->pass, saved->step};
  if (!saved) {
    question.before = stages_before(s, initial, reader, request);
  } else if (initial) {
    question.before = {initial->stage(request)};
  }
  const std::size_t photo_count = question.before.size();
  question.after = reader.result_stages(finished_size(request));
  const PlannedPicture planned = pipeline.plan(question);
  const RequestPlan& plan = planned.plan;
  if (!plan.fits) {
    throw Error(
        ErrorKind::kMemory,
        refusal_of(finished_size(request), {planned.minimum_bytes, planned.minimum_card_bytes},
                   budget.bytes, planned.largest, pipeline.workspace()));
  }
  for (const std::string& line : summary_of(plan, budget, pipeline.workspace()))
    progress.note(line);
  if (photo_count > 0 && is_reduced(budget) && !s.looking.detector_size)
    progress.note(
        text_of(Message::kDetectorReduced, reduced_detector_sizes().front(), kDefaultDetectorSize));
  Predicted predicted{.peak_bytes = plan.peak_bytes, .has_likeness = planned.has_after};
  if (!planned.has_after) {
    if (s.best_of > 1) {
      fail(ErrorKind::kMemory,
           "cannot take {}: the face models that measure the likeness do not fit into {}\n  give "
           "--memory more",
           parameters::kBestOf.flag_text(), bytes_text(budget.bytes));
    }
    progress.warn(text_of(Message::kNoRoomForLikeness));
  }
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    const bool once = i < photo_count;
    predicted.seconds += plan.stages[i].seconds * (once ? 1 : static_cast<double>(pictures));
  }
  return predicted;
}

/// Throws, before any computing, for text that the picture file cannot store.
void check_metadata(const RequestSettings& s, const Request& request,
                    const std::vector<Warning>& warnings) {
  if (s.no_metadata) return;
  encode(Image({1, 1}), format_for(s.output),
         picture_text(request, {.base = s.models.base,
                                .parts = s.models,
                                .backend = s.backend_name(),
                                .warnings = warnings}));
}

/// Prints what the pictures will not have, each once, and checks what they will say of themselves.
void warn_and_check(const RequestSettings& s, const Pipeline& pipeline,
                    std::span<const Request> requests, Progress& progress) {
  std::vector<Warning> told;
  for (const Request& request : requests) {
    const std::vector<Warning> warnings = pipeline.warnings(request);
    for (const Warning& warning : warnings) {
      if (std::ranges::find(told, warning) != told.end()) continue;
      told.push_back(warning);
      progress.warn(text_of(warning, language(), {.prompt = "--prompt", .negative = "--negative"}));
    }
    check_metadata(s, request, warnings);
  }
}

/// Sets what the flags leave to the model and the photo.
void complete(const RequestSettings& s, const std::optional<InitialPicture>& initial,
              const Pipeline& pipeline, SubjectReader& reader, std::vector<Request>& requests) {
  const Size size = size_of_picture(s, initial, reader, pipeline.native_side());
  const std::vector<int> photos = photo_counts(s, reader);
  for (Request& request : requests) {
    request = pipeline.defaults().complete(std::move(request));
    request.width = size.w;
    request.height = size.h;
    request.photos = photos;
    check(request);
  }
}

/// Prints the measured beside the predicted cost.
void note_measured(const Predicted& predicted, std::chrono::duration<double> taken,
                   Progress& progress) {
  try {
    progress.note(text_of(Message::kPlanMeasured, bytes_text(Meter().process().peak_resident_bytes),
                          bytes_text(predicted.peak_bytes), clock_text(taken.count()),
                          clock_text(predicted.seconds)));
  } catch (const Error&) {
    // The pictures are written; a figure that cannot be read is no failure.
  }
}

/// From checked flags to written pictures.
int make_all(const RequestSettings& s, std::optional<InitialPicture> initial,
             const std::optional<SavedRun>& saved, std::vector<Request> requests,
             const std::vector<std::filesystem::path>& pictures, bool with_demo) {
  set_language(s.language);
  set_threads(s.threads > 0 ? static_cast<int>(s.threads) : available_cores());
  Interrupt interrupt;
  Progress progress(s.quiet);
  const Budget budget = budget_of(s.memory);
  if (budget.bytes > budget.machine.for_run_bytes()) {
    progress.warn(text_of(Message::kBudgetAboveAvailable, bytes_text(budget.bytes),
                          bytes_text(budget.machine.for_run_bytes())));
  }
  SubjectReader reader(s.looking.files, s.looking.options(s.backend_name()));
  if (!saved) {
    for (const std::filesystem::path& face : s.has_people() ? photos_of_people(s.request) : s.faces)
      reader.check(face, s.has_people() && s.faces.empty() ? "--people" : "--face");
  }
  if (!saved && s.is_posed()) reader.check(s.framed(), s.pose.empty() ? "--init" : "--pose");

  if (with_demo) progress.note(text_of(Message::kDemoModel));
  progress.now(text_of(Message::kOpeningModels));
  Watched watched(s.trace);
  Workspace::Options workspace = workspace_options(
      backend_by_name(s.backend_name()), budget, s.scratch, !s.no_spill, true, s.where.card_memory);
  workspace.trace = watched.trace();
  workspace.meter = Meter();
  Pipeline pipeline(s.models, {.precision = static_cast<Precision>(s.precision),
                               .backend = s.backend_name(),
                               .workspace = workspace,
                               .lora_folders = lora_places(s.places, s.models),
                               .control_folders = control_places(s.places, s.models)});
  PhotoOptions looking = s.looking.options(s.backend_name(), is_reduced(budget));
  looking.workspace = pipeline.workspace();
  reader = SubjectReader(s.looking.files, looking);
  if (!saved) {
    complete(s, initial, pipeline, reader, requests);
    if (const auto line =
            few_steps_line(pipeline.defaults(), requests.front(), pipeline.scheduler()))
      progress.note(*line);
  }
  warn_and_check(s, pipeline, requests, progress);
  interrupt.check();
  progress.now(text_of(Message::kPlanning));
  const Predicted predicted =
      predict_run(s, saved, initial, reader, pipeline, pipeline.most_demanding(requests), budget,
                  pictures.size(), progress);
  SubjectReader* const measuring =
      reader.has_models() && predicted.has_likeness ? &reader : nullptr;
  progress.beside([&] { return watched.text(); });

  const auto begin = std::chrono::steady_clock::now();
  if (saved) {
    const SavedRun& run = *saved;
    make_pictures(s, pipeline, requests, initial, run.people, run.controls,
                  {measuring, run.people.embeddings, run.request.photos}, pictures, saved,
                  interrupt, progress);
  } else {
    const People people =
        read_face_input(s, initial, reader, requests.front(), interrupt, progress);
    const ControlPictures controls =
        open_control_pictures(requests.front(), initial ? &*initial : nullptr, interrupt.token());
    make_pictures(s, pipeline, requests, initial, people, controls,
                  {measuring, people.embeddings, requests.front().photos}, pictures, {}, interrupt,
                  progress);
  }
  note_measured(predicted, std::chrono::steady_clock::now() - begin, progress);
  watched.write();
  return 0;
}

constexpr const char* kSwapExamples =
    "Examples\n"
    "  semblance swap party.jpg --face me.jpg -o me-at-the-party.png\n"
    "  semblance swap party.jpg --pick 2 --face me.jpg --strength 0.9 --prompt \"a laughing man\" "
    "\\\n"
    "     -o out.png\n"
    "\n";

constexpr const char* kExamples =
    "Examples\n"
    "  With the bundled demo model (drawn faces only, not photos):\n"
    "  semblance generate --face models/demo/faces/01.png --prompt \"a smiling woman in the snow\" "
    "\\\n"
    "     -o snow.png\n"
    "  With the published weights (docs/models.md):\n"
    "  semblance models pull sdxl instantid antelopev2\n"
    "  semblance generate --base sdxl --face me.jpg \\\n"
    "     --prompt \"analog film photo of a man in the snow\" --negative \"blurry\" -o snow.png\n"
    "  Save a face, then make four pictures of it in another pose:\n"
    "  semblance face me.jpg --save me.json\n"
    "  semblance generate ... --face me.json --pose dancer.jpg --images 4 -o dance.png\n"
    "  Weights, choices by the seed and a style (docs/prompts.md):\n"
    "  semblance generate ... --style \"Film Noir\" --images 8 -o noir.png \\\n"
    "     --prompt \"a (smiling:1.2) man in {rain|snow|{dense|light} fog}\"\n"
    "\n"
    "The paths of written pictures go to stdout, everything else to stderr.\n"
    "\n";

/// From the words after the command to written pictures. `flags` may have declared more.
int make(Flags& flags, RequestSettings& s, const char* examples,
         std::span<const char* const> words) {
  s.language = language_of_environment();
  declare_request(flags, s);
  flags.group("Result");
  flags.toggle("--json",
               "Prints {\"path\", \"width\", \"height\", \"seed\", \"likeness\"} for each "
               "picture in place of its path. The likeness, -1 to 1, is the cosine of what is "
               "recognised in the picture's face and in the person's photos; null without face "
               "models and without a face.",
               s.json);
  flags.epilogue(examples + exit_codes_text());
  if (!flags.read(words)) {
    print(flags.help());
    return 0;
  }
  find_device(s, flags);
  std::optional<SavedRun> saved;
  if (!s.resume.empty()) {
    refuse_beside_resume(flags);
    saved = take_saved(s, flags.gives("--device"));
  }
  if (!saved) take_people(s);
  std::optional<InitialPicture> initial;
  if (!saved || !s.initial.empty()) initial = take_initial(s);
  if (saved && initial) {
    for (const Box& face : saved->mask_faces) initial->cover(face);
  }
  s.prompts.read_file();
  const bool with_demo = take_demo_models(s.models, s.looking.files);
  find_models(s, IfMissing::kKeep);
  locate_loras(s);
  if (!saved) locate_controls(s);
  check_flags(s, flags);
  if (!saved) check_controls(s);
  find_models(s, IfMissing::kRefuse);  // after check_flags(), which reports all missing flags
  const auto pictures =
      saved ? saved->outputs : repeated(numbered(s.output, s.picture_count()), s.best_of);
  check_outputs(s, pictures);
  if (!s.request.seed) s.request.seed = random_seed();
  std::vector<Request> requests =
      saved ? requests_of(*saved) : s.prompts.requests(s.request, s.images * s.best_of);
  for (const Request& request : requests) check_prompts(request);
  return make_all(s, std::move(initial), saved, std::move(requests), pictures, with_demo);
}

}  // namespace

int generate(std::span<const char* const> words) {
  RequestSettings s;
  Flags flags(
      "generate [--base NAME|DIR|FILE] --face FILE --prompt TEXT -o FILE [flags]",
      "Makes a picture of the person in a photo, following a prompt. Everything is "
      "computed on this machine, on its processor or a graphics card; nothing is sent anywhere.");
  return make(flags, s, kExamples, words);
}

int swap(std::span<const char* const> words) {
  RequestSettings s;
  s.mask = kFaceMask;
  s.request.inpaint_area = std::string(kInpaintAreaNames[1]);
  s.request.prompt = "a photo of a person";
  Flags flags("swap PICTURE --face FILE -o FILE [flags]",
              "Puts the person of --face into a picture, in place of a face that is in it; or the "
              "people of --people in place of several, from left to right. Only these faces and "
              "their edges are repainted, at the model's own size; every other pixel stays as it "
              "is. The same as `semblance generate --init PICTURE --mask face "
              "--inpaint-area masked --prompt \"a photo of a person\"`, and has the same flags.");
  flags.positional("PICTURE", "The picture. --pick says which of its faces is meant.", s.initial);
  return make(flags, s, kSwapExamples, words);
}

}  // namespace semblance::cli
