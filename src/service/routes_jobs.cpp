// /api/jobs: submit, follow, cancel and remove jobs, and fetch their pictures.
#include <charconv>
#include <nlohmann/json.hpp>

#include "core/ascii.h"
#include "core/error.h"
#include "face/identity.h"
#include "service/base64.h"
#include "service/multipart.h"
#include "service/repeat_key.h"
#include "service/routes.h"
#include "service/settings.h"

namespace semblance::service {
namespace {

using nlohmann::json;
using Captures = Router::Captures;

int whole_number(std::string_view text, std::string_view name, int least, int most) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most) {
    throw HttpError(400, "argument",
                    fmt::format("{}: expected a whole number from {} to {}, got '{}'", name, least,
                                most, text.substr(0, 40)),
                    name);
  }
  return number;
}

std::string_view data_of(const std::vector<Part>& parts, std::string_view name) {
  const Part* const part = find_part(parts, name);
  return part == nullptr ? std::string_view() : part->data;
}

std::vector<std::string_view> all_of(const std::vector<Part>& parts, std::string_view name) {
  std::vector<std::string_view> all;
  for (const Part& part : parts) {
    if (part.name == name) all.push_back(part.data);
  }
  return all;
}

JobRequest read_job(const std::vector<Part>& parts) {
  expect_parts(parts, {"settings", "photo", "identity", "face", "pose", "init", "mask",
                       kControlPart, kRegionPart, "keep_photo"});
  const std::string_view settings = data_of(parts, "settings");
  if (settings.empty())
    throw HttpError(400, "argument", "the part 'settings' is missing: expected a JSON object",
                    "settings");
  JobRequest job = parse_settings(settings);
  const std::vector<std::string_view> photos = all_of(parts, "photo");
  if (photos.size() > kMostPhotos) {
    throw HttpError(
        400, "argument",
        fmt::format("photo: expected at most {} photos, got {}", kMostPhotos, photos.size()),
        "photo");
  }
  if (!photos.empty()) job.photo.bytes = photos.front();
  for (std::size_t i = 1; i < photos.size(); ++i)
    job.more_photos.push_back({.name = job.photo.name, .bytes = photos[i]});
  job.identity = data_of(parts, "identity");
  if (job.photo.bytes.empty() == job.identity.empty()) {
    throw HttpError(
        400, "argument",
        "expected one of 'photo' (an image file) and 'identity' (a saved face's name or id)",
        "photo");
  }
  if (const auto face = data_of(parts, "face"); !face.empty())
    job.face = whole_number(face, "face", 0, kMostFace);
  job.pose.bytes = data_of(parts, "pose");
  job.initial.bytes = data_of(parts, job.initial.name);
  job.mask.bytes = data_of(parts, job.mask.name);
  if (!job.initial.bytes.empty() && !job.strength) {
    job.strength = Request::kStrength;
    check_settings(job, [](const Parameter& row) { return std::string(row.name); });
  }
  for (const std::string_view picture : all_of(parts, kControlPart))
    job.control_pictures.push_back({.name = std::string(kControlPart), .bytes = picture});
  for (const std::string_view region : all_of(parts, kRegionPart))
    job.regions.push_back({.name = std::string(kRegionPart), .bytes = region});
  const std::string keep = lower(data_of(parts, "keep_photo"));  // Python's clients write True
  if (!keep.empty() && keep != "true" && keep != "false")
    throw HttpError(400, "argument", "keep_photo: expected true or false", "keep_photo");
  job.keep_photo = keep == "true";
  return job;
}

/// Streams a job's changes. Lives as long as the stream.
class Events {
 public:
  Events(Jobs& jobs, std::string id) : jobs_(jobs), id_(std::move(id)) {}

