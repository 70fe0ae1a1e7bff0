// Files that a caller of the library holds in memory.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "app/initial_picture.h"
#include "core/error.h"
#include "memory/file.h"
#include "pipeline/request.h"

namespace semblance {

inline std::shared_ptr<const File> in_memory(std::span<const std::byte> bytes,
                                             const char* name = "the photo") {
  return file_over(name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

/// The files that a picture starts from. Copies them only if they are needed again.
class StartFiles {
 public:
  StartFiles(std::span<const std::byte> initial, std::span<const std::byte> mask,
             const Request& request)
      : is_kept_(!mask.empty() || request.extends()) {
    if (initial.empty()) {
      if (!is_kept_) return;
      fail(ErrorKind::kArgument, "{}",
           mask.empty() ? "cannot take extend_left: there is no picture to extend"
                        : "cannot take the mask: there is no picture to repaint");
    }
    picture_.emplace(file(initial, "the picture"), mask.empty() ? nullptr : file(mask, "the mask"));
  }

  const std::optional<InitialPicture>& picture() const { return picture_; }

 private:
  std::shared_ptr<const File> file(std::span<const std::byte> bytes, const char* name) {
    if (!is_kept_) return in_memory(bytes, name);
    const auto& copy =
        copies_.emplace_back(std::make_unique<std::vector<std::byte>>(bytes.begin(), bytes.end()));
    return in_memory(*copy, name);
  }

  bool is_kept_;
  std::vector<std::unique_ptr<std::vector<std::byte>>> copies_;
  std::optional<InitialPicture> picture_;
};

}  // namespace semblance
