// Opens an ONNX file: its nodes, inputs and outputs are in memory, its weights stay on disk.
//
// The file is walked once, by ranges. The numbers of an initializer are located, not read, so
// opening a 260 MB recogniser only takes the memory of its node list. Files may be hostile: sizes,
// counts and names are checked, and unsupported features (external data, sparse tensors, functions,
// nested graphs) are rejected by name. Const use is thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "weights/weight_map.h"

namespace semblance {

/// A node's attribute. Unsupported kinds (nested graphs, lists of strings, sparse tensors) are
/// monostate and are rejected when the operator reads them.
using OnnxAttribute = std::variant<std::monostate, std::int64_t, float, std::string,
                                   std::vector<std::int64_t>, std::vector<float>, StoredTensor>;

struct OnnxNode {
  std::string op;                    // "Conv"
  std::string domain;                // empty for ONNX's own operators
  std::string name;                  // may be empty
  std::vector<std::string> inputs;   // an empty name is an omitted input
  std::vector<std::string> outputs;  // likewise
  std::map<std::string, OnnxAttribute, std::less<>> attributes;
};

/// An input or output as the model declares it.
struct OnnxValueInfo {
  std::string name;
  DType dtype = DType::kF32;
  bool has_shape = false;
  std::vector<std::optional<std::int64_t>> sizes;  // in ONNX's order; nullopt if variable
};

struct OnnxModel {
  std::string name;             // the file's, for messages
  std::int64_t opset = 0;       // version of ONNX's own operators; 0 if none is named
  std::vector<OnnxNode> nodes;  // in the file's order
  WeightMap initializers;
  std::vector<OnnxValueInfo> inputs;  // without those that are also initializers (old exports)
  std::vector<OnnxValueInfo> outputs;
};

/// Opens a model. Throws Error(kCorrupt) for a file that is not ONNX or is inconsistent,
/// Error(kArgument) for valid ONNX that is not supported.
OnnxModel open_onnx(std::shared_ptr<const File> file);

/// Reads one serialised TensorProto, as in ONNX's test data; returns its name and location.
std::pair<std::string, StoredTensor> open_onnx_tensor(const std::shared_ptr<const File>& file);

}  // namespace semblance
