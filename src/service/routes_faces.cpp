// /api/faces and /api/identities: the faces in a photo, and saved faces.
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "face/likeness.h"
#include "memory/file.h"
#include "service/multipart.h"
#include "service/routes.h"
#include "text/unicode.h"

namespace semblance::service {
namespace {

using nlohmann::json;
using Captures = Router::Captures;

/// The photos; they read from the request's body.
std::vector<std::shared_ptr<const File>> photos_in(const std::vector<Part>& parts) {
  std::vector<std::shared_ptr<const File>> photos;
  for (const Part& part : parts) {
    if (part.name == "photo" && !part.data.empty())
      photos.push_back(file_over(photo_name(photos.size()), part.data));
  }
  if (photos.empty())
    throw HttpError(400, "argument", "the part 'photo' is missing: expected an image file",
                    "photo");
  return photos;
}

/// Waits for the compute thread.
PhotoFaces look_at(Context& context, const HttpRequest& request, const File& photo) {
  try {
    return context.jobs.between(
        request, [&](std::stop_token stop) { return context.engine.look(photo, stop); });
  } catch (const Error& error) {
    throw HttpError(error, "photo");
  }
}

json face_json(const Face& face, std::size_t index) {
  json keypoints = json::array();
  for (const auto& point : face.detection.keypoints) keypoints.push_back({point[0], point[1]});
  return {{"index", index},
          {"score", face.detection.score},
          {"box", face.detection.box},
          {"keypoints", std::move(keypoints)}};
}

json identity_json(const SavedIdentity& identity) {
  return {{"id", identity.id}, {"name", identity.name}, {"created", time_text(identity.created)}};
}

std::string name_in(const std::vector<Part>& parts) {
  const Part* const part = find_part(parts, "name");
  std::string name(part == nullptr ? "" : part->data);
  if (name.empty() || name.size() > kMostNameBytes) {
    throw HttpError(400, "argument",
                    fmt::format("name: expected 1 to {} bytes of text", kMostNameBytes), "name");
  }
  decode_utf8(name, "the name");
  return name;
}

std::size_t face_in(const std::vector<Part>& parts) {
  const Part* const part = find_part(parts, "face");
  if (part == nullptr) return 0;
  const std::string_view text = part->data;
  if (text.empty() || text.size() > 3 || text.find_first_not_of("0123456789") != text.npos)
    throw HttpError(400, "argument", "face: expected a whole number from 0 to 999", "face");
  return static_cast<std::size_t>(std::stoi(std::string(text)));
}

Identity identity_in(Context& context, const HttpRequest& request, const File& photo,
                     std::size_t face) {
  const PhotoFaces sight = look_at(context, request, photo);
  const std::vector<Face>& faces = sight.found.faces;
  if (faces.empty())
    throw HttpError(400, "missing", no_face_text(std::string(photo.name()), sight.found), "photo");
  if (face >= faces.size()) {
    throw HttpError(
        400, "argument",
        fmt::format("the photo shows {} faces, got face {} (counted from 0)", faces.size(), face),
        "face");
  }
  return identity_of(faces[face], sight.frame);
}

HttpResponse keep_identity(Context& context, const HttpRequest& request) {
  const auto parts = parse_multipart(request.header("content-type"), request.body);
  expect_parts(parts, {"photo", "face", "name"});
  SavedIdentity identity{Store::new_id(), name_in(parts), now()};
  const std::size_t face = face_in(parts);
  std::vector<Identity> photos;
  std::vector<std::string> names;
  for (const auto& photo : photos_in(parts)) {
    photos.push_back(identity_in(context, request, *photo, photos.empty() ? face : 0));
    names.emplace_back(photo->name());
  }
  const Identity person = [&] {
    try {
      return join_identities(photos, names);
    } catch (const Error& error) {
      throw HttpError(error, "photo");
    }
  }();
  write_identity(person, context.store.identity_file(identity.id));
  context.store.add_identity(identity);
  json answer = identity_json(identity);
  answer["photos"] = person.photos();
  const Spread spread = spread_of(person);
  answer["likeness"] = person.photos() > 1 ? json{spread.least, spread.most} : json(nullptr);
  return json_response(answer.dump(), 201);
}

}  // namespace

void add_face_routes(Router& router, Context& context) {
  router.add("POST", "/api/faces",
             [&context](const HttpRequest& request, const Captures&) {
               const auto parts = parse_multipart(request.header("content-type"), request.body);
               expect_parts(parts, {"photo"});
               const auto photos = photos_in(parts);
               if (photos.size() > 1) {
                 throw HttpError(400, "argument",
                                 fmt::format("photo: expected one, got {}", photos.size()),
                                 "photo");
               }
               const PhotoFaces sight = look_at(context, request, *photos.front());
               json faces = json::array();
               for (std::size_t i = 0; i < sight.found.faces.size(); ++i)
                 faces.push_back(face_json(sight.found.faces[i], i));
               return json_response(json{
                   {"width", sight.frame.w}, {"height", sight.frame.h}, {"faces", std::move(faces)}}
                                        .dump());
             },
             {.body_limit = context.upload_bytes});
  router.add("GET", "/api/identities", [&context](const HttpRequest&, const Captures&) {
    json list = json::array();
    for (const SavedIdentity& identity : context.store.identities())
      list.push_back(identity_json(identity));
    return json_response(json{{"identities", std::move(list)}}.dump());
  });
  router.add("POST", "/api/identities",
             [&context](const HttpRequest& request, const Captures&) {
               return keep_identity(context, request);
             },
             {.body_limit = context.upload_bytes});
  router.add("DELETE", "/api/identities/{id}",
             [&context](const HttpRequest&, const Captures& captures) {
               if (!context.store.remove_identity(captures[0]))
                 throw HttpError(404, "not_found", "there is no such identity");
               return HttpResponse{.status = 204, .type = ""};
             });
}

}  // namespace semblance::service
