// /api/recipe: how a picture was made, as the text in its file says.
#include <nlohmann/json.hpp>

#include "app/recipe.h"
#include "core/error.h"
#include "memory/file.h"
#include "service/multipart.h"
#include "service/routes.h"
#include "service/settings.h"

namespace semblance::service {
namespace {

using nlohmann::json;

constexpr std::string_view kPicture = "picture";

HttpResponse recipe_response(const HttpRequest& request) {
  const auto parts = parse_multipart(request.header("content-type"), request.body);
  expect_parts(parts, {kPicture});
  const Part* const part = find_part(parts, kPicture);
  if (part == nullptr || part->data.empty())
    throw HttpError(400, "argument", "the part 'picture' is missing: expected an image file",
                    kPicture);
  const std::string name = "the picture";
  try {
    const auto recipe = read_recipe(read_texts(*file_over(name, part->data)), name);
    if (!recipe)
      throw HttpError(404, "missing", "the picture has no text that says how it was made",
                      kPicture);
    JobRequest job;
    static_cast<Request&>(job) = recipe->request;
    return json_response(
        json{{"made_by", recipe->made_by}, {"settings", to_json(job)}, {"notes", recipe->notes}}
            .dump());
  } catch (const Error& error) {
    throw HttpError(error, kPicture);
  }
}

}  // namespace

void add_recipe_routes(Router& router) {
  // With the texts of a picture it fits into the memory of all large bodies.
  constexpr std::uint64_t kBodyLimit = std::uint64_t{8} << 20U;
  router.add(
      "POST", "/api/recipe",
      [](const HttpRequest& request, const Router::Captures&) { return recipe_response(request); },
      {.body_limit = kBodyLimit});
}

}  // namespace semblance::service
