// Translates the API of AUTOMATIC1111's web UI, /sdapi/v1/..., to a job and back. InstantID is
// requested as its ControlNet extension does (a1111_units.h). Pure functions: no queue, no model.
//
// What would change the picture there but is not supported (a second pass, several styles, other
// scripts) is refused by name, and so are unknown fields. What is read as plain text or has
// no effect is reported as "warnings" in the response's info.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "service/job.h"

namespace semblance::service {

struct Txt2Img {
  JobRequest request = {};                 // count is batch_size times n_iter
  std::vector<std::string> warnings = {};  // for the response: what has no effect
  int batch_size = 1;
  int batches = 1;  // n_iter
  bool send_images = true;
};

/// Defaults are that program's: 50 steps, cfg_scale 7, a random seed; the size is the model's own
/// (`native_side`). Throws HttpError 400 naming the field, and what LongStringJson throws.
/// `model`: the name that /sdapi/v1/sd-models gives.
Txt2Img parse_txt2img(std::string_view body, std::string_view model, int native_side);
/// The same for /sdapi/v1/img2img: denoising_strength is 0.75; with a mask, its surroundings alone
/// are computed.
Txt2Img parse_img2img(std::string_view body, std::string_view model, int native_side);

/// `job`: ended; `infotexts`: the "parameters" text of each of its pictures.
ResponseFrame txt2img_frame(const Txt2Img& wanted, const Job& job,
                            const std::vector<std::string>& infotexts, std::string_view model);

/// /sdapi/v1/progress. `job`: null if there is none; `preview`: a JPEG file's bytes, or empty.
std::string progress_response(const Job* job, bool is_interrupted, std::string_view preview = {});

/// `models`: the names of those that there are.
std::string sd_models_response(const std::vector<std::string>& models);
std::string options_response(std::string_view model);
/// POST /sdapi/v1/options: the name of another model to switch to, if that is asked for. Throws
/// HttpError 400 naming the first other option that is unknown or would change.
std::optional<std::string> read_options(std::string_view body, std::string_view model);

}  // namespace semblance::service
