// Finds a serialised TensorProto's numbers without reading them.
#pragma once

#include <google/protobuf/io/coded_stream.h>

#include <memory>
#include <string>
#include <utility>

#include "onnx.pb.h"
#include "weights/weight_map.h"

namespace semblance {

/// Our element type for ONNX's number; throws Error(kArgument), which names `what`, for unsupported
/// ones (strings, complex numbers, unsigned integers above 8 bits).
DType onnx_dtype(std::int64_t number, const std::string& what);

/// Walks a TensorProto that extends to the current limit of `stream`. `stream_begin` is the offset
/// in `file` from which the stream's positions count. raw_data, float_data and double_data stay in
/// the file; the other fields are small and are kept in memory. Throws Error(kCorrupt) or
/// Error(kArgument).
std::pair<std::string, StoredTensor> walk_tensor(google::protobuf::io::CodedInputStream& stream,
                                                 const std::shared_ptr<const File>& file,
                                                 std::uint64_t stream_begin);

/// A tensor that was read as a message (an attribute), kept in memory.
StoredTensor tensor_of(const onnx::TensorProto& message, const std::string& what);

}  // namespace semblance
