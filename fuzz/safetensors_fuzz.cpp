// links: semblance_weights
// Any bytes as a safetensors file give tensors inside the file, or an Error.
#include "fuzz/weights_fuzz.h"
#include "weights/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  fuzz::expect_tensors_inside(size, [&] { return read_safetensors(fuzz::file_of(data, size)); });
  return 0;
}
