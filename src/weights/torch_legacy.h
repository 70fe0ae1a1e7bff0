// The format of torch.save before torch 1.6: a sequence of pickles (a magic number, a version, a
// description of the machine, the dict, the keys of its storages), then each storage in the order
// of the keys: its number of elements as u64, and its bytes. Source: torch/serialization.py.
#pragma once

#include <memory>
#include <string_view>

#include "weights/weight_map.h"

namespace semblance {

/// Whether a file that begins with these bytes has this format: the magic number is in the first
/// 32.
bool is_torch_legacy(std::string_view head);

/// Like read_torch_zip(), for this format.
WeightMap read_torch_legacy(std::shared_ptr<const File> file);

}  // namespace semblance
