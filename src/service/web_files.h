// The page's files from web/, embedded in the program: cmake/embed.cmake generates their
// definition.
#pragma once

#include <span>
#include <string_view>

namespace semblance::service {

struct WebFile {
  std::string_view path;    // "/" for index.html, "/web/NAME" for the others
  std::string_view type;    // for Content-Type
  std::string_view bytes;   // the whole file
  std::string_view zipped;  // the same, compressed by gzip; empty where that does not help
  std::string_view
      etag;  // with its quotes; changes with the bytes. Serve with Cache-Control: no-cache.
};

/// All files; valid as long as the program runs. Thread-safe.
std::span<const WebFile> web_files();

}  // namespace semblance::service
