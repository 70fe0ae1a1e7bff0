// Takes files out of a zip archive, checked by their checksums.
#pragma once

#include <filesystem>
#include <stop_token>

#include "hub/catalog.h"

namespace semblance {

/// Writes the pack's members, wherever in the archive they lie, into the folder under their own
/// names; each appears whole or not at all. Throws Error(kCorrupt) for an archive that is damaged,
/// lacks a member or has other bytes, and what OutputFile throws.
void unpack(const std::filesystem::path& archive, const FacePack& pack,
            const std::filesystem::path& folder, std::stop_token stop = {});

}  // namespace semblance
