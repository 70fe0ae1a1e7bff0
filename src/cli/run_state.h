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
      stopped(generation, ErrorKind::kMemory, "the system is out of memory");
    }
  }

 private:
  [[noreturn]] void stopped(const Generation& generation, ErrorKind kind, const std::string& text);
  void write(const Generation& generation, const std::filesystem::path& path) const;
  std::string command(const std::filesystem::path& file) const;

  std::filesystem::path file_;
  Interrupt& interrupt_;
  bool written_ = false;
  std::vector<std::filesystem::path> pictures_;
  std::filesystem::path latents_;
  bool metadata_ = true;
};

/// Where a run leaves its state that fails without --save-state: "out.png.resume" for "out.png".
/// The end of a long name makes room for the ending.
std::filesystem::path left_beside(const std::filesystem::path& picture);

/// The command that goes on with `file`, as a shell takes it: "semblance generate --resume 'my
/// file.resume'". Where the outputs lie outside of the working folder it begins with their folder,
/// since check_saved_outputs() refuses them from here.
std::string resume_command(const std::filesystem::path& file,
                           const std::vector<std::filesystem::path>& pictures = {},
                           const std::filesystem::path& latents = {});

/// A saved run may come from somebody else, and must not choose which files are overwritten. Throws
/// Error(kArgument) for an output that it names outside of the working folder, links and ".."
/// resolved, where its flag was not given: those of `run` are then the user's own choice.
void check_saved_outputs(const SavedRun& run, bool has_output, bool has_latents);

}  // namespace semblance::cli
