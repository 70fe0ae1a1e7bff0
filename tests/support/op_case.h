// Parses one op on tensors of given types from a line of text:
//
//   conv2d f32[2,9,7,32] w:f32[64,32,3,3] w:f32[64] stride=[2,2] pad=[1,1,1,1]
//
// "w:" marks a weight. Files of such lines (tests/shapes/<op>.txt, '#' for comments) feed tests of
// kernels and of shape rules.
#pragma once

#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "memory/file.h"

namespace semblance::testing {

/// The line as a graph of one node, with inputs and weights src0, src1, ... and output dst. Throws
/// what parse_graph throws.
inline Graph graph_of_case(const std::string& line) {
  std::istringstream words(line);
  std::string op;
  words >> op;
  std::string leaves;
  std::string sources;
  std::string attributes;
  int count = 0;
  for (std::string word; words >> word;) {
    if (word.find('=') != std::string::npos || word == "->" || !attributes.empty()) {
      attributes += " " + word;
      continue;
    }
    const bool weight = word.starts_with("w:");
    leaves += fmt::format("{} %{} src{} {}\n", weight ? "weight" : "input", count, count,
                          weight ? word.substr(2) : word);
    sources += fmt::format("{}%{}", count > 0 ? ", " : "", count);
    ++count;
  }
  return parse_graph(fmt::format("{}%{} = {}({}){}\noutput dst %{}\n", leaves, count, op, sources,
                                 attributes, count));
}

/// Lines of a shapes file without comments and blank lines.
inline std::vector<std::string> read_case_lines(const std::filesystem::path& path) {
  std::istringstream text(read_small_file(path, 1 << 20));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    if (!line.empty() && line[0] != '#') lines.push_back(line);
  }
  return lines;
}

/// tests/shapes/<name>.txt
inline std::filesystem::path shapes_path(std::string_view name) {
  return std::filesystem::path(SEMBLANCE_SOURCE_DIR) / "tests" / "shapes" /
         (std::string(name) + ".txt");
}

}  // namespace semblance::testing
