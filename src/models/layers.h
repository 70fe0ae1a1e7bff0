// Layers with weights, named as in diffusers: `weight` and `bias` under the scope.
//
// Matrix weights have x's dtype; norms' parameters and biases are f32.
#pragma once

#include <optional>

#include "graph/builder.h"

namespace semblance {

/// x [n,h,w,c] -> [n,h,w,channels], 3x3, padding 1. `residual`, if given, is added to the result.
Value conv3x3(const Scope& s, Value x, std::int64_t channels, std::optional<Value> residual = {});
/// The same with a stride and paddings {top, left, bottom, right}.
Value conv3x3(const Scope& s, Value x, std::int64_t channels, std::int64_t stride,
              std::array<std::int64_t, 4> pad);
Value conv1x1(const Scope& s, Value x, std::int64_t channels, std::optional<Value> residual = {});

/// x [...,k] -> [...,channels]; `residual` is added to the result.
Value linear(const Scope& s, Value x, std::int64_t channels, std::optional<Value> residual = {});
/// Without a bias.
Value linear_unbiased(const Scope& s, Value x, std::int64_t channels,
                      std::optional<Value> residual = {});

/// The two layers of an embedding, of the timestep for one: [n,k] -> [n,channels].
Value embedding_layers(const Scope& s, Value x, std::int64_t channels);

Value group_norm(const Scope& s, Value x, std::int64_t groups, float eps, bool silu);
Value layer_norm(const Scope& s, Value x, float eps = 1e-5F);

/// t [n,c] as [n,1,1,c], to be added to every pixel of a picture.
Value over_pixels(Value t);
/// x [n,h,w,c] as the sequence [n,h*w,c], and back; no data is moved.
Value as_sequence(Value x);
Value as_picture(Value x, std::int64_t h, std::int64_t w);

}  // namespace semblance
