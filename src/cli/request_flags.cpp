#include "cli/request_flags.h"

#include <limits>

#include "core/ascii.h"
#include "core/error.h"

namespace semblance::cli {
namespace {

SizeChoice size_choice(const std::string& flag, const std::string& text) {
  if (text == "auto") return {.rule = SizeRule::kAuto};
  if (text == "reference") return {.rule = SizeRule::kReference};
  const auto size = parse_size(text);
  if (!size) {
    fail(ErrorKind::kArgument, "{}: WxH (as 1024x768), auto or reference is needed, '{}' came",
         flag, text);
  }
  return {.rule = SizeRule::kFixed, .fixed = {size->width, size->height}};
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
  flags.number(
      "--identity-strength",
      "How firmly the face's place and features are held (IdentityNet), 0 to 5; 0 turns it "
      "off. Default: 0.8.",
      s.request.identity_strength);
  flags.number("--adapter-strength",
               "How much of the person flows into the whole picture, 0 to 5. Lower it when colours "
               "are too strong. Default: 0.8.",
               s.request.adapter_strength);
}

void declare_picture(Flags& flags, RequestSettings& s) {
  flags.group("The picture");
  flags.text("--prompt", "TEXT", "What the picture shows.", s.prompt);
  flags.text(
      "--negative", "TEXT",
      "What the picture should not show. Without the flag the model's own empty encoding is used; "
      "--negative \"\" encodes an empty text, which is not the same.",
      s.request.negative);
  flags.value(
      "--size", "WxH|auto|reference",
      "Width x height in pixels, multiples of 8. auto: the photo's shape at the area that "
      "the model was made for (1024 x 1024 for SDXL). reference: as the published scripts "
      "do, long side 1280. Default: auto.",
      [&s](const std::string& flag, const std::string& text) { s.size = size_choice(flag, text); });
  flags.whole("--steps", "Steps of the sampler, 1 to 1000. Default: 30.", 1, 1000, s.steps);
  flags.number(
      "--guidance",
      "How closely the prompt is followed, 0 to 100. At 1 and below guidance is off, which "
      "halves the work. Default: the base model's guidance_scale (generation_config.json), else 5.",
      s.request.guidance);
  flags.whole(
      "--seed",
      "Chooses the first noise: the same seed and settings give the same picture. Default: a "
      "random number below 2147483648, which is printed.",
      0, std::numeric_limits<std::int64_t>::max(), s.seed);
  flags.whole("--images",
              "How many pictures, with seeds counted up: out.png, out-2.png, ... 1 to 1000. "
              "Default: 1.",
              1, 1000, s.images);
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
  flags.number("--identity-start",
               "IdentityNet works from this fraction of the steps on, 0 to 1. Default: 0.",
               s.request.identity_start);
  flags.number("--identity-end",
               "IdentityNet works up to this fraction of the steps, 0 to 1. Default: 1.",
               s.request.identity_end);
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
  flags.value(
      "--scheduler", "NAME", "The method of the steps (sampler); there is euler. Default: euler.",
      [](const std::string& flag, const std::string& text) {
        const std::string name = lower(text);
        if (name != "euler") {
          fail(ErrorKind::kArgument, "{}: there is no scheduler '{}'; there is: euler", flag, name);
        }
      });
  s.looking.declare_advanced(flags);
  flags.toggle(
      "--vae-tiling",
      "Decodes the picture in overlapping tiles that are blended, as diffusers' VAE tiling "
      "does: for its look, or because large pictures decode faster so. Light may change "
      "from tile to tile. Without it there are no seams, and no more memory is needed. "
      "Pictures of up to the VAE's own size, 1024 for SDXL, are one tile.",
      s.request.vae_tiling);
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

void check_request(RequestSettings& s) {
  s.request.prompt = s.prompt.value_or("");
  s.request.steps = static_cast<int>(s.steps);
  Request probe = s.request;  // a size that depends on the photo is multiples of 64
  probe.width = s.size.rule == SizeRule::kFixed ? s.size.fixed.w : 64;
  probe.height = s.size.rule == SizeRule::kFixed ? s.size.fixed.h : 64;
  check(probe);
  s.looking.check();
  if (!s.latents.empty() && s.images > 1) {
    fail(ErrorKind::kArgument, "--latents: one image only, --images {} came", s.images);
  }
  if (s.seed && *s.seed > std::numeric_limits<std::int64_t>::max() - (s.images - 1)) {
    fail(ErrorKind::kArgument, "--seed: {} is too large to be counted up for {} images", *s.seed,
         s.images);
  }
}

}  // namespace semblance::cli
