// For tests: random graphs that look like our models, and the needs of imaginary kernels.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "graph/builder.h"
#include "planner/fit.h"

namespace semblance::testing {

struct RandomSizes {
  std::int64_t largest_side = 64;  // the largest side of pictures
  std::int64_t channel_step = 32;  // channels are 1 to 3 times this
  int blocks = 6;                  // at most, down and up each
  bool has_convert = true;
};

/// A UNet: resnets, transformers, down and up blocks with skips, and sometimes other ops.
class RandomGraph {
 public:
  RandomGraph(unsigned seed, const RandomSizes& sizes) : random_(seed), sizes_(sizes) {}

  Graph make() {
    pictures_ = below(2) + 1;
    const std::int64_t side = std::max<std::int64_t>(8, sizes_.largest_side >> below(3));
    const Scope scope(&graph_, "");
    Value x =
        scope.input("picture", DType::kF32, Shape{pictures_, side + below(4), side + below(9), 4});
    time_ = scope.input("time", DType::kF32, Shape{below(2) == 0 ? pictures_ : 1, 32});
    context_ = scope.input("context", DType::kF32, Shape{pictures_, 5 + below(20), 48});
    rows_ = {&graph_, graph_.add_input("rows", {DType::kI32, Shape{pictures_}})};
    x = conv(x, channels(), 3, 1);
    if (below(3) == 0) x = x + scope.input("control", DType::kF32, x.shape().with(0, 1));
    if (sizes_.has_convert && below(4) == 0) x = convert(x, DType::kBF16);
    std::vector<Value> skips{x};
    const int down = 1 + below(sizes_.blocks);
    for (int i = 0; i < down; ++i) {
      x = block(x);
      if (below(3) == 0 && x.shape()[1] >= 8) {
        skips.push_back(x);
        x = conv(x, channels(), 3, 2);
      }
      if (below(2) == 0) skips.push_back(x);
      if (below(6) == 0) output(x);
    }
    while (!skips.empty()) {
      Value skip = skips.back();
      skips.pop_back();
      while (x.shape()[1] < skip.shape()[1] || x.shape()[2] < skip.shape()[2]) {
        x = upsample(x, std::min(2 * x.shape()[1], skip.shape()[1]),
                     std::min(2 * x.shape()[2], skip.shape()[2]));
        if (below(2) == 0) x = conv(x, channels(), 3, 1);
      }
      if (below(5) > 0) x = concat({x, skip}, below(4) == 0 ? 3 : -1);
      x = block(x);
    }
    x = norm(x, true);
    output(conv(x, 4, 3, 1));
    return std::move(graph_);
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::int64_t channels() { return sizes_.channel_step * (1 + below(3)); }
  std::string name() { return "w" + std::to_string(++weights_); }
  Value weight(const Shape& shape, DType dtype = DType::kF32) {
    return {&graph_, graph_.add_weight(name(), {dtype, shape})};
  }
  void output(Value x) {
    for (const auto& [known, value] : graph_.outputs()) {
      if (value == x.id) return;
    }
    graph_.add_output("out" + std::to_string(graph_.outputs().size()), x.id);
  }

  Value conv(Value x, std::int64_t out, std::int64_t kernel, std::int64_t stride,
             Value residual = {}) {
    Conv2d op;
    op.stride = {stride, stride};
    const std::int64_t pad = kernel / 2;
    op.pad = {pad, pad, pad, pad};
    if (stride == 2 && below(2) == 0) op.pad = {0, 0, 1, 1};
    op.has_bias = below(5) > 0;
    op.has_residual = residual.graph != nullptr;
    std::vector<ValueId> src{x.id, weight({out, x.channels(), kernel, kernel}, x.dtype()).id};
    if (op.has_bias) src.push_back(weight({out}).id);
    if (op.has_residual) src.push_back(residual.id);
    return {&graph_, graph_.add(op, src)};
  }

  Value linear(Value x, std::int64_t out, Value residual = {}) {
    Linear op{below(3) > 0, residual.graph != nullptr};
    std::vector<ValueId> src{x.id, weight({out, x.channels()}, x.dtype()).id};
    if (op.has_bias) src.push_back(weight({out}).id);
    if (op.has_residual) src.push_back(residual.id);
    return {&graph_, graph_.add(op, src)};
  }

  Value norm(Value x, bool with_silu) {
    const std::int64_t groups = x.channels() % 16 == 0 ? 16 : 1;
    return apply(GroupNorm{groups, 1e-5F, with_silu},
                 {x, weight({x.channels()}), weight({x.channels()})});
  }
  Value layer_norm(Value x) {
    return apply(LayerNorm{}, {x, weight({x.channels()}), weight({x.channels()})});
  }

  Value block(Value x) {
    switch (below(8)) {
      case 0:
      case 1:
      case 2:
        return resnet(x);
      case 3:
      case 4:
        return x.shape()[1] * x.shape()[2] <= 1024 ? transformer(x) : resnet(x);
      case 5:
        return transformer_of_context(x);
      case 6:
        return resnet(odd(x));
      default:
        return odd(x);
    }
  }

  Value resnet(Value x) {
    const std::int64_t out = below(2) == 0 ? x.channels() : channels();
    Value h = norm(x, true);
    h = conv(h, out, 3, 1);
    Value time = linear(silu(time_), out);
    if (h.dtype() != time.dtype()) time = convert(time, h.dtype());
    h = h + reshape(time, Shape{time.shape()[0], 1, 1, out});
    h = below(2) == 0 ? norm(h, true) : silu(norm(h, false));
    const Value shortcut = x.channels() == out ? x : conv(x, out, 1, 1);
    if (below(2) == 0) return conv(h, out, 3, 1, shortcut);
    return shortcut + conv(h, out, 3, 1);
  }

  Value transformer(Value x) {
    const Shape shape = x.shape();
    const std::int64_t c = x.channels();
    Value h = reshape(norm(x, false), Shape{shape[0], shape[1] * shape[2], c});
    if (below(2) == 0) h = linear(h, c);
    for (int i = below(2); i < 2; ++i) {
      const Value y = layer_norm(h);
      Value k = linear(y, c), v = linear(y, c);
      if (below(4) == 0) {
        const Value both = linear(y, 2 * c);
        k = slice(both, -1, 0, c);
        v = slice(both, -1, c, 2 * c);
      }
      h = linear(attention(linear(y, c), k, v, 2), c, h);
      if (below(2) == 0) h = cross(h);
      h = linear(geglu(linear(layer_norm(h), 4 * c)), c, h);
    }
    h = reshape(linear(h, c), shape);
    return below(2) == 0 ? h + x : x + h;
  }

  Value cross(Value h) {
    const Value context = h.dtype() == DType::kF32 ? context_ : convert(context_, h.dtype());
    const Value y = layer_norm(h);
    return linear(attention(linear(y, h.channels()), linear(context, h.channels()),
                            linear(context, h.channels()), 2),
                  h.channels(), h);
  }

  Value transformer_of_context(Value x) {
    const Shape shape = x.shape();
    const Value h = reshape(x, Shape{shape[0], shape[1] * shape[2], x.channels()});
    return reshape(cross(h), shape);
  }

  /// Ops that our UNets do not have but our other models do.
  Value odd(Value x) {
    const Shape shape = x.shape();
    const std::int64_t c = x.channels();
    switch (below(10)) {
      case 0: {  // there and back
        const Value y = transpose(x, {0, 3, 1, 2});
        return transpose(unary(y, UnaryFn::kTanh), {0, 2, 3, 1});
      }
      case 1:
        return concat({slice(x, 3, c / 2, c), slice(x, 3, 0, c / 2)}, 3);
      case 2: {  // of rows: views and joins in the graph itself if there is one picture
        const std::int64_t half = shape[1] / 2;
        return concat({slice(x, 1, half, shape[1]), affine(slice(x, 1, 0, half), 0.5F, 0.1F)}, 1);
      }
      case 3: {
        if (x.dtype() != DType::kF32) return x;
        const Value rows = reshape(x, Shape{shape[0], shape[1] * shape[2], c});
        const Value row = apply(TakeRow{}, {rows, rows_});
        return x * reshape(unary(row, UnaryFn::kSigmoid), Shape{shape[0], 1, 1, c});
      }
      case 4: {
        if (x.dtype() != DType::kF32) return x;
        const Value y = apply(BatchNorm{}, {x, weight({c}), weight({c}), weight({c}), weight({c})});
        return apply(PRelu{}, {y, weight({c})});
      }
      case 5: {
        Pool pool;
        pool.kernel = {3, 3};
        pool.pad = {1, 1, 1, 1};
        return apply(pool, {x});
      }
      case 6: {
        if (pictures_ == 1) return affine(x, 1.5F, 0);
        return concat({slice(x, 0, 1, 2), slice(x, 0, 0, 1)}, 0);
      }
      case 7:
        return add_scaled(x, affine(x, 2.0F, 0.25F), 0.5F);
      case 8:
        return x + weight({1, shape[1], shape[2], c}, x.dtype());
      default:
        return x * silu(x);
    }
  }

  std::mt19937 random_;
  RandomSizes sizes_;
  Graph graph_;
  Value time_, context_, rows_;
  std::int64_t pictures_ = 1;
  int weights_ = 0;
};

inline Graph random_graph(unsigned seed, const RandomSizes& sizes) {
  return RandomGraph(seed, sizes).make();
}

/// Random rules, from lax to strict, for the graph.
inline LowerRules random_rules(std::mt19937& random, const Graph& graph) {
  std::uint64_t largest = 0;
  for (const ValueInfo& value : graph.values()) {
    if (value.kind == ValueKind::kResult) largest = std::max(largest, value.type.bytes());
  }
  const auto any = [&] {
    return random() % 4 == 0 ? LowerRules::kNoLimit : 1 + (largest >> (random() % 9));
  };
  LowerRules rules;
  rules.slice_bytes = any();
  if (random() % 2 == 0) rules.slice_operations = static_cast<double>(any()) * 100;
  rules.batch_bytes = any();
  rules.file_bytes = any();
  rules.weight_bytes = any();
  rules.split_group_norms = random() % 4 > 0;
  rules.regroup = random() % 4 > 0;
  return rules;
}

inline std::string to_string(const LowerRules& rules) {
  const auto text = [](std::uint64_t bytes) {
    return bytes == LowerRules::kNoLimit ? std::string("-") : std::to_string(bytes);
  };
  return "slice " + text(rules.slice_bytes) + " operations " +
         std::to_string(rules.slice_operations) + " batch " + text(rules.batch_bytes) + " file " +
         text(rules.file_bytes) + " weight " + text(rules.weight_bytes);
}

/// Needs of imaginary kernels, the same for equal ops, types and seed.
class FakeKernels {
 public:
  explicit FakeKernels(unsigned seed) : seed_(seed) {}

