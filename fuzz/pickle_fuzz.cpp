// links: semblance_weights
// Any bytes as a pickle (without its archive) give values with valid references, or an Error.
#include <cstdlib>

#include "core/error.h"
#include "weights/pickle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  try {
    const Pickle pickle = read_pickle("fuzz", {reinterpret_cast<const char*>(data), size});
    if (pickle.top >= pickle.nodes.size() || pickle.bytes > size) std::abort();
    for (const PickleNode& node : pickle.nodes) {
      for (PickleNode::Index child : node.children) {
        if (child >= pickle.nodes.size()) std::abort();
      }
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kCorrupt) std::abort();
  }
  return 0;
}
