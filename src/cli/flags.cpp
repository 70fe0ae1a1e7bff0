#include "cli/flags.h"

#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "core/closest.h"
#include "core/error.h"
#include "pipeline/parameter.h"

namespace semblance::cli {
namespace {

constexpr std::size_t kHelpColumns = 96;

/// "-o,--output" -> {"-o", "--output"}
std::vector<std::string> split_names(const std::string& names) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= names.size()) {
    const std::size_t end = std::min(names.find(',', begin), names.size());
    parts.push_back(names.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// Wraps `text` to kHelpColumns and indents each line by `indent` spaces; line breaks in the text
/// are kept.
std::string wrapped(std::string_view text, std::size_t indent) {
  std::string out;
  std::size_t column = 0;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find_first_of(" \n", begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    if (column != 0 && column + 1 + word.size() > kHelpColumns) {
      out += '\n';
      column = 0;
    }
    if (column == 0) {
      out.append(indent, ' ');
      column = indent;
    } else {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    if (end < text.size() && text[end] == '\n') {
      out += '\n';
      column = 0;
    }
    begin = end + 1;
  }
  return out + '\n';
}

std::string suggestion(const std::string& word, const std::vector<std::string>& known) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  return did_you_mean(word, views);
}

template <typename T>
std::optional<T> parse_all(std::string_view text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  if (!text.empty() && text.front() == '+') return std::nullopt;
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string quoted(const std::string& text) { return '\'' + text + '\''; }

double number_in(const std::string& flag, const std::string& text) {
  const auto value = parse_number(text);
  if (!value)
    fail(ErrorKind::kArgument, "cannot take {}: {}", flag, expected("a number", quoted(text)));
  return *value;
}

std::int64_t whole_in(const std::string& flag, const std::string& text, std::int64_t least,
                      std::int64_t most) {
  const auto value = parse_whole(text);
  if (!value || *value < least || *value > most) {
    fail(ErrorKind::kArgument, "cannot take {}: {}", flag,
         expected(fmt::format("a whole number from {} to {}", least, most),
                  value ? text : quoted(text)));
  }
  return *value;
}

}  // namespace

Flags::Flags(std::string usage, std::string summary)
    : usage_(std::move(usage)), summary_(std::move(summary)), app_(std::make_unique<CLI::App>()) {
  app_->set_help_flag();
  app_->allow_extras();
  app_->add_flag("-h,--help", help_asked_);
  names_ = {"-h", "--help"};
  toggles_ = names_;
}

Flags::~Flags() = default;

void Flags::group(std::string heading) { heading_ = std::move(heading); }

void Flags::add(const std::string& names, const std::string& value, std::string help,
                std::function<void(const std::string&, const std::string&)> take, bool repeats) {
  const std::vector<std::string> parts = split_names(names);
  names_.insert(names_.end(), parts.begin(), parts.end());
  entries_.push_back(
      {heading_, fmt::format("{} {}", fmt::join(parts, ", "), value), std::move(help)});
  const auto note = [this, flag = parts.back(), take = std::move(take)](const std::string& text) {
    given_.push_back(flag);
    pending_.push_back([&take, flag, text] { take(flag, text); });
  };
  if (repeats) {
    app_->add_option_function<std::vector<std::string>>(
            names,
            [note](const std::vector<std::string>& texts) {
              for (const std::string& text : texts) note(text);
            })
        ->allow_extra_args(false)
        ->expected(1)
        ->take_all();
  } else {
    app_->add_option_function<std::string>(names, note)->take_last();
  }
}

void Flags::text(const std::string& names, const std::string& value, std::string help,
                 std::string& target) {
  add(names, value, std::move(help),
      [&target](const std::string&, const std::string& text) { target = text; });
}

void Flags::text(const std::string& names, const std::string& value, std::string help,
                 std::optional<std::string>& target) {
  add(names, value, std::move(help),
      [&target](const std::string&, const std::string& text) { target = text; });
}

void Flags::path(const std::string& names, const std::string& value, std::string help,
                 std::filesystem::path& target) {
  add(names, value, std::move(help), [&target](const std::string& flag, const std::string& text) {
    if (text.empty())
      fail(ErrorKind::kArgument, "cannot take {}: {}", flag, expected("a path", "''"));
    target = text;
  });
}

void Flags::number(const std::string& names, std::string help, float& target) {
  add(names, "X", std::move(help), [&target](const std::string& flag, const std::string& text) {
    target = static_cast<float>(number_in(flag, text));
  });
}

void Flags::number(const std::string& names, std::string help, double& target) {
  add(names, "X", std::move(help), [&target](const std::string& flag, const std::string& text) {
    target = number_in(flag, text);
  });
}

void Flags::whole(const std::string& names, std::string help, std::int64_t least, std::int64_t most,
                  std::int64_t& target) {
  add(names, "N", std::move(help),
      [&target, least, most](const std::string& flag, const std::string& text) {
        target = whole_in(flag, text, least, most);
      });
}

void Flags::whole(const std::string& names, std::string help, std::int64_t least, std::int64_t most,
                  std::optional<std::int64_t>& target) {
  add(names, "N", std::move(help),
      [&target, least, most](const std::string& flag, const std::string& text) {
        target = whole_in(flag, text, least, most);
      });
}

void Flags::choice(const std::string& names, std::string help, std::vector<std::string> choices,
                   int& target) {
  const std::string shown = fmt::format("{}", fmt::join(choices, "|"));
  add(names, shown, std::move(help),
      [&target, choices = std::move(choices)](const std::string& flag, const std::string& text) {
        const auto found = std::find(choices.begin(), choices.end(), text);
        if (found == choices.end()) {
          fail(ErrorKind::kArgument, "cannot take {}: {}{}", flag,
               expected(fmt::format("one of {}", fmt::join(choices, ", ")), quoted(text)),
               suggestion(text, choices));
        }
        target = static_cast<int>(found - choices.begin());
      });
}

void Flags::value(const std::string& names, const std::string& value, std::string help,
                  std::function<void(const std::string&, const std::string&)> take) {
  add(names, value, std::move(help), std::move(take));
}

void Flags::values(const std::string& names, const std::string& value, std::string help,
                   std::function<void(const std::string&, const std::string&)> take) {
  add(names, value, std::move(help), std::move(take), true);
}

void Flags::toggle(const std::string& names, std::string help, bool& target) {
  const std::vector<std::string> parts = split_names(names);
  names_.insert(names_.end(), parts.begin(), parts.end());
  toggles_.insert(toggles_.end(), parts.begin(), parts.end());
  entries_.push_back({heading_, fmt::format("{}", fmt::join(parts, ", ")), std::move(help)});
  app_->add_flag_function(names,
                          [this, &target, flag = parts.back()](std::int64_t) {
                            given_.push_back(flag);
                            target = true;
                          })
      ->take_last();
}

void Flags::positional(const std::string& name, std::string help, std::filesystem::path& target) {
  takes_word_ = true;
  entries_.insert(entries_.begin(), {heading_, name, std::move(help)});
  app_->add_option_function<std::string>(name, [this, &target](const std::string& text) {
    pending_.push_back([&target, text] { target = text; });
  });
}

void Flags::words(std::string name, std::string help, std::vector<std::string>& target) {
  words_ = &target;
  entries_.insert(entries_.begin(), {heading_, std::move(name), std::move(help)});
}

bool Flags::read(std::span<const char* const> words) {
  // CLI11 expects the arguments in reverse order. It would let "--negative=" swallow the next word
  // and read "--quiet=no" as --quiet.
  const auto is_one_of = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  std::vector<std::string> reversed;
  bool is_value = false;  // of the preceding flag, whatever it looks like
  for (const char* each : words) {
    const std::string word = each;
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (is_value) {
      reversed.push_back(word);
      is_value = false;
      continue;
    }
    const bool toggles = is_one_of(toggles_, name);
    if (toggles && equals != std::string::npos) {
      fail(ErrorKind::kArgument, "{} takes no value, got '{}'", name, word.substr(equals + 1));
    }
    is_value = equals == std::string::npos && !toggles && is_one_of(names_, name);
    if (word.starts_with("--") && word.size() > 3 && equals == word.size() - 1) {
      reversed.push_back(word.substr(0, word.size() - 1));
      reversed.emplace_back();
    } else {
      reversed.push_back(word);
    }
  }
  std::reverse(reversed.begin(), reversed.end());
  try {
    app_->parse(reversed);
  } catch (const CLI::ArgumentMismatch&) {
    // The last word is a flag without its value.
    const std::string last = words.empty() ? "" : words.back();
    fail(ErrorKind::kArgument, "{} needs a value", last);
  } catch (const CLI::ParseError& error) {
    fail(ErrorKind::kArgument, "cannot read the command line: {}", error.what());
  }
  if (help_asked_) return false;
  const std::vector<std::string> extras = app_->remaining();
  for (const std::string& extra : extras) {
    if (extra.size() < 2 || extra.front() != '-') continue;
    const std::string name = extra.substr(0, extra.find('='));
    fail(ErrorKind::kArgument, "unknown flag {}{}\n  --help lists the flags", name,
         suggestion(name, names_));
  }
  if (words_ != nullptr) {
    *words_ = extras;
  } else if (!extras.empty()) {
    fail(ErrorKind::kArgument, "unexpected argument '{}'{}\n  --help lists the flags",
         extras.front(),
         takes_word_ ? "; expected one file" : "; put quotes around text with spaces");
  }
  for (const auto& take : pending_) take();
  return true;
}

std::string Flags::help() const {
  std::string out = fmt::format("Usage: semblance {}\n\n{}", usage_, wrapped(summary_, 0));
  std::vector<std::string> headings;
  for (const Entry& entry : entries_) {
    if (std::find(headings.begin(), headings.end(), entry.heading) == headings.end())
      headings.push_back(entry.heading);
  }
  std::stable_partition(headings.begin(), headings.end(),
                        [](const std::string& heading) { return heading != "Advanced"; });
  for (const std::string& heading : headings) {
    out += fmt::format("\n{}\n", heading);
    for (const Entry& entry : entries_) {
      if (entry.heading == heading)
        out += fmt::format("  {}\n{}", entry.shown, wrapped(entry.help, 6));
    }
  }
  if (!epilogue_.empty()) out += fmt::format("\n{}", epilogue_);
  return out;
}

std::optional<WidthHeight> parse_size(std::string_view text) {
  const std::size_t x = text.find_first_of("xX");
  if (x == std::string_view::npos) return std::nullopt;
  const auto width = parse_whole(text.substr(0, x));
  const auto height = parse_whole(text.substr(x + 1));
  constexpr std::int64_t kMost = 1 << 30;
  if (!width || !height || *width < 1 || *height < 1 || *width > kMost || *height > kMost)
    return std::nullopt;
  return WidthHeight{static_cast<int>(*width), static_cast<int>(*height)};
}

std::optional<std::int64_t> parse_whole(std::string_view text) {
  return parse_all<std::int64_t>(text);
}

std::optional<double> parse_number(std::string_view text) { return parse_all<double>(text); }

}  // namespace semblance::cli
