#include "onnx/tensor_reader.h"

#include <google/protobuf/wire_format_lite.h>

#include <cstring>

#include "core/error.h"

namespace semblance {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// The limit for numbers that cannot be used directly from the file (packed integers, lists in
// pieces).
constexpr std::uint64_t kMostBytesInMemory = 16 << 20;

struct Piece {
  std::uint64_t offset;
  std::uint64_t bytes;
};

// A TensorProto's declarations, not checked yet.
struct Declared {
  std::string name;
  std::vector<std::int64_t> sizes;
  std::int64_t dtype = 0;
  bool has_raw = false;
  std::vector<Piece> pieces;          // raw_data, float_data or double_data, in the file
  std::vector<std::int64_t> numbers;  // int32_data or int64_data
};

Shape checked_shape(const std::vector<std::int64_t>& sizes, const std::string& what) {
  if (sizes.size() > Shape::kMaxRank) {
    fail(ErrorKind::kArgument, "cannot read {}: it has {} axes, at most {} are supported", what,
         sizes.size(), Shape::kMaxRank);
  }
  try {
    return Shape(std::span<const std::int64_t>(sizes));
  } catch (const Error& error) {
    fail(ErrorKind::kCorrupt, "cannot read {}: {}", what, error.what());
  }
}

// The low bytes of each number, little endian.
std::vector<std::byte> bytes_of(const std::vector<std::int64_t>& numbers, std::size_t size) {
  std::vector<std::byte> bytes(numbers.size() * size);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    std::memcpy(bytes.data() + i * size, &numbers[i], size);
  return bytes;
}

StoredTensor checked(const std::string& what, DType dtype, const Shape& shape,
                     std::shared_ptr<const File> file, std::uint64_t offset, std::uint64_t bytes) {
  StoredTensor tensor{dtype, shape, std::move(file), offset};
  if (tensor.bytes() != bytes) {
    fail(ErrorKind::kCorrupt, "cannot read {}: {} of {} take {} bytes, the file has {}", what,
         to_string(shape), name_of(dtype), tensor.bytes(), bytes);
  }
  return tensor;
}

StoredTensor in_memory(const std::string& what, DType dtype, const Shape& shape,
                       std::vector<std::byte> bytes) {
  const std::uint64_t size = bytes.size();
  return checked(what, dtype, shape, memory_file(what, std::move(bytes)), 0, size);
}

void read_numbers(CodedInputStream& stream, bool packed, std::vector<std::int64_t>& numbers) {
  const auto one = [&] {
    std::uint64_t number = 0;
    if (!stream.ReadVarint64(&number)) return false;
    numbers.push_back(static_cast<std::int64_t>(number));
    return numbers.size() <= kMostBytesInMemory / sizeof(std::int64_t);
  };
  bool ok = true;
  if (packed) {
    std::uint32_t bytes = 0;
    ok = stream.ReadVarint32(&bytes) && bytes <= static_cast<std::uint32_t>(INT32_MAX);
    if (ok) {
      const auto limit = stream.PushLimit(static_cast<int>(bytes));
      while (ok && stream.BytesUntilLimit() > 0) ok = one();
      stream.PopLimit(limit);
    }
  } else {
    ok = one();
  }
  if (!ok)
    fail(ErrorKind::kCorrupt, "cannot read a tensor's numbers: the file is truncated or corrupt");
}

// Skips a length-delimited field and returns the place of its content.
Piece skip_content(CodedInputStream& stream, std::uint64_t stream_begin) {
  std::uint32_t bytes = 0;
  if (!stream.ReadVarint32(&bytes) || bytes > static_cast<std::uint32_t>(INT32_MAX))
    fail(ErrorKind::kCorrupt, "cannot read a tensor: the file is truncated or corrupt");
  const Piece piece{stream_begin + static_cast<std::uint64_t>(stream.CurrentPosition()), bytes};
  if (!stream.Skip(static_cast<int>(bytes)))
    fail(ErrorKind::kCorrupt, "cannot read a tensor: its numbers extend past the end of the file");
  return piece;
}

// Reads the fields of the message; for large ones only their places.
Declared walk_fields(CodedInputStream& stream, std::uint64_t stream_begin,
                     const std::string& file) {
  Declared tensor;
  while (const std::uint32_t tag = stream.ReadTag()) {
    const int field = WireFormatLite::GetTagFieldNumber(tag);
    const auto wire = WireFormatLite::GetTagWireType(tag);
    const bool packed = wire == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
    const bool varint = wire == WireFormatLite::WIRETYPE_VARINT;
    bool ok = true;
    if (field == 1 && (packed || varint)) {
      read_numbers(stream, packed, tensor.sizes);
    } else if (field == 2 && varint) {
      std::uint64_t number = 0;
      ok = stream.ReadVarint64(&number);
      tensor.dtype = static_cast<std::int64_t>(number);
    } else if ((field == 5 || field == 7) && (packed || varint)) {
      read_numbers(stream, packed, tensor.numbers);
    } else if (field == 8 && packed) {
      ok = WireFormatLite::ReadBytes(&stream, &tensor.name);
    } else if ((field == 4 || field == 9 || field == 10) && packed) {
      const Piece piece = skip_content(stream, stream_begin);
      if (piece.bytes > 0) tensor.pieces.push_back(piece);
      tensor.has_raw = tensor.has_raw || field == 9;
    } else if (field == 4 && wire == WireFormatLite::WIRETYPE_FIXED32) {
      tensor.pieces.push_back(
          {stream_begin + static_cast<std::uint64_t>(stream.CurrentPosition()), 4});
      ok = stream.Skip(4);
    } else if (field == 10 && wire == WireFormatLite::WIRETYPE_FIXED64) {
      tensor.pieces.push_back(
          {stream_begin + static_cast<std::uint64_t>(stream.CurrentPosition()), 8});
      ok = stream.Skip(8);
    } else if (field == 13 || field == 14) {
      std::uint64_t location = 1;  // external_data exists only if the numbers are elsewhere
      if (varint) ok = stream.ReadVarint64(&location);
      if (ok && location != 0) {
        fail(ErrorKind::kArgument,
             "cannot read tensor '{}' of {}: its numbers are in another file (external data)\n"
             "  save the model as one file, for example with onnx.save(model, path)",
             tensor.name, file);
      }
    } else {
      ok = WireFormatLite::SkipField(&stream, tag);
    }
    if (!ok)
      fail(ErrorKind::kCorrupt, "cannot read tensor '{}' of {}: the file is truncated or corrupt",
           tensor.name, file);
  }
  if (!stream.ConsumedEntireMessage())
    fail(ErrorKind::kCorrupt, "cannot read tensor '{}': it does not end where its length says",
         tensor.name);
  return tensor;
}

}  // namespace

