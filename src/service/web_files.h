// The page's files, as they lie in web/, inside the program: cmake/embed.cmake writes their
// definition.
#pragma once

#include <span>
#include <string_view>

namespace semblance::service {

struct WebFile {
  std::string_view path;   // "/" for index.html, "/web/NAME" for the others
  std::string_view type;   // for Content-Type
  std::string_view bytes;  // the whole file
  std::string_view
      etag;  // with its quotes; another for other bytes. Serve with Cache-Control: no-cache.
};

/// All of them, for as long as the program runs. Thread-safe.
std::span<const WebFile> web_files();

}  // namespace semblance::service
