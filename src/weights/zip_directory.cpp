#include "weights/zip_directory.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "weights/names.h"

namespace semblance {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kDirectoryHeader = 0x02014b50;
constexpr std::uint32_t kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50;
constexpr std::uint32_t kEnd64Locator = 0x07064b50;
constexpr std::uint64_t kLocalHeaderBytes = 30;
constexpr std::uint64_t kEndBytes = 22;
constexpr std::uint64_t kEnd64Bytes = 56;
constexpr std::uint64_t kEnd64LocatorBytes = 20;
constexpr std::uint64_t kMaxDirectoryBytes = 64 << 20;
constexpr std::uint64_t kMaxEntries = 200'000;

[[noreturn]] void corrupt(const File& file, std::string_view reason) {
  fail(ErrorKind::kCorrupt,
       "cannot read {}: {}\n  the archive is damaged or incomplete: download it again", file.name(),
       reason);
}

/// Reads consecutive little-endian fields.
class Fields {
 public:
  Fields(const File& file, std::span<const std::byte> bytes) : file_(file), bytes_(bytes) {}
  std::uint64_t number(std::size_t width) {
    std::uint64_t value = 0;
    const auto field = take(width);
    for (std::size_t i = 0; i < width; ++i) {
      value |= std::to_integer<std::uint64_t>(field[i]) << (8 * i);
    }
    return value;
  }
  std::span<const std::byte> take(std::size_t width) {
    if (width > bytes_.size()) corrupt(file_, "a field of its zip directory is cut off");
    const auto field = bytes_.first(width);
    bytes_ = bytes_.subspan(width);
    return field;
  }
  std::string text(std::size_t width) {
    const auto field = take(width);
    return {reinterpret_cast<const char*>(field.data()), field.size()};
  }
  void skip(std::size_t width) { take(width); }
  bool empty() const { return bytes_.empty(); }

