// semblance models: downloads, lists, checks and removes models.
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/planning.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "core/closest.h"
#include "core/error.h"
#include "core/messages.h"
#include "hub/inventory.h"
#include "hub/model_folders.h"
#include "hub/pull.h"
#include "memory/budget.h"
#include "pipeline/opened_models.h"

namespace semblance::cli {
namespace {

constexpr const char* kOverview =
    "Usage: semblance models COMMAND [NAME ...] [flags]\n"
    "\n"
    "Downloads and manages the models. They are stored where the Python tools store theirs, so\n"
    "models that those have downloaded are used as well.\n"
    "\n"
    "Commands\n"
    "  pull NAME ...    downloads missing files; continues interrupted downloads\n"
    "  list             lists the models on this machine\n"
    "  check [NAME ...] verifies all checksums, and the names and shapes of the weights\n"
    "  rm NAME ...      removes models\n"
    "\n"
    "Names\n"
    "  sdxl         stabilityai/stable-diffusion-xl-base-1.0, the base model\n"
    "  instantid    InstantX/InstantID: IdentityNet and the face adapter\n"
    "  antelopev2   insightface's face models\n"
    "  lcm          the LCM-LoRA for SDXL, for `semblance generate --fast`\n"
    "  owner/name   another SDXL model on the hub, in diffusers format; owner/name@revision\n"
    "  owner/name/FILE.safetensors\n"
    "               one file of the hub: a checkpoint, UNet, VAE or LoRA; also its URL\n"
    "\n"
    "Examples\n"
    "  Download everything needed, then make a picture:\n"
    "  semblance models pull sdxl instantid antelopev2\n"
    "  semblance generate --base sdxl --face me.jpg --prompt \"a man in the snow\" -o snow.png\n"
    "  Use another base model:\n"
    "  semblance models pull wangqixun/YamerMIX_v8\n"
    "  semblance generate --base wangqixun/YamerMIX_v8 ...\n"
    "  Use a checkpoint in one file:\n"
    "  semblance models pull stabilityai/stable-diffusion-xl-base-1.0/sd_xl_base_1.0.safetensors\n"
    "  semblance models list --models-dir ~/stable-diffusion-webui\n"
    "  List the models and verify them:\n"
    "  semblance models list\n"
    "  semblance models check\n"
    "\n"
    "  semblance models COMMAND --help explains a command's flags.\n"
    "\n";

constexpr const char* kEnvironment =
    "Environment\n"
    "  HF_HOME, HF_HUB_CACHE, XDG_CACHE_HOME   cache of the hub's models; default "
    "~/.cache/huggingface\n"
    "  HF_TOKEN, HF_TOKEN_PATH                 access token for gated models; sent only to the "
    "hub\n"
    "  HF_ENDPOINT                             server to use instead of https://huggingface.co\n"
    "  HF_HUB_OFFLINE=1                        disables downloads\n"
    "  https_proxy, no_proxy                   proxy settings, as for curl\n"
    "\n";

std::string page_amount(std::uint64_t bytes) {
  return bytes < (std::uint64_t{10} << 30) ? bytes_text(bytes) : gib_text(bytes);
}

std::vector<ModelName> names_of(const std::vector<std::string>& words, const Places& places) {
  std::vector<ModelName> names;
  for (const std::string& word : words) {
    ModelName name = parse_model_name(word, places.endpoint);
    const auto same = [&](const ModelName& other) { return other.text() == name.text(); };
    if (std::none_of(names.begin(), names.end(), same)) names.push_back(std::move(name));
  }
  return names;
}

/// Asks for confirmation on a terminal; without one, throws Error(kArgument) unless `yes`.
void ask(const std::string& command, const std::string& question, bool yes) {
  if (yes) return;
  if (isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0) {
    fail(ErrorKind::kArgument, "{}: {} No terminal to answer on\n  --yes answers yes", command,
         question);
  }
  std::cerr << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer != "y" && answer != "Y" && answer != "yes")
    fail(ErrorKind::kCancelled, "cancelled: nothing was changed");
}

struct PullSettings {
  std::vector<std::string> names;
  bool yes = false;
  bool local = false;
  bool quiet = false;
  std::int64_t parallel = 4;
};

void declare(Flags& flags, PullSettings& s) {
  flags.group("What to do");
  flags.words(
      "NAME ...",
      "sdxl, instantid, antelopev2, lcm, owner/name[@revision] of an SDXL model on the hub, "
      "owner/name/FILE of one file there, or the URL of either.",
      s.names);
  flags.toggle(
      "-y,--yes",
      "Accepts the licences without asking. They are shown before the first download of a model.",
      s.yes);
  flags.toggle("--local",
               "Downloads into checkpoints/ and models/ of the current folder, the layout of "
               "InstantID's notebooks, instead of the cache. Then use --base checkpoints/NAME; the "
               "other models are found there by default.",
               s.local);
  flags.whole("--parallel", "Number of files to download at once, 1 to 16. Default: 4.", 1, 16,
              s.parallel);
  flags.toggle("-q,--quiet", "Prints only warnings and the models' folders.", s.quiet);
  flags.epilogue(
      std::string("Examples\n"
                  "  semblance models pull sdxl instantid antelopev2\n"
                  "  semblance models pull wangqixun/YamerMIX_v8 --yes\n"
                  "  HF_HOME=/data/hub semblance models pull sdxl\n"
                  "\n"
                  "The models' folders go to stdout, everything else to stderr. Repeat an\n"
                  "interrupted command to continue the download.\n"
                  "\n") +
      kEnvironment + exit_codes_text());
}

std::string progress_text(const DownloadProgress& p) {
  std::string text = text_of(Message::kDownloading, p.files, p.total_files, page_amount(p.bytes),
                             page_amount(p.total_bytes));
  if (p.bytes_per_second > 0)
    text += fmt::format(", {:.1f} MB/s, ", p.bytes_per_second / 1e6) +
            text_of(Message::kTimeLeft, clock_text(p.seconds_left));
  return p.now.empty() ? text : text + ": " + p.now;
}

/// What will be downloaded, and to where.
std::string summary_of(const PlannedModel& model) {
  if (model.bytes_to_come() == 0 && model.unpacked_bytes == 0)
    return text_of(Message::kNothingToDownload, model.name.text());
  return text_of(Message::kToDownload, model.name.text(), page_amount(model.bytes_to_come()),
                 page_amount(model.bytes()), model.folder.string());
}

int pull(std::span<const char* const> words) {
  PullSettings s;
  Flags flags("models pull NAME ... [--yes] [--local] [flags]",
              "Downloads models: only the files that are needed, with fp16 weights where "
              "published. Files that are already there are not downloaded again.");
  declare(flags, s);
  if (!flags.read(words)) {
    print(flags.help());
    return 0;
  }
  if (s.names.empty()) {
    fail(ErrorKind::kArgument,
         "pull needs model names\n  `semblance models pull sdxl instantid antelopev2` downloads "
         "everything needed for pictures");
  }
  const Places places = places_of_environment();
  const std::vector<ModelName> names = names_of(s.names, places);
  const Interrupt interrupt;
  Progress progress(s.quiet);
  PullOptions options;
  options.local = s.local;
  options.network.parallel = static_cast<int>(s.parallel);
  DownloadHooks hooks;
  hooks.tell = [&](const std::string& text) { progress.note(text); };
  hooks.progress = [&](const DownloadProgress& p) { progress.now(progress_text(p)); };
  hooks.stop = interrupt.token();
  Puller puller(places, options, hooks);
  progress.now(text_of(Message::kListingFiles));
  const std::vector<PlannedModel> models = puller.plan(names);
  interrupt.check();
  std::vector<std::string> licences;
  for (const PlannedModel& model : models) {
    progress.note(summary_of(model));
    if (model.is_new && model.bytes_to_come() > 0) licences.push_back(model.licence);
  }
  progress.clear();
  if (!licences.empty()) {
    std::cerr << fmt::format("{}\n", fmt::join(licences, "\n")) << std::flush;
    ask("pull", "Accept these licences?", s.yes);
  }
  puller.download_all(models);
  progress.clear();
  for (const PlannedModel& model : models) print(model.path().string());
  return 0;
}

std::string model_kind(const KeptModel& model) {
  if (!model.name.repository) return "face models";
  if (model.layout == ModelLayout::kSdxl) return "SDXL";
  if (model.layout == ModelLayout::kPart) return "VAE";
  if (model.layout == ModelLayout::kFile)
    return model.is_whole() ? content_of(model.path()) : "file";
  return model.layout == ModelLayout::kInstantId ? "InstantID" : "download";
}

std::string state_of(const KeptModel& model) {
  if (model.is_whole()) return "complete";
  if (model.incomplete_bytes > 0)
    return fmt::format("incomplete; `semblance models pull {}` continues the download",
                       model.name.text());
  return fmt::format("{} missing; `semblance models pull {}` downloads it",
                     fmt::join(model.lacking, ", "), model.name.text());
}

nlohmann::ordered_json json_of(const KeptModel& model) {
  nlohmann::ordered_json json;
  json["name"] = model.name.text();
  json["kind"] = model_kind(model);
  json["whole"] = model.is_whole();
  json["folder"] = nullptr;
  if (!model.folder.empty()) json["folder"] = model.path().string();
  json["stored_bytes"] = model.stored_bytes;
  json["incomplete_bytes"] = model.incomplete_bytes;
  json["lacking"] = model.lacking;
  return json;
}

std::string no_models_in(const Places& places) {
  return fmt::format(
      "no models in {} or {}\n  `semblance models pull sdxl instantid antelopev2` downloads "
      "everything needed for pictures",
      places.cache.string(), places.face_models.string());
}

nlohmann::ordered_json json_of(const ModelFile& file) {
  nlohmann::ordered_json json;
  json["name"] = file.name;
  json["folder"] = title_of(file.kind);
  json["content"] = content_of(file.path);
  json["path"] = file.path.string();
  json["bytes"] = file.bytes;
  return json;
}

/// The files of --models-dir: "sdxl_vae: a VAE, 319 MiB, in VAE", and the path.
std::string text_of(const std::vector<ModelFile>& files, const std::filesystem::path& folder) {
  std::string out;
  for (const ModelFile& file : files) {
    out += fmt::format("{}: {}, {} ({})\n  {}\n", file.name, content_of(file.path),
                       page_amount(file.bytes), title_of(file.kind), file.path.string());
  }
  return out.empty() ? fmt::format("no model files in {}\n", folder.string()) : out;
}

std::string text_of(const std::vector<KeptModel>& models, const Places& places) {
  if (models.empty()) return no_models_in(places) + '\n';
  std::string out;
  for (const KeptModel& model : models) {
    out += fmt::format("{}: {}, {}, {}\n", model.name.text(), model_kind(model),
                       page_amount(model.stored_bytes), state_of(model));
    if (!model.folder.empty()) out += fmt::format("  {}\n", model.path().string());
  }
  return out;
}

int list(std::span<const char* const> words) {
  bool json = false;
  std::filesystem::path folder;
  Flags flags("models list [--models-dir DIR] [--json]",
              "Lists the models on this machine, their size, state and folder.");
  flags.group("What to do");
  flags.path(
      "--models-dir", "DIR",
      "Also lists the weight files of this folder and what each is: a folder of "
      "AUTOMATIC1111's web UI or of ComfyUI, or one with folders named as theirs "
      "(checkpoints, loras, vae, ...). --base, --unet, --vae, --text-encoders and --lora take "
      "these names with the same flag.",
      folder);
  flags.toggle("--json",
               "Prints {\"cache\", \"face_models\", \"models\": [{\"name\", \"kind\", \"whole\", "
               "\"folder\", \"stored_bytes\", \"incomplete_bytes\", \"lacking\"}, ...]}, and with "
               "--models-dir \"files\": [{\"name\", \"folder\", \"content\", \"path\", "
               "\"bytes\"}, ...].",
               json);
  flags.epilogue(kEnvironment + exit_codes_text());
  if (!flags.read(words)) {
    print(flags.help());
    return 0;
  }
  const Places places = places_of_environment();
  std::vector<ModelFile> files;
  if (!folder.empty()) files = ModelFolders(folder, "--models-dir").files();
  const std::vector<KeptModel> models = kept_models(places);
  if (json) {
    nlohmann::ordered_json all;
    all["cache"] = places.cache.string();
    all["face_models"] = places.face_models.string();
    all["models"] = nlohmann::ordered_json::array();
    for (const KeptModel& model : models) all["models"].push_back(json_of(model));
    if (!folder.empty()) all["files"] = nlohmann::ordered_json::array();
    for (const ModelFile& file : files) all["files"].push_back(json_of(file));
    print(all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return 0;
  }
  std::string out;
  if (folder.empty() || !models.empty()) out += text_of(models, places);
  if (!folder.empty()) out += text_of(files, folder);
  out.pop_back();
  print(out);
  return 0;
}

/// Audits as much as possible: every tensor's name and shape if base model, IdentityNet and adapter
/// are all there, otherwise only each file's tensor directory.
void audit_models(const std::vector<KeptModel>& models, Progress& progress) {
  const KeptModel* identity = nullptr;
  bool any_base = false;
  for (const KeptModel& model : models) {
    if (model.layout == ModelLayout::kInstantId && model.is_whole()) identity = &model;
    any_base = any_base || (model.layout == ModelLayout::kSdxl && model.is_whole());
  }
  const auto audit = [&](const std::string& name, const ModelPaths& paths) {
    progress.now(text_of(Message::kAuditing, name));
    assume_models(paths);
    progress.note(text_of(Message::kTensorsCorrect, name));
  };
  ModelPaths paths;
  if (identity != nullptr) {
    paths.identitynet = identity->folder / "ControlNetModel";
    paths.adapter = identity->folder / "ip-adapter.bin";
    if (!any_base) audit(identity->name.text(), paths);
  }
  for (const KeptModel& model : models) {
    const bool is_single = !model.name.file.empty() && is_checkpoint(model.path());
    if (!is_single && (model.layout != ModelLayout::kSdxl || !model.is_whole())) continue;
    paths.base = model.path();
    audit(model.name.text(), paths);
  }
}

int check(std::span<const char* const> words) {
  std::vector<std::string> named;
  bool quiet = false;
  Flags flags("models check [NAME ...] [flags]",
              "Reads every byte of the models and verifies checksums, then checks that the weights "
              "have the tensors their configs declare.");
  flags.group("What to do");
  flags.words("NAME ...", "The models to check. Default: all on this machine.", named);
  flags.toggle("-q,--quiet", "Prints only what is wrong.", quiet);
  flags.epilogue(kEnvironment + exit_codes_text());
  if (!flags.read(words)) {
    print(flags.help());
    return 0;
  }
  const Places places = places_of_environment();
  std::vector<KeptModel> models;
  for (const ModelName& name : names_of(named, places)) {
    auto model = find_kept(places, name);
    if (!model || model->folder.empty()) {
      fail(ErrorKind::kMissing,
           "cannot check {}: not found in {}\n  `semblance models pull {}` downloads it",
           name.text(), (name.repository ? places.cache : places.face_models).string(),
           name.text());
    }
    models.push_back(std::move(*model));
  }
  if (named.empty()) models = kept_models(places);
  const Interrupt interrupt;
  Progress progress(quiet);
  if (models.empty()) progress.note(text_of(Message::kNothingToCheck, no_models_in(places)));
  std::vector<std::string> wrong;
  for (const KeptModel& model : models) {
    const std::string name = model.name.text();
    if (!model.is_whole()) {
      wrong.push_back(fmt::format("{}: {}", name, state_of(model)));
      if (model.files.empty()) continue;
    }
    std::uint64_t read_bytes = 0;
    const auto seen = [&](std::uint64_t bytes) {
      const std::uint64_t before = read_bytes >> 26;
      read_bytes += bytes;
      if (read_bytes >> 26 != before)
        progress.now(text_of(Message::kReadSoFar, name, page_amount(read_bytes)));
    };
    const auto unknown = [&](const std::string& file) {
      progress.warn(text_of(Message::kNoChecksum, name, file));
    };
    const auto bad = wrong_files(model, seen, unknown, interrupt.token());
    for (const std::string& line : bad) wrong.push_back(fmt::format("{}: {}", name, line));
    if (bad.empty())
      progress.note(
          text_of(Message::kFilesCorrect, name, page_amount(read_bytes), model.files.size()));
  }
  if (wrong.empty()) audit_models(models, progress);
  progress.clear();
  if (wrong.empty()) return 0;
  fail(ErrorKind::kCorrupt,
       "{} {} found:\n  {}\n  to download a model again: `semblance models rm NAME`, then "
       "`semblance models pull NAME`",
       wrong.size(), wrong.size() == 1 ? "problem" : "problems", fmt::join(wrong, "\n  "));
}

int remove(std::span<const char* const> words) {
  std::vector<std::string> named;
  bool yes = false;
  Flags flags("models rm NAME ... [--yes]",
              "Removes models from this machine, with all their revisions in the cache. Other "
              "tools that use the cache lose them too.");
  flags.group("What to do");
  flags.words("NAME ...", "The models to remove.", named);
  flags.toggle("-y,--yes", "Removes without asking.", yes);
  flags.epilogue(kEnvironment + exit_codes_text());
  if (!flags.read(words)) {
    print(flags.help());
    return 0;
  }
  if (named.empty())
    fail(ErrorKind::kArgument, "rm needs model names\n  `semblance models list` shows them");
  const Places places = places_of_environment();
  std::vector<KeptModel> models;
  for (const ModelName& name : names_of(named, places)) {
    auto model = find_kept(places, name);
    if (!model) {
      fail(ErrorKind::kMissing, "cannot remove {}: not found in {}", name.text(),
           (name.repository ? places.cache : places.face_models).string());
    }
    models.push_back(std::move(*model));
  }
  std::uint64_t bytes = 0;
  std::vector<std::string> folders;
  for (const KeptModel& model : models) {
    bytes += model.stored_bytes;
    folders.push_back(model.storage.string());
  }
  ask("rm", fmt::format("Remove {} ({})?", fmt::join(folders, ", "), page_amount(bytes)), yes);
  for (const KeptModel& model : models) {
    remove_kept(places, model);
    print(model.storage.string());
  }
  return 0;
}

}  // namespace

int models(std::span<const char* const> words) {
  const std::string command = words.empty() ? "" : words[0];
  const auto rest = words.subspan(words.empty() ? 0 : 1);
  if (command == "pull") return pull(rest);
  if (command == "list") return list(rest);
  if (command == "check") return check(rest);
  if (command == "rm") return remove(rest);
  if (words.empty() || command == "--help" || command == "-h" || command == "help") {
    print(std::string(kOverview) + kEnvironment + exit_codes_text());
    return 0;
  }
  constexpr std::string_view kKnown[] = {"pull", "list", "check", "rm", "--help"};
  fail(ErrorKind::kArgument, "unknown command 'models {}'{}\n  semblance models --help lists them",
       command, did_you_mean(command, kKnown));
}

}  // namespace semblance::cli
