// /v1/...: the OpenAI API's pictures, made by jobs of ours. A client that leaves ends its job; one
// that comes again with the same Idempotency-Key, or as the official clients mark a second try,
// gets the job that it had.
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "image/encode.h"
#include "memory/file.h"
#include "service/openai.h"
#include "service/routes.h"

namespace semblance::service {
namespace {

using Captures = Router::Captures;
using std::chrono::milliseconds;

std::int64_t unix_seconds(Time time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

/// A picture's file in the format that was asked for.
std::string in_format(std::string bytes, std::string_view have, const ImagesEdit& edit,
                      const ImageText& text) {
  if (have == edit.format) return bytes;
  const Image image = decode(*file_over("the picture", bytes));
  const std::vector<std::byte> encoded =
      encode(image, format_for("picture." + edit.format), text, edit.quality);
  return {reinterpret_cast<const char*>(encoded.data()), encoded.size()};
}

MadePicture made(Context& context, const ImagesEdit& edit, const std::string& host, const Job& job,
                 std::size_t n) {
  const JobPicture& picture = job.pictures[n];
  Request request = request_of(job.settings, context.engine.facts().native_guidance);
  request.seed = picture.seed;
  return {.file = edit.wants_url ? ""
                                 : in_format(context.jobs.picture(job.id, n), "png", edit,
                                             context.engine.text_for(request)),
          .width = picture.size.w,
          .height = picture.size.h,
          .seed = picture.seed,
          .url = fmt::format("http://{}/api/jobs/{}/images/{}", host, job.id, n)};
}

/// The events of an edit that streams. Lives as long as the connection.
class EditStream {
 public:
  EditStream(Context& context, ImagesEdit edit, std::string host, const std::string& id)
      : context_(context),
        edit_(std::move(edit)),
        host_(std::move(host)),
        attendance_(context.jobs, id) {}

  std::optional<std::string> next() {
    if (over_) return std::nullopt;
    seen_ = context_.jobs.wait(seen_, milliseconds(900));
    JobView view;
    try {
      view = context_.jobs.view(attendance_.id());
    } catch (const HttpError& error) {  // removed
      end();
      return error_event(error.response());
    }
    const std::int64_t created = unix_seconds(view.job.created);
    std::string out;
    for (; told_ < view.job.pictures.size(); ++told_) {
      out += completed_event(edit_, made(context_, edit_, host_, view.job, told_), created);
      partial_ = 0;
    }
    const std::vector<int> due = preview_steps(edit_.partial_images, edit_.job.settings.steps);
    const auto preview = context_.jobs.preview(attendance_.id());
    if (preview && preview->image == told_ && partial_ < due.size() &&
        preview->step >= due[partial_]) {
      const Job& job = view.job;
      out += partial_image_event(edit_,
                                 {.file = in_format(preview->jpeg, "jpeg", edit_, {}),
                                  .width = job.settings.width,
                                  .height = job.settings.height,
                                  .seed = job.settings.seed.value_or(0)},
                                 static_cast<int>(partial_++), created);
    }
    if (view.job.ended_already()) {
      end();
      if (view.job.state != JobState::kDone) out += error_event(failure_of(view.job));
    }
    // Lines that keep proxies and clients from taking silence for an end.
    const auto now = std::chrono::steady_clock::now();
    if (out.empty() && now - spoke_ > std::chrono::seconds(5)) out = ": still at work\n\n";
    if (!out.empty()) spoke_ = now;
    return out;
  }

 private:
  void end() {
    over_ = true;
    attendance_.end();
  }

  Context& context_;
  ImagesEdit edit_;
  std::string host_;
  Jobs::Attendance attendance_;
  std::uint64_t seen_ = ~std::uint64_t{0};
  std::size_t told_ = 0, partial_ = 0;
  bool over_ = false;
  std::chrono::steady_clock::time_point spoke_ = std::chrono::steady_clock::now();
};

/// The response to an edit that does not stream, one picture at a time. Lives as long as the
/// connection.
class EditPictures {
 public:
  EditPictures(Context& context, ImagesEdit edit, std::string host, Job job)
      : context_(context),
        edit_(std::move(edit)),
        host_(std::move(host)),
        job_(std::move(job)),
        frame_(images_frame(edit_, job_.pictures.at(0).size, unix_seconds(job_.created))) {}

  std::optional<std::string> next() {
    if (!begun_) {
      begun_ = true;
      return frame_.before;
    }
    if (told_ == job_.pictures.size()) {
      if (frame_.after.empty()) return std::nullopt;
      return std::exchange(frame_.after, {});
    }
    const std::string item = images_item(edit_, made(context_, edit_, host_, job_, told_));
    return (told_++ > 0 ? "," : "") + item;
  }

 private:
  Context& context_;
  ImagesEdit edit_;
  std::string host_;
  Job job_;
  ImagesFrame frame_;
  std::size_t told_ = 0;
  bool begun_ = false;
};

HttpResponse edit_images(Context& context, const HttpRequest& request) {
  const std::vector<Part> parts = parse_multipart(request.header("content-type"), request.body);
  ImagesEdit edit = parse_images_edit(parts, context.engine.facts().name);
  const std::string id = submit_job(context, request, edit.job);
  const std::string host(request.header("host"));
  if (edit.stream) {
    HttpResponse response{.type = "text/event-stream"};
    response.headers["Cache-Control"] = "no-store";
    response.stream = [stream = std::make_shared<EditStream>(context, std::move(edit), host, id)] {
      return stream->next();
    };
    return response;
  }
  const Job job = wait_for_job(context, request, id);
  if (job.state != JobState::kDone) return failure_of(job);
  HttpResponse response;
  response.stream = [stream = std::make_shared<EditPictures>(context, std::move(edit), host, job)] {
    return stream->next();
  };
  return response;
}

}  // namespace

void add_openai_routes(Router& router, Context& context) {
  router.add("POST", "/v1/images/edits",
             [&context](const HttpRequest& request, const Captures&) {
               return edit_images(context, request);
             },
             {.body_limit = context.upload_bytes});
  const std::int64_t created = unix_seconds(std::chrono::system_clock::now());
  router.add("GET", "/v1/models", [&context, created](const HttpRequest&, const Captures&) {
    return json_response(models_response(context.engine.facts().name, created));
  });
  router.add(
      "GET", "/v1/models/{id}", [&context, created](const HttpRequest&, const Captures& captures) {
        return json_response(model_response(captures[0], context.engine.facts().name, created));
      });
}

}  // namespace semblance::service
