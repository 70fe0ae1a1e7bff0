#include "onnx/constant.h"

#include <cstring>

#include "core/convert.h"
#include "core/error.h"
#include "weights/transposed.h"

namespace semblance {
std::vector<std::int64_t> Constant::integers() const {
  const std::size_t size = size_of(dtype);
  const auto count = static_cast<std::size_t>(shape.elements());
  std::vector<std::int64_t> result(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* at = bytes.data() + i * size;
    const auto read = [at](auto zero) {
      std::memcpy(&zero, at, sizeof(zero));
      return static_cast<std::int64_t>(zero);
    };
    switch (dtype) {
      case DType::kI64:
        result[i] = read(std::int64_t{});
        break;
      case DType::kI32:
        result[i] = read(std::int32_t{});
        break;
      case DType::kI16:
        result[i] = read(std::int16_t{});
        break;
      case DType::kI8:
        result[i] = read(std::int8_t{});
        break;
      case DType::kU8:
      case DType::kBool:
        result[i] = read(std::uint8_t{});
        break;
      default:
        SEMBLANCE_ASSERT(!is_float(dtype));
    }
  }
  return result;
}

std::vector<float> Constant::floats() const {
  SEMBLANCE_ASSERT(is_float(dtype));
  std::vector<float> result(static_cast<std::size_t>(shape.elements()));
  to_f32(dtype, bytes, result);
  return result;
}

Constant constant_of(DType dtype, const Shape& shape, const std::vector<std::int64_t>& integers) {
  const std::size_t size = size_of(dtype);
  Constant constant{dtype, shape, std::vector<std::byte>(integers.size() * size)};
  for (std::size_t i = 0; i < integers.size(); ++i)
    std::memcpy(constant.bytes.data() + i * size, &integers[i], size);
  return constant;
}

Constant constant_of(DType dtype, const Shape& shape, const std::vector<float>& floats) {
  Constant constant{dtype, shape, std::vector<std::byte>(floats.size() * size_of(dtype))};
  if (dtype == DType::kF64) {
    for (std::size_t i = 0; i < floats.size(); ++i) {
      const double value = static_cast<double>(floats[i]);
      std::memcpy(constant.bytes.data() + i * sizeof(value), &value, sizeof(value));
    }
  } else if (!floats.empty()) {
    if (dtype == DType::kF32) {
      std::memcpy(constant.bytes.data(), floats.data(), constant.bytes.size());
    } else {
      from_f32(floats, dtype, constant.bytes);
    }
  }
  return constant;
}

Constant load(const StoredTensor& tensor) {
  if (tensor.shape.elements() > kMostConstantElements) {
    fail(ErrorKind::kArgument,
         "it computes at import with a tensor of {} elements, at most {} are supported; fold it "
         "when exporting",
         tensor.shape.elements(), kMostConstantElements);
  }
  Constant constant{tensor.dtype, tensor.shape, std::vector<std::byte>(tensor.bytes())};
  tensor.file->read(tensor.offset, constant.bytes);
  return constant;
}

StoredTensor store(Constant constant, const std::string& name) {
  return {constant.dtype, constant.shape, memory_file(name, std::move(constant.bytes)), 0};
}

Constant gather_elements(const Constant& x, const Shape& shape,
                         const std::vector<std::int64_t>& source) {
  SEMBLANCE_ASSERT(static_cast<std::int64_t>(source.size()) == shape.elements());
  const std::size_t size = size_of(x.dtype);
  Constant result{x.dtype, shape, std::vector<std::byte>(source.size() * size)};
  for (std::size_t i = 0; i < source.size(); ++i) {
    std::memcpy(result.bytes.data() + i * size,
                x.bytes.data() + static_cast<std::size_t>(source[i]) * size, size);
  }
  return result;
}

std::vector<std::int64_t> transposed(const Shape& x, const std::vector<std::int64_t>& perm) {
  // Axis by axis: the source indices so far, combined with the next axis's steps in x.
  std::vector<std::int64_t> source{0};
  for (const std::int64_t from : perm) {
    const int axis = static_cast<int>(from);
    const std::int64_t step = axis + 1 < x.rank() ? x.elements_from(axis + 1) : 1;
    std::vector<std::int64_t> next;
    next.reserve(source.size() * static_cast<std::size_t>(x[axis]));
    for (const std::int64_t place : source) {
      for (std::int64_t i = 0; i < x[axis]; ++i) next.push_back(place + i * step);
    }
    source = std::move(next);
  }
  return source;
}

std::vector<std::int64_t> taken(const Shape& x, int axis,
                                const std::vector<std::int64_t>& indices) {
  const std::int64_t inner = axis + 1 < x.rank() ? x.elements_from(axis + 1) : 1;
  std::int64_t outer = 1;
  for (int i = 0; i < axis; ++i) outer *= x[i];
  std::vector<std::int64_t> source;
  source.reserve(static_cast<std::size_t>(outer * inner) * indices.size());
  for (std::int64_t o = 0; o < outer; ++o) {
    for (const std::int64_t index : indices) {
      for (std::int64_t i = 0; i < inner; ++i) source.push_back((o * x[axis] + index) * inner + i);
    }
  }
  return source;
}

std::vector<std::int64_t> broadcast_to(const Shape& x, const Shape& result) {
  std::vector<std::int64_t> source{0};
  for (int axis = 0; axis < result.rank(); ++axis) {
    const int own = axis - (result.rank() - x.rank());
    const std::int64_t step =
        own < 0 || x[own] == 1 ? 0 : (own + 1 < x.rank() ? x.elements_from(own + 1) : 1);
    std::vector<std::int64_t> next;
    next.reserve(source.size() * static_cast<std::size_t>(result[axis]));
    for (const std::int64_t place : source) {
      for (std::int64_t i = 0; i < result[axis]; ++i) next.push_back(place + i * step);
    }
    source = std::move(next);
  }
  return source;
}

StoredTensor turned_matrix(const StoredTensor& matrix) {
  if (!is_transposed(matrix)) return transposed_matrix(matrix);
  const Shape shape{matrix.shape[1], matrix.shape[0]};
  return store(gather_elements(load(matrix), shape, transposed(matrix.shape, {1, 0})),
               matrix.file->name());
}

}  // namespace semblance
