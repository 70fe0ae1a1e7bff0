// Base64 (RFC 4648, section 4), as JSON carries pictures.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace semblance::service {

std::string base64(std::string_view bytes);

/// The bytes; nothing where the text is no base64. Line breaks are skipped, the padding may be
/// missing, and "data:image/png;base64," may stand before it.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace semblance::service