DType onnx_dtype(std::int64_t number, const std::string& what) {
  switch (number) {
    case 1:
      return DType::kF32;
    case 2:
      return DType::kU8;
    case 3:
      return DType::kI8;
    case 5:
      return DType::kI16;
    case 6:
      return DType::kI32;
    case 7:
      return DType::kI64;
    case 9:
      return DType::kBool;
    case 10:
      return DType::kF16;
    case 11:
      return DType::kF64;
    case 16:
      return DType::kBF16;
    default:
      fail(ErrorKind::kArgument,
           "cannot read {}: its element type is ONNX's number {}; supported are float, double, "
           "float16, bfloat16, bool, uint8 and signed integers",
           what, number);
  }
}

std::pair<std::string, StoredTensor> walk_tensor(CodedInputStream& stream,
                                                 const std::shared_ptr<const File>& file,
                                                 std::uint64_t stream_begin) {
  Declared declared = walk_fields(stream, stream_begin, file->name());
  const std::string what = fmt::format("tensor '{}' of {}", declared.name, file->name());
  const DType dtype = onnx_dtype(declared.dtype, what);
  const Shape shape = checked_shape(declared.sizes, what);
  if (declared.pieces.size() == 1 && declared.numbers.empty()) {
    const Piece piece = declared.pieces[0];
    return {std::move(declared.name), checked(what, dtype, shape, file, piece.offset, piece.bytes)};
  }
  if (!declared.pieces.empty()) {
    std::uint64_t total = 0;
    for (const Piece& piece : declared.pieces) total += piece.bytes;
    if (!declared.numbers.empty() || declared.has_raw || total > kMostBytesInMemory)
      fail(ErrorKind::kCorrupt, "cannot read {}: its numbers are in several fields", what);
    std::vector<std::byte> bytes(total);
    std::uint64_t at = 0;
    for (const Piece& piece : declared.pieces) {
      file->read(piece.offset, std::span(bytes).subspan(at, piece.bytes));
      at += piece.bytes;
    }
    return {std::move(declared.name), in_memory(what, dtype, shape, std::move(bytes))};
  }
  return {std::move(declared.name),
          in_memory(what, dtype, shape, bytes_of(declared.numbers, size_of(dtype)))};
}

StoredTensor tensor_of(const onnx::TensorProto& message, const std::string& what) {
  if (message.data_location() != 0)
    fail(ErrorKind::kArgument, "cannot read {}: its numbers are in another file (external data)",
         what);
  const DType dtype = onnx_dtype(message.data_type(), what);
  const Shape shape = checked_shape({message.dims().begin(), message.dims().end()}, what);
  std::vector<std::byte> bytes;
  const auto take = [&bytes](const void* data, std::size_t size) {
    const auto* begin = static_cast<const std::byte*>(data);
    bytes.assign(begin, begin + size);
  };
  if (message.has_raw_data()) {
    take(message.raw_data().data(), message.raw_data().size());
  } else if (dtype == DType::kF32) {
    take(message.float_data().data(), static_cast<std::size_t>(message.float_data_size()) * 4);
  } else if (dtype == DType::kF64) {
    take(message.double_data().data(), static_cast<std::size_t>(message.double_data_size()) * 8);
  } else if (dtype == DType::kI64) {
    take(message.int64_data().data(), static_cast<std::size_t>(message.int64_data_size()) * 8);
  } else {
    bytes = bytes_of({message.int32_data().begin(), message.int32_data().end()}, size_of(dtype));
  }
  return in_memory(what, dtype, shape, std::move(bytes));
}

}  // namespace semblance
