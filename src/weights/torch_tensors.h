// The tensors of a dict that torch.save wrote, out of its pickle: what torch's two containers (the
// zip archive and the format before 1.6) have in common.
#pragma once

#include <functional>
#include <memory>

#include "weights/pickle.h"
#include "weights/weight_map.h"

namespace semblance {

/// Where a storage's numbers lie; all of them are inside the file.
struct StoragePlace {
  std::uint64_t offset = 0;
  std::int64_t elements = 0;
};
/// The place of a storage (a node of kind kStorage); throws Error(kCorrupt) where it has none.
using FindStorage = std::function<StoragePlace(const PickleNode&)>;

/// The tensors of the dict that the pickle is; names of dicts within dicts are joined with '.'. Of
/// a trainer's checkpoint, which has its tensors in "state_dict", that dict alone is taken, as
/// often as one is in the other. What is not a tensor is passed over. Throws Error(kCorrupt) for a
/// pickle of something else, a tensor whose elements are not in row-major order or outside its
/// storage, and names without bounds.
WeightMap torch_tensors(const Pickle& pickle, std::shared_ptr<const File> file, FindStorage find);

/// The most bytes of a pickle; SDXL in one file has about 1 MB.
inline constexpr std::uint64_t kMaxPickleBytes = 32 << 20;

}  // namespace semblance
