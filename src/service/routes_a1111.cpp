// /sdapi/v1/...: the API of AUTOMATIC1111's web UI. A client that leaves ends its job;
// /progress, /interrupt and /skip apply to the jobs that clients wait for.
#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>

#include "core/closest.h"
#include "core/error.h"
#include "image/picture_text.h"
#include "memory/meter.h"
#include "service/a1111.h"
#include "service/a1111_samplers.h"
#include "service/routes.h"

namespace semblance::service {
namespace {

using Captures = Router::Captures;

/// The jobs that clients of /sdapi/v1/txt2img and img2img wait for, the oldest first. Thread-safe.
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
  std::string interrupted_;  // cleared by the next job
};

/// The running one, otherwise the next in the queue; nothing if nobody waits.
std::optional<Job> current(const Jobs& jobs, const Waited& waited) {
  std::optional<Job> first;
  for (const std::string& id : waited.ids()) {
    try {
      Job job = jobs.get(id);
      if (job.state == JobState::kRunning) return job;
      if (job.state == JobState::kQueued && !first) first = std::move(job);
    } catch (const HttpError&) {
      // Removed meanwhile.
    }
  }
  return first;
}

HttpResponse make_pictures(Context& context, Waited& waited, const HttpRequest& request,
                           Txt2Img (*parse)(std::string_view, std::string_view, int)) {
  const ModelFacts& model = context.engine.facts();
  Txt2Img wanted = parse(request.body, model.name, model.native_side);
  const std::string id = submit_job(context, request, wanted.request);
  const Job job = [&] {
    const Waited::Entry entry(waited, id);
    return wait_for_job(context, request, id);
  }();
  if (job.state == JobState::kFailed) return failure_of(job, wanted.request);
  add_warnings(wanted.warnings, job);
  if (job.state == JobState::kCancelled) {
    // As in the web UI, the result is what was finished until then.
    wanted.warnings.push_back(fmt::format("interrupted: {} of {} pictures were done",
                                          job.pictures.size(), job.request.count));
  }
  std::vector<std::string> infotexts;
  for (std::size_t n = 0; n < job.pictures.size(); ++n) {
    const PictureTexts texts = read_texts(*context.jobs.picture(id, n));
    const PictureText* const text = texts.find("parameters");
    infotexts.push_back(text != nullptr ? text->value.value_or("") : "");
  }
  const ResponseFrame frame = txt2img_frame(wanted, job, infotexts, model.name);
  Body body(frame.before);
  for (std::size_t n = 0; wanted.send_images && n < job.pictures.size(); ++n) {
    body += n == 0 ? "\"" : ",\"";
    body += Body(context.jobs.picture(id, n), Body::Form::kBase64);
    body += "\"";
  }
  body += frame.after;
  return {.body = std::move(body)};
}

/// The model in use, and those that the service can switch to.
std::vector<std::string> names_of_models(const Context& context) {
  std::vector<std::string> names{context.engine.facts().name};
  for (const ModelSet& set : model_sets(context)) {
    std::string name = set.name();
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  }
  return names;
}

/// POST /sdapi/v1/options.
void set_options(Context& context, const HttpRequest& request) {
  const auto wanted = read_options(request.body, context.engine.facts().name);
  if (!wanted) return;
  const std::vector<ModelSet> sets = model_sets(context);
  const auto set = std::ranges::find(sets, *wanted, &ModelSet::name);
  if (set == sets.end()) {
    const std::vector<std::string> names = names_of_models(context);
    const std::vector<std::string_view> known(names.begin(), names.end());
    throw HttpError(404, "not_found",
                    fmt::format("cannot find the model {}{}\n  GET /sdapi/v1/sd-models lists them",
                                wanted->substr(0, 100), did_you_mean(*wanted, known)),
                    "sd_model_checkpoint");
  }
  use_models(context, request, *set);
}

HttpResponse progress(const Context& context, const Waited& waited, const HttpRequest& request) {
  const auto job = current(context.jobs, waited);
  if (!job) return json_response(progress_response(nullptr, waited.is_interrupted("")));
  const auto skip = request.query.find("skip_current_image");
  const bool has_image = skip == request.query.end() || skip->second == "0" ||
                         skip->second == "false" || skip->second == "False";
  const auto preview = has_image ? context.jobs.preview(job->id) : std::nullopt;
  return json_response(progress_response(&*job, waited.is_interrupted(job->id),
                                         preview ? std::string_view(preview->jpeg) : ""));
}

nlohmann::json amounts(std::uint64_t used, std::uint64_t total) {
  return {{"free", total - std::min(used, total)}, {"used", used}, {"total", total}};
}

/// As the web UI: of the machine's memory, only the process' own is used.
HttpResponse memory(const Context& context) {
  const Meter meter;
  nlohmann::json cuda{{"error", "unavailable"}};
  try {
    if (const std::optional<CardUse> card = context.engine.card_use()) {
      cuda = {{"system", amounts(card->total_bytes - card->free_bytes, card->total_bytes)},
              {"allocated", {{"current", card->own_bytes}}}};
    }
  } catch (const Error&) {
    // The card does not answer.
  }
  return json_response(nlohmann::json{
      {"ram", amounts(meter.process().resident_bytes, meter.machine().total_bytes)},
      {"cuda",
       std::move(cuda)}}.dump());
}

}  // namespace

void add_a1111_routes(Router& router, Context& context) {
  const auto waited = std::make_shared<Waited>();
  const auto model = [&context]() -> const std::string& { return context.engine.facts().name; };
  for (const auto& [path, parse] : {std::pair{"/sdapi/v1/txt2img", &parse_txt2img},
                                    std::pair{"/sdapi/v1/img2img", &parse_img2img}}) {
    router.add("POST", path,
               [&context, waited, parse = parse](const HttpRequest& request, const Captures&) {
                 return make_pictures(context, *waited, request, parse);
               },
               {.body_limit = context.upload_bytes / 3 * 4 + (std::uint64_t{1} << 20U)});
  }
  router.add("GET", "/sdapi/v1/progress",
             [&context, waited](const HttpRequest& request, const Captures&) {
               return progress(context, *waited, request);
             });
  router.add("POST", "/sdapi/v1/interrupt",
             [&context, waited](const HttpRequest&, const Captures&) {
               const auto job = current(context.jobs, *waited);
               if (job && job->state == JobState::kRunning) {
                 waited->set_interrupted(job->id);
                 context.jobs.cancel(job->id);
               }
               return json_response("{}");
             });
  router.add("POST", "/sdapi/v1/skip", [&context, waited](const HttpRequest&, const Captures&) {
    if (const auto job = current(context.jobs, *waited)) context.jobs.end_picture(job->id);
    return json_response("{}");
  });
  router.add("GET", "/sdapi/v1/samplers", [](const HttpRequest&, const Captures&) {
    return json_response(samplers_response());
  });
  router.add("GET", "/sdapi/v1/schedulers", [](const HttpRequest&, const Captures&) {
    return json_response(schedulers_response());
  });
  router.add("GET", "/sdapi/v1/sd-models", [&context](const HttpRequest&, const Captures&) {
    return json_response(sd_models_response(names_of_models(context)));
  });
  router.add("GET", "/sdapi/v1/memory",
             [&context](const HttpRequest&, const Captures&) { return memory(context); });
  router.add("GET", "/sdapi/v1/options", [model](const HttpRequest&, const Captures&) {
    return json_response(options_response(model()));
  });
  router.add("POST", "/sdapi/v1/options", [&context](const HttpRequest& request, const Captures&) {
    set_options(context, request);
    return json_response("null");  // as in the web UI
  });
}

}  // namespace semblance::service
