// The flags for reading photos that `face`, `generate`, `plan` and `serve` share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "app/subject.h"
#include "cli/flags.h"
#include "hub/resolve.h"

namespace semblance::cli {

struct PhotoFlags {
  FaceFiles files;
  int size = 0;  // index into published, original
  std::optional<std::int64_t> detector_size;

  /// Declare the flags of the groups "Models" and "Advanced".
  void declare_models(Flags& flags, std::string folder_help);
  void declare_advanced(Flags& flags);
  /// Replaces the name of the face models by a path (hub/resolve.h).
  void find_models(IfMissing if_missing);
  /// Throws Error(kArgument) for an invalid detector size.
  void check() const;
  /// `reduced`: memory is short, see PhotoOptions.
  PhotoOptions options(std::string backend = "cpu", bool reduced = false) const;
};

inline constexpr const char* kModelsGroup = "Models (docs/models.md)";

}  // namespace semblance::cli
