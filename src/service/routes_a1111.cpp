// /sdapi/v1/...: AUTOMATIC1111's web UI's API, made by jobs of ours. A client that leaves ends its
// job; /progress and /interrupt mean the jobs of clients that wait.
#include <fmt/chrono.h>

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "service/a1111.h"
#include "service/a1111_samplers.h"
#include "service/routes.h"

namespace semblance::service {
namespace {

using Captures = Router::Captures;

std::string timestamp(Time time) {
  return fmt::format("{:%Y%m%d%H%M%S}", fmt::gmtime(static_cast<std::time_t>(unix_seconds(time))));
}

/// The jobs for which a client waits at /sdapi/v1/txt2img, the oldest first. Thread-safe.
class Waited {
 public:
  class Entry {
   public:
    Entry(Waited& waited, std::string id) : waited_(waited), id_(std::move(id)) {
      const std::lock_guard guard(waited_.mutex_);
      waited_.ids_.push_back(id_);
      waited_.interrupted_.clear();
    }
    ~Entry() {
      const std::lock_guard guard(waited_.mutex_);
      waited_.ids_.erase(std::find(waited_.ids_.begin(), waited_.ids_.end(), id_));
    }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    Waited& waited_;
    std::string id_;
  };

  std::vector<std::string> ids() const {
    const std::lock_guard guard(mutex_);
    return ids_;
  }
  void set_interrupted(const std::string& id) {
    const std::lock_guard guard(mutex_);
    interrupted_ = id;
  }
  /// Whether the job was interrupted; with "", whether the last one was.
  bool is_interrupted(const std::string& id) const {
    const std::lock_guard guard(mutex_);
    return !interrupted_.empty() && (id.empty() || id == interrupted_);
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> ids_;
  std::string interrupted_;  // forgotten when the next one comes
};

/// The one that runs, else the one whose turn comes first; nothing where nobody waits.
std::optional<JobView> current(const Jobs& jobs, const Waited& waited) {
  std::optional<JobView> first;
  for (const std::string& id : waited.ids()) {
    try {
      JobView view = jobs.view(id);
      if (view.job.state == JobState::kRunning) return view;
      if (view.job.state == JobState::kQueued && !first) first = std::move(view);
    } catch (const HttpError&) {
      // Removed meanwhile.
    }
  }
  return first;
}

HttpResponse txt2img(Context& context, Waited& waited, const HttpRequest& request) {
  const ModelFacts& model = context.engine.facts();
  Txt2Img wanted = parse_txt2img(request.body, model.name, model.native_side);
  const std::string id = submit_job(context, request, wanted.job);
  const Job job = [&] {
    const Waited::Entry entry(waited, id);
    return wait_for_job(context, request, id);
  }();
  if (job.state == JobState::kFailed) return failure_of(job, wanted.job);
  wanted.job.settings.prompt = job.settings.prompt;
  wanted.job.settings.negative = job.settings.negative;
  add_warnings(wanted.job, job);
  MadeTxt2Img made{.timestamp = timestamp(job.started.value_or(job.created)),
                   .interrupted = job.state == JobState::kCancelled};
  for (const JobPicture& picture : job.pictures) {
    Request of_picture = request_of(job.settings, context.engine.facts().native_guidance);
    of_picture.seed = picture.seed;
    made.seeds.push_back(picture.seed);
    for (const auto& [key, text] : context.engine.text_for(of_picture, job.warnings)) {
      if (key == "parameters") made.infotexts.push_back(text);
    }
  }
  if (made.interrupted) {
    // As there: what was done until then is the result.
    wanted.job.warnings.push_back(fmt::format("interrupted: {} of {} pictures were done",
                                              job.pictures.size(), job.settings.count));
  }
  const Txt2ImgFrame frame = txt2img_frame(wanted, made, model.name);
  Body body(frame.before);
  for (std::size_t n = 0; wanted.send_images && n < job.pictures.size(); ++n) {
    body += n == 0 ? "\"" : ",\"";
    body += Body(context.jobs.picture(id, n), Body::Form::kBase64);
    body += "\"";
  }
  body += frame.after;
  return {.body = std::move(body)};
}

std::string text_of(const JobView& view) {
  if (view.job.state == JobState::kRunning) return view.progress.stage;
  return fmt::format("waiting, {} before it", view.position.value_or(0));
}

HttpResponse progress(const Context& context, const Waited& waited, const HttpRequest& request) {
  const auto view = current(context.jobs, waited);
  if (!view) return json_response(progress_response({.interrupted = waited.is_interrupted("")}));
  const Job& job = view->job;
  Txt2ImgProgress progress{.job = job.id,
                           .timestamp = timestamp(job.started.value_or(job.created)),
                           .pictures = job.settings.count,
                           .picture = static_cast<int>(job.pictures.size()),
                           .step = view->progress.step,
                           .steps = steps_of(job, view->progress),
                           .seconds_left = view->progress.seconds_left.value_or(0),
                           .interrupted = waited.is_interrupted(job.id),
                           .text = text_of(*view)};
  const auto skip = request.query.find("skip_current_image");
  const bool has_image = skip == request.query.end() || skip->second == "0" ||
                         skip->second == "false" || skip->second == "False";
  if (has_image) {
    if (auto preview = context.jobs.preview(job.id)) progress.preview = std::move(preview->jpeg);
  }
  return json_response(progress_response(progress));
}

}  // namespace

void add_a1111_routes(Router& router, Context& context) {
  const auto waited = std::make_shared<Waited>();
  const std::string& model = context.engine.facts().name;
  router.add("POST", "/sdapi/v1/txt2img",
             [&context, waited](const HttpRequest& request, const Captures&) {
               return txt2img(context, *waited, request);
             },
             {.body_limit = context.upload_bytes / 3 * 4 + (std::uint64_t{1} << 20U)});
  router.add("GET", "/sdapi/v1/progress",
             [&context, waited](const HttpRequest& request, const Captures&) {
               return progress(context, *waited, request);
             });
  router.add("POST", "/sdapi/v1/interrupt",
             [&context, waited](const HttpRequest&, const Captures&) {
               const auto view = current(context.jobs, *waited);
               if (view && view->job.state == JobState::kRunning) {
                 waited->set_interrupted(view->job.id);
                 context.jobs.cancel(view->job.id);
               }
               return json_response("{}");
             });
  router.add("GET", "/sdapi/v1/samplers", [](const HttpRequest&, const Captures&) {
    return json_response(samplers_response());
  });
  router.add("GET", "/sdapi/v1/schedulers", [](const HttpRequest&, const Captures&) {
    return json_response(schedulers_response());
  });
  router.add("GET", "/sdapi/v1/sd-models", [&model](const HttpRequest&, const Captures&) {
    return json_response(sd_models_response(model));
  });
  router.add("GET", "/sdapi/v1/options", [&model](const HttpRequest&, const Captures&) {
    return json_response(options_response(model));
  });
  router.add("POST", "/sdapi/v1/options", [&model](const HttpRequest& request, const Captures&) {
    check_options(request.body, model);
    return json_response("null");  // as there
  });
}

}  // namespace semblance::service
