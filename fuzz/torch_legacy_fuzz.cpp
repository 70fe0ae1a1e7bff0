// links: semblance_weights
// Any bytes with the magic number of torch before 1.6 give tensors inside the file, or an Error.
#include "fuzz/weights_fuzz.h"
#include "weights/torch_legacy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  if (!is_torch_legacy({reinterpret_cast<const char*>(data), size})) return 0;
  fuzz::expect_tensors_inside(size, [&] { return read_torch_legacy(fuzz::file_of(data, size)); });
  return 0;
}
