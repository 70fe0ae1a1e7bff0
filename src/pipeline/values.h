// The values passed between stages: tensors by name, counted under Tag::kResult.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "memory/buffer.h"
#include "runtime/session.h"

namespace semblance {

/// A tensor's name and type: "text", f32[2,77,2048].
struct NamedType {
  std::string name;
  TensorType type;
};

struct Tensor {
  TensorType type;
  Buffer buffer;

  std::span<float> f32() const { return buffer.as<float>(); }
  std::span<std::int32_t> i32() const { return buffer.as<std::int32_t>(); }
};

class Values {
 public:
  /// Makes a tensor of zeros, replacing one of the same name.
  Tensor& make(const NamedType& value);
  /// The same with a copy of `values`, which must have its size.
  Tensor& make(const NamedType& value, std::span<const float> values);
  Tensor& make(const NamedType& value, std::span<const std::int32_t> values);
  bool has(std::string_view name) const;
  /// Throws Error(kInternal) if there is none.
  const Tensor& at(std::string_view name) const;
  void drop(std::string_view name);

 private:
  std::map<std::string, Tensor, std::less<>> tensors_;
};

/// Writes a tensor to a session's input, of the same type or converted from f32. Of a tensor with
/// more pictures than the input, the last ones; one with fewer is repeated.
void set_input(Session& session, std::string_view input, const Tensor& tensor);
/// Has `fill` write an f32 input in place, or a copy of it if the input is in the scratch file.
void fill_input(Session& session, std::string_view input,
                const std::function<void(std::span<float> values)>& fill);
/// Converts a session's output into `values`, which must have its size.
void copy_output(const Session& session, std::string_view output, std::span<float> values);

}  // namespace semblance
