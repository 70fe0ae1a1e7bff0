// What `semblance gpu check` does to a graphics card, as a list of pieces in the order they run.
//
// Each piece gives one JSON object. All have "ok", whether the card does what it should; the others
// are figures. Times are in seconds by the processor's clock, rates in units of 10^9 per second.
//
//   memory     "total_bytes", "free_before_bytes" (before the card was opened), "free_bytes",
//              "used_bytes" (by this process; 0 if the driver does not say), "process_bytes" (main
//              memory of this process)
//   copies     "to_card_gb_s" and "from_card_gb_s" between pinned memory and the card,
//              "write_gb_s" and "read_gb_s" with the processor's own copy to or from there
//   agreement  of a kernel with the reference, in a type of numbers, on the shapes of the tests:
//              "cases", "declined", "worst" (the largest error as a share of its bound) and
//              "worst_case"; "other_bits" (cases in which a second run differed)
//   layer      a kernel on a layer of SDXL, against the processor: "case", "seconds",
//              "first_seconds" (with compiling), "gb_s", "gflops" (products and attention only),
//              "worst"
//   rates      what plans for this card go by from now on, in the type of numbers of models:
//              "linear_gflops", "conv_gflops", "attention_gflops", "elementwise_gb_s",
//              "upload_gb_s", and "call_seconds", what a launch costs
//   picture    the demo model's picture, card against processor: "psnr_db", "seconds",
//              "processor_seconds"
//   step       a denoiser step with random weights in three budgets: "budgets", a list of
//              "budget_bytes", "planned_bytes", "resident_bytes", "streamed_bytes",
//              "first_seconds", "seconds", "wait_seconds", "predicted_seconds"; "same_bits" in all
//              of them
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "backend/backends.h"
#include "device/vulkan_device.h"
#include "pipeline/model_paths.h"

namespace semblance {

struct CheckedCard {
  std::string device;  // as backend_by_name() takes it
  const Backend& backend;
  const VulkanDevice& card;
  std::uint64_t free_before_bytes = 0;  // of its memory, before it was opened

  /// Software drivers get small layers and models: they are thousands of times slower.
  bool is_small() const { return card.facts().type == CardType::kSoftware; }
};

struct CheckPiece {
  std::string part;  // "agreement"
  std::string what;  // "vulkan_linear in f16"
  /// Throws Error(kCancelled) after a stop, and what a failing card throws.
  std::function<nlohmann::ordered_json(const std::stop_token& stop)> run;
};

/// All pieces. `demo`: the demo model, without which there is no picture; `full`: with the
/// denoiser's step, of SDXL and IdentityNet at 1024 x 1024 (of the demo model on software drivers).
/// The card must outlive them.
std::vector<CheckPiece> card_check(const CheckedCard& card, const std::optional<ModelPaths>& demo,
                                   bool full);

}  // namespace semblance
