#include "graph/op_case.h"

#include <sstream>

namespace semblance {

Graph graph_of_case(const std::string& line) {
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

std::vector<std::string> case_lines(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty() && line[0] != '#') lines.push_back(line);
  }
  return lines;
}

}  // namespace semblance
