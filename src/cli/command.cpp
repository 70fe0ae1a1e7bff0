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
    // As in `semblance models list | head -3`: who has read enough is told nothing.
    if (errno == EPIPE) return;
    fail(ErrorKind::kDevice, "cannot print the result: {}", std::strerror(errno));
  }
}

std::string exit_codes_text() {
  return "Exit codes\n"
         "  0 done, 2 a wrong flag or value, 3 something is missing (a file, a tensor, a face),\n"
         "  4 a damaged file, 5 tensors of wrong shapes, 6 not enough memory, 7 the disk or\n"
         "  processor failed, 70 a bug of semblance, 130 stopped by ctrl-C\n";
}

}  // namespace semblance::cli
