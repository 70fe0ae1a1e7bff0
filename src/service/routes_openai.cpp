// /v1/...: the OpenAI API's image requests. A client that leaves ends its job; one that returns
// with the same Idempotency-Key, or with the official clients' retry header, gets the job it had.
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "image/encode.h"
#include "image/picture_text.h"
#include "memory/file.h"
#include "service/base64.h"
#include "service/openai.h"
#include "service/request.h"
#include "service/routes.h"

namespace semblance::service {
namespace {

using Captures = Router::Captures;
using std::chrono::milliseconds;

namespace fs = std::filesystem;

/// Conversions that need more memory run on the compute thread, within the models' memory.
constexpr std::uint64_t kConversionBytes = kServiceBytes / 3;

void convert(const File& file, const fs::path& path, const ImagesRequest& wanted,
             const ImageText& text) {
  OutputFile out(path);
  out.write(encode(decode(file), format_for(path), text, wanted.quality));
  out.commit();
}

/// The picture's file in the requested format. Formats other than PNG are converted once and kept
/// beside the PNG.
std::shared_ptr<const File> in_format(Context& context, const HttpRequest& request,
                                      const ImagesRequest& wanted, const Job& job, std::size_t n) {
  const auto png = context.jobs.picture(job.id, n);
  if (wanted.format == "png") return png;
  const fs::path path =
      context.store.folder_of(job.id) / fmt::format("{}-{}.{}", n, wanted.quality, wanted.format);
  if (fs::exists(path)) return open_file(path);
  ImageText text;
  for (const PictureText& each : read_texts(*png).texts)
    text.emplace_back(each.key, each.value.value_or(""));
  const std::uint64_t bytes =
      probe(*png).decoding_bytes + encoding_bytes(format_for(path), job.pictures[n].size);
  if (bytes <= kConversionBytes) {
    request.book(bytes);
    convert(*png, path, wanted, text);
    request.book(0);
  } else {
    context.jobs.between(request, [&](std::stop_token) {
      const std::uint64_t left = context.engine.pipeline().workspace().left_bytes();
      if (bytes > left) {
        fail(ErrorKind::kMemory,
             "cannot convert the picture: it needs {}, the budget has {} left\n  ask for png",
             bytes_text(bytes), bytes_text(left));
      }
      convert(*png, path, wanted, text);
      return true;
    });
  }
  return open_file(path);
}

MadePicture made(Context& context, const HttpRequest& request, const ImagesRequest& wanted,
                 const Job& job, std::size_t n) {
  MadePicture made{job.pictures[n]};
  if (wanted.wants_url) {
    made.url = request.origin +
               context.links.signed_path(fmt::format("/api/jobs/{}/images/{}", job.id, n));
  } else {
    made.base64 = Body(in_format(context, request, wanted, job, n), Body::Form::kBase64);
  }
  return made;
}

/// A preview in the requested format, in base64; some tens of KiB.
Body preview_in_format(const std::string& jpeg, const ImagesRequest& wanted) {
  if (wanted.format == "jpeg") return base64(jpeg);
  const std::vector<std::byte> bytes =
      encode(decode(*file_over("the preview", jpeg)), format_for("preview." + wanted.format), {},
             wanted.quality);
  return base64({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

/// The events of a streaming request. Lives as long as the connection.
class PictureStream {
 public:
  PictureStream(Context& context, const HttpRequest& request, ImagesRequest wanted,
                const std::string& id)
      : context_(context),
        request_{.client_left = request.client_left, .book = request.book},
        wanted_(std::move(wanted)),
        attendance_(context.jobs, id) {}

  std::optional<Body> next() {
    if (over_) return std::nullopt;
    seen_ = context_.jobs.wait(seen_, milliseconds(900));
    Job job;
    try {
      job = context_.jobs.get(attendance_.id());
    } catch (const HttpError& error) {  // removed
      end();
      return Body(error_event(error.response()));
    }
    const std::int64_t created = unix_seconds(job.created);
    Body out;
    if (told_ == 0 && !job.pictures.empty()) add_warnings(wanted_.warnings, job);
    for (; told_ < job.pictures.size(); ++told_) {
      out += completed_event(wanted_, made(context_, request_, wanted_, job, told_), created);
      partial_ = 0;
    }
    const std::vector<int> due = preview_steps(wanted_.partial_images, steps_of(job));
    const auto preview = context_.jobs.preview(attendance_.id());
    if (preview && preview->image == told_ && partial_ < due.size() &&
        preview->step >= due[partial_]) {
      const JobRequest& asked = job.request;
      out += partial_image_event(wanted_,
                                 {{{asked.width, asked.height}, asked.seed.value_or(0)},
                                  preview_in_format(preview->jpeg, wanted_)},
                                 static_cast<int>(partial_++), created);
    }
    if (job.ended_already()) {
      end();
      if (job.state != JobState::kDone) out += error_event(failure_of(job, wanted_.request));
    }
    // Comments keep proxies and clients from timing out.
    const auto now = std::chrono::steady_clock::now();
    if (out.empty() && now - spoke_ > std::chrono::seconds(5)) out += ": still at work\n\n";
    if (!out.empty()) spoke_ = now;
    return out;
  }

 private:
  void end() {
    over_ = true;
    attendance_.end();
  }

  Context& context_;
  HttpRequest request_;  // to notice that the client leaves
  ImagesRequest wanted_;
  Jobs::Waiter attendance_;
  std::uint64_t seen_ = ~std::uint64_t{0};
  std::size_t told_ = 0, partial_ = 0;
  bool over_ = false;
  std::chrono::steady_clock::time_point spoke_ = std::chrono::steady_clock::now();
};

ImagesRequest parse_request(ImagesKind kind, const Context& context, const HttpRequest& request) {
  const std::string& model = context.engine.facts().name;
  const std::string_view type = request.header("content-type");
  if (type.substr(0, type.find(';')) == "application/json")
    return parse_images_json(kind, request.body, model);
  if (request.body.size() > context.upload_bytes) {
    throw HttpError(too_large(context.upload_bytes, std::to_string(request.body.size())));
  }
  return parse_images(kind, parse_multipart(type, request.body), model);
}

HttpResponse make_images(ImagesKind kind, Context& context, const HttpRequest& request) {
  ImagesRequest wanted = parse_request(kind, context, request);
  const std::string id = submit_job(context, request, wanted.request);
  if (wanted.stream) {
    HttpResponse response{.type = "text/event-stream"};
    response.headers["Cache-Control"] = "no-store";
    response.stream = [stream = std::make_shared<PictureStream>(context, request, std::move(wanted),
                                                                id)] { return stream->next(); };
    return response;
  }
  const Job job = wait_for_job(context, request, id);
  if (job.state != JobState::kDone) return failure_of(job, wanted.request);
  add_warnings(wanted.warnings, job);
  const ResponseFrame frame =
      images_frame(wanted, job.pictures.at(0).size, unix_seconds(job.created));
  Body body(frame.before);
  for (std::size_t n = 0; n < job.pictures.size(); ++n) {
    if (n > 0) body += ",";
    body += images_item(wanted, made(context, request, wanted, job, n));
  }
  body += frame.after;
  return {.body = std::move(body)};
}

}  // namespace

void add_openai_routes(Router& router, Context& context) {
  for (const auto& [path, kind] : {std::pair{"/v1/images/edits", ImagesKind::kEdit},
                                   std::pair{"/v1/images/generations", ImagesKind::kGeneration}}) {
    router.add("POST", path,
               [&context, kind = kind](const HttpRequest& request, const Captures&) {
                 return make_images(kind, context, request);
               },
               {.body_limit = context.upload_bytes / 3 * 4 + (std::uint64_t{1} << 20U)});  // base64
  }
  router.add(
      "POST", "/v1/images/variations",
      [](const HttpRequest&, const Captures&) {
        return error_response(
            400, "argument",
            "cannot make a picture from a photo alone: expected a photo and a prompt\n  send "
            "both to POST /v1/images/edits, as image and prompt",
            "prompt");
      },
      {.body_limit = context.upload_bytes});
  const std::int64_t created = unix_seconds(now());
  router.add("GET", "/v1/models", [&context, created](const HttpRequest&, const Captures&) {
    return json_response(models_response(context.engine.facts().name, created));
  });
  router.add(
      "GET", "/v1/models/{id}", [&context, created](const HttpRequest&, const Captures& captures) {
        return json_response(model_response(captures[0], context.engine.facts().name, created));
      });
}

}  // namespace semblance::service
