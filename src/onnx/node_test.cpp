// ONNX's own tests of its operators (Debian's libonnx-testdata), run on the reference kernels.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "onnx/onnx_test.h"
#include "tests/support/golden.h"

namespace semblance::testing {
namespace {

namespace fs = std::filesystem;
const fs::path kFolder = "/usr/share/libonnx-testdata/data/node";

// Cases of supported operators that are rejected, and why.
struct Refused {
  std::string_view name;
  std::string_view message;  // part of the error message
  std::string_view reason;
};
constexpr Refused kRefused[] = {
    {"averagepool_1d_default", "only pictures with four axes", "our pools only take pictures"},
    {"averagepool_3d_default", "only pictures with four axes", "our pools only take pictures"},
    {"batchnorm_epsilon_training_mode", "more than its first output", "training"},
    {"batchnorm_example_training_mode", "more than its first output", "training"},
    {"cast_BFLOAT16_to_FLOAT", "ONNX's number 4", "the data stores bfloat16 as uint16"},
    {"cast_FLOAT_to_BFLOAT16", "ONNX's number 4", "the data stores bfloat16 as uint16"},
    {"castlike_BFLOAT16_to_FLOAT_expanded", "ONNX's number 4",
     "the data stores bfloat16 as uint16"},
    {"castlike_FLOAT_to_BFLOAT16_expanded", "ONNX's number 4",
     "the data stores bfloat16 as uint16"},
    {"dropout_default_mask", "more than its first output", "the mask is for training"},
    {"dropout_default_mask_ratio", "more than its first output", "the mask is for training"},
    {"matmul_3d", "must be a matrix", "no face model multiplies stacks of matrices"},
    {"matmul_4d", "must be a matrix", "no face model multiplies stacks of matrices"},
    {"maxpool_1d_default", "only pictures with four axes", "our pools only take pictures"},
    {"maxpool_2d_dilations", "dilations", "our pools have no dilation"},
    {"maxpool_2d_uint8", "all its inputs are constants", "the graph computes in float"},
    {"maxpool_3d_default", "only pictures with four axes", "our pools only take pictures"},
    {"maxpool_with_argmax_2d_precomputed_pads", "more than its first output",
     "positions of maxima are for unpooling"},
    {"maxpool_with_argmax_2d_precomputed_strides", "more than its first output",
     "positions of maxima are for unpooling"},
    {"resize_downsample_scales_cubic", "mode 'cubic'", "face models resize by the nearest"},
    {"resize_downsample_scales_cubic_A_n0p5_exclude_outside", "mode 'cubic'",
     "face models resize by the nearest"},
    {"resize_downsample_scales_cubic_align_corners", "mode 'cubic'",
     "face models resize by the nearest"},
    {"resize_downsample_scales_linear", "mode 'linear'", "face models resize by the nearest"},
    {"resize_downsample_scales_linear_align_corners", "mode 'linear'",
     "face models resize by the nearest"},
    {"resize_downsample_sizes_cubic", "mode 'cubic'", "face models resize by the nearest"},
    {"resize_downsample_sizes_linear_pytorch_half_pixel", "mode 'linear'",
     "face models resize by the nearest"},
    {"resize_tf_crop_and_resize", "mode 'linear'", "face models resize by the nearest"},
    {"resize_upsample_scales_cubic", "mode 'cubic'", "face models resize by the nearest"},
    {"resize_upsample_scales_cubic_A_n0p5_exclude_outside", "mode 'cubic'",
     "face models resize by the nearest"},
    {"resize_upsample_scales_cubic_align_corners", "mode 'cubic'",
     "face models resize by the nearest"},
    {"resize_upsample_scales_cubic_asymmetric", "mode 'cubic'",
     "face models resize by the nearest"},
    {"resize_upsample_scales_linear", "mode 'linear'", "face models resize by the nearest"},
    {"resize_upsample_scales_linear_align_corners", "mode 'linear'",
     "face models resize by the nearest"},
    {"resize_upsample_sizes_cubic", "mode 'cubic'", "face models resize by the nearest"},
    {"training_dropout", "in training mode", "training"},
    {"training_dropout_default", "in training mode", "training"},
    {"training_dropout_default_mask", "more than its first output", "the mask is for training"},
    {"training_dropout_mask", "more than its first output", "the mask is for training"},
    {"training_dropout_zero_ratio", "in training mode", "training"},
    {"training_dropout_zero_ratio_mask", "more than its first output", "the mask is for training"},
};

struct Case {
  std::string name;
  OnnxModel model;
};

std::vector<Case> cases_of_supported_operators() {
  const std::vector<std::string_view> operators = onnx_operators();
  const std::set<std::string_view> supported(operators.begin(), operators.end());
  std::vector<Case> cases;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    OnnxModel model;
    try {
      model = open_onnx(open_file(entry.path() / "model.onnx"));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kArgument) throw;  // sequences, strings: not our cases
      continue;
    }
    const bool ours = std::ranges::all_of(
        model.nodes, [&](const OnnxNode& node) { return supported.contains(node.op); });
    if (!ours) continue;
    // It is the same in sets 1 to 17, but its cases use set 1.
    if (model.nodes.at(0).op == "GlobalAveragePool") model.opset = 7;
    cases.push_back({entry.path().filename().string().substr(5), std::move(model)});
  }
  std::ranges::sort(cases, {}, &Case::name);
  return cases;
}

