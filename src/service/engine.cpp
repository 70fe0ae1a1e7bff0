#include "service/engine.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "app/control_pictures.h"
#include "app/face_pass.h"
#include "app/parameters.h"
#include "backend/backends.h"
#include "core/error.h"
#include "core/stop.h"
#include "memory/base_memory.h"
#include "memory/heap.h"
#include "pipeline/hires.h"
#include "pipeline/prompts.h"
#include "service/http.h"

namespace semblance::service {

Engine::Engine(const EngineOptions& options, const std::stop_token& stop)
    : options_(options), budget_(budget_of(options.memory)) {
  if (budget_.bytes <= kServiceBytes) {
    fail(ErrorKind::kArgument,
         "--memory: expected more than the {} that the service reserves for requests, got {}",
         bytes_text(kServiceBytes), bytes_text(budget_.bytes));
  }
  check_stop(stop);
  workspace_ = workspace_options(backend_by_name(options.backend), budget_, options.scratch,
                                 options.may_spill, true, options.card_memory);
  workspace_.budget_bytes = budget_.bytes - kServiceBytes;
  workspace_.meter = Meter();
  learn(*opened(stop));
}

std::string ModelSet::name() const { return demo ? "semblance-demo" : model_name(models.base); }

void Engine::learn(const Pipeline& pipeline) {
  all_facts_.push_back({.name = ModelSet{options_.models, options_.faces, options_.demo}.name(),
                        .base = options_.models.base,
                        .demo = options_.demo,
                        .native_side = pipeline.native_side(),
                        .defaults = pipeline.defaults(),
                        .scheduler = pipeline.scheduler(),
                        .precision = pipeline.precision()});
  facts_ = &all_facts_.back();
}

std::optional<CardUse> Engine::card_use() const {
  return semblance::card_use(backend_by_name(options_.backend));
}

std::shared_ptr<Pipeline> Engine::opened(const std::stop_token& stop) {
  const std::lock_guard guard(mutex_);
  if (!pipeline_) pipeline_ = open(options_.models, stop);
  return pipeline_;
}

std::shared_ptr<Pipeline> Engine::open(const ModelPaths& models,
                                       const std::stop_token& stop) const {
  return std::make_shared<Pipeline>(models,
                                    PipelineOptions{.precision = options_.precision,
                                                    .backend = options_.backend,
                                                    .workspace = workspace_,
                                                    .lora_folders = options_.lora_folders,
                                                    .control_folders = options_.control_folders},
                                    stop);
}

void Engine::use(const ModelSet& set, const std::stop_token& stop) {
  const std::lock_guard planning(planning_);
  const std::lock_guard guard(mutex_);
  pipeline_.reset();  // there may be no room for both
  pipeline_ = open(set.models, stop);
  options_.models = set.models;
  options_.faces = set.faces;
  options_.demo = set.demo;
  colours_.reset();
  learn(*pipeline_);
}

Request Engine::drawn(const Request& request) const {
  PromptSources sources = options_.prompts;
  return with_drawn_prompts(request, sources);
}

void Engine::check_prompts(const Request& request, int count) const {
  const auto check_loras = [this](const std::vector<std::string>& loras) {
    for (const std::string& lora : loras) find_lora(parse_lora(lora), options_.lora_folders);
  };
  const Parameter* checked = &parameters::kLoras;
  try {
    check_loras(request.loras);
    checked = &parameters::kStyle;
    if (request.style)
      static_cast<void>(options_.prompts.styles.find(request.style->name, checked->name));
    checked = &parameters::kPrompt;
    for (int i = 0; i < count; ++i) check_loras(loras_of(drawn(nth_picture(request, i, count))));
  } catch (const Error& error) {
    throw HttpError(error, checked->name);
  }
}

void Engine::check_controls(const Request& request) const {
  try {
    for (const ControlChoice& choice : parse_controls(request.controls))
      find_control(choice, options_.control_folders);
  } catch (const Error& error) {
    throw HttpError(error, parameters::kControls.name);
  }
}

Pipeline& Engine::pipeline(const std::stop_token& stop) { return *opened(stop); }

void Engine::release() {
  {
    const std::lock_guard guard(mutex_);
    pipeline_.reset();
  }
  trim_heap();
  drop_unmodified_code();
}

void Engine::check_sampler(const Request& request) const {
  try {
    make_picture_sampler(request, facts().scheduler);
  } catch (const Error& error) {
    throw HttpError(error, parameters::kScheduler.name);
  }
}

PlanAnswer Engine::plan(Request request, const std::stop_token& stop,
                        const std::function<bool()>& client_left) {
  if (request.width == 0) request.width = request.height = facts().native_side;
  check(request);
  std::unique_lock guard(planning_, std::defer_lock);
  const auto check = [&stop, &client_left, calls = 0]() mutable {
    check_stop(stop);
    // client_left() is a system call, and this runs for every node of every plan that is tried.
    if (calls++ % 256 == 0 && client_left()) fail(ErrorKind::kCancelled, "the client left");
  };
  while (!guard.try_lock()) {
    check_stop(stop);
    if (client_left()) fail(ErrorKind::kCancelled, "the client left");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  const std::shared_ptr<Pipeline> held = opened(stop);
  const Pipeline& pipeline = *held;
  // Not kept: the budget has no room for it beside a job.
  SubjectReader reader(options_.faces, looking(pipeline));
  const PlannedPicture planned =
      pipeline.plan({.request = request,
                     .format = ImageFormat::kPng,
                     .after = reader.result_stages(finished_size(request), stop)},
                    check);
  const RequestPlan& plan = planned.plan;
  PlanAnswer answer{.fits = plan.fits,
                    .scratch_bytes = plan.scratch_bytes,
                    .seconds = plan.seconds,
                    .step_seconds = plan.step_seconds,
                    .has_likeness = reader.has_models() && planned.has_after};
  if (plan.fits) {
    answer.peak_bytes = plan.peak_bytes;
    answer.qualities = quality_times(plan, request, facts().defaults, facts().scheduler);
    answer.summary = summary_of(plan, budget_, pipeline.workspace());
    return answer;
  }
  answer.minimum_bytes = planned.minimum_bytes + kServiceBytes;
  answer.smaller = planned.largest;
  answer.refusal =
      refusal_of(finished_size(request), {answer.minimum_bytes, planned.minimum_card_bytes},
                 budget_.bytes, answer.smaller, pipeline.workspace());
  return answer;
}

PhotoOptions Engine::looking(const Pipeline& pipeline) const {
  return {.detector_size = options_.detector_size,
          .reduced = is_reduced(budget_),
          .backend = options_.backend,
          .workspace = pipeline.workspace()};
}

FoundFaces Engine::faces_of_result(const Image& picture, std::size_t people, std::stop_token stop) {
  SubjectReader reader(options_.faces, looking(pipeline(stop)));
  return reader.faces_of_result(picture, people, std::move(stop));
}

PhotoFaces Engine::look(const File& photo, std::stop_token stop) {
  const PhotoOptions looking = this->looking(pipeline(stop));
  const PhotoNeeds needs = photo_needs(photo, looking);
  const std::uint64_t left = looking.workspace->left_bytes();
  if (needs.peak_bytes > left) {
    fail(ErrorKind::kMemory,
         "cannot open the photo: it needs {}, the budget has {} left\n  try a smaller photo",
         bytes_text(needs.peak_bytes), bytes_text(left));
  }
  const Image image = open_photo(photo, looking, stop);
  SubjectReader reader(options_.faces, looking);
  return {image.size(), reader.faces(image, stop)};
}

/// Throws Error(kMemory) unless the budget has room for a stage that reads a picture.
void Engine::check_room(std::string_view what, const Stage& reading, const std::stop_token& stop) {
  const std::uint64_t needed = reading.beside.added_bytes;
  const std::uint64_t left = pipeline(stop).workspace().left_bytes();
  if (needed > left) {
    fail(ErrorKind::kMemory,
         "cannot open {}: it needs {}, the budget has {} left\n  try a smaller one", what,
         bytes_text(needed), bytes_text(left));
  }
}

StartPicture Engine::open_initial(const InitialPicture& initial, const Request& request,
                                  const std::stop_token& stop) {
  check_room("the picture to start from", initial.stage(request), stop);
  return initial.open(request, stop);
}

Image Engine::open_control(const File& file, const Request& request, Prepare prepare,
                           const InitialPicture* initial, const std::stop_token& stop,
                           const CannyThresholds& edges) {
  check_room("a picture of a ControlNet", control_picture_stage(file, request, prepare, initial),
             stop);
  return open_control_picture(file, request, prepare, initial, stop, edges);
}

const LatentColours& Engine::colours(std::stop_token stop) {
  if (!colours_) {
    constexpr int kFold = 8, kChannels = 4;
    constexpr int kSide = kFold * LatentColours::kProbeSide;
    colours_.emplace(kChannels, kFold, [&](std::span<const float> latent) {
      return pipeline(stop).decode(latent, {kSide, kSide}, stop);
    });
  }
  return *colours_;
}

ImageText Engine::text_for(const Request& request, const std::vector<Warning>& warnings,
                           std::optional<double> likeness) const {
  return picture_text(
      request, {.base = facts().demo ? std::filesystem::path(facts().name) : options_.models.base,
                .parts = options_.models,
                .precision = facts().precision,
                .backend = options_.backend,
                .scheduler = facts().scheduler,
                .warnings = warnings,
                .likeness = likeness});
}

}  // namespace semblance::service
