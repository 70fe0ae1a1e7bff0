// The state of a run on disk: what `generate --save-state` keeps, what a run that has to stop
// leaves behind, and what `--resume` goes on from (pipeline/resume.h).
#pragma once

#include <filesystem>
#include <new>
#include <string>
#include <vector>

#include "cli/interrupt.h"
#include "core/error.h"
#include "pipeline/pipeline.h"

namespace semblance::cli {

class RunState {
 public:
  /// `file` is rewritten after every step; empty: a file is left only where the run fails, beside
  /// its picture. `interrupt` is told the command to go on with, and outlives this.
  RunState(std::filesystem::path file, Interrupt& interrupt);

  /// The picture in progress, then those to come; where its latent goes as well, or empty.
  void begin(std::vector<std::filesystem::path> pictures, std::filesystem::path latents,
             bool metadata);
  /// Throws what save() throws.
  void step_done(const Generation& generation);
  /// All pictures are there: removes the file.
  void done();

  /// Gives what work() gives. Where it fails, the steps that are done are saved, and the error
  /// tells the command to go on with.
  template <typename F>
  auto guard(const Generation& generation, F&& work) {
    try {
      return work();
    } catch (const Error& error) {
      stopped(generation, error.kind(), error.what());
    } catch (const std::bad_alloc&) {
      stopped(generation, ErrorKind::kMemory, "the system has no more memory to give");
    }
  }

 private:
  [[noreturn]] void stopped(const Generation& generation, ErrorKind kind, const std::string& text);
  void write(const Generation& generation, const std::filesystem::path& path) const;

  std::filesystem::path file_;
  Interrupt& interrupt_;
  bool written_ = false;
  std::vector<std::filesystem::path> pictures_;
  std::filesystem::path latents_;
  bool metadata_ = true;
};

/// "semblance generate --resume 'my file.resume'", as a shell takes it.
std::string resume_command(const std::filesystem::path& file);

}  // namespace semblance::cli
