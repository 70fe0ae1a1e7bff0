#include "cli/device_flags.h"

#include "app/device_choice.h"
#include "core/error.h"

namespace semblance::cli {

void DeviceFlags::declare(Flags& flags) {
  flags.group("Device (docs/gpu.md)");
  flags.value("--device", "cpu|gpu|auto",
              "Where models are computed: cpu; gpu, the best graphics card; gpu:1 or gpu:NAME, "
              "another one of those that `semblance gpu` lists; auto, a discrete card if there is "
              "one, else an integrated one if it computes faster than the processor, else cpu. "
              "Pictures of cpu and gpu look the same but differ in their last bits. "
              "Default: cpu.",
              [this](const std::string& flag, const std::string& text) {
                device = parse_device(text, flag);
              });
  flags.value(
      "--gpu-memory", "AMOUNT",
      "Memory budget on the graphics card, in the same form as --memory; a share is of what "
      "is free on the card. Default: auto (80%).",
      [this](const std::string& flag, const std::string& text) {
        card_memory = parse_memory(text, flag);
      });
}

void DeviceFlags::find(const Flags& flags) {
  if (is_processor() && flags.gives("--gpu-memory")) {
    fail(ErrorKind::kArgument,
         "--gpu-memory cannot be used with --device cpu\n  add --device gpu, or leave it out");
  }
  device = found_device(device);
}

}  // namespace semblance::cli
