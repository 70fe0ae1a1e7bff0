#include "cli/run_state.h"

#include <algorithm>
#include <climits>
#include <utility>

#include "app/shell_text.h"
#include "cli/outputs.h"
#include "core/short_text.h"
#include "pipeline/picture_sampler.h"

namespace semblance::cli {

namespace fs = std::filesystem;

namespace {

bool is_inside(const fs::path& path, const fs::path& folder) {
  const fs::path place = place_of(path);
  const fs::path root = place_of(folder / "x").parent_path();
  return std::mismatch(root.begin(), root.end(), place.begin(), place.end()).first == root.end();
}

}  // namespace

std::string resume_command(const fs::path& file, const std::vector<fs::path>& pictures,
                           const fs::path& latents) {
  fs::path folder = fs::current_path();
  std::string command;
  fs::path shown = file;
  const bool outside = std::any_of(pictures.begin(), pictures.end(), [&](const fs::path& picture) {
    return !is_inside(picture, folder);
  });
  if (outside) {
    folder = place_of(pictures.front()).parent_path();
    command = fmt::format("cd {} && ", shell_quoted(folder.string()));
    shown = place_of(file);
  }
  command += "semblance generate --resume " + shell_quoted(shown.string());
  if (!latents.empty() && !is_inside(latents, folder))
    command += " --latents " + shell_quoted(place_of(latents).string());
  return command;
}

void check_saved_outputs(const SavedRun& run, bool has_output, bool has_latents) {
  const fs::path folder = fs::current_path();
  const auto check = [&](const fs::path& path, std::string_view flag) {
    if (is_inside(path, folder)) return;
    fail(ErrorKind::kArgument,
         "{} is needed: the saved run names {}, which is outside the working folder {}\n"
         "  to write there, add {} {}, or resume from that folder",
         flag, path.string(), folder.string(), flag, shell_quoted(path.string()));
  };
  if (!has_output) {
    for (const fs::path& picture : run.outputs) check(picture, "-o");
  }
  if (!has_latents && !run.latents.empty()) check(run.latents, "--latents");
}

fs::path default_state_path(const fs::path& picture) {
  constexpr std::string_view kEnding = ".resume";
  const std::string name = picture.filename().string();
  return picture.parent_path() /
         std::string(whole_characters(name, NAME_MAX - kEnding.size())).append(kEnding);
}

RunState::RunState(fs::path file, fs::path lora_dir, FaceFiles faces, Interrupt& interrupt)
    : file_(std::move(file)),
      lora_dir_(std::move(lora_dir)),
      faces_(std::move(faces)),
      interrupt_(interrupt) {}

void RunState::begin(std::vector<fs::path> pictures, std::span<const Request> requests,
                     std::optional<Candidate> best, fs::path latents, bool metadata) {
  pictures_ = std::move(pictures);
  best_ = best;
  const auto prompts_of = [](const Request& request) {
    return SavedPrompts{request.prompt, request.negative, request.people};
  };
  const SavedPrompts own = prompts_of(requests.front());
  const bool differ = std::ranges::any_of(
      requests, [&](const Request& request) { return !(prompts_of(request) == own); });
  following_.clear();
  if (differ)
    std::ranges::transform(requests.subspan(1), std::back_inserter(following_), prompts_of);
  latents_ = std::move(latents);
  metadata_ = metadata;
}

void RunState::write(const Generation& generation, const fs::path& path) const {
  SavedRun run = generation.saved();
  for (const fs::path& picture : pictures_) run.outputs.push_back(fs::absolute(picture));
  run.following = following_;
  if (!lora_dir_.empty()) run.lora_dir = fs::absolute(lora_dir_);
  const auto take = [](fs::path& saved, const fs::path& path) {
    if (!path.empty()) saved = fs::absolute(path);
  };
  take(run.face_models, faces_.folder);
  take(run.detector, faces_.detector);
  take(run.recogniser, faces_.recogniser);
  take(run.init, initial_);
  take(run.mask_file, mask_);
  run.mask_faces = mask_faces_;
  run.best = best_;
  if (!latents_.empty()) run.latents = fs::absolute(latents_);
  run.metadata = metadata_;
  save(run, path);
}

std::string RunState::command(const fs::path& file) const {
  return resume_command(file, pictures_, latents_);
}

void RunState::step_done(const Generation& generation) {
  if (file_.empty()) return;
  write(generation, file_);
  if (written_) return;
  written_ = true;
  interrupt_.tell_at_end("  resume with: " + command(file_) + '\n');
}

void RunState::done() {
  if (!written_) return;
  std::error_code ignored;
  fs::remove(place_of(file_), ignored);
  interrupt_.tell_at_end("");
}

void RunState::stopped(const Generation& generation, ErrorKind kind, const std::string& text) {
  if (kind == ErrorKind::kCancelled) {
    throw Error(kind, written_ ? text + "\n  resume with: " + command(file_) : text);
  }
  if (generation.step() == 0) throw Error(kind, text);
  const fs::path path = file_.empty() ? default_state_path(pictures_.front()) : file_;
  std::string way_out;
  try {
    write(generation, path);
    way_out = fmt::format("{} of {} steps are saved; resume with: {}", generation.step(),
                          generation.steps(), command(path));
  } catch (const Error& error) {
    way_out = fmt::format("{} of {} steps are lost: {}", generation.step(), generation.steps(),
                          error.what());
  }
  throw Error(kind, fmt::format("{}\n  {}", text, way_out));
}

std::vector<Request> requests_of(const SavedRun& run) {
  const auto count = static_cast<int>(run.outputs.size());
  std::vector<Request> requests{run.request};
  for (int i = 1; i < count; ++i) requests.push_back(nth_picture(run.request, i, count));
  for (std::size_t i = 1; i < requests.size() && !run.following.empty(); ++i) {
    requests[i].prompt = run.following[i - 1].prompt;
    requests[i].negative = run.following[i - 1].negative;
    requests[i].people = run.following[i - 1].people;
  }
  return requests;
}

}  // namespace semblance::cli
