// The shape of the OpenAI API's pictures: POST /v1/images/edits and GET /v1/models, translated to a
// job of ours and back. Pure functions: no queue, no model.
//
// The photo is `image` (or image[]; in JSON images), the face to keep; a second image gives the
// pose. What that API has not and a job of ours needs comes as further fields, which its clients
// send with extra_body: the rows of the parameters' table by their names, and pose. Warnings come
// back as `warnings` in the response.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "image/encode.h"
#include "service/job_request.h"
#include "service/multipart.h"

namespace semblance::service {

struct ImagesEdit {
  JobRequest job = {};
  std::string format = "png";      // png, jpeg, webp
  int quality = kEncodingQuality;  // of jpeg and webp, 0 to 100
  bool stream = false;
  int partial_images = 0;  // 0 to 3 previews for each picture, where it streams
  bool wants_url = false;  // instead of base64
};

/// `model`: the name that /v1/models gives. Throws HttpError 400 naming the field.
ImagesEdit parse_images_edit(const std::vector<Part>& parts, std::string_view model);
/// The same of a body of JSON, and what JsonForm throws.
ImagesEdit parse_images_edit_json(std::string_view body, std::string_view model);

/// The response where it does not stream, as JSON: `before`, the items with commas between them,
/// `after`.
struct ImagesFrame {
  std::string before;
  std::string after;
};
/// `created`: seconds since 1970.
ImagesFrame images_frame(const ImagesEdit& edit, Size size, std::int64_t created);
Body images_item(const ImagesEdit& edit, const MadePicture& picture);

/// Server-sent events, each with its empty line. `index`: of the preview, from 0.
Body partial_image_event(const ImagesEdit& edit, const MadePicture& preview, int index,
                         std::int64_t created);
Body completed_event(const ImagesEdit& edit, const MadePicture& picture, std::int64_t created);
/// For a job that failed after the stream began; `error` as error_response() has it.
std::string error_event(const HttpResponse& error);

/// At which of `steps` steps (from 1) previews are due, so that they spread evenly: each step's
/// number; fewer where there are fewer steps.
std::vector<int> preview_steps(int partial_images, int steps);

std::string models_response(std::string_view model, std::int64_t created);
/// GET /v1/models/{id}. Throws HttpError 404 for another.
std::string model_response(std::string_view id, std::string_view model, std::int64_t created);

}  // namespace semblance::service
