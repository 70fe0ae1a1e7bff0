// The hub's description of a repository: the commit of a revision, and the files with sizes and
// checksums. Route: GET /api/models/<owner>/<name>/revision/<revision>?blobs=true.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hub/digest.h"

namespace semblance {

struct RemoteFile {
  std::string path;
  std::uint64_t bytes = 0;
  Digest digest;
};

struct Listing {
  std::string commit;   // 40 hex digits
  std::string licence;  // from the model card; empty if it names none
  std::vector<RemoteFile> files;
};

/// Maximum size of a model file.
inline constexpr std::uint64_t kMostFileBytes = std::uint64_t{64} << 30;

/// Parses the hub's answer; `name` denotes it in messages. Throws Error(kCorrupt) for an invalid
/// list, a path that could leave its folder, a size above kMostFileBytes, and a file without size
/// or checksum.
Listing parse_listing(const std::string& name, std::string_view json);

}  // namespace semblance
