#include "app/device_choice.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "backend/backends.h"
#include "core/error.h"
#include "device/cards.h"
#include "device/child_process.h"
#include "device/vulkan_device.h"
#include "runtime/node_run.h"

namespace semblance {
namespace {

constexpr double kLongRun = 0.2;                        // seconds; such runs need no repetition
constexpr std::chrono::seconds kMeasuringPatience{10};  // drivers may compile shaders

/// The best of three runs of a feed-forward layer of SDXL, in the type that the backend computes
/// models in.
double layer_seconds(const Backend& backend) {
  const DType dtype = backend.half().value_or(DType::kF32);
  NodeRun run(backend, Linear{},
              {{{dtype, Shape{256, 1280}}},
               {{dtype, Shape{5120, 1280}}, true},
               {{DType::kF32, Shape{5120}}, true}});
  for (int i = 0; i < run.node().src_count(); ++i) {
    const auto count = static_cast<std::size_t>(run.node().src(i).shape.elements());
    run.set(static_cast<std::size_t>(i), std::vector<float>(count, 0.5F));
  }
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 4 && (i < 2 || best < kLongRun); ++i) {
    const auto begin = std::chrono::steady_clock::now();
    run.run();
    const DevicePlace& dst = run.places().dst;
    run.executor().begin_read(dst);  // waits
    run.executor().end_read(dst);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    if (i > 0) best = std::min(best, seconds.count());  // the first one may compile
  }
  return best;
}

}  // namespace

std::string parse_device(std::string_view text, std::string_view what) {
  if (text == "auto" || text == "cpu" || (names_card(text) && text != "gpu:"))
    return std::string(text);
  fail(ErrorKind::kArgument,
       "cannot take {}: expected auto, cpu, gpu, gpu:N or gpu:NAME, got '{}'\n  `semblance gpu` "
       "lists the graphics cards",
       what, text.substr(0, 40));
}

bool computes_faster(const Backend& backend, const Backend& other) {
  return layer_seconds(backend) < layer_seconds(other);
}

std::string found_device(const std::string& device) {
  if (device != "auto") return device;
  const Cards cards = find_cards();
  const Card* const card = find_best(cards);
  if (card == nullptr) return "cpu";
  if (card->facts.type == CardType::kDiscrete) return "gpu";
  // In a child, since callers must not have threads or an opened card yet.
  const ChildEnd measured = run_child(
      [](const auto& write) {
        write(computes_faster(backend_by_name("gpu"), cpu_backend()) ? "gpu" : "cpu");
      },
      kMeasuringPatience);
  return measured.output == "gpu\n" ? "gpu" : "cpu";
}

std::optional<CardUse> card_use(const Backend& backend) {
  const auto* const card = dynamic_cast<const VulkanDevice*>(&backend.device());
  if (card == nullptr) return std::nullopt;
  const CardMemory memory = card->memory();
  const std::uint64_t known = memory.free_bytes + memory.used_bytes;
  return CardUse{.name = card->name(),
                 .driver = card->driver(),
                 .total_bytes = memory.total_bytes,
                 .free_bytes = memory.free_bytes,
                 .own_bytes = memory.used_bytes,
                 .other_bytes = memory.total_bytes > known ? memory.total_bytes - known : 0};
}

}  // namespace semblance
