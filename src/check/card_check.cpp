#include "check/card_check.h"

#include <cmath>

#include "check/pieces.h"
#include "memory/meter.h"

namespace semblance {
namespace checking {

OrderedJson number(double value) {
  return std::isfinite(value) ? OrderedJson(value) : OrderedJson("infinite");
}

OrderedJson memory(const CheckedCard& card) {
  const CardMemory now = card.card.memory();
  return {{"ok", true},
          {"total_bytes", now.total_bytes},
          {"free_before_bytes", card.free_before_bytes},
          {"free_bytes", now.free_bytes},
          {"used_bytes", now.used_bytes},
          {"process_bytes", Meter().process().resident_bytes}};
}

}  // namespace checking

std::vector<CheckPiece> card_check(const CheckedCard& card, const std::optional<ModelPaths>& demo,
                                   bool full) {
  using std::stop_token;
  std::vector<CheckPiece> pieces;
  const auto memory = [&](const char* when) {
    pieces.push_back(
        {"memory", when, [&card](const stop_token&) { return checking::memory(card); }});
  };
  memory("card opened");
  pieces.push_back({"copies", "16 MiB",
                    [&card](const stop_token& stop) { return checking::copies(card, stop); }});
  for (CheckPiece& piece : checking::agreements(card)) pieces.push_back(std::move(piece));
  for (const Precision precision : {Precision::kF32, Precision::kF16}) {
    if (!demo || (precision == Precision::kF16 && !card.backend.half())) continue;
    pieces.push_back({"picture", precision == Precision::kF32 ? "f32" : "f16",
                      [&card, demo = *demo, precision](const stop_token& stop) {
                        return checking::picture(card, demo, precision, stop);
                      }});
  }
  for (CheckPiece& piece : checking::layers(card)) pieces.push_back(std::move(piece));
  memory("every kernel compiled");
  pieces.push_back({"rates", "for plans",
                    [&card](const stop_token& stop) { return checking::rates(card, stop); }});
  if (full) {
    pieces.push_back({"step", "random weights", [&card, demo](const stop_token& stop) {
                        return checking::step(card, demo, stop);
                      }});
  }
  return pieces;
}

}  // namespace semblance
