#include "cli/request_flags.h"

#include <fmt/format.h>

#include "core/error.h"
#include "sampling/sampler.h"

namespace semblance::cli {
namespace {

SizeChoice size_choice(const std::string& flag, const std::string& text) {
  if (text == "auto") return {.rule = SizeRule::kAuto};
  if (text == "reference") return {.rule = SizeRule::kReference};
  const auto size = parse_size(text);
  if (!size) {
    fail(ErrorKind::kArgument, "cannot take {}: {}", flag,
         expected("WxH (as 1024x768), auto or reference", '\'' + text + '\''));
  }
  return {.rule = SizeRule::kFixed, .fixed = {size->width, size->height}};
}

std::string placeholder_of(ParameterKind kind) {
  if (kind == ParameterKind::kText) return "TEXT";
  return kind == ParameterKind::kNumber ? "X" : "N";
}

/// "How firmly ... is held. 0 to 5. Default: 0.8."
template <typename T>
std::string help_of(const Parameter& row, const T& usual) {
  constexpr ParameterKind kind = kind_of<T>();
  std::string help(row.help.english);
  if (kind == ParameterKind::kWhole || kind == ParameterKind::kNumber)
    help += fmt::format(" {} to {}.", row.least, row.most);
  if (!row.absent.english.empty()) return help + fmt::format(" Default: {}.", row.absent.english);
  if constexpr (kind == ParameterKind::kWhole || kind == ParameterKind::kNumber) {
    if constexpr (!kIsOptional<T>) help += fmt::format(" Default: {}.", usual);
  }
  return help;
}

/// `usual`: its default.
template <typename T>
void declare(Flags& flags, const Parameter& row, T& member, const T& usual) {
  constexpr ParameterKind kind = kind_of<T>();
  if constexpr (kind == ParameterKind::kSwitch) {
    flags.toggle(row.flag_text(), help_of(row, usual), member);
  } else {
    flags.value(row.flag_text(), placeholder_of(kind), help_of(row, usual),
                [&row, &member](const std::string& flag, const std::string& text) {
                  const bool has_plus = kind != ParameterKind::kText && text.starts_with('+');
                  std::optional<std::string> problem;
                  if (!read_text(std::string_view(text).substr(has_plus ? 1 : 0), member)) {
                    problem = expected(rule_of(row, kind), '\'' + text + '\'');
                  } else {
                    problem = problem_of(row, member);
                  }
                  if (problem) fail(ErrorKind::kArgument, "cannot take {}: {}", flag, *problem);
                });
  }
}

/// The flags of a group's parameters but those that another flag gives.
void declare_parameters(Flags& flags, Request& request, FlagGroup group) {
  const Request usual;
  each_parameter(
      [&](const Parameter& row, auto& member, const auto& its_default) {
        if (row.flag == group && row.flag_name.empty()) declare(flags, row, member, its_default);
      },
      request, usual);
}

void declare_person(Flags& flags, RequestSettings& s) {
  flags.group("The person");
  flags.path(
      "--face", "FILE",
      "A photo (JPEG, PNG or WebP), of which the largest face is taken, or an identity saved "
      "by `semblance face --save`, which needs no face models.",
      s.face);
  flags.path("--pose", "FILE",
             "Another photo or identity that says where the face stands, and the shape of the "
             "picture. Default: the face's own.",
             s.pose);
  declare_parameters(flags, s.request, FlagGroup::kPerson);
}

void declare_picture(Flags& flags, RequestSettings& s) {
  flags.group("The picture");
  declare_parameters(flags, s.request, FlagGroup::kPicture);
  const Parameter& side = parameters::kWidth;
  flags.value(
      side.flag_text(), "WxH|auto|reference",
      fmt::format(
          "Width x height in pixels, multiples of {} from {} to {}. auto: the photo's shape at "
          "the area that the model was made for (1024 x 1024 for SDXL). reference: as the "
          "published scripts do, long side 1280. Default: auto.",
          side.multiple_of, side.least, side.most),
      [&s](const std::string& flag, const std::string& text) { s.size = size_choice(flag, text); });
  declare(flags, parameters::kCount, s.images, 1);
}

void declare_models(Flags& flags, RequestSettings& s) {
  flags.group(kModelsGroup);
  flags.path("--base", "DIR|NAME",
             "An SDXL model: a diffusers folder, or owner/name on the hub (sdxl for "
             "stabilityai/stable-diffusion-xl-base-1.0) that `semblance models pull` has brought.",
             s.models.base);
  flags.path("--identitynet", "DIR|NAME",
             "InstantID's ControlNetModel folder, or owner/name. Default: what `semblance models "
             "pull instantid` has brought.",
             s.models.identitynet);
  flags.path("--adapter", "FILE|NAME",
             "InstantID's ip-adapter.bin, the same as safetensors, or owner/name. Default: what "
             "`semblance models pull instantid` has brought.",
             s.models.adapter);
  s.looking.declare_models(
      flags,
      "insightface's antelopev2 or buffalo_l folder. Needed when a photo is given. Default: what "
      "`semblance models pull antelopev2` has brought.");
}

void declare_output(Flags& flags, RequestSettings& s) {
  flags.group("Output");
  flags.path("-o,--output", "FILE", "Where the picture goes: .png, .jpg or .webp.", s.output);
  flags.path(
      "--latents", "FILE.npy",
      "Also writes the final latent, of which the picture is decoded, as a NumPy array: float32 "
      "[1,4,h/8,w/8]. One image only.",
      s.latents);
  flags.toggle("--no-metadata",
               "Leaves out the text about prompt, seed and settings that the picture file carries.",
               s.no_metadata);
  flags.toggle("-q,--quiet", "Prints warnings and the written file only.", s.quiet);
}

void declare_resume(Flags& flags, RequestSettings& s) {
  flags.group("A run that stops");
  flags.path("--save-state", "FILE",
             "Keeps here, after every step, what is needed to go on: for runs that may be ended by "
             "ctrl-C, a signal or a power cut. Removed when all pictures are written. Without the "
             "flag a run that fails (memory or disk ran out, say) still leaves it, as the "
             "picture's name with .resume behind; one that is ended leaves nothing.",
             s.save_state);
  flags.path("--resume", "FILE",
             "Goes on with a run to the picture that it would have made, bit for bit. Everything "
             "that shapes the picture comes from FILE, the face too; --base, --identitynet and "
             "--adapter are needed only where the models have moved, -o to write elsewhere. Of "
             "--images N the one in progress is ended, then the rest is made. FILE stays as it is, "
             "unless --save-state names it as well.",
             s.resume);
}

void declare_advanced(Flags& flags, RequestSettings& s) {
  flags.group("Advanced");
  declare_parameters(flags, s.request, FlagGroup::kAdvanced);
  flags.choice(
      "--precision",
      "The numbers to compute with. auto: bf16 where the processor computes it natively, else f32. "
      "Default: auto.",
      {"auto", "f32", "bf16"}, s.precision);
  flags.whole(
      "--threads",
      "Processor cores to use, 1 to 1024. The last bits of a picture depend on it. Default: "
      "all there are.",
      1, 1024, s.threads);
  flags.value("--scheduler", "NAME",
              fmt::format("The method of the steps (sampler): {}. Default: {}.", sampler_titles(),
                          default_sampler().title),
              [](const std::string& flag, const std::string& name) {
                if (find_sampler(name) == nullptr) {
                  fail(ErrorKind::kArgument, "{}: there is no sampler '{}'; there is: {}", flag,
                       name, sampler_titles());
                }
              });
  s.looking.declare_advanced(flags);
  flags.choice(
      "--backend",
      "Which code computes: cpu, or ref, slow and plain loops to check it against. Default: "
      "cpu.",
      {kBackends[0], kBackends[1]}, s.backend);
}

void declare_memory(Flags& flags, RequestSettings& s) {
  flags.group("Memory (docs/memory.md)");
  flags.value(
      "--memory", "AMOUNT",
      "The most that the whole program may hold: 256MiB, 2GiB (binary), 300MB, 1.5GB "
      "(decimal), 60% of what is available, or auto, which is 80%. The picture is the same, "
      "with less it takes longer. Default: auto.",
      [&s](const std::string& flag, const std::string& text) {
        s.memory = parse_memory(text, flag);
      });
  flags.path("--scratch", "DIR",
             "The folder for what does not fit in memory meanwhile; not one in memory (tmpfs). "
             "Default: the first of TMPDIR, /var/tmp and /tmp that is on a disk.",
             s.scratch);
  flags.toggle("--no-spill", "Nothing is written to a scratch file, which takes more memory.",
               s.no_spill);
  flags.path("--trace", "FILE.json",
             "Writes a timeline of what computed, was read and was spilled when, and of the memory "
             "held, for chrome://tracing or ui.perfetto.dev.",
             s.trace);
  flags.value(
      "--lang", "en|es",
      "The language of what is told about memory: English or Spanish. Default: what LC_ALL, "
      "LC_MESSAGES or LANG says.",
      [&s](const std::string& flag, const std::string& text) {
        s.language = parse_language(text, flag);
      });
}

}  // namespace

void declare_request(Flags& flags, RequestSettings& s) {
  declare_person(flags, s);
  declare_picture(flags, s);
  declare_models(flags, s);
  declare_output(flags, s);
  declare_memory(flags, s);
  declare_resume(flags, s);
  declare_advanced(flags, s);
}

void find_models(RequestSettings& s, NotThere not_there) {
  const NamedModels found = resolve_models({.base = s.models.base,
                                            .identitynet = s.models.identitynet,
                                            .adapter = s.models.adapter,
                                            .face_models = s.looking.files.folder},
                                           not_there);
  s.models = {.base = found.base, .identitynet = found.identitynet, .adapter = found.adapter};
  s.looking.find_models(not_there);
}

void check_request(const RequestSettings& s) {
  Request probe = s.request;  // a size that depends on the photo is multiples of 64
  probe.width = s.size.rule == SizeRule::kFixed ? s.size.fixed.w : 64;
  probe.height = s.size.rule == SizeRule::kFixed ? s.size.fixed.h : 64;
  check(probe, [](const Parameter& row) { return row.flag_text(); });
  s.looking.check();
  if (!s.latents.empty() && s.images > 1) {
    fail(ErrorKind::kArgument, "--latents: one image only, --images {} came", s.images);
  }
  const std::optional<std::uint64_t>& seed = s.request.seed;
  if (seed && *seed > ~std::uint64_t{0} - (static_cast<std::uint64_t>(s.images) - 1)) {
    fail(ErrorKind::kArgument, "--seed: {} is too large to be counted up for {} images", *seed,
         s.images);
  }
}

std::vector<std::string> flags_of_parameters() {
  std::vector<std::string> flags{parameters::kCount.flag_text()};
  const Request none;
  each_parameter([&flags](const Parameter& row, const auto&) { flags.push_back(row.flag_text()); },
                 none);
  return flags;
}

}  // namespace semblance::cli
