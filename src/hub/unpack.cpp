#include "hub/unpack.h"

#include <zlib.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "core/error.h"
#include "core/stop.h"
#include "memory/file.h"
#include "weights/zip_directory.h"

namespace semblance {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;

[[noreturn]] void damaged(const File& archive, const std::string& member) {
  fail(ErrorKind::kCorrupt, "cannot unpack {} from {}: the archive is damaged", member,
       archive.name());
}

/// zlib's state, for raw deflate.
class Inflater {
 public:
  Inflater() {
    if (inflateInit2(&stream_, -MAX_WBITS) != Z_OK)
      fail(ErrorKind::kMemory, "cannot unpack: zlib is out of memory");
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
};

using Sink = std::function<void(std::span<const std::byte>)>;

/// Passes on the entry's bytes piece by piece; returns false for an invalid deflate stream.
bool inflate_entry(const File& archive, std::uint64_t offset, std::uint64_t packed_bytes,
                   const Sink& sink) {
  Inflater inflater;
  z_stream& stream = inflater.stream();
  std::vector<std::byte> packed(kPieceBytes);
  std::vector<std::byte> plain(kPieceBytes);
  int result = Z_OK;
  while (result != Z_STREAM_END) {
    if (stream.avail_in == 0) {
      if (packed_bytes == 0) return false;
      const std::size_t count = std::min<std::uint64_t>(packed.size(), packed_bytes);
      archive.read(offset, std::span(packed).first(count));
      offset += count;
      packed_bytes -= count;
      stream.next_in = reinterpret_cast<Bytef*>(packed.data());
      stream.avail_in = static_cast<uInt>(count);
    }
    stream.next_out = reinterpret_cast<Bytef*>(plain.data());
    stream.avail_out = static_cast<uInt>(plain.size());
    result = inflate(&stream, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END) return false;
    sink(std::span(plain).first(plain.size() - stream.avail_out));
  }
  return true;
}

void copy_entry(const File& archive, std::uint64_t offset, std::uint64_t bytes, const Sink& sink) {
  std::vector<std::byte> piece(kPieceBytes);
  while (bytes > 0) {
    const std::size_t count = std::min<std::uint64_t>(piece.size(), bytes);
    archive.read(offset, std::span(piece).first(count));
    sink(std::span(piece).first(count));
    offset += count;
    bytes -= count;
  }
}

/// The entry with this name, in any folder.
const ZipDirectory::Entries::value_type& find_member(const ZipDirectory& directory,
                                                     const File& archive, const std::string& name) {
  for (const auto& entry : directory.entries()) {
    if (entry.first == name || entry.first.ends_with("/" + name)) return entry;
  }
  fail(ErrorKind::kCorrupt, "cannot unpack {}: it does not contain {}", archive.name(), name);
}

}  // namespace

void unpack(const std::filesystem::path& path, const FacePack& pack,
            const std::filesystem::path& folder, std::stop_token stop) {
  const auto archive = open_file(path);
  const ZipDirectory directory(archive);
  for (const FacePack::Member& member : pack.members) {
    const auto& entry = find_member(directory, *archive, member.name);
    const ZipEntry& place = entry.second;
    OutputFile out(folder / member.name);
    Hasher hasher(DigestKind::kSha256, place.bytes);
    std::uint64_t left = place.bytes;
    const Sink sink = [&](std::span<const std::byte> bytes) {
      check_stop(stop);
      if (bytes.size() > left) damaged(*archive, member.name);
      left -= bytes.size();
      hasher.update(bytes);
      out.write(bytes);
    };
    const std::uint64_t offset = directory.locate_packed(entry);
    if (place.stored) {
      copy_entry(*archive, offset, place.bytes, sink);
    } else if (!place.deflated || !inflate_entry(*archive, offset, place.packed_bytes, sink)) {
      damaged(*archive, member.name);
    }
    const std::string actual = hasher.finish();
    if (left != 0 || actual != member.sha256) {
      fail(ErrorKind::kCorrupt, "cannot unpack {} from {}: expected SHA-256 {}, got {}",
           member.name, archive->name(), member.sha256, actual);
    }
    out.commit();
  }
}

}  // namespace semblance
