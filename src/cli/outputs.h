// The files a run is to write: their names, and whether they can be written, before long work.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "memory/file.h"

namespace semblance::cli {

/// "out.png", "out-2.png", ..., "out-N.png".
std::vector<std::filesystem::path> numbered(const std::filesystem::path& path, int count);

/// Throws what OutputFile throws when `path` cannot be written, and Error(kArgument) when it is one
/// of `inputs` (which would be overwritten). Leaves nothing behind.
void check_output(const std::string& flag, const std::filesystem::path& path,
                  const std::vector<std::filesystem::path>& inputs);

/// Where a file that is written as `path` comes to lie: absolute, links followed.
std::filesystem::path place_of(const std::filesystem::path& path);

/// Writes a float32 array of this shape as NumPy's .npy, version 1.0. Does not commit the file.
void write_npy(OutputFile& file, const std::vector<std::int64_t>& shape,
               const std::vector<float>& values);

}  // namespace semblance::cli
