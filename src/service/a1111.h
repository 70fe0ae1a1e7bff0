// Translates the API of AUTOMATIC1111's web UI, /sdapi/v1/..., to a job and back. InstantID is
// requested as its ControlNet extension does (a1111_units.h). Pure functions: no queue, no model.
//
// What would change the picture there but is not supported (other samplers, a second pass, masks,
// styles, other scripts) is refused by name, and so are unknown fields. What is read as plain text
// or has no effect is reported as "warnings" in the response's info.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "service/job_request.h"

namespace semblance::service {

struct Txt2Img {
  JobRequest job = {};  // count is batch_size times n_iter
  int batch_size = 1;
  int batches = 1;  // n_iter
  bool send_images = true;
};

/// Defaults are that program's: 50 steps, cfg_scale 7, a random seed; the size is the model's own
/// (`native_side`). Throws HttpError 400 naming the field, and what LongStringJson throws.
/// `model`: the name that /sdapi/v1/sd-models gives.
Txt2Img parse_txt2img(std::string_view body, std::string_view model, int native_side);

/// The result.
struct MadeTxt2Img {
  std::vector<std::uint64_t> seeds = {};    // of each picture
  std::vector<std::string> infotexts = {};  // the "parameters" text of each picture
  std::string timestamp = {};               // "20260131120000"
  bool interrupted = false;                 // before all pictures were done
};

/// The response's text before and after its pictures, which are JSON strings separated by commas.
struct Txt2ImgFrame {
  std::string before;
  std::string after;
};
Txt2ImgFrame txt2img_frame(const Txt2Img& wanted, const MadeTxt2Img& made, std::string_view model);

/// The job that /sdapi/v1/progress reports.
struct Txt2ImgProgress {
  std::string job = {};  // its id; empty if there is none
  std::string timestamp = {};
  int pictures = 0;
  int picture = 0;  // the current one, from 0
  int step = 0;
  int steps = 0;
  double seconds_left = 0;
  bool interrupted = false;
  std::string preview = {};  // a JPEG file's bytes; empty if there is none
  std::string text = {};
};
std::string progress_response(const Txt2ImgProgress& progress);

std::string samplers_response();
std::string sd_models_response(std::string_view model);
std::string options_response(std::string_view model);
/// POST /sdapi/v1/options. Throws HttpError 400 naming the first option that is unknown or would
/// change.
void check_options(std::string_view body, std::string_view model);

}  // namespace semblance::service
