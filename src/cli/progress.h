// Progress on stderr; results go to stdout.
//
// On a terminal: one line that rewrites itself with the current activity, step i of n and the time
// left. Elsewhere (a log, a pipe, a terminal without escape sequences): only the notes, one line
// per picture.
#pragma once

#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace semblance::cli {

class Progress {
 public:
  /// `quiet` prints only warnings.
  explicit Progress(bool quiet);
  Progress(bool quiet, std::FILE* out, bool terminal);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Whether stderr is a terminal, where more may be printed.
  bool on_terminal() const { return terminal_; }
  /// Prints a line that stays.
  void note(const std::string& text);
  /// Prints "warning: ...", even when quiet.
  void warn(const std::string& text);
  /// Shows the current activity; resets the step timing.
  void now(const std::string& text);
  /// Shows that step `step` of `steps` begins.
  void step(const std::string& text, int step, int steps);
  /// Text appended to each step, computed anew each time.
  void beside(std::function<std::string()> text) { beside_ = std::move(text); }
  /// Removes the rewriting line.
  void clear();

 private:
  void show(const std::string& text);
  void line(const std::string& text);

  std::FILE* out_;
  bool quiet_;
  bool terminal_;
  bool shown_ = false;
  std::function<std::string()> beside_;
  std::chrono::steady_clock::time_point last_step_{};
  std::vector<double> step_seconds_;
};

/// Whether lines on `descriptor` can be rewritten: it is a terminal, and `type` (the variable TERM,
/// or null) supports escape sequences.
bool rewrites_lines(int descriptor, const char* type);

/// Estimated seconds for `left` more steps, from the median of the past ones; below 0 if there are
/// none.
double seconds_left(std::vector<double> past, int left);

}  // namespace semblance::cli
