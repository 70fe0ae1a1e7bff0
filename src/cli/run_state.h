// The saved state of a run: written by `generate --save-state` and by a run that fails, read by
// `--resume` (pipeline/resume.h).
#pragma once

#include <filesystem>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "app/subject.h"
#include "cli/interrupt.h"
#include "core/error.h"
#include "pipeline/pipeline.h"

namespace semblance::cli {

class RunState {
 public:
  /// `file` is rewritten after every step; if empty, the state is saved only when the run fails,
  /// beside the picture. `interrupt` gets the command that resumes the run; it must outlive this
  /// object. `lora_dir`: where the prompts' LoRAs are looked up, or empty. `faces`: the models that
  /// measure the likeness.
  RunState(std::filesystem::path file, std::filesystem::path lora_dir, FaceFiles faces,
           Interrupt& interrupt);

  /// The files that the pictures start from, or empty; `faces`: covered in place of a mask's file.
  void starts_from(std::filesystem::path initial, std::filesystem::path mask,
                   std::vector<Box> faces) {
    initial_ = std::move(initial);
    if (faces.empty()) mask_ = std::move(mask);
    mask_faces_ = std::move(faces);
  }
  /// `pictures`: the one in progress, then the remaining ones; `requests`: theirs. `best`: made
  /// before for the same output. `latents`: path of the latent, or empty.
  void begin(std::vector<std::filesystem::path> pictures, std::span<const Request> requests,
             std::optional<Candidate> best, std::filesystem::path latents, bool metadata);
  /// Throws what save() throws.
  void step_done(const Generation& generation);
  /// All pictures are written: removes the file.
  void done();

  /// Returns work()'s result. If it fails, saves the finished steps and adds the command that
  /// resumes the run to the error.
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
  std::filesystem::path lora_dir_;
  FaceFiles faces_;
  std::filesystem::path initial_, mask_;
  std::vector<Box> mask_faces_;
  std::optional<Candidate> best_;
  Interrupt& interrupt_;
  bool written_ = false;
  std::vector<std::filesystem::path> pictures_;
  std::vector<SavedPrompts> following_;
  std::filesystem::path latents_;
  bool metadata_ = true;
};

/// Path of the state saved when a run without --save-state fails: "out.png.resume" for "out.png". A
/// long name is cut to make room for the ending.
std::filesystem::path default_state_path(const std::filesystem::path& picture);

/// The shell command that resumes `file`: "semblance generate --resume 'my file.resume'". If
/// outputs are outside the working folder it begins with a cd to their folder, because
/// check_saved_outputs() would refuse them here.
std::string resume_command(const std::filesystem::path& file,
                           const std::vector<std::filesystem::path>& pictures = {},
                           const std::filesystem::path& latents = {});

/// A saved run may come from somebody else and must not choose which files are overwritten. Throws
/// Error(kArgument) if an output named in `run` is outside the working folder (links and ".."
/// resolved), unless the user gave the flag for it.
void check_saved_outputs(const SavedRun& run, bool has_output, bool has_latents);

/// Of the picture in progress, and of those that follow.
std::vector<Request> requests_of(const SavedRun& run);

}  // namespace semblance::cli
