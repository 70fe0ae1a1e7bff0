// The closed list of ops. To add one: a header in ops/, a line here, a kernel in backend/ref and,
// where speed matters, in backend/cpu. Other code that must handle it does not compile until it
// does (docs/how_to_add.md).
#pragma once

#include <variant>

#include "graph/ops/affine.h"
#include "graph/ops/attention.h"
#include "graph/ops/batch_norm.h"
#include "graph/ops/binary.h"
#include "graph/ops/blank.h"
#include "graph/ops/concat.h"
#include "graph/ops/conv2d.h"
#include "graph/ops/convert.h"
#include "graph/ops/embedding.h"
#include "graph/ops/fetch.h"
#include "graph/ops/geglu.h"
#include "graph/ops/group_moments.h"
#include "graph/ops/group_norm.h"
#include "graph/ops/group_scale.h"
#include "graph/ops/layer_norm.h"
#include "graph/ops/linear.h"
#include "graph/ops/paste.h"
#include "graph/ops/pool.h"
#include "graph/ops/prelu.h"
#include "graph/ops/reshape.h"
#include "graph/ops/scale_low_frequencies.h"
#include "graph/ops/sinusoid.h"
#include "graph/ops/slice.h"
#include "graph/ops/spill.h"
#include "graph/ops/take_row.h"
#include "graph/ops/transpose.h"
#include "graph/ops/unary.h"
#include "graph/ops/upsample.h"

namespace semblance {

using Op = std::variant<Conv2d, Linear, Attention, GroupNorm, GroupMoments, GroupScale, LayerNorm,
                        BatchNorm, Unary, Binary, Affine, PRelu, Geglu, Concat, Slice, Paste, Blank,
                        Spill, Fetch, Reshape, Transpose, Upsample, Pool, Embedding, TakeRow,
                        Sinusoid, Convert, ScaleLowFrequencies>;

std::string_view name_of(const Op& op);

template <typename... Ops>
bool is_one_of(const Op& op) {
  return (std::holds_alternative<Ops>(op) || ...);
}

}  // namespace semblance
