// Helpers for this room's tests: running an imported model on the reference kernels.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "backend/backends.h"
#include "onnx/importer.h"
#include "runtime/session.h"

namespace semblance::testing {

/// Values and their shape, in ONNX's order.
struct Array {
  Shape shape;
  std::vector<float> values;
};

inline Array array_of(const StoredTensor& stored) {
  Array array{stored.shape, std::vector<float>(static_cast<std::size_t>(stored.shape.elements()))};
  std::vector<std::byte> raw(stored.bytes());
  read_rows(stored, 0, stored.rows(), raw, array.values);
  return array;
}

/// [n,c,h,w] as [n,h,w,c].
inline std::vector<float> to_channels_last(const Array& x) {
  std::vector<float> result;
  result.reserve(x.values.size());
  const std::int64_t plane = x.shape[2] * x.shape[3];
  for (std::int64_t n = 0; n < x.shape[0]; ++n) {
    for (std::int64_t p = 0; p < plane; ++p) {
      for (std::int64_t c = 0; c < x.shape[1]; ++c)
        result.push_back(x.values[static_cast<std::size_t>((n * x.shape[1] + c) * plane + p)]);
    }
  }
  return result;
}

/// Imports the model for the inputs' shapes and runs it once. Outputs in ONNX's order.
inline std::map<std::string, Array> run_model(const OnnxModel& model,
                                              const std::map<std::string, Array>& inputs,
                                              const WeightMap& constants = {},
                                              const Backend& backend = reference_backend()) {
  std::map<std::string, Shape> shapes;
  for (const auto& [name, array] : inputs) shapes[name] = array.shape;
  Imported imported = import_onnx(model, shapes, constants);
  std::map<std::string, Array> results;
  std::optional<Session> session;
  if (!imported.graph.outputs().empty()) {
    session.emplace(std::move(imported.graph), backend, imported.weights);
    for (const ImportedInput& input : imported.inputs) {
      const Array& array = inputs.at(input.name);
      session->set_input(input.name, input.channels_last ? to_channels_last(array) : array.values);
    }
    session->run();
  }
  for (const ImportedOutput& output : imported.outputs) {
    results[output.name] = output.constant ? array_of(*output.constant)
                                           : Array{output.shape, session->output_f32(output.name)};
  }
  return results;
}

}  // namespace semblance::testing
