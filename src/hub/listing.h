// What the hub says of a repository: the commit that a revision is, and the files with their sizes
// and checksums. Route: GET /api/models/<owner>/<name>/revision/<revision>?blobs=true.
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
  std::string licence;  // as the model's card names it; empty where it does not
  std::vector<RemoteFile> files;
};

/// No file of a model is larger than this.
inline constexpr std::uint64_t kMostFileBytes = std::uint64_t{64} << 30;

/// Reads the hub's answer; `name` stands for it in messages. Throws Error(kCorrupt) for an answer
/// that is no such list, for a path that could leave the folder that it is joined to, for a size
/// above kMostFileBytes, and for a file without size or checksum.
Listing parse_listing(const std::string& name, std::string_view json);

}  // namespace semblance