  std::optional<std::string> next() {
    if (over_) return std::nullopt;
    using namespace std::chrono;
    if (begun_) seen_ = jobs_.wait(seen_, milliseconds(900));
    if (!begun_) seen_ = jobs_.changes();
    begun_ = true;
    std::string out;
    Job job;
    try {
      job = jobs_.get(id_);
    } catch (const HttpError&) {  // removed
      over_ = true;
      return std::nullopt;
    }
    if (const auto preview = jobs_.preview(id_);
        preview && (preview->image != image_ || preview->step != step_)) {
      image_ = preview->image;
      step_ = preview->step;
      out += event_text("preview", json{{"image", image_},
                                        {"step", step_},
                                        {"url", "data:image/jpeg;base64," + base64(preview->jpeg)}}
                                       .dump());
    }
    const std::string text = short_json(job).dump();
    if (text != last_) {
      out += event_text("job", text);
      last_ = text;
    }
    if (job.ended_already()) {
      out += event_text("end", text);
      over_ = true;
    }
    const auto now = steady_clock::now();
    if (!out.empty()) {
      told_ = now;
    } else if (now - told_ > seconds(5)) {
      told_ = now;
      out = ": still here\n\n";
    }
    return out;
  }

 private:
  Jobs& jobs_;
  std::string id_, last_;
  std::uint64_t seen_ = 0;
  std::size_t image_ = ~std::size_t{0};
  int step_ = -1;
  bool begun_ = false, over_ = false;
  std::chrono::steady_clock::time_point told_ = std::chrono::steady_clock::now();
};

HttpResponse picture_response(Jobs& jobs, const HttpRequest& request, const Captures& captures) {
  const int n =
      whole_number(captures[1], "the picture's number", 0, most_of_job(parameters::kCount) - 1);
  const auto place = static_cast<std::size_t>(n);
  const auto file = request.query.contains("small") ? jobs.small_picture(captures[0], place)
                                                    : jobs.picture(captures[0], place);
  HttpResponse response{.type = file->name().ends_with(".webp") ? "image/webp" : "image/png",
                        .body = Body(file)};
  // A job's pictures never change.
  response.headers["Cache-Control"] = "private, max-age=31536000, immutable";
  if (request.query.contains("signature")) {
    // Access control has checked the signature; a signed link may be used on any page.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin";
    response.headers["Cache-Control"] =
        fmt::format("private, max-age={}", std::chrono::seconds(Links::kLife).count());
  }
  if (request.query.contains("download")) {
    response.headers["Content-Disposition"] = fmt::format(
        "attachment; filename=\"semblance-{}-{}.png\"", captures[0].substr(0, 8), n + 1);
  }
  return response;
}

}  // namespace

std::string event_text(std::string_view name, std::string_view data) {
  return fmt::format("event: {}\ndata: {}\n\n", name, data);
}

std::string submit_job(Context& context, const HttpRequest& request, JobRequest& wanted) {
  take_repeat_key(wanted, request);
  // Decoded photos stay booked; others are in the body.
  std::size_t decoded = 0;
  const auto count = [&decoded](const Photo& photo) {
    if (photo.decoded) decoded += photo.bytes.size();
  };
  for (const Photo* photo : {&wanted.photo, &wanted.pose, &wanted.initial, &wanted.mask})
    count(*photo);
  for (const Photo& picture : wanted.control_pictures) count(picture);
  if (decoded > 0) request.drop_body(decoded);
  const std::string id = context.jobs.submit(wanted).id;
  wanted.photo.drop();
  wanted.pose.drop();
  wanted.initial.drop();
  wanted.mask.drop();
  for (Photo& picture : wanted.control_pictures) picture.drop();
  std::string().swap(wanted.prompt);
  wanted.negative.reset();
  request.drop_body(0);
  return id;
}

Job wait_for_job(Context& context, const HttpRequest& request, const std::string& id) {
  Jobs::Waiter waiter(context.jobs, id);
  std::uint64_t seen = 0;
  while (true) {
    Job job = context.jobs.get(id);
    if (job.ended_already()) {
      waiter.end();
      return job;
    }
    if (request.client_left()) throw HttpError(499, "cancelled", "the client left");
    seen = context.jobs.wait(seen, std::chrono::milliseconds(250));
  }
}

