// The flags that choose where models are computed: the processor or a graphics card.
#pragma once

#include <string>

#include "cli/flags.h"
#include "memory/budget.h"

namespace semblance::cli {

struct DeviceFlags {
  std::string device = "cpu";  // or auto, gpu, gpu:...
  MemoryRequest card_memory;   // --gpu-memory

  void declare(Flags& flags);
  /// found_device(). Throws what it throws, and Error(kArgument) for flags that do not go with the
  /// device.
  void find(const Flags& flags);
  bool is_processor() const { return device == "cpu"; }
};

}  // namespace semblance::cli
