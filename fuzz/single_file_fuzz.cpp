// links: semblance_weights
// Any names and shapes as a single-file checkpoint: a line is a name and sizes, "name 320 4 3 3",
// or metadata, "key=value". Gives its identity and each part's names and config, or an Error that
// names the file.
#include <cstdlib>
#include <sstream>
#include <string>

#include "core/error.h"
#include "memory/file.h"
#include "weights/single_file.h"

namespace semblance::fuzz {
namespace {

WeightFile file_of(const std::string& text) {
  static const auto bytes = memory_file("fuzz", {});
  WeightFile file;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (const std::size_t equals = line.find('='); equals != std::string::npos) {
      file.metadata[line.substr(0, equals)] = line.substr(equals + 1);
      continue;
    }
    std::istringstream words(line);
    std::string name;
    words >> name;
    std::vector<std::int64_t> sizes;
    for (std::int64_t size = 0; words >> size;) sizes.push_back(size);
    if (name.empty() || file.weights.find(name) != nullptr) continue;
    try {
      // Some are in blocks; slices of them begin inside a block.
      const DType dtype = name.size() % 2 == 0 ? DType::kF16 : DType::kQ4_0;
      file.weights.add(name, {dtype, Shape(sizes), bytes, 0});
    } catch (const Error&) {
    }
  }
  return file;
}

void expect_blame(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kMissing && error.kind() != ErrorKind::kShape &&
        error.kind() != ErrorKind::kCorrupt)
      std::abort();
  }
}

}  // namespace
}  // namespace semblance::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const SingleFile file("fuzz", fuzz::file_of(text));
  if (file.identity().name.empty()) std::abort();
  reason_against_base(file.identity());
  for (const char* component : {"unet", "vae", "text_encoder", "text_encoder_2"}) {
    fuzz::expect_blame([&] {
      for (const auto& [name, tensor] : file.weights(component)) {
        if (tensor.file == nullptr || tensor.extent(0, tensor.rows()).bytes != tensor.bytes())
          std::abort();
      }
    });
    fuzz::expect_blame([&] { file.config(component); });
  }
  fuzz::expect_blame([&] { file.config("scheduler"); });
  return 0;
}
