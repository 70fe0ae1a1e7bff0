#include "cli/run_state.h"

#include <algorithm>
#include <utility>

namespace semblance::cli {

namespace fs = std::filesystem;

std::string resume_command(const fs::path& file) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:+@";
  const std::string name = file.string();
  std::string shown = name;
  if (name.find_first_not_of(kPlain) != std::string::npos) {
    shown = "'";
    for (const char c : name) shown += c == '\'' ? std::string("'\\''") : std::string(1, c);
    shown += '\'';
  }
  return "semblance generate --resume " + shown;
}

RunState::RunState(fs::path file, Interrupt& interrupt)
    : file_(std::move(file)), interrupt_(interrupt) {}

void RunState::begin(std::vector<fs::path> pictures, fs::path latents, bool metadata) {
  pictures_ = std::move(pictures);
  latents_ = std::move(latents);
  metadata_ = metadata;
}

void RunState::write(const Generation& generation, const fs::path& path) const {
  SavedRun run = generation.saved();
  for (const fs::path& picture : pictures_) run.outputs.push_back(fs::absolute(picture));
  if (!latents_.empty()) run.latents = fs::absolute(latents_);
  run.metadata = metadata_;
  save(run, path);
}

void RunState::step_done(const Generation& generation) {
  if (file_.empty()) return;
  write(generation, file_);
  if (written_) return;
  written_ = true;
  interrupt_.tell_at_end("  go on with: " + resume_command(file_) + '\n');
}

void RunState::done() {
  if (!written_) return;
  std::error_code ignored;
  fs::remove(file_, ignored);
  interrupt_.tell_at_end("");
}

void RunState::stopped(const Generation& generation, ErrorKind kind, const std::string& text) {
  if (kind == ErrorKind::kCancelled) {
    throw Error(kind, written_ ? text + "\n  go on with: " + resume_command(file_) : text);
  }
  if (generation.step() == 0) throw Error(kind, text);
  fs::path path = file_;
  if (path.empty()) (path = pictures_.front()) += ".resume";
  std::string way_out;
  try {
    write(generation, path);
    way_out = fmt::format("{} of {} steps are saved; go on with: {}", generation.step(),
                          generation.steps(), resume_command(path));
  } catch (const Error& error) {
    way_out = fmt::format("{} of {} steps are lost: {}", generation.step(), generation.steps(),
                          error.what());
  }
  throw Error(kind, fmt::format("{}\n  {}", text, way_out));
}

}  // namespace semblance::cli
