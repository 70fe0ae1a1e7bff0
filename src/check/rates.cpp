#include "check/pieces.h"
#include "core/stop.h"
#include "memory/scratch_file.h"
#include "runtime/machine_facts.h"

namespace semblance::checking {
namespace {

/// Software drivers compute the smallest layers: they are thousands of times slower.
constexpr std::uint64_t kSmallRoomBytes = std::uint64_t{17} << 20;

}  // namespace

OrderedJson rates(const CheckedCard& card, const std::stop_token& stop) {
  check_stop(stop);
  Measuring measuring{.refresh = true};
  if (card.is_small()) measuring.room_bytes = kSmallRoomBytes;
  const MachineFacts facts = machine_facts(card.backend, choose_scratch_folder({}), measuring);
  return {{"ok", true},
          {"linear_gflops", facts.half.linear / 1e9},
          {"conv_gflops", facts.half.wide_conv / 1e9},
          {"attention_gflops", facts.half.attention / 1e9},
          {"elementwise_gb_s", facts.half.elementwise / 1e9},
          {"upload_gb_s", facts.upload / 1e9},
          {"call_seconds", facts.call_seconds}};
}

}  // namespace semblance::checking
