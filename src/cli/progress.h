// What the user sees while the program works, on stderr: results go to stdout.
//
// On a terminal one line that rewrites itself: what is done now, step i of n, time left. Elsewhere
// (a log, a pipe, a terminal that knows no escape sequences) the notes alone, so that a picture
// takes one line.
#pragma once

#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace semblance::cli {

class Progress {
 public:
  /// `quiet` leaves out all but warnings.
  explicit Progress(bool quiet);
  Progress(bool quiet, std::FILE* out, bool terminal);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Whether someone looks on, to whom more may be told.
  bool on_terminal() const { return terminal_; }
  /// A line that stays.
  void note(const std::string& text);
  /// "warning: ...", even when quiet.
  void warn(const std::string& text);
  /// What is done now; forgets the steps before.
  void now(const std::string& text);
  /// Step `step` of `steps` begins.
  void step(const std::string& text, int step, int steps);
  /// What stands behind the steps: asked for each time.
  void beside(std::function<std::string()> text) { beside_ = std::move(text); }
  /// Takes the rewriting line away.
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

/// Whether a line there can be rewritten: a terminal, and `type` (the variable TERM, or null) is
/// one that knows escape sequences.
bool rewrites_lines(int descriptor, const char* type);

/// Seconds that `left` more steps take, from the median of the past ones; below 0 when there is
/// none.
double seconds_left(std::vector<double> past, int left);

}  // namespace semblance::cli
