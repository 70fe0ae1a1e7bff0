#include "cli/progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "app/planning.h"
#include "core/messages.h"
#include "core/short_text.h"

namespace semblance::cli {

Progress::Progress(bool quiet)
    : Progress(quiet, stderr, rewrites_lines(STDERR_FILENO, std::getenv("TERM"))) {}

Progress::Progress(bool quiet, std::FILE* out, bool terminal)
    : out_(out), quiet_(quiet), terminal_(terminal) {}

Progress::~Progress() { clear(); }

void Progress::note(const std::string& text) {
  if (!quiet_) line(text);
}

void Progress::warn(const std::string& text) { line(text_of(Message::kWarning, text)); }

void Progress::line(const std::string& text) {
  clear();
  std::fputs((text + '\n').c_str(), out_);
  std::fflush(out_);
}

void Progress::now(const std::string& text) {
  step_seconds_.clear();
  last_step_ = {};
  show(text);
}

void Progress::step(const std::string& text, int step, int steps) {
  const auto now = std::chrono::steady_clock::now();
  if (last_step_ != std::chrono::steady_clock::time_point{})
    step_seconds_.push_back(std::chrono::duration<double>(now - last_step_).count());
  last_step_ = now;
  const double left = seconds_left(step_seconds_, steps - step + 1);
  show(text_of(Message::kStepOf, text, step, steps) +
       (left < 0 ? "" : ", " + text_of(Message::kTimeLeft, clock_text(left))) +
       (beside_ ? ", " + beside_() : ""));
}

void Progress::show(const std::string& text) {
  if (quiet_ || !terminal_) return;
  winsize window{};
  const bool known = ioctl(fileno(out_), TIOCGWINSZ, &window) == 0 && window.ws_col > 1;
  // Truncate, because a wrapped line cannot be rewritten.
  const std::string line(whole_characters(text, known ? window.ws_col - std::size_t{1} : 79U));
  std::fprintf(out_, "\r\x1b[K%s", line.c_str());
  std::fflush(out_);
  shown_ = true;
}

void Progress::clear() {
  if (!shown_) return;
  std::fputs("\r\x1b[K", out_);
  std::fflush(out_);
  shown_ = false;
}

bool rewrites_lines(int descriptor, const char* type) {
  return isatty(descriptor) != 0 && type != nullptr && type != std::string_view("dumb");
}

double seconds_left(std::vector<double> past, int left) {
  if (past.empty()) return -1;
  const auto middle = past.begin() + static_cast<std::ptrdiff_t>(past.size() / 2);
  std::nth_element(past.begin(), middle, past.end());
  return *middle * left;
}

}  // namespace semblance::cli
