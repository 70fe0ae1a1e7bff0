// The directory of a zip archive, as torch.save writes it: where each entry's bytes lie. Nothing is
// unpacked here: weights must be stored as they are. zip64 is read. Formula and field names:
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
  std::uint64_t data_limit_offset = 0;  // the data ends before: the next header or the directory
};

class ZipDirectory {
 public:
  using Entries = std::map<std::string, ZipEntry, std::less<>>;

  /// Reads the directory at the end of the file. Throws Error(kCorrupt) when there is none, when it
  /// is truncated, or when it contradicts itself; and what File::read throws.
  explicit ZipDirectory(std::shared_ptr<const File> file);

  const Entries& entries() const { return entries_; }
  /// Offset in the file of an entry's bytes, all of which are inside the file and in front of the
  /// next entry. Throws Error(kCorrupt) when its local header says otherwise or when it is
  /// compressed or encrypted.
  std::uint64_t locate(const Entries::value_type& entry) const;
  /// The same of an entry that may be compressed: where its packed_bytes begin. Throws
  /// Error(kCorrupt) when its local header says otherwise.
  std::uint64_t locate_packed(const Entries::value_type& entry) const;

 private:
  std::shared_ptr<const File> file_;
  Entries entries_;
};

}  // namespace semblance
