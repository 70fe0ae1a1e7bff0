// A graph as text: one line per value or output, in the order of the graph.
//
//   input %0 sample f32[1,8,8,4]
//   weight %1 conv_in.weight f32[32,4,3,3]
//   %2 = conv2d(%0, %1) pad=[1,1,1,1] has_bias=false -> f32[1,8,8,32]
//   output sample %2
//
// A weight made of some rows of the named tensor lists their ranges (first+count) after its type:
//
//   weight %1 proj.weight f32[1280,1280] rows=[0+640,5120+640]
//
// Attributes with their default value are left out; "-> type" is optional. Values are numbered from
// 0. A name that is empty, or has a space, quote, backslash or anything but printable ASCII, is in
// double quotes with the escapes \", \\ and \xNN. A line that begins with '#' is a comment; blank
// lines are skipped.
#include <fmt/format.h>

#include <charconv>

#include "core/closest.h"
#include "graph/fields.h"
#include "graph/graph.h"

namespace semblance {

namespace {

bool is_plain(char character) {
  return character > ' ' && character < 0x7f && character != '"' && character != '\\';
}

std::string name_text(const std::string& name) {
  bool plain = !name.empty();
  for (char character : name) plain = plain && is_plain(character);
  if (plain) return name;
  std::string text = "\"";
  for (char character : name) {
    if (is_plain(character) || character == ' ') {
      text += character;
    } else if (character == '"' || character == '\\') {
      text += '\\';
      text += character;
    } else {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(character));
    }
  }
  return text + '"';
}

std::string rows_text(const std::vector<RowRange>& rows) {
  if (rows.empty()) return {};
  std::string text;
  for (const RowRange& range : rows)
    text += fmt::format("{}{}+{}", text.empty() ? "" : ",", range.first, range.count);
  return " rows=[" + text + "]";
}

/// Parses "[0+640,5120+640]".
std::vector<RowRange> parse_rows(std::string_view text) {
  std::vector<RowRange> rows;
  const auto number = [&text](std::string_view after, std::int64_t& value) {
    if (!text.starts_with(after)) return false;
    text.remove_prefix(after.size());
    const std::from_chars_result result =
        std::from_chars(text.data(), text.data() + text.size(), value);
    text.remove_prefix(static_cast<std::size_t>(result.ptr - text.data()));
    return result.ec == std::errc{};
  };
  const std::string_view whole = text;
  do {
    RowRange range;
    if (!number(rows.empty() ? "[" : ",", range.first) || !number("+", range.count))
      fail(ErrorKind::kCorrupt, "expected row ranges like [0+640,5120+640], got '{}'", whole);
    rows.push_back(range);
  } while (text.starts_with(','));
  if (text != "]")
    fail(ErrorKind::kCorrupt, "expected row ranges like [0+640,5120+640], got '{}'", whole);
  return rows;
}

std::string node_text(const Graph& graph, const Node& node) {
  std::string src;
  for (ValueId value : node.src) src += fmt::format("{}%{}", src.empty() ? "" : ", ", value);
  return fmt::format("%{} = {}({}){} -> {}\n", node.dst, name_of(node.op), src,
                     fields_text(node.op), to_string(graph.type(node.dst)));
}

/// Reads one line from left to right.
class Line {
 public:
  explicit Line(std::string_view text) : rest_(text) { skip_blanks(); }

  bool at_end() const { return rest_.empty(); }

  bool accept(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    skip_blanks();
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) fail(ErrorKind::kCorrupt, "expected '{}' before {}", token, rest_text());
  }
  /// The text up to the next space, tab or one of `stops`.
  std::string_view word(std::string_view stops = "") {
    std::size_t length = 0;
    while (length < rest_.size() && !is_blank(rest_[length]) &&
           stops.find(rest_[length]) == std::string_view::npos) {
      ++length;
    }
    if (length == 0) fail(ErrorKind::kCorrupt, "expected a word before {}", rest_text());
    const std::string_view result = rest_.substr(0, length);
    rest_.remove_prefix(length);
    skip_blanks();
    return result;
  }
  std::string name() {
    if (!rest_.starts_with('"')) return std::string(word());
    rest_.remove_prefix(1);
    std::string result;
    while (!rest_.starts_with('"')) result += quoted_character();
    rest_.remove_prefix(1);
    skip_blanks();
    return result;
  }
  ValueId value() {
    expect("%");
    const std::string_view digits = word(",)=");
    ValueId id = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
    if (error != std::errc{} || end != digits.data() + digits.size() || id < 0)
      fail(ErrorKind::kCorrupt, "expected a value such as %3, got '%{}'", digits);
    return id;
  }
  std::string rest_text() const {
    return at_end() ? "the end of the line" : fmt::format("'{}'", rest_.substr(0, 40));
  }

