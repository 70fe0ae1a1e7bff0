// Finds a serialised TensorProto's numbers without reading them.
#pragma once

#include <google/protobuf/io/coded_stream.h>

#include <memory>
#include <string>
#include <utility>

#include "onnx.pb.h"
#include "weights/weight_map.h"

namespace semblance {

/// ONNX's number of an element type as ours; throws Error(kArgument) naming `what` for those that
/// Semblance does not read (strings, complex numbers, unsigned beyond 8 bits).
DType onnx_dtype(std::int64_t number, const std::string& what);

/// Walks a TensorProto that fills `stream` up to its current limit and whose bytes lie in `file`
/// from `stream_begin` on (where the stream's positions count from). raw_data, float_data and
/// double_data stay in the file; the other fields are small and are held in memory. Throws
/// Error(kCorrupt) or Error(kArgument).
std::pair<std::string, StoredTensor> walk_tensor(google::protobuf::io::CodedInputStream& stream,
                                                 const std::shared_ptr<const File>& file,
                                                 std::uint64_t stream_begin);

/// A tensor that was read as a message (an attribute), held in memory.
StoredTensor tensor_of(const onnx::TensorProto& message, const std::string& what);

}  // namespace semblance
