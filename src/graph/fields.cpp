#include "graph/fields.h"

#include <fmt/format.h>

#include <charconv>

#include "core/closest.h"

namespace semblance {

namespace {

using Names = std::span<const std::string_view>;

struct FieldText {
  std::string_view name;
  std::string text;
};

std::string list_text(std::span<const std::int64_t> values) {
  return fmt::format("[{}]", fmt::join(values, ","));
}

/// Collects every attribute as text.
struct Printer {
  std::vector<FieldText>* fields;

  void operator()(std::string_view name, std::int64_t value) {
    add(name, fmt::format("{}", value));
  }
  void operator()(std::string_view name, float value) { add(name, fmt::format("{}", value)); }
  void operator()(std::string_view name, bool value) { add(name, value ? "true" : "false"); }
  void operator()(std::string_view name, const std::vector<std::int64_t>& values) {
    add(name, list_text(values));
  }
  template <std::size_t N>
  void operator()(std::string_view name, const std::array<std::int64_t, N>& values) {
    add(name, list_text(values));
  }
  template <typename E>
  void operator()(std::string_view name, E value, Names names) {
    const auto index = static_cast<std::size_t>(value);
    SEMBLANCE_ASSERT(index < names.size());
    add(name, std::string(names[index]));
  }

  void add(std::string_view name, std::string text) { fields->push_back({name, std::move(text)}); }
};

template <typename T>
std::vector<FieldText> texts_of(T op) {
  std::vector<FieldText> fields;
  op.fields(Printer{&fields});
  return fields;
}

template <typename T>
T parse_number(std::string_view text, std::string_view kind) {
  T value{};
  const char* end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc{} || result.ptr != end)
    fail(ErrorKind::kCorrupt, "expected {}, got '{}'", kind, text);
  return value;
}

std::int64_t parse_integer(std::string_view text) {
  return parse_number<std::int64_t>(text, "a whole number");
}

std::vector<std::int64_t> parse_list(std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']')
    fail(ErrorKind::kCorrupt, "expected a list like [1,2], got '{}'", text);
  text = text.substr(1, text.size() - 2);
  std::vector<std::int64_t> values;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    values.push_back(parse_integer(text.substr(0, comma)));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
    if (text.empty()) fail(ErrorKind::kCorrupt, "a list must not end in a comma");
  }
  return values;
}

/// Sets the attribute called `wanted` and reports whether it exists.
struct Setter {
  std::string_view wanted;
  std::string_view text;
  bool* found;

  void operator()(std::string_view name, std::int64_t& value) {
    if (is(name)) value = parse_integer(text);
  }
  void operator()(std::string_view name, float& value) {
    if (is(name)) value = parse_number<float>(text, "a number");
  }
  void operator()(std::string_view name, bool& value) {
    if (!is(name)) return;
    if (text != "true" && text != "false")
      fail(ErrorKind::kCorrupt, "expected true or false, got '{}'", text);
    value = text == "true";
  }
  void operator()(std::string_view name, std::vector<std::int64_t>& values) {
    if (is(name)) values = parse_list(text);
  }
  template <std::size_t N>
  void operator()(std::string_view name, std::array<std::int64_t, N>& values) {
    if (!is(name)) return;
    const std::vector<std::int64_t> list = parse_list(text);
    if (list.size() != N)
      fail(ErrorKind::kCorrupt, "{} needs {} numbers, got {} in '{}'", name, N, list.size(), text);
    std::copy(list.begin(), list.end(), values.begin());
  }
  template <typename E>
  void operator()(std::string_view name, E& value, Names names) {
    if (!is(name)) return;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] != text) continue;
      value = static_cast<E>(i);
      return;
    }
    fail(ErrorKind::kCorrupt, "expected one of {}, got '{}'{}", fmt::join(names, ", "), text,
         did_you_mean(text, names));
  }

  bool is(std::string_view name) {
    if (name != wanted) return false;
    *found = true;
    return true;
  }
};

/// Calls f(T{}) for every op of the closed list.
template <typename F, typename... T>
void each_op(F&& f, const std::variant<T...>*) {
  (f(T{}), ...);
}
template <typename F>
void each_op(F&& f) {
  each_op(f, static_cast<const Op*>(nullptr));
}

}  // namespace

std::string fields_text(const Op& op) {
  return std::visit(
      []<typename T>(const T& o) {
        const std::vector<FieldText> fields = texts_of(o);
        const std::vector<FieldText> defaults = texts_of(T{});
        std::string text;
        for (std::size_t i = 0; i < fields.size(); ++i) {
          if (fields[i].text != defaults[i].text)
            text += fmt::format(" {}={}", fields[i].name, fields[i].text);
        }
        return text;
      },
      op);
}

std::optional<Op> op_from_name(std::string_view name) {
  std::optional<Op> op;
  each_op([&](auto candidate) {
    if (candidate.kName == name) op = std::move(candidate);
  });
  return op;
}

std::vector<std::string_view> op_names() {
  std::vector<std::string_view> names;
  each_op([&](const auto& op) { names.push_back(op.kName); });
  return names;
}

void set_field(Op& op, std::string_view name, std::string_view value) {
  std::visit(
      [&](auto& o) {
        bool found = false;
        o.fields(Setter{name, value, &found});
        if (found) return;
        std::vector<std::string_view> known;
        for (const FieldText& field : texts_of(o)) known.push_back(field.name);
        fail(ErrorKind::kCorrupt, "{} has no attribute '{}'{}", o.kName, name,
             did_you_mean(name, known));
      },
      op);
}

TensorType parse_type(std::string_view text) {
  const std::size_t bracket = text.find('[');
  const std::optional<DType> dtype = dtype_from_name(text.substr(0, bracket));
  if (bracket == std::string_view::npos || !dtype)
    fail(ErrorKind::kCorrupt, "expected a type like f32[1,8,8,4], got '{}'", text);
  try {
    const std::vector<std::int64_t> sizes = parse_list(text.substr(bracket));
    return {*dtype, Shape(std::span<const std::int64_t>(sizes))};
  } catch (const Error& error) {
    fail(ErrorKind::kCorrupt, "expected a type like f32[1,8,8,4], got '{}': {}", text,
         error.what());
  }
}

}  // namespace semblance
