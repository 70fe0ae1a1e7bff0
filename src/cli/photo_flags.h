// The flags by which `face` and `generate` alike are told how a photo is looked at.
#pragma once

#include <cstdint>
#include <string>

#include "api/subject.h"
#include "cli/flags.h"

namespace semblance::cli {

struct PhotoFlags {
  FaceFiles files;
  int size = 0;  // index into published, original
  std::int64_t detector_size = kDefaultDetectorSize;

  /// For the groups "Models" and "Advanced".
  void declare_models(Flags& flags, std::string folder_help);
  void declare_advanced(Flags& flags);
  /// Throws Error(kArgument) for a detector size that is none.
  void check() const;
  PhotoOptions options(std::string backend = "cpu") const;
};

inline constexpr const char* kModelsGroup = "Models (docs/models.md says where they are)";

}  // namespace semblance::cli
