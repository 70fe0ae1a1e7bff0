// The directory of a zip archive, as written by torch.save: where each entry's bytes are. Nothing
// is unpacked here: weights must be uncompressed. Supports zip64. Formulas and field names:
// PKWARE's APPNOTE.TXT, 4.3.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "memory/file.h"

namespace semblance {

struct ZipEntry {
  bool stored = true;                   // neither compressed nor encrypted
  bool deflated = false;                // compressed by deflate, not encrypted
  std::uint64_t bytes = 0;              // unpacked
  std::uint64_t packed_bytes = 0;       // in the archive
  std::uint64_t header_offset = 0;      // of the entry's local header
  std::uint64_t data_limit_offset = 0;  // end of the data's space: the next header or directory
};

class ZipDirectory {
 public:
  using Entries = std::map<std::string, ZipEntry, std::less<>>;

  /// Reads the directory at the end of the file. Throws Error(kCorrupt) if there is none or it is
  /// truncated or inconsistent; and what File::read throws.
  explicit ZipDirectory(std::shared_ptr<const File> file);

  const Entries& entries() const { return entries_; }
  /// The file offset of an entry's bytes, which are inside the file and before the next entry.
  /// Throws Error(kCorrupt) if its local header contradicts this or it is compressed or encrypted.
  std::uint64_t locate(const Entries::value_type& entry) const;
  /// The same for an entry that may be compressed: where its packed_bytes begin. Throws
  /// Error(kCorrupt) if its local header contradicts this.
  std::uint64_t locate_packed(const Entries::value_type& entry) const;

 private:
  std::shared_ptr<const File> file_;
  Entries entries_;
};

}  // namespace semblance
