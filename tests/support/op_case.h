// Cases of one op on tensors of given types (graph/op_case.h), from the files of tests/shapes.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "graph/op_case.h"
#include "memory/file.h"

namespace semblance::testing {

using semblance::graph_of_case;

/// Lines of a shapes file without comments and blank lines.
inline std::vector<std::string> read_case_lines(const std::filesystem::path& path) {
  return case_lines(read_small_file(path, 1 << 20));
}

/// tests/shapes/<name>.txt
inline std::filesystem::path shapes_path(std::string_view name) {
  return std::filesystem::path(SEMBLANCE_SOURCE_DIR) / "tests" / "shapes" /
         (std::string(name) + ".txt");
}

}  // namespace semblance::testing
