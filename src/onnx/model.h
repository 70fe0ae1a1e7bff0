// An ONNX file, opened: its nodes, inputs and outputs in memory, its weights left on disk.
//
// The file is walked once, by ranges: the numbers of an initializer are found, not read, so that a
// 260 MB recogniser opens in the memory of its node list. Files are taken for hostile: sizes,
// counts and names are checked, and what Semblance does not read (external data, sparse tensors,
// functions, nested graphs) is refused by name. Const use is thread-safe.
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

/// A node's attribute. Kinds that are not read (nested graphs, strings in lists, sparse tensors)
/// hold monostate, and are refused when the operator looks at them.
using OnnxAttribute = std::variant<std::monostate, std::int64_t, float, std::string,
                                   std::vector<std::int64_t>, std::vector<float>, StoredTensor>;

struct OnnxNode {
  std::string op;                    // "Conv"
  std::string domain;                // empty for ONNX's own operators
  std::string name;                  // may be empty
  std::vector<std::string> inputs;   // an empty name is an input left out
  std::vector<std::string> outputs;  // likewise
  std::map<std::string, OnnxAttribute, std::less<>> attributes;
};

/// An input or output as the model declares it.
struct OnnxValueInfo {
  std::string name;
  DType dtype = DType::kF32;
  bool has_shape = false;
  std::vector<std::optional<std::int64_t>> sizes;  // in ONNX order; nullopt where it is free
};

struct OnnxModel {
  std::string name;             // the file's, for messages
  std::int64_t opset = 0;       // version of ONNX's own operators; 0 where none is named
  std::vector<OnnxNode> nodes;  // in the file's order
  WeightMap initializers;
  std::vector<OnnxValueInfo> inputs;  // without those that are initializers too (old exports)
  std::vector<OnnxValueInfo> outputs;
};

/// Opens a model. Throws Error(kCorrupt) for what is no ONNX file or contradicts itself,
/// Error(kArgument) for what is valid ONNX and not supported.
OnnxModel open_onnx(std::shared_ptr<const File> file);

/// Reads one serialised TensorProto, as ONNX's test data has them; its name and where it lies.
std::pair<std::string, StoredTensor> open_onnx_tensor(std::shared_ptr<const File> file);

}  // namespace semblance