  NodeNeeds operator()(const Graph& graph, const Node& node) const {
    std::string text = std::to_string(seed_) + std::string(name_of(node.op));
    for (ValueId src : node.src) text += to_string(graph.type(src));
    text += to_string(graph.type(node.dst));
    std::mt19937 random(static_cast<unsigned>(std::hash<std::string>{}(text)));
    const auto below = [&](std::uint64_t n) { return n == 0 ? 0 : random() % n; };
    NodeNeeds needs;
    const bool moves = std::holds_alternative<Spill>(node.op) ||
                       std::holds_alternative<Fetch>(node.op) ||
                       std::holds_alternative<Blank>(node.op);
    if (!moves && below(2) == 0) needs.scratch_bytes = below(graph.type(node.dst).bytes() / 2 + 99);
    needs.seconds = static_cast<double>(graph.type(node.dst).bytes()) * 1e-9;
    for (std::size_t i = 0; i < node.src.size(); ++i) {
      WeightNeeds need;
      const ValueInfo& source = graph.values()[static_cast<std::size_t>(node.src[i])];
      if (source.kind == ValueKind::kWeight) {
        need.raw_bytes = source.type.bytes();
        need.layout = source.type.shape.rank() > 1 ? below(2) : 0;
        need.packed_bytes = source.type.bytes() + 100 * need.layout;
      }
      needs.src.push_back(need);
    }
    needs.is_exact_by_channels =
        std::hash<std::string>{}(std::to_string(seed_) + std::string(name_of(node.op))) % 3 > 0;
    return needs;
  }

 private:
  unsigned seed_;
};

}  // namespace semblance::testing
