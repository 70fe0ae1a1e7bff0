#include "cli/request_flags.h"

#include <fmt/format.h>

#include <cctype>

#include "app/control_pictures.h"
#include "app/planning.h"
#include "core/error.h"
#include "image/decode.h"

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

std::string placeholder_of(const Parameter& row, ParameterKind kind) {
  if (!row.placeholder.empty()) return std::string(row.placeholder);
  if (kind == ParameterKind::kText) return "TEXT";
  if (kind == ParameterKind::kChoice) return "NAME";
  return kind == ParameterKind::kNumber ? "X" : "N";
}

std::string capital(std::string text) {
  text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

/// "How strongly ... 0 to 5. Default: 0.8."
template <typename T>
std::string help_of(const Parameter& row, const T& usual) {
  constexpr ParameterKind kind = kind_of<T>();
  std::string help(row.help.english);
  if (kind == ParameterKind::kWhole || kind == ParameterKind::kNumber)
    help += fmt::format(" {} to {}.", row.least, row.most);
  if (kind == ParameterKind::kList) help += fmt::format(" May be given up to {} times.", row.most);
  if (kind == ParameterKind::kChoice) help += ' ' + capital(rule_of(row, kind)) + '.';
  if (!row.absent.english.empty()) return help + fmt::format(" Default: {}.", row.absent.english);
  if constexpr (kind == ParameterKind::kWhole || kind == ParameterKind::kNumber) {
    if constexpr (!kIsOptional<T>) help += fmt::format(" Default: {}.", usual);
  }
  if constexpr (std::is_same_v<T, Choice>) help += fmt::format(" Default: {}.", usual.name);
  return help;
}

/// Declares the flag of `row`; `usual` is its default.
template <typename T>
void declare(Flags& flags, const Parameter& row, T& member, const T& usual) {
  constexpr ParameterKind kind = kind_of<T>();
  if constexpr (kind == ParameterKind::kSwitch) {
    flags.toggle(row.flag_text(), help_of(row, usual), member);
  } else if constexpr (kind == ParameterKind::kList) {
    flags.values(row.flag_text(), placeholder_of(row, kind), help_of(row, usual),
                 [&row, &member](const std::string& flag, const std::string& text) {
                   member.push_back(text);
                   if (const auto problem = problem_of(row, member))
                     fail(ErrorKind::kArgument, "cannot take {}: {}", flag, *problem);
                 });
  } else {
    flags.value(row.flag_text(), placeholder_of(row, kind), help_of(row, usual),
                [&row, &member](const std::string& flag, const std::string& text) {
                  const bool has_plus = kind != ParameterKind::kText && text.starts_with('+');
                  std::optional<std::string> problem;
                  if (!read_text(row, std::string_view(text).substr(has_plus ? 1 : 0), member)) {
                    problem = expected(rule_of(row, kind), '\'' + text + '\'');
                  } else {
                    problem = problem_of(row, member);
                  }
                  if (problem) fail(ErrorKind::kArgument, "cannot take {}: {}", flag, *problem);
                });
  }
}

/// Declares the flags of a group's parameters, except those that another flag sets.
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
  flags.values(
      "--face", "FILE",
      fmt::format("The person: a photo (JPEG, PNG or WebP; the largest face is used), or an "
                  "identity saved by `semblance face --save`, which needs no face models. May be "
                  "given for up to {} photos of one person; the first one sets the position of the "
                  "face. Required, except with --resume.",
                  kMostPhotos),
      [&s](const std::string& flag, const std::string& text) {
        if (text.empty())
          fail(ErrorKind::kArgument, "cannot take {}: {}", flag, expected("a path", "''"));
        s.faces.emplace_back(text);
      });
  flags.path("--pose", "FILE",
             "Another photo or identity that sets the position of the face and the shape of the "
             "picture; the person stays that of --face. Default: as in --init if given, else as in "
             "the first --face.",
             s.pose);
  flags.path("--people", "FILE.json",
             fmt::format("Several people in one picture, up to {}, in place of --face: who they "
                         "are, where, and how strongly (docs/people.md). Each adds the time of a "
                         "picture.",
                         parameters::kPeople.most),
             s.people_file);
  flags.toggle("--people-from-pose",
               "Each --face is another person, in the place of a face in --pose, from left to "
               "right; it shows as many.",
               s.people_from_pose);
  declare_parameters(flags, s.request, FlagGroup::kPerson);
  declare(flags, parameters::kBestOf, s.best_of, 1);
}

