// Base64 (RFC 4648, section 4), for pictures in JSON.
// Not libcrypto's: that library is opened only for signatures, and accepts several encodings of the
// same bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace semblance::service {

std::string base64(std::string_view bytes);

/// The bytes; nothing if the text is not base64. Skips line breaks and a leading
/// "data:image/png;base64,"; the padding may be missing.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace semblance::service