StoredTensor data(const Case& test, std::string_view kind, std::size_t i) {
  return open_onnx_tensor(open_file(kFolder / ("test_" + test.name) / "test_data_set_0" /
                                    fmt::format("{}_{}.pb", kind, i)))
      .second;
}

// Runs a case with all inputs known at import, or with run-time inputs where possible.
void run_case(const Case& test, bool at_import) {
  static const std::set<std::string_view> all_inputs_run{"Add", "Sub", "Mul", "Div", "Concat"};
  std::map<std::string, Array> inputs;
  WeightMap constants;
  for (std::size_t i = 0; i < test.model.inputs.size(); ++i) {
    const StoredTensor tensor = data(test, "input", i);
    const bool runs = !at_import && tensor.dtype == DType::kF32 &&
                      (i == 0 || all_inputs_run.contains(test.model.nodes.at(0).op));
    if (runs) {
      inputs[test.model.inputs[i].name] = array_of(tensor);
    } else {
      constants.add(test.model.inputs[i].name, tensor);
    }
  }
  const std::map<std::string, Array> outputs = run_model(test.model, inputs, constants);
  for (std::size_t i = 0; i < test.model.outputs.size(); ++i) {
    const Array want = array_of(data(test, "output", i));
    const Array& got = outputs.at(test.model.outputs[i].name);
    EXPECT_EQ(to_string(got.shape), to_string(want.shape));
    expect_close(got.values, want.values);
  }
}

bool folds(const Case& test) {
  static const std::set<std::string_view> folded{
      "Add",   "Cast",    "Ceil",    "Concat",   "Constant",  "ConstantOfShape", "Div",
      "Floor", "Flatten", "Gather",  "Identity", "Mul",       "Reshape",         "Shape",
      "Size",  "Slice",   "Squeeze", "Sub",      "Transpose", "Unsqueeze"};
  return std::ranges::all_of(test.model.nodes,
                             [&](const OnnxNode& node) { return folded.contains(node.op); });
}

// Whether it can be part of a graph, which only has float32.
bool runs(const Case& test) {
  static const std::set<std::string_view> only_folded{"Ceil", "Floor", "Constant",
                                                      "ConstantOfShape"};
  return !only_folded.contains(test.model.nodes.at(0).op) &&
         (!is_float(test.model.outputs[0].dtype) || test.model.outputs[0].dtype == DType::kF32) &&
         (test.model.inputs.empty() || test.model.inputs[0].dtype == DType::kF32 || !folds(test));
}

const Refused* refused(std::string_view name) {
  const auto* found = std::ranges::find(kRefused, name, &Refused::name);
  return found == std::end(kRefused) ? nullptr : found;
}

TEST(OnnxNode, EveryCaseOfASupportedOperatorPassesOrIsListed) {
  if (!fs::exists(kFolder)) GTEST_SKIP() << "libonnx-testdata is not installed";
  std::map<std::string, int> passed;
  std::set<std::string_view> seen;
  for (const Case& test : cases_of_supported_operators()) {
    SCOPED_TRACE(test.name);
    const Refused* entry = refused(test.name);
    if (entry != nullptr) seen.insert(entry->name);
    try {
      if (runs(test)) run_case(test, false);
      if (folds(test)) run_case(test, true);
      EXPECT_EQ(entry, nullptr) << "passes, but is listed as rejected";
      ++passed[test.model.nodes.at(0).op];
    } catch (const Error& error) {
      if (entry == nullptr) {
        ADD_FAILURE() << error.what();
      } else {
        EXPECT_NE(std::string_view(error.what()).find(entry->message), std::string_view::npos)
            << error.what();
      }
    }
  }
  for (const Refused& entry : kRefused)
    EXPECT_TRUE(seen.contains(entry.name)) << entry.name << " is listed but does not exist";
  for (const std::string_view name : onnx_operators())
    EXPECT_GT(passed[std::string(name)], 0) << "no case of " << name << " passes";
}

}  // namespace
}  // namespace semblance::testing
