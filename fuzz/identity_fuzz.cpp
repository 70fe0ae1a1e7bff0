// links: semblance_face
// Any bytes as an identity give one that survives writing and reading unchanged, or an Error.
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "face/identity.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  try {
    const Identity identity = parse_identity("fuzz", {reinterpret_cast<const char*>(data), size});
    scale_keypoints(identity, {64, 48});
    const Identity again = parse_identity("again", to_json(identity));
    if (std::memcmp(&again.embedding, &identity.embedding, sizeof(identity.embedding)) != 0 ||
        std::memcmp(&again.keypoints, &identity.keypoints, sizeof(identity.keypoints)) != 0 ||
        !(again.image_size == identity.image_size) || again.score != identity.score ||
        again.box != identity.box)
      std::abort();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInternal) std::abort();
  }
  return 0;
}
