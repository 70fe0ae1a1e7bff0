#include "onnx/importer.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "onnx/import_call.h"

namespace semblance {
namespace {

using onnx_import::Building;
using onnx_import::Call;
using onnx_import::Operator;
using onnx_import::Tensor;

constexpr std::int64_t kOldestSet = 7;
constexpr std::int64_t kNewestSet = 17;

class Importer {
 public:
  Importer(const OnnxModel& model, const std::map<std::string, Shape>& input_shapes,
           const WeightMap& constants)
      : model_(model), input_shapes_(input_shapes), constants_(constants) {}

  Imported import() {
    if (model_.opset == 0) {
      fail(ErrorKind::kCorrupt, "cannot use {}: it does not say which operator set it uses",
           model_.name);
    }
    if (model_.opset < kOldestSet || model_.opset > kNewestSet) {
      fail(ErrorKind::kArgument, "cannot use {}: it uses operator set {}, expected {} to {}",
           model_.name, model_.opset, kOldestSet, kNewestSet);
    }
    check_names();
    check_operators();
    for (const OnnxValueInfo& input : model_.inputs) add_input(input);
    for (const auto& [name, stored] : model_.initializers) {
      if (needed_.contains(name)) define(name, {name, stored.shape, stored, -1, false}, nullptr);
    }
    for (const OnnxNode* node : nodes_) add_node(*node);
    for (const OnnxValueInfo& output : model_.outputs) add_output(output);
    result_.graph = std::move(build_.graph);
    result_.weights = std::move(build_.weights);
    return std::move(result_);
  }

 private:
  static std::string label(const OnnxNode& node) {
    const std::string& name =
        !node.name.empty() || node.outputs.empty() ? node.name : node.outputs[0];
    return fmt::format("node '{}' ({})", name, node.op);
  }

  // Shapes and constants for inputs that do not exist are the caller's mistakes.
  void check_names() const {
    const auto check = [this](const std::string& name) {
      std::vector<std::string_view> names;
      for (const OnnxValueInfo& input : model_.inputs) {
        if (input.name == name) return;
        names.push_back(input.name);
      }
      fail(ErrorKind::kArgument, "cannot use {}: it has no input '{}', its inputs are {}",
           model_.name, name, fmt::join(names, ", "));
    };
    for (const auto& [name, shape] : input_shapes_) check(name);
    for (const auto& [name, tensor] : constants_) check(name);
  }

  // Finds the nodes that the outputs need, and rejects unknown operators before anything is built.
  void check_operators() {
    if (model_.outputs.empty())
      fail(ErrorKind::kCorrupt, "cannot use {}: it has no outputs", model_.name);
    for (const OnnxValueInfo& output : model_.outputs) needed_.insert(output.name);
    for (auto node = model_.nodes.rbegin(); node != model_.nodes.rend(); ++node) {
      const auto is_needed = [this](const std::string& name) {
        return !name.empty() && needed_.contains(name);
      };
      if (std::none_of(node->outputs.begin(), node->outputs.end(), is_needed)) continue;
      const Operator* op = node->domain.empty() ? onnx_import::find_operator(node->op) : nullptr;
      if (op == nullptr) {
        fail(ErrorKind::kArgument,
             "cannot use {}: {} of operator set {}{} is not supported\n  supported operators: {}",
             model_.name, label(*node), node->domain.empty() ? "" : node->domain + " along with ",
             model_.opset, fmt::join(onnx_operators(), ", "));
      }
      if (!is_needed(node->outputs[0]) ||
          std::any_of(node->outputs.begin() + 1, node->outputs.end(), is_needed)) {
        fail(ErrorKind::kArgument, "cannot use {}: {} is used for more than its first output",
             model_.name, label(*node));
      }
      for (const std::string& input : node->inputs) {
        if (!input.empty()) needed_.insert(input);
      }
      nodes_.push_back(&*node);
    }
    std::reverse(nodes_.begin(), nodes_.end());
  }

  void define(const std::string& name, Tensor tensor, const OnnxNode* node) {
    if (tensor.name.empty()) tensor.name = name;
    if (!tensors_.emplace(name, std::move(tensor)).second) {
      fail(ErrorKind::kCorrupt, "cannot use {}: {} makes '{}', which already exists", model_.name,
           node != nullptr ? label(*node) : "an initializer", name);
    }
  }

