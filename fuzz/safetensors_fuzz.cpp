// links: semblance_weights
// Any bytes as a safetensors file, with the scales of its 8-bit floats, give tensors inside the
// file, or an Error.
#include "fuzz/weights_fuzz.h"
#include "weights/fp8_scales.h"
#include "weights/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  fuzz::expect_tensors_inside(
      size, [&] { return scaled(read_safetensors_file(fuzz::file_of(data, size))); });
  return 0;
}
