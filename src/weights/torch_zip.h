// The format of torch.save since torch 1.6: a zip archive of a pickle (`<root>/data.pkl`) and one
// entry per storage (`<root>/data/<key>`), all uncompressed, so that tensors can be read in place.
// Formats: zip_directory.h, pickle.h.
#pragma once

#include <memory>

#include "weights/weight_map.h"

namespace semblance {

/// The tensors of the saved dict; names in nested dicts are joined with '.': "image_proj.latents",
/// "ip_adapter.1.to_k_ip.weight". Values that are not tensors (a step count, an option) are
/// skipped. Tensors may share a storage. Throws Error(kCorrupt), which says what to do, for a
/// TorchScript archive, compressed entries, big-endian data, a pickle that is more than a dict of
/// tensors, a tensor that is not in row-major order, and data outside its storage or the file.
WeightMap read_torch_zip(std::shared_ptr<const File> file);

}  // namespace semblance
