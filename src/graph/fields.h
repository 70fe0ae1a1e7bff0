// Attributes of ops as text, through the ops' own fields(). Only this file knows how numbers, lists
// and named choices are written.
//
//   stride=[2,2] eps=1e-06 silu=true fn=quick_gelu
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/op.h"

namespace semblance {

/// Attributes that differ from the op's defaults, each after a space: " stride=[2,2]"; may be "".
std::string fields_text(const Op& op);

/// The op of that name with default attributes; nullopt if there is none.
std::optional<Op> op_from_name(std::string_view name);
std::vector<std::string_view> op_names();

/// Sets one attribute from its text. Throws Error(kCorrupt) for an unknown attribute or a value of
/// the wrong kind.
void set_field(Op& op, std::string_view name, std::string_view value);

/// Parses "f32[1,8,8,4]". Throws Error(kCorrupt).
TensorType parse_type(std::string_view text);

}  // namespace semblance
