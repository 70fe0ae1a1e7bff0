// Translates the OpenAI API's image requests, POST /v1/images/edits, POST /v1/images/generations
// and GET /v1/models, to a job and back. Pure functions: no queue, no model.
//
// The photo is `image` (or image[]; in JSON images), the face to keep; a second image gives the
// pose. What that API lacks is sent as extra fields (extra_body in its clients): the rows of the
// parameters' table by name, pose, and identity, a saved face in place of the photo. Generations
// take the same fields. Warnings are in the response's `warnings`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "image/encode.h"
#include "service/job.h"
#include "service/multipart.h"

namespace semblance::service {

enum class ImagesKind : std::uint8_t { kEdit, kGeneration };

struct ImagesRequest {
  ImagesKind kind = ImagesKind::kEdit;
  JobRequest request = {};
  std::vector<std::string> warnings = {};  // for the response: what has no effect
  std::string format = "png";              // png, jpeg, webp
  int quality = kEncodingQuality;          // of jpeg and webp, 0 to 100
  bool stream = false;
  int partial_images = 0;  // 0 to 3 previews per picture, if it streams
  bool wants_url = false;  // instead of base64
};

/// `model`: the name that /v1/models gives. The photos are in the parts' body. Throws HttpError 400
/// naming the field.
ImagesRequest parse_images(ImagesKind kind, const std::vector<Part>& parts, std::string_view model);
/// The same for a JSON body. Also throws what JsonForm throws.
ImagesRequest parse_images_json(ImagesKind kind, std::string_view body, std::string_view model);

/// A finished picture, or a preview.
struct MadePicture : JobPicture {
  Body base64 = {};  // its file in the requested format, in base64
  std::string url = {};
};

/// The JSON response when it does not stream; items come between.
/// `created`: seconds since 1970.
ResponseFrame images_frame(const ImagesRequest& wanted, Size size, std::int64_t created);
Body images_item(const ImagesRequest& wanted, const MadePicture& picture);

/// Server-sent events, each with its closing empty line. `index`: the preview's, from 0.
Body partial_image_event(const ImagesRequest& wanted, const MadePicture& preview, int index,
                         std::int64_t created);
Body completed_event(const ImagesRequest& wanted, const MadePicture& picture, std::int64_t created);
/// For a job that failed after the stream began; `error` is an error_response().
std::string error_event(const HttpResponse& error);

/// The steps, from 1 to `steps`, after which previews are sent, evenly spread; fewer than
/// `partial_images` if there are too few steps.
std::vector<int> preview_steps(int partial_images, int steps);

std::string models_response(std::string_view model, std::int64_t created);
/// GET /v1/models/{id}. Throws HttpError 404 for another model.
std::string model_response(std::string_view id, std::string_view model, std::int64_t created);

}  // namespace semblance::service
