// What torch.save wrote before torch 1.6: pickles one after the other (a magic number, a version,
// facts of the machine, the dict, the keys of its storages), then each storage in the order of the
// keys: its number of elements as u64, and its bytes. Source: torch/serialization.py.
#pragma once

#include <memory>
#include <string_view>

#include "weights/weight_map.h"

namespace semblance {

/// Whether a file that begins with these bytes is one: the magic number stands in its first 32.
bool is_torch_legacy(std::string_view head);

/// As read_torch_zip(), of this format.
WeightMap read_torch_legacy(std::shared_ptr<const File> file);

}  // namespace semblance
