// The supported operators. To add one, add a row here and its functions in lower_*.cpp or fold.cpp.
#include <algorithm>

#include "onnx/import_call.h"

namespace semblance::onnx_import {
namespace {

constexpr Operator kOperators[] = {
    {"Add", fold_add, lower_add},
    {"AveragePool", nullptr, lower_average_pool},
    {"BatchNormalization", nullptr, lower_batch_norm},
    {"Cast", fold_cast, lower_cast},
    {"Ceil", fold_ceil, nullptr},
    {"Concat", fold_concat, lower_concat},
    {"Constant", fold_constant, nullptr},
    {"ConstantOfShape", fold_constant_of_shape, nullptr},
    {"Conv", nullptr, lower_conv},
    {"Div", fold_div, lower_div},
    {"Dropout", nullptr, lower_dropout},
    {"Flatten", fold_flatten, lower_flatten},
    {"Floor", fold_floor, nullptr},
    {"Gather", fold_gather, lower_gather},
    {"Gemm", nullptr, lower_gemm},
    {"GlobalAveragePool", nullptr, lower_global_average_pool},
    {"Identity", fold_identity, lower_identity},
    {"MatMul", nullptr, lower_matmul},
    {"MaxPool", nullptr, lower_max_pool},
    {"Mul", fold_mul, lower_mul},
    {"PRelu", nullptr, lower_prelu},
    {"Relu", nullptr, lower_relu},
    {"Reshape", fold_reshape, lower_reshape},
    {"Resize", nullptr, lower_resize},
    {"Shape", lower_shape, lower_shape},
    {"Sigmoid", nullptr, lower_sigmoid},
    {"Size", lower_size, lower_size},
    {"Slice", fold_slice, lower_slice},
    {"Squeeze", fold_squeeze, lower_squeeze},
    {"Sub", fold_sub, lower_sub},
    {"Tanh", nullptr, lower_tanh},
    {"Transpose", fold_transpose, lower_transpose},
    {"Unsqueeze", fold_unsqueeze, lower_unsqueeze},
    {"Upsample", nullptr, lower_upsample},
};

}  // namespace

std::span<const Operator> operators() { return kOperators; }

const Operator* find_operator(std::string_view name) {
  const auto* found = std::ranges::lower_bound(kOperators, name, {}, &Operator::name);
  return found != std::end(kOperators) && found->name == name ? found : nullptr;
}

}  // namespace semblance::onnx_import
