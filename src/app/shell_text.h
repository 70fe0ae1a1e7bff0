// Text from files for a terminal, and words for a shell: what comes from a file neither controls
// the terminal nor leaves its quotes.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace semblance {

/// The text with control characters other than line breaks and tabs, and those that turn the
/// direction of writing, as "\x1b".
std::string shown_text(std::string_view text);

/// One word for a POSIX shell. Characters that shown_text() replaces are written as in $'\x1b',
/// which bash, zsh and ksh read.
std::string shell_quoted(std::string_view word);

/// The words, quoted. A new line, after a backslash, where one gets longer than `columns`; 0:
/// never.
std::string shell_command(std::span<const std::string> words, std::size_t columns = 0);

}  // namespace semblance
