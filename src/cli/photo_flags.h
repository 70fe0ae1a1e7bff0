// The flags by which `face` and `generate` alike are told how a photo is looked at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/subject.h"
#include "cli/flags.h"
#include "hub/resolve.h"

namespace semblance::cli {

struct PhotoFlags {
  FaceFiles files;
  int size = 0;  // index into published, original
  std::optional<std::int64_t> detector_size;

  /// For the groups "Models" and "Advanced".
  void declare_models(Flags& flags, std::string folder_help);
  void declare_advanced(Flags& flags);
  /// Finds the face models that are meant (hub/resolve.h).
  void find_models(NotThere not_there);
  /// Throws Error(kArgument) for a detector size that is none.
  void check() const;
  /// `reduced`: little memory, see PhotoOptions.
  PhotoOptions options(std::string backend = "cpu", bool reduced = false) const;
};

inline constexpr const char* kModelsGroup = "Models (docs/models.md says where they are)";

}  // namespace semblance::cli
