// The shape of AUTOMATIC1111's web UI: /sdapi/v1/..., translated to a job of ours and back, with
// InstantID as its ControlNet extension has it (a1111_units.h). Pure functions: no queue, no model.
//
// What would have made another picture there and is not here (a second pass, masks, styles, other
// scripts) is refused by name, unknown fields as well; what is read as plain text or
// has no effect comes back in the response's info, as "warnings".
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

/// Starts from that program's defaults: 50 steps, cfg_scale 7, a random seed, 512 x 512, or the
/// model's own side where that is another. Throws HttpError 400 naming the field, and what
/// LongStringJson throws. `model`: the name that /sdapi/v1/sd-models gives.
Txt2Img parse_txt2img(std::string_view body, std::string_view model, int native_side);

/// What came of it.
struct MadeTxt2Img {
  std::vector<std::uint64_t> seeds = {};    // of each picture
  std::vector<std::string> infotexts = {};  // the "parameters" text of each picture
  std::string timestamp = {};               // "20260131120000"
  bool interrupted = false;                 // before all pictures were done
};

/// The response's text around its pictures, which come between, as JSON strings with commas.
struct Txt2ImgFrame {
  std::string before;
  std::string after;
};
Txt2ImgFrame txt2img_frame(const Txt2Img& wanted, const MadeTxt2Img& made, std::string_view model);

/// The job that /sdapi/v1/progress tells of.
struct Txt2ImgProgress {
  std::string job = {};  // its id; empty where there is none
  std::string timestamp = {};
  int pictures = 0;
  int picture = 0;  // in the making, from 0
  int step = 0;
  int steps = 0;
  double seconds_left = 0;
  bool interrupted = false;
  std::string preview = {};  // a file's bytes; empty for none
  std::string text = {};
};
std::string progress_response(const Txt2ImgProgress& progress);

std::string sd_models_response(std::string_view model);
std::string options_response(std::string_view model);
/// POST /sdapi/v1/options. Throws HttpError 400 naming the first option that is not known here or
/// is to have another value than it has.
void check_options(std::string_view body, std::string_view model);

}  // namespace semblance::service
