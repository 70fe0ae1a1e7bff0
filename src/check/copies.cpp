#include <algorithm>
#include <cstring>

#include "check/pieces.h"
#include "core/stop.h"
#include "runtime/trace.h"

namespace semblance::checking {
namespace {

constexpr std::uint64_t kCopyBytes = std::uint64_t{16} << 20;
constexpr double kLongCopies = 0.2;  // seconds, for a rate

/// Billions of bytes per second, of the copies that `copy` makes until `wait` returns.
template <typename Copy, typename Wait>
double rate_of(const std::stop_token& stop, Copy&& copy, Wait&& wait) {
  copy();  // takes memory for staging
  wait();
  for (int times = 4;; times *= 4) {
    check_stop(stop);
    const double begin = Trace::now();
    for (int i = 0; i < times; ++i) copy();
    wait();
    const double seconds = Trace::now() - begin;
    if (seconds >= kLongCopies) return static_cast<double>(kCopyBytes) * times / seconds / 1e9;
  }
}

}  // namespace

OrderedJson copies(const CheckedCard& card, const std::stop_token& stop) {
  const auto executor = card.card.make_executor({.arena = kCopyBytes});
  const DevicePlace place{Region::kArena, 0, kCopyBytes};
  std::vector<std::byte> host(kCopyBytes, std::byte{1});
  const auto wait = [&] { executor->wait_for(place); };
  const auto send = [&](bool fill) {
    const std::span<std::byte> view = executor->begin_write(place);
    if (fill) std::memcpy(view.data(), host.data(), view.size());
    executor->end_write(place);
  };
  const auto receive = [&](bool take) {
    const std::span<const std::byte> view = executor->begin_read(place);
    if (take) std::memcpy(host.data(), view.data(), view.size());
    executor->end_read(place);
  };
  OrderedJson json{{"ok", true}, {"bytes", kCopyBytes}};
  json["to_card_gb_s"] = rate_of(
      stop, [&] { send(false); }, wait);
  json["write_gb_s"] = rate_of(
      stop, [&] { send(true); }, wait);
  json["from_card_gb_s"] = rate_of(
      stop, [&] { receive(false); }, wait);
  json["read_gb_s"] = rate_of(
      stop, [&] { receive(true); }, wait);
  return json;
}

}  // namespace semblance::checking
