#include "onnx/import_call.h"

#include <algorithm>

namespace semblance::onnx_import {
namespace {

constexpr std::int64_t kMostLoadedBytes = std::int64_t{64} << 20;
constexpr std::int64_t kMostElements = std::int64_t{1} << 36;

bool same_bytes_either_way(const Shape& nchw) { return nchw[1] == 1 || nchw[2] * nchw[3] == 1; }

}  // namespace

Value Building::plain(const Tensor& x) {
  if (x.constant) return weight(x.name, *x.constant);
  const Value value{&graph, x.value};
  if (!x.channels_last) return value;
  if (same_bytes_either_way(x.shape)) return reshape(value, x.shape);
  return transpose(value, {0, 3, 1, 2});
}

Value Building::channels_last(const Tensor& x) {
  SEMBLANCE_ASSERT(x.shape.rank() == 4);
  const Shape shape{x.shape[0], x.shape[2], x.shape[3], x.shape[1]};
  if (x.constant) {
    StoredTensor stored = *x.constant;
    if (!same_bytes_either_way(x.shape)) {
      const Constant loaded = load(stored);
      stored = store(gather_elements(loaded, shape, transposed(x.shape, {0, 2, 3, 1})), x.name);
    }
    stored.shape = shape;
    return weight(x.name, stored);
  }
  const Value value{&graph, x.value};
  if (x.channels_last) return value;
  if (same_bytes_either_way(x.shape)) return reshape(value, shape);
  return transpose(value, {0, 2, 3, 1});
}

Value Building::weight(const std::string& name, const StoredTensor& stored) {
  if (!is_float(stored.dtype)) {
    fail(ErrorKind::kArgument, "'{}' has element type {}, expected floats", name,
         name_of(stored.dtype));
  }
  const auto same = [&](const StoredTensor& other) {
    return other.file == stored.file && other.offset == stored.offset &&
           other.shape == stored.shape && other.dtype == stored.dtype;
  };
  std::string own = name;
  for (int i = 2;; ++i) {  // one tensor may be used with several shapes
    const StoredTensor* known = weights.find(own);
    if (known == nullptr) {
      weights.add(own, stored);
      break;
    }
    if (same(*known)) break;
    own = fmt::format("{}#{}", name, i);
  }
  return {&graph, graph.add_weight(own, {DType::kF32, stored.shape})};
}

Tensor Building::tensor(Value value, bool channels_last) const {
  Tensor result;
  const Shape& shape = value.shape();
  if (shape.elements() > kMostElements)
    fail(ErrorKind::kShape, "its result would be {}: more than 2^36 elements", to_string(shape));
  result.shape = channels_last ? Shape{shape[0], shape[3], shape[1], shape[2]} : shape;
  result.value = value.id;
  result.channels_last = channels_last;
  return result;
}

Tensor Building::known(Constant constant, const std::string& name) {
  loaded_bytes_ += static_cast<std::int64_t>(constant.bytes.size());
  Tensor result;
  result.name = name;
  result.shape = constant.shape;
  result.constant = store(std::move(constant), name);
  return result;
}

Constant Building::load(const StoredTensor& stored) {
  loaded_bytes_ += static_cast<std::int64_t>(stored.bytes());
  if (loaded_bytes_ > kMostLoadedBytes) {
    fail(ErrorKind::kArgument,
         "more than {} bytes of constants would be computed at import; fold them when exporting",
         kMostLoadedBytes);
  }
  return semblance::load(stored);
}

const Tensor& Call::input(int i) const {
  if (!has_input(i)) fail(ErrorKind::kCorrupt, "it needs input {}, which is not given", i);
  return *inputs_[static_cast<std::size_t>(i)];
}

Value Call::value(int i) {
  const Tensor& x = input(i);
  if (x.constant)
    fail(ErrorKind::kArgument, "input {} ('{}') is a constant, but other inputs are not", i,
         x.name);
  return {&build.graph, x.value};
}

const StoredTensor& Call::stored(int i) const {
  const Tensor& x = input(i);
  if (!x.constant) {
    fail(ErrorKind::kArgument,
         "input {} ('{}') depends on the values of the graph's inputs; it must be a constant or "
         "computed from shapes",
         i, x.name);
  }
  return *x.constant;
}

Constant Call::known(int i) { return build.load(stored(i)); }

std::vector<std::int64_t> Call::known_integers(int i) {
  const Constant constant = known(i);
  if (is_float(constant.dtype) || constant.shape.rank() > 1) {
    fail(ErrorKind::kCorrupt, "input {} must be a list of integers, got {}{}", i,
         name_of(constant.dtype), to_string(constant.shape));
  }
  return constant.integers();
}

bool Call::all_known() const {
  return std::all_of(inputs_.begin(), inputs_.end(), [](const Tensor* input) {
    return input == nullptr || input->constant.has_value();
  });
}

template <typename T>
const T* Call::find(std::string_view attribute) {
  ignore(attribute);
  const auto found = node_.attributes.find(attribute);
  if (found == node_.attributes.end()) return nullptr;
  const T* value = std::get_if<T>(&found->second);
  if (value == nullptr) fail(ErrorKind::kCorrupt, "attribute {} has the wrong type", attribute);
  return value;
}

bool Call::has(std::string_view attribute) const {
  return node_.attributes.find(attribute) != node_.attributes.end();
}
std::int64_t Call::integer(std::string_view attribute, std::int64_t otherwise) {
  const auto* value = find<std::int64_t>(attribute);
  return value != nullptr ? *value : otherwise;
}
float Call::real(std::string_view attribute, float otherwise) {
  const auto* value = find<float>(attribute);
  return value != nullptr ? *value : otherwise;
}
std::string Call::text(std::string_view attribute, std::string_view otherwise) {
  const auto* value = find<std::string>(attribute);
  return value != nullptr ? *value : std::string(otherwise);
}
std::vector<std::int64_t> Call::integers(std::string_view attribute) {
  const auto* value = find<std::vector<std::int64_t>>(attribute);
  return value != nullptr ? *value : std::vector<std::int64_t>{};
}
std::vector<float> Call::reals(std::string_view attribute) {
  const auto* value = find<std::vector<float>>(attribute);
  return value != nullptr ? *value : std::vector<float>{};
}
const StoredTensor* Call::tensor(std::string_view attribute) {
  return find<StoredTensor>(attribute);
}

void Call::check_attributes() const {
  for (const auto& [name, value] : node_.attributes) {
    if (asked_.find(name) == asked_.end())
      fail(ErrorKind::kArgument, "attribute {} is not supported in operator set {}", name, opset_);
  }
}

int Call::axis(std::int64_t given, int rank) {
  if (given < -rank || given >= rank)
    fail(ErrorKind::kShape, "axis {} is outside of a tensor with {} axes", given, rank);
  return static_cast<int>(given < 0 ? given + rank : given);
}

std::vector<std::int64_t> Call::integers_or_input(std::string_view attribute, int input) {
  if (has(attribute)) return integers(attribute);
  return has_input(input) ? known_integers(input) : std::vector<std::int64_t>{};
}

}  // namespace semblance::onnx_import
