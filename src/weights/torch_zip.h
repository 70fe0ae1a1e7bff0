// What torch.save writes since torch 1.6: a zip archive of a pickle (`<root>/data.pkl`) and one
// entry per storage (`<root>/data/<key>`), all of them stored as they are, so that tensors are read
// where they lie. Formats: zip_directory.h, pickle.h.
#pragma once

#include <memory>

#include "weights/weight_map.h"

namespace semblance {

/// The tensors of the dict that was saved; names of dicts within dicts are joined with '.':
/// "image_proj.latents", "ip_adapter.1.to_k_ip.weight". What is not a tensor (a step count, an
/// option) is passed over. Tensors may share a storage. Throws Error(kCorrupt), saying what to do,
/// for a TorchScript archive, compressed entries, big-endian data, a pickle that is more than a
/// dict of tensors, a tensor whose elements are not in row-major order, and whatever lies outside
/// its storage or the file.
WeightMap read_torch_zip(std::shared_ptr<const File> file);

}  // namespace semblance
