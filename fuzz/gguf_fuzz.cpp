// links: semblance_weights
// Any bytes as a GGUF file give tensors inside the file, each with a readable last row, or an
// Error. The first four bytes are ignored.
#include "fuzz/weights_fuzz.h"
#include "weights/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  if (size < 4) return 0;
  const auto file = fuzz::file_of(data, size);
  fuzz::expect_tensors_inside(size, [&] { return read_gguf(file).weights; });
  return 0;
}