  Shape shape_of(const OnnxValueInfo& input) const {
    const auto given = input_shapes_.find(input.name);
    std::vector<std::int64_t> declared;
    std::string text;
    for (const std::optional<std::int64_t>& size : input.sizes) {
      declared.push_back(size.value_or(-1));
      text += (text.empty() ? "" : ",") + (size ? std::to_string(*size) : "?");
    }
    if (given == input_shapes_.end()) {
      if (input.has_shape && std::ranges::find(declared, -1) == declared.end()) {
        if (declared.size() > Shape::kMaxRank)
          fail(ErrorKind::kArgument, "cannot use {}: input '{}' has {} axes", model_.name,
               input.name, declared.size());
        return Shape(std::span<const std::int64_t>(declared));
      }
      fail(ErrorKind::kArgument,
           "cannot use {}: input '{}' is declared [{}], its shape must be given", model_.name,
           input.name, text);
    }
    const Shape& shape = given->second;
    bool fits = !input.has_shape || static_cast<int>(declared.size()) == shape.rank();
    for (int i = 0; fits && input.has_shape && i < shape.rank(); ++i) {
      const std::int64_t size = declared[static_cast<std::size_t>(i)];
      fits = size < 0 || size == shape[i];
    }
    if (!fits) {
      fail(ErrorKind::kShape, "cannot use {}: input '{}' is declared [{}], got {}", model_.name,
           input.name, text, to_string(shape));
    }
    return shape;
  }

  void add_input(const OnnxValueInfo& input) {
    if (const StoredTensor* constant = constants_.find(input.name)) {
      define(input.name, {input.name, constant->shape, *constant, -1, false}, nullptr);
      return;
    }
    if (input.dtype != DType::kF32) {
      if (!needed_.contains(input.name)) return;
      fail(ErrorKind::kArgument,
           "cannot use {}: input '{}' is {}, only float inputs may change between runs",
           model_.name, input.name, name_of(input.dtype));
    }
    const Shape shape = shape_of(input);
    const bool picture = shape.rank() == 4;
    const Shape own = picture ? Shape{shape[0], shape[2], shape[3], shape[1]} : shape;
    const ValueId id = build_.graph.add_input(input.name, {DType::kF32, own});
    define(input.name, build_.tensor({&build_.graph, id}, picture), nullptr);
    result_.inputs.push_back({input.name, own, picture});
  }

  void add_node(const OnnxNode& node) {
    try {
      std::vector<const Tensor*> inputs;
      for (const std::string& name : node.inputs) {
        if (name.empty()) {
          inputs.push_back(nullptr);
          continue;
        }
        const auto found = tensors_.find(name);
        if (found == tensors_.end()) {
          fail(ErrorKind::kCorrupt, "it reads '{}', which no earlier node makes", name);
        }
        inputs.push_back(&found->second);
      }
      define(node.outputs[0], compute(node, std::move(inputs)), &node);
    } catch (const Error& error) {
      if (std::string_view(error.what()).starts_with("cannot use ")) throw;
      throw Error(error.kind(),
                  fmt::format("cannot use {}: {}: {}", model_.name, label(node), error.what()));
    }
  }

  Tensor compute(const OnnxNode& node, std::vector<const Tensor*> inputs) {
    const Operator& op = *onnx_import::find_operator(node.op);
    Call call(build_, node, model_.opset, std::move(inputs));
    const bool known = call.all_known();
    if (known && op.fold == nullptr) {
      fail(ErrorKind::kArgument, "all its inputs are constants; fold it when exporting");
    }
    if (!known && op.lower == nullptr) {
      fail(ErrorKind::kArgument,
           "it can only be computed at import, but an input depends on the values of the graph's "
           "inputs");
    }
    Tensor result = known ? op.fold(call) : op.lower(call);
    call.check_attributes();
    return result;
  }

  void add_output(const OnnxValueInfo& output) {
    const auto found = tensors_.find(output.name);
    if (found == tensors_.end()) {
      fail(ErrorKind::kCorrupt, "cannot use {}: no node makes output '{}'", model_.name,
           output.name);
    }
    const Tensor& tensor = found->second;
    result_.outputs.push_back({output.name, tensor.shape, tensor.constant});
    if (tensor.constant) return;
    Value value = build_.plain(tensor);
    // An input that is also an output, or a value with two outputs, is copied.
    const bool fresh =
        build_.graph.values()[static_cast<std::size_t>(value.id)].kind == ValueKind::kResult &&
        taken_.insert(value.id).second;
    if (!fresh) value = affine(value, 1.0F, 0.0F);
    build_.graph.add_output(output.name, value.id);
  }

  const OnnxModel& model_;
  const std::map<std::string, Shape>& input_shapes_;
  const WeightMap& constants_;
  Building build_;
  Imported result_;
  std::unordered_set<std::string> needed_;
  std::vector<const OnnxNode*> nodes_;
  std::unordered_map<std::string, Tensor> tensors_;
  std::unordered_set<ValueId> taken_;
};

}  // namespace

Imported import_onnx(const OnnxModel& model, const std::map<std::string, Shape>& input_shapes,
                     const WeightMap& constants) {
  return Importer(model, input_shapes, constants).import();
}

std::vector<std::string_view> onnx_operators() {
  std::vector<std::string_view> names;
  for (const Operator& op : onnx_import::operators()) names.push_back(op.name);
  return names;
}

}  // namespace semblance