void declare_picture(Flags& flags, RequestSettings& s) {
  flags.group("The picture");
  declare_parameters(flags, s.request, FlagGroup::kPicture);
  flags.path("--init", "FILE",
             "A picture to start from instead of noise (image to image): it is redrawn with the "
             "person of --face where its own face is. Its size, floored to multiples of 8, is the "
             "default for --size; for another size it is stretched.",
             s.initial);
  flags.path("--mask", "FILE|face",
             "Which part of --init is repainted (inpainting): a picture of its size, white where "
             "it is repainted, black where every pixel is kept; or face: its face, with a margin.",
             s.mask);
  flags.whole("--pick",
              "Which face of --init is meant, where it shows several: the largest is 1. Default: "
              "1.",
              1, 100, s.pick);
  declare_parameters(flags, s.request, FlagGroup::kInpaint);
  const Parameter& side = parameters::kWidth;
  flags.value(
      side.flag_text(), "WxH|auto|reference",
      fmt::format("Width x height in pixels, each a multiple of {} from {} to {}. auto: the "
                  "photo's shape, at the area the model was trained for (1024 x 1024 for SDXL). "
                  "reference: as InstantID's scripts do, with a long side of 1280. Default: auto.",
                  side.multiple_of, side.least, side.most),
      [&s](const std::string& flag, const std::string& text) { s.size = size_choice(flag, text); });
  declare(flags, parameters::kCount, s.images, 1);
  s.prompts.declare(flags);
}

void declare_models(Flags& flags, RequestSettings& s) {
  flags.group(kModelsGroup);
  declare_model_flags(flags, s.models, s.places);
  declare_embeddings(flags, s.models);
  s.looking.declare_models(flags,
                           "Face detector and recogniser: insightface's antelopev2 or buffalo_l "
                           "folder. Needed for photos, not for identities. Default: the ones "
                           "downloaded by `semblance models pull antelopev2`.");
}

void declare_output(Flags& flags, RequestSettings& s) {
  flags.group("Output");
  flags.path("-o,--output", "FILE",
             "The picture to write: .png, .jpg or .webp. With --images N the others are numbered: "
             "out.png, out-2.png, out-3.png, ... Required by `generate`, except with --resume.",
             s.output);
  flags.path("--latents", "FILE.npy",
             "Also writes the final latent, from which the picture is decoded, as a NumPy array: "
             "float32 [1,4,h/8,w/8]. Not with --images above 1.",
             s.latents);
  flags.toggle("--no-metadata",
               "Leaves prompt, seed and settings out of the picture file, which otherwise stores "
               "them as text.",
               s.no_metadata);
  flags.toggle("-q,--quiet", "Prints only warnings and the paths of written pictures.", s.quiet);
}

void declare_resume(Flags& flags, RequestSettings& s) {
  flags.group("Stopping and resuming (docs/resume.md)");
  flags.path("--save-state", "FILE",
             "Saves progress to FILE after every step so that the run can be resumed after ctrl-C, "
             "a signal or a power cut. FILE is removed once all pictures are written. Without this "
             "flag, a run that fails (out of memory or disk, for example) still saves its progress "
             "next to the picture, as out.png.resume; a run that is stopped saves nothing.",
             s.save_state);
  flags.path("--resume", "FILE",
             "Continues a saved run; the picture is bit for bit the one it would have made. The "
             "face and all settings come from FILE. Give --base and other models only if they have "
             "moved, -o only to write elsewhere. With --images N, the picture in progress is "
             "finished, then the remaining ones are made. FILE is left unchanged, "
             "unless --save-state names it too.",
             s.resume);
}

void declare_advanced(Flags& flags, RequestSettings& s) {
  flags.group("Advanced");
  declare_parameters(flags, s.request, FlagGroup::kAdvanced);
  flags.choice(
      "--precision",
      "Number format of the computation: f32 (32-bit), bf16 (16-bit, faster where the processor "
      "supports it) or f16 (16-bit, for graphics cards). auto: bf16 if the processor computes it "
      "natively, f16 if the card stores it, else f32. Default: auto.",
      {"auto", "f32", "bf16", "f16"}, s.precision);
  flags.whole("--threads",
              "Processor cores to use, 1 to 1024. The last bits of a picture depend on it. "
              "Default: all available.",
              1, 1024, s.threads);
  s.looking.declare_advanced(flags);
  flags.choice("--backend",
               "The implementation that computes: cpu, or ref, the slow plain loops that cpu is "
               "checked against. Default: cpu.",
               {kBackends[0], kBackends[1]}, s.backend);
}

