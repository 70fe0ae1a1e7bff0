// Percent coding of URLs (RFC 3986, section 2.1). Not libcurl's: that library is opened only for
// downloads.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace semblance {

/// A path in a URL: everything but letters, digits, "/", "-", "_", "." and "~" is encoded.
std::string percent_encoded(std::string_view path);

/// The decoded bytes; nothing if a % is not followed by two hexadecimal digits.
std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace semblance
