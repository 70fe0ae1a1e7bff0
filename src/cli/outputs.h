// Output files: their names, and checks before a long run that they can be written.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "memory/file.h"

namespace semblance::cli {

/// "out.png", "out-2.png", ..., "out-N.png".
std::vector<std::filesystem::path> numbered(const std::filesystem::path& path, int count);

/// Throws what OutputFile throws if `path` cannot be written, and Error(kArgument) if it is one of
/// `inputs` and would overwrite it. Leaves no file behind.
void check_output(const std::string& flag, const std::filesystem::path& path,
                  const std::vector<std::filesystem::path>& inputs);

/// The file that writing to `path` would create: absolute, links followed.
std::filesystem::path place_of(const std::filesystem::path& path);

/// Writes a float32 array of this shape in NumPy's .npy format, version 1.0. Does not commit the
/// file.
void write_npy(OutputFile& file, const std::vector<std::int64_t>& shape,
               const std::vector<float>& values);

}  // namespace semblance::cli
