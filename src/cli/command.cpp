#include "cli/command.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/error.h"

namespace semblance::cli {

void print(const std::string& text) {
  const bool ends = !text.empty() && text.back() == '\n';
  if (std::fputs(text.c_str(), stdout) < 0 || (!ends && std::fputc('\n', stdout) == EOF) ||
      std::fflush(stdout) != 0) {
    // As in `semblance models list | head -3`: a reader that stopped early is no error.
    if (errno == EPIPE) return;
    fail(ErrorKind::kDevice, "cannot print the result: {}", std::strerror(errno));
  }
}

std::string exit_codes_text() {
  return "Exit codes\n"
         "  0 success, 2 invalid flag or value, 3 something is missing (file, tensor, face),\n"
         "  4 damaged file, 5 wrong tensor shapes, 6 not enough memory, 7 disk, network or\n"
         "  processor failure, 70 bug in semblance, 130 stopped by ctrl-C or a signal\n";
}

}  // namespace semblance::cli