 private:
  static bool is_blank(char character) { return character == ' ' || character == '\t'; }
  void skip_blanks() {
    while (!rest_.empty() && is_blank(rest_.front())) rest_.remove_prefix(1);
  }
  char quoted_character() {
    if (rest_.empty()) fail(ErrorKind::kCorrupt, "a quoted name has no closing quote");
    char character = rest_.front();
    rest_.remove_prefix(1);
    if (character != '\\') return character;
    if (rest_.starts_with('x') && rest_.size() >= 3) {
      unsigned char code = 0;
      const char* end = rest_.data() + 3;
      const std::from_chars_result result = std::from_chars(rest_.data() + 1, end, code, 16);
      if (result.ec == std::errc{} && result.ptr == end) {
        rest_.remove_prefix(3);
        return static_cast<char>(code);
      }
    } else if (rest_.starts_with('"') || rest_.starts_with('\\')) {
      character = rest_.front();
      rest_.remove_prefix(1);
      return character;
    }
    fail(ErrorKind::kCorrupt, "a backslash in a name must be followed by \", \\ or xNN");
  }

  std::string_view rest_;
};

class Parser {
 public:
  void parse_line(std::string_view text) {
    Line line(text);
    if (line.at_end() || line.accept("#")) return;
    if (line.accept("input ")) {
      parse_leaf(line, ValueKind::kInput);
    } else if (line.accept("weight ")) {
      parse_leaf(line, ValueKind::kWeight);
    } else if (line.accept("output ")) {
      parse_output(line);
    } else {
      parse_node(line);
    }
    if (!line.at_end())
      fail(ErrorKind::kCorrupt, "expected the end of the line, got {}", line.rest_text());
  }
  Graph take() { return std::move(graph_); }

 private:
  void parse_leaf(Line& line, ValueKind kind) {
    expect_next(line.value());
    const std::string name = line.name();
    const TensorType type = parse_type(line.word());
    std::vector<RowRange> rows;
    if (kind == ValueKind::kWeight && line.accept("rows=")) rows = parse_rows(line.word());
    for (const ValueInfo& value : graph_.values()) {
      if (value.kind == kind && value.name == name && value.rows == rows)
        fail(ErrorKind::kCorrupt, "'{}' is declared twice", name);
    }
    if (kind == ValueKind::kInput) {
      graph_.add_input(name, type);
    } else {
      graph_.add_weight(name, type, std::move(rows));
    }
  }

  void parse_output(Line& line) {
    std::string name = line.name();
    const ValueId value = known(line.value());
    if (graph_.find_output(name) >= 0)
      fail(ErrorKind::kCorrupt, "output '{}' is declared twice", name);
    graph_.add_output(std::move(name), value);
  }

  void parse_node(Line& line) {
    expect_next(line.value());
    line.expect("=");
    const std::string_view name = line.word("(");
    std::optional<Op> op = op_from_name(name);
    if (!op) fail(ErrorKind::kCorrupt, "unknown op '{}'{}", name, did_you_mean(name, op_names()));
    line.expect("(");
    std::vector<ValueId> src;
    while (!line.accept(")")) {
      if (!src.empty()) line.expect(",");
      src.push_back(known(line.value()));
    }
    std::optional<TensorType> declared;
    std::vector<std::string_view> seen;
    while (!line.at_end()) {
      if (line.accept("->")) {
        declared = parse_type(line.word());
        break;
      }
      const std::string_view field = line.word("=");
      line.expect("=");
      for (std::string_view other : seen) {
        if (other == field) fail(ErrorKind::kCorrupt, "attribute '{}' is given twice", field);
      }
      seen.push_back(field);
      set_field(*op, field, line.word());
    }
    const ValueId value = graph_.add(std::move(*op), std::move(src));
    if (declared && !(*declared == graph_.type(value))) {
      fail(ErrorKind::kCorrupt, "the result is declared as {}, but is {}", to_string(*declared),
           to_string(graph_.type(value)));
    }
  }

  void expect_next(ValueId id) const {
    const auto next = static_cast<ValueId>(graph_.values().size());
    if (id != next) fail(ErrorKind::kCorrupt, "the next value is %{}, got %{}", next, id);
  }
  ValueId known(ValueId id) const {
    if (id >= static_cast<ValueId>(graph_.values().size()))
      fail(ErrorKind::kCorrupt, "%{} is not declared above", id);
    return id;
  }

  Graph graph_;
};

}  // namespace

std::string to_string(const Graph& graph) {
  std::string text;
  for (std::size_t i = 0; i < graph.values().size(); ++i) {
    const ValueInfo& value = graph.values()[i];
    if (value.kind == ValueKind::kResult) {
      text += node_text(graph, graph.nodes()[static_cast<std::size_t>(value.producer)]);
    } else {
      text += fmt::format("{} %{} {} {}{}\n", value.kind == ValueKind::kInput ? "input" : "weight",
                          i, name_text(value.name), to_string(value.type), rows_text(value.rows));
    }
  }
  for (const auto& [name, value] : graph.outputs())
    text += fmt::format("output {} %{}\n", name_text(name), value);
  return text;
}

Graph parse_graph(std::string_view text) {
  Parser parser;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    try {
      parser.parse_line(line);
    } catch (const Error& error) {
      fail(ErrorKind::kCorrupt, "cannot read graph: line {}: {}", number, error.what());
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parser.take();
}

}  // namespace semblance
