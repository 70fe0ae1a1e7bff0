// Reads the tensors of a dict from its pickle: the part that torch.save's two containers (the zip
// archive and the format before 1.6) have in common.
#pragma once

#include <functional>
#include <memory>

#include "weights/pickle.h"
#include "weights/weight_map.h"

namespace semblance {

/// Where a storage's numbers are; all of them are inside the file.
struct StoragePlace {
  std::uint64_t offset = 0;
  std::int64_t elements = 0;
};
/// The place of a storage (a node of kind kStorage); throws Error(kCorrupt) if it has none.
using FindStorage = std::function<StoragePlace(const PickleNode&)>;

/// The tensors of the pickled dict; names in nested dicts are joined with '.'. A trainer's
/// checkpoint has its tensors in "state_dict": only the innermost such dict is read. Values that
/// are not tensors are skipped. Throws Error(kCorrupt) for a pickle of something else, a tensor
/// whose elements are not in row-major order or are outside its storage, and too many or too long
/// names.
WeightMap torch_tensors(const Pickle& pickle, std::shared_ptr<const File> file, FindStorage find);

/// The most bytes of a pickle; SDXL in a single file has about 1 MB.
inline constexpr std::uint64_t kMaxPickleBytes = 32 << 20;

}  // namespace semblance