 private:
  const File& file_;
  std::span<const std::byte> bytes_;
};

std::vector<std::byte> bytes_at(const File& file, std::uint64_t offset, std::uint64_t bytes) {
  if (offset > file.size() || bytes > file.size() - offset) {
    corrupt(file,
            fmt::format("its zip directory points to {} bytes from byte {} on, the file has {}",
                        bytes, offset, file.size()));
  }
  std::vector<std::byte> read(bytes);
  file.read(offset, read);
  return read;
}

struct DirectoryPlace {
  std::uint64_t entries = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

DirectoryPlace find_directory(const File& file) {
  constexpr std::uint64_t kMaxCommentBytes = 0xffff;
  const std::uint64_t tail_bytes = std::min(file.size(), kEndBytes + kMaxCommentBytes);
  const std::uint64_t tail_offset = file.size() - tail_bytes;
  const auto tail = bytes_at(file, tail_offset, tail_bytes);
  for (std::uint64_t back = kEndBytes; back <= tail_bytes; ++back) {
    const std::uint64_t at = tail_bytes - back;
    Fields end(file, std::span(tail).subspan(at));
    if (end.number(4) != kEnd) continue;
    const std::uint64_t disk = end.number(2);
    const std::uint64_t directory_disk = end.number(2);
    end.skip(2);
    DirectoryPlace place;
    place.entries = end.number(2);
    place.bytes = end.number(4);
    place.offset = end.number(4);
    if (end.number(2) != back - kEndBytes) continue;  // the comment must end the file
    const std::uint64_t end_offset = tail_offset + at;
    if (end_offset >= kEnd64LocatorBytes) {
      const auto locator_bytes =
          bytes_at(file, end_offset - kEnd64LocatorBytes, kEnd64LocatorBytes);
      Fields locator(file, locator_bytes);
      if (locator.number(4) == kEnd64Locator) {
        locator.skip(4);
        const auto end64_bytes = bytes_at(file, locator.number(8), kEnd64Bytes);
        Fields end64(file, end64_bytes);
        if (end64.number(4) != kEnd64)
          corrupt(file, "its zip64 end record is not where its locator says");
        end64.skip(8 + 2 + 2 + 4 + 4 + 8);
        place.entries = end64.number(8);
        place.bytes = end64.number(8);
        place.offset = end64.number(8);
        return place;
      }
    }
    if (disk != 0 || directory_disk != 0) {
      corrupt(file, "it is one part of a multi-part zip archive, which is not supported");
    }
    return place;
  }
  corrupt(file, "it has no zip directory at its end");
}

/// Replaces fields whose bits are all ones by those of the zip64 extra field.
void read_zip64(const File& file, std::span<const std::byte> extra, std::uint64_t& bytes,
                std::uint64_t& packed_bytes, std::uint64_t& offset) {
  constexpr std::uint64_t kZip64 = 1;
  constexpr std::uint64_t kInExtra = 0xffffffff;
  Fields fields(file, extra);
  while (!fields.empty()) {
    const std::uint64_t kind = fields.number(2);
    const auto body = fields.take(static_cast<std::size_t>(fields.number(2)));
    if (kind != kZip64) continue;
    Fields wide(file, body);
    if (bytes == kInExtra) bytes = wide.number(8);
    if (packed_bytes == kInExtra) packed_bytes = wide.number(8);
    if (offset == kInExtra) offset = wide.number(8);
    return;
  }
}

}  // namespace

ZipDirectory::ZipDirectory(std::shared_ptr<const File> file) : file_(std::move(file)) {
  const DirectoryPlace place = find_directory(*file_);
  if (place.bytes > kMaxDirectoryBytes || place.entries > kMaxEntries) {
    corrupt(*file_, fmt::format("its zip directory claims {} entries in {} bytes", place.entries,
                                place.bytes));
  }
  const auto directory = bytes_at(*file_, place.offset, place.bytes);
  Fields fields(*file_, directory);
  for (std::uint64_t i = 0; i < place.entries; ++i) {
    if (fields.number(4) != kDirectoryHeader) {
      corrupt(*file_, fmt::format("entry {} of its zip directory is invalid", i));
    }
    fields.skip(2 + 2);
    const std::uint64_t flags = fields.number(2);
    const std::uint64_t method = fields.number(2);
    fields.skip(2 + 2 + 4);
    ZipEntry entry;
    entry.packed_bytes = fields.number(4);
    entry.bytes = fields.number(4);
    const auto name_bytes = static_cast<std::size_t>(fields.number(2));
    const auto extra_bytes = static_cast<std::size_t>(fields.number(2));
    const auto comment_bytes = static_cast<std::size_t>(fields.number(2));
    fields.skip(2 + 2 + 4);
    entry.header_offset = fields.number(4);
    std::string name = fields.text(name_bytes);
    if (has_control_bytes(name)) {
      corrupt(*file_, fmt::format("the name \"{}\" has a control character", printable(name)));
    }
    read_zip64(*file_, fields.take(extra_bytes), entry.bytes, entry.packed_bytes,
               entry.header_offset);
    fields.skip(comment_bytes);
    constexpr std::uint64_t kEncrypted = 1;
    constexpr std::uint64_t kDeflate = 8;
    const bool open = (flags & kEncrypted) == 0;
    entry.stored = open && method == 0 && entry.packed_bytes == entry.bytes;
    entry.deflated = open && method == kDeflate;
    if (entry.header_offset >= place.offset) {
      corrupt(*file_, fmt::format("its entry {} begins at byte {}, past the end of the data", name,
                                  entry.header_offset));
    }
    entry.data_limit_offset = place.offset;
    const auto [there, added] = entries_.try_emplace(std::move(name), entry);
    if (!added) corrupt(*file_, fmt::format("its entry {} occurs twice", there->first));
  }
  std::vector<ZipEntry*> by_offset;
  for (auto& [name, entry] : entries_) by_offset.push_back(&entry);
  std::sort(by_offset.begin(), by_offset.end(), [](const ZipEntry* a, const ZipEntry* b) {
    return a->header_offset < b->header_offset;
  });
  for (std::size_t i = 1; i < by_offset.size(); ++i) {
    by_offset[i - 1]->data_limit_offset = by_offset[i]->header_offset;
  }
}

std::uint64_t ZipDirectory::locate(const Entries::value_type& named) const {
  const auto& [name, entry] = named;
  if (!entry.stored) {
    fail(ErrorKind::kCorrupt,
         "cannot read {}: its entry {} is compressed or encrypted, but weights are read in place\n"
         "  save it again with torch.save, which does not compress",
         file_->name(), name);
  }
  return locate_packed(named);
}

std::uint64_t ZipDirectory::locate_packed(const Entries::value_type& named) const {
  const auto& [name, entry] = named;
  const auto header = bytes_at(*file_, entry.header_offset, kLocalHeaderBytes);
  Fields fields(*file_, header);
  const bool is_header = fields.number(4) == kLocalHeader;
  fields.skip(22);
  const std::uint64_t name_bytes = fields.number(2);
  const std::uint64_t extra_bytes = fields.number(2);
  const std::uint64_t offset = entry.header_offset + kLocalHeaderBytes + name_bytes + extra_bytes;
  if (!is_header || name_bytes != name.size() || offset > entry.data_limit_offset ||
      entry.packed_bytes > entry.data_limit_offset - offset) {
    corrupt(*file_, fmt::format("its entry {} of {} bytes is not at byte {}, where its zip "
                                "directory places it",
                                name, entry.packed_bytes, entry.header_offset));
  }
  return offset;
}

}  // namespace semblance