void add_warnings(std::vector<std::string>& warnings, const Job& job) {
  for (std::string& text : texts_of(job.warnings, language())) warnings.push_back(std::move(text));
}

HttpResponse failure_of(const Job& job, const JobRequest& wanted) {
  if (!job.error) return error_response(409, "cancelled", "the job was cancelled");
  const std::string& code = job.error->code;
  const int status = code == "memory"     ? 422
                     : code == "device"   ? 503
                     : code == "internal" ? 500
                                          : 400;
  const std::string& param = job.error->param;
  const bool is_control = param == kControlPart && !wanted.control_pictures.empty();
  return error_response(status, code, job.error->message,
                        param == "photo"  ? wanted.photo.name
                        : param == "pose" ? wanted.pose.name
                        : param == "init" ? wanted.initial.name
                        : param == "mask" ? wanted.mask.name
                        : is_control      ? wanted.control_pictures.front().name
                                          : std::string());
}

void add_job_routes(Router& router, Context& context) {
  Jobs& jobs = context.jobs;
  router.add("POST", "/api/jobs",
             [&jobs](const HttpRequest& request, const Captures&) {
               const std::vector<Part> parts =
                   parse_multipart(request.header("content-type"), request.body);
               JobRequest wanted = read_job(parts);
               take_repeat_key(wanted, request);
               const Job job = jobs.submit(wanted);
               HttpResponse response = json_response(to_json(job).dump(), 201);
               response.headers["Location"] = "/api/jobs/" + job.id;
               return response;
             },
             {.body_limit = context.upload_bytes});
  router.add("GET", "/api/jobs", [&jobs](const HttpRequest& request, const Captures&) {
    const auto value = [&](const char* name, const char* fallback) {
      const auto found = request.query.find(name);
      return found == request.query.end() ? std::string(fallback) : found->second;
    };
    json list = json::array();
    for (Job& job :
         jobs.list(whole_number(value("limit", "50"), "limit", 1, 200), value("before", "")))
      list.push_back(short_json(std::move(job)));
    return json_response(json{{"jobs", std::move(list)}}.dump());
  });
  router.add("GET", "/api/jobs/{id}", [&jobs](const HttpRequest&, const Captures& captures) {
    return json_response(to_json(jobs.get(captures[0])).dump());
  });
  router.add("DELETE", "/api/jobs/{id}", [&jobs](const HttpRequest&, const Captures& captures) {
    jobs.remove(captures[0]);
    return HttpResponse{.status = 204, .type = ""};
  });
  router.add("POST", "/api/jobs/{id}/cancel",
             [&jobs](const HttpRequest&, const Captures& captures) {
               return json_response(to_json(jobs.cancel(captures[0])).dump());
             });
  router.add("GET", "/api/jobs/{id}/images/{n}",
             [&jobs](const HttpRequest& request, const Captures& captures) {
               return picture_response(jobs, request, captures);
             });
  router.add("GET", "/api/jobs/{id}/photo", [&jobs](const HttpRequest&, const Captures& captures) {
    HttpResponse response{.type = "application/octet-stream",
                          .body = Body(jobs.kept_photo(captures[0]))};
    response.headers["Cache-Control"] = "no-store";
    return response;
  });
  router.add("GET", "/api/jobs/{id}/events", [&jobs](const HttpRequest&, const Captures& captures) {
    jobs.get(captures[0]);  // 404 before the stream begins
    HttpResponse response{.type = "text/event-stream"};
    response.headers["Cache-Control"] = "no-store";
    response.stream = [events = std::make_shared<Events>(jobs, captures[0])] {
      return events->next();
    };
    return response;
  });
}

}  // namespace semblance::service
