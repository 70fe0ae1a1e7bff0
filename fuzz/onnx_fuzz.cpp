// links: semblance_onnx
// Any bytes as an ONNX model give a graph whose weights are inside their files, or an Error.
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "onnx/importer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  std::vector<std::byte> bytes(size);
  if (size > 0) std::memcpy(bytes.data(), data, size);
  try {
    const OnnxModel model = open_onnx(memory_file("fuzz", std::move(bytes)));
    std::map<std::string, Shape> shapes;
    for (const OnnxValueInfo& input : model.inputs) {
      std::vector<std::int64_t> sizes;
      for (std::size_t i = 0; i < std::min<std::size_t>(input.sizes.size(), Shape::kMaxRank); ++i)
        sizes.push_back(input.sizes[i].value_or(i == 1 ? 3 : i == 0 ? 1 : 32));
      shapes[input.name] = Shape(std::span<const std::int64_t>(sizes));
    }
    const Imported imported = import_onnx(model, shapes);
    for (const auto& [name, tensor] : imported.weights) {
      if (tensor.offset > tensor.file->size() ||
          tensor.bytes() > tensor.file->size() - tensor.offset)
        std::abort();
      if (tensor.bytes() == 0) continue;
      std::vector<std::byte> raw(tensor.row_bytes());
      std::vector<float> row(static_cast<std::size_t>(tensor.row_elements()));
      read_rows(tensor, tensor.rows() - 1, 1, raw, row);
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInternal) std::abort();
  }
  return 0;
}
