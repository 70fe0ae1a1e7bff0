#include "pipeline/request.h"

#include <string_view>

#include "core/error.h"
#include "text/unicode.h"

namespace semblance {
namespace {

constexpr int kMaxSide = 8192;

/// A float is told as it was given: 5.01, not 5.010000228881836.
template <typename T>
void check_range(std::string_view option, T value, double least, double most) {
  if (!(value >= least && value <= most)) {  // NaN is refused too
    fail(ErrorKind::kArgument, "{} must be a number from {} to {}, got {}", option, least, most,
         value);
  }
}

void check_prompt(std::string_view what, const std::string& prompt) {
  if (prompt.size() > kMostPromptBytes) {
    fail(ErrorKind::kArgument, "{} must be text of at most {} bytes, got {}", what,
         kMostPromptBytes, prompt.size());
  }
  decode_utf8(prompt, what);
}

}  // namespace

void check(const Request& request) {
  check_prompt("the prompt", request.prompt);
  if (request.negative) check_prompt("the negative prompt", *request.negative);
  for (const auto& [name, side] :
       {std::pair<std::string_view, int>{"width", request.width}, {"height", request.height}}) {
    if (side < 8 || side > kMaxSide || side % 8 != 0) {
      fail(ErrorKind::kArgument, "the picture's {} must be a multiple of 8 from 8 to {}, got {}{}",
           name, kMaxSide, side,
           side > 8 && side < kMaxSide ? fmt::format("\n  the nearest is {}", (side + 4) / 8 * 8)
                                       : "");
    }
  }
  if (request.steps < 1 || request.steps > 1000) {
    fail(ErrorKind::kArgument, "steps must be a whole number from 1 to 1000, got {}",
         request.steps);
  }
  check_range("guidance", request.guidance, 0, 100);
  check_range("the identity strength", request.identity_strength, 0, 5);
  check_range("the adapter strength", request.adapter_strength, 0, 5);
  check_range("the identity start", request.identity_start, 0, 1);
  check_range("the identity end", request.identity_end, 0, 1);
  if (request.identity_start > request.identity_end) {
    fail(ErrorKind::kArgument,
         "the identity start must not be after the identity end, got {} and {}",
         request.identity_start, request.identity_end);
  }
}

}  // namespace semblance
