// Where models are computed, as users name it: cpu, auto, gpu, gpu:N or gpu:NAME.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/backend.h"

namespace semblance {

/// Returns `text` if it has one of these forms. Throws Error(kArgument), which begins with `what`
/// ("--device"), otherwise.
std::string parse_device(std::string_view text, std::string_view what);

/// Turns auto into the device that it means on this machine: a discrete graphics card; else an
/// integrated one if it computes faster than the processor, which a child process measures in about
/// a second; else cpu. Returns any other device as it is. To be called before the thread pool is
/// used. Throws Error(kDevice) if the system has no process left.
std::string found_device(const std::string& device);

/// Whether `backend` takes less time than `other` for a layer of SDXL, on all threads of the pool.
bool computes_faster(const Backend& backend, const Backend& other);

/// The memory of a graphics card, in bytes.
struct CardUse {
  std::string name;
  std::string driver;  // with its version
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t own_bytes = 0;    // held by this process; 0 if the driver does not say
  std::uint64_t other_bytes = 0;  // by other programs and the system
};
/// Of the card that the backend computes on, as its driver says now; none for the processor. Opens
/// the card. Throws Error(kDevice), Error(kMemory). Thread-safe.
std::optional<CardUse> card_use(const Backend& backend);

}  // namespace semblance
