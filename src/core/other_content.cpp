#include "core/other_content.h"

#include <algorithm>

#include "core/ascii.h"
#include "core/error.h"

namespace semblance {
namespace {

bool is_web_page(std::string_view start) {
  const std::string text = lower(from_first_visible(start.substr(0, kContentBytes)));
  if (!text.starts_with('<')) return false;
  return text.find("<!doctype html") != std::string::npos ||
         text.find("<html") != std::string::npos || text.starts_with("<head") ||
         text.starts_with("<body");
}

}  // namespace

std::string_view from_first_visible(std::string_view text) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
  return text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
}

std::optional<OtherContent> other_content(std::string_view start) {
  if (is_web_page(start))
    return OtherContent{"a web page", "download the file itself, not the page about it"};
  if (start.starts_with("version https://git-lfs"))
    return OtherContent{"a Git LFS pointer to it", "fetch the file itself: git lfs pull"};
  // RFC 1740: AppleSingle's magic number ends in 0, AppleDouble's in 7.
  if (start.starts_with(std::string_view("\0\x05\x16\x07", 4)) ||
      start.starts_with(std::string_view("\0\x05\x16\0", 4))) {
    return OtherContent{"an AppleDouble file, which macOS puts beside the file itself",
                        "use the file whose name does not begin with \"._\""};
  }
  return std::nullopt;
}

void refuse_other_content(std::string_view name, std::string_view wanted, std::string_view start) {
  if (const auto other = other_content(start)) {
    fail(ErrorKind::kCorrupt, "cannot read {}: expected {}, got {}\n  {}", name, wanted,
         other->what, other->fix);
  }
}

}  // namespace semblance