void declare_memory(Flags& flags, RequestSettings& s) {
  flags.group("Memory (docs/memory.md)");
  flags.value("--memory", "AMOUNT",
              "Memory budget of the whole program: 256MiB or 2GiB (binary), 300MB or 1.5GB "
              "(decimal), 60% (of the available memory), or auto (80%). The picture is the same "
              "with any budget; a smaller one takes longer. Default: auto.",
              [&s](const std::string& flag, const std::string& text) {
                s.memory = parse_memory(text, flag);
              });
  flags.path("--scratch", "DIR",
             "Folder for the scratch file, which holds data that does not fit in memory. It must "
             "be on a disk, not in memory (tmpfs). Default: the first of TMPDIR, /var/tmp and /tmp "
             "that is on a disk.",
             s.scratch);
  flags.toggle("--no-spill", "Writes no scratch file; this needs more memory.", s.no_spill);
  flags.path("--trace", "FILE.json",
             "Writes a timeline of computation, reads, spills and memory use, to be opened in "
             "chrome://tracing or ui.perfetto.dev.",
             s.trace);
  flags.value("--lang", "en|es",
              "Language of progress, plans and warnings: English or Spanish. Default: from LC_ALL, "
              "LC_MESSAGES or LANG.",
              [&s](const std::string& flag, const std::string& text) {
                s.language = parse_language(text, flag);
              });
}

}  // namespace

void declare_embeddings(Flags& flags, ModelPaths& models) {
  flags.values("--embedding", "FILE",
               "A textual inversion for SDXL (safetensors or .pt), used where a prompt has the "
               "file's name without its extension. May be given several times.",
               [&models](const std::string& flag, const std::string& text) {
                 if (text.empty())
                   fail(ErrorKind::kArgument, "cannot take {}: {}", flag, expected("a path", "''"));
                 models.embeddings.emplace_back(text);
               });
}

void declare_request(Flags& flags, RequestSettings& s) {
  declare_person(flags, s);
  declare_picture(flags, s);
  declare_models(flags, s);
  declare_output(flags, s);
  s.where.declare(flags);
  declare_memory(flags, s);
  declare_resume(flags, s);
  declare_advanced(flags, s);
}

void find_models(RequestSettings& s, IfMissing if_missing) {
  find_models(s.models, s.places, s.looking, if_missing);
}

void find_device(RequestSettings& s, const Flags& flags) {
  s.where.find(flags);
  if (!s.where.is_processor() && flags.gives("--backend")) {
    fail(
        ErrorKind::kArgument,
        "--backend cannot be used with --device {}: it chooses how the processor computes\n  leave "
        "out one of them",
        s.where.device);
  }
}

void locate_loras(RequestSettings& s) {
  for (std::string& text : s.request.loras) {
    LoraChoice choice = parse_lora(text);
    std::error_code ignored;
    const bool is_here = std::filesystem::is_regular_file(choice.name, ignored);
    if (choice.is_path() || !is_here) continue;
    choice.name.insert(0, "./");
    text = text_of(choice);
  }
}

void locate_controls(RequestSettings& s) {
  for (std::string& text : s.request.controls) {
    ControlChoice choice = parse_control(text);
    std::error_code ignored;
    if (choice.is_path() || !std::filesystem::exists(choice.model, ignored)) continue;
    choice.model.insert(0, "./");
    text = text_of(choice);
  }
}

void check_controls(const RequestSettings& s) {
  for (const std::string& text : s.request.controls) {
    const ControlChoice choice = parse_control(text);
    if (choice.image.empty()) {
      fail(ErrorKind::kArgument,
           "cannot take {}: the ControlNet {} has no picture\n  add image=FILE",
           parameters::kControls.flag_text(), choice.model);
    }
    probe(choice.image);
  }
}

void take_people(RequestSettings& s) {
  if (!s.people_file.empty()) {
    if (!s.faces.empty() || s.people_from_pose) {
      fail(ErrorKind::kArgument,
           "cannot take --people: {} is given, too\n  the file names the faces; leave out one",
           s.faces.empty() ? "--people-from-pose" : "--face");
    }
    s.request.people = read_people(s.people_file, "--people");
  }
  if (!s.people_from_pose) return;
  if (s.pose.empty())
    fail(ErrorKind::kArgument,
         "cannot take --people-from-pose: there is no photo of their places\n"
         "  give one with --pose");
  const auto most = static_cast<std::size_t>(parameters::kPeople.most);
  if (s.faces.size() < 2 || s.faces.size() > most) {
    fail(ErrorKind::kArgument, "cannot take --people-from-pose: {}",
         expected(fmt::format("2 to {} people, each a --face", most),
                  fmt::to_string(s.faces.size())));
  }
  s.request.people = people_of_pose(s.faces);
}

