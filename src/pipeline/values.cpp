#include "pipeline/values.h"

#include <algorithm>

#include "core/convert.h"
#include "core/error.h"

namespace semblance {

Tensor& Values::make(const NamedType& value) {
  Tensor& tensor = tensors_[value.name];
  tensor = {};  // freed before the new one is allocated
  tensor = {value.type, Buffer(value.type.bytes(), Tag::kResult)};
  return tensor;
}

Tensor& Values::make(const NamedType& value, std::span<const float> values) {
  Tensor& tensor = make(value);
  SEMBLANCE_ASSERT(value.type.dtype == DType::kF32 && tensor.f32().size() == values.size());
  std::copy(values.begin(), values.end(), tensor.f32().begin());
  return tensor;
}

Tensor& Values::make(const NamedType& value, std::span<const std::int32_t> values) {
  Tensor& tensor = make(value);
  SEMBLANCE_ASSERT(value.type.dtype == DType::kI32 && tensor.i32().size() == values.size());
  std::copy(values.begin(), values.end(), tensor.i32().begin());
  return tensor;
}

bool Values::has(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }

const Tensor& Values::at(std::string_view name) const {
  const auto found = tensors_.find(name);
  SEMBLANCE_ASSERT(found != tensors_.end());
  return found->second;
}

void Values::drop(std::string_view name) {
  if (const auto found = tensors_.find(name); found != tensors_.end()) tensors_.erase(found);
}

void set_input(Session& session, std::string_view input, const Tensor& tensor) {
  const Graph& graph = session.graph();
  const TensorType& type = graph.type(graph.find_input(input));
  if (tensor.type.dtype == DType::kF32) {
    const auto count = static_cast<std::size_t>(type.shape.elements());
    const std::span<const float> values = tensor.f32();
    session.set_input(input, values.last(std::min(count, values.size())));
  } else {
    SEMBLANCE_ASSERT(type.dtype == tensor.type.dtype);
    const std::span<const std::byte> last = tensor.buffer.bytes().last(type.bytes());
    std::ranges::copy(last, session.input(input).begin());
  }
}

void fill_input(Session& session, std::string_view input,
                const std::function<void(std::span<float> values)>& fill) {
  if (session.is_in_file(input)) {
    const Graph& graph = session.graph();
    std::vector<float> values(
        static_cast<std::size_t>(graph.type(graph.find_input(input)).shape.elements()));
    fill(values);
    session.set_input(input, values);
    return;
  }
  const std::span<std::byte> bytes = session.input(input);
  fill({reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)});
}

void copy_output(const Session& session, std::string_view output, std::span<float> values) {
  const Graph& graph = session.graph();
  const TensorType& type = graph.type(graph.find_output(output));
  SEMBLANCE_ASSERT(static_cast<std::size_t>(type.shape.elements()) == values.size());
  to_f32(type.dtype, session.output(output), values);
}

}  // namespace semblance
