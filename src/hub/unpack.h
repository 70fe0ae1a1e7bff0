// Unpacks files from a zip archive and verifies their checksums.
#pragma once

#include <filesystem>
#include <stop_token>

#include "hub/catalog.h"

namespace semblance {

/// Writes the pack's members, from any folder of the archive, into `folder` under their own names;
/// each file appears complete or not at all. Throws Error(kCorrupt) for an archive that is damaged,
/// lacks a member or has a wrong checksum, and what OutputFile throws.
void unpack(const std::filesystem::path& archive, const FacePack& pack,
            const std::filesystem::path& folder, std::stop_token stop = {});

}  // namespace semblance