std::vector<int> photo_counts(const RequestSettings& s, const SubjectReader& reader) {
  if (!s.has_people()) return {reader.photos(s.faces)};
  std::vector<int> counts;
  for (const std::string& text : s.request.people) {
    const std::vector<std::string> faces = parse_person(text).faces;
    counts.push_back(reader.photos(std::vector<std::filesystem::path>(faces.begin(), faces.end())));
  }
  return counts;
}

std::optional<InitialPicture> take_initial(RequestSettings& s) {
  if (s.initial.empty()) {
    if (!s.mask.empty()) {
      fail(ErrorKind::kArgument,
           "cannot take --mask: there is no picture to repaint\n  give one with --init");
    }
    if (s.request.extends()) {
      fail(ErrorKind::kArgument,
           "cannot take {}: there is no picture to extend\n  give one with --init",
           parameters::kExtendLeft.flag_text());
    }
    if (!s.request.strength) return std::nullopt;
    fail(ErrorKind::kArgument,
         "cannot take --strength: there is no picture to start from\n  give one with --init, or "
         "leave out --strength");
  }
  if (!s.request.strength) s.request.strength = Request::kStrength;
  s.request.has_mask = !s.mask.empty() || s.request.extends();
  if (s.mask == kFaceMask) {
    if (!s.pose.empty()) {
      fail(ErrorKind::kArgument,
           "cannot take --mask {}: --pose puts the person's face elsewhere\n  leave out one",
           kFaceMask);
    }
  }
  InitialPicture initial =
      s.mask == kFaceMask
          ? InitialPicture::with_face_covered(open_file(s.initial))
          : InitialPicture(open_file(s.initial), s.mask.empty() ? nullptr : open_file(s.mask));
  s.request.has_alpha = initial.has_alpha();
  return initial;
}

Size size_of_picture(const RequestSettings& s, const std::optional<InitialPicture>& initial,
                     const SubjectReader& reader, int native_side) {
  if (initial) return initial->size(s.size, s.request, native_side);
  const std::filesystem::path framed = s.framed();
  const Size frame = framed.empty() ? Size{native_side, native_side} : reader.frame(framed);
  return picture_size(s.size, frame, native_side);
}

std::vector<Stage> stages_before(const RequestSettings& s,
                                 const std::optional<InitialPicture>& initial,
                                 SubjectReader& reader, const Request& request) {
  std::vector<Stage> stages = photo_stages(reader, s.photos());
  const std::size_t alone = stages.size();
  if (initial) stages.push_back(initial->stage(request));
  const InitialPicture* const from = initial ? &*initial : nullptr;
  for (const ControlChoice& choice : parse_controls(s.request.controls)) {
    if (choice.image.empty()) continue;
    stages.push_back(
        control_picture_stage(*open_file(choice.image), request, choice.prepare, from));
  }
  const std::uint64_t pixels =
      static_cast<std::uint64_t>(request.width) * static_cast<std::uint64_t>(request.height);
  for (Stage& stage : std::span(stages).subspan(alone))
    stage.beside.added_bytes += 3 * pixels * s.request.controls.size();
  return stages;
}

void check_request(const RequestSettings& s) {
  Request probe = s.request;  // 64 stands in for sides that depend on the photo
  probe.width = s.size.rule == SizeRule::kFixed ? s.size.fixed.w : 64;
  probe.height = s.size.rule == SizeRule::kFixed ? s.size.fixed.h : 64;
  check_values(probe, [](const Parameter& row) { return row.flag_text(); });
  s.looking.check();
  const int count = s.picture_count();
  if (!s.latents.empty() && count > 1) {
    fail(ErrorKind::kArgument, "cannot take --latents: expected one picture, got {}",
         s.prompts.has_file() ? fmt::format("{} of --prompts", count)
                              : fmt::format("--images {}", s.images));
  }
  if (count > static_cast<int>(parameters::kCount.most)) {
    fail(ErrorKind::kArgument,
         "cannot take --prompts: expected at most {} pictures in all, got {} prompts with --images "
         "{}",
         parameters::kCount.most, s.prompts.count(), s.images);
  }
  const std::optional<std::uint64_t>& seed = s.request.seed;
  const int made = count * s.best_of;
  if (seed && *seed > ~std::uint64_t{0} - (static_cast<std::uint64_t>(made) - 1)) {
    fail(ErrorKind::kArgument, "cannot take --seed: {} is too large to count up for {} pictures",
         *seed, made);
  }
}

std::vector<std::string> flags_of_parameters() {
  std::vector<std::string> flags{parameters::kCount.flag_text(), parameters::kBestOf.flag_text()};
  const Request none;
  each_parameter([&flags](const Parameter& row, const auto&) { flags.push_back(row.flag_text()); },
                 none);
  return flags;
}

}  // namespace semblance::cli
