// links: semblance_hub
// Any bytes as a zip archive give entries inside it, and one is unpacked to its end; or an Error.
#include <cstdlib>

#include "core/error.h"
#include "fuzz/memory_path.h"
#include "hub/unpack.h"
#include "weights/zip_directory.h"

namespace {

void expect_entries_inside(const std::filesystem::path& path, std::size_t size) {
  const semblance::ZipDirectory directory(semblance::open_file(path));
  for (const auto& entry : directory.entries()) {
    try {
      const std::uint64_t offset = directory.locate_packed(entry);
      if (offset > size || entry.second.packed_bytes > size - offset) std::abort();
    } catch (const semblance::Error& error) {
      if (error.kind() != semblance::ErrorKind::kCorrupt) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  const fuzz::MemoryPath file(data, size);
  // No member has this checksum, so nothing stays on the disk.
  static const FacePack pack{
      .name = "fuzz", .path = {}, .sha256 = {}, .members = {{"a", std::string(64, '0')}}};
  try {
    expect_entries_inside(file.path(), size);
    unpack(file.path(), pack, "/dev/shm");
    std::abort();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kCorrupt) std::abort();
  }
  return 0;
}
