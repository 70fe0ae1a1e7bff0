// What a user asks for, and where the models lie. The table of a picture's parameters stands here,
// and nowhere else: flags and their help, JSON, checks, saved runs, the text in pictures, the APIs'
// document and the page's fields are made from it (pipeline/parameter.h says what a row has).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "pipeline/parameter.h"

namespace semblance {

/// Where the published files are (docs/models.md). Nothing is read until a Pipeline is opened.
struct ModelPaths {
  std::filesystem::path base;         // diffusers folder of an SDXL
  std::filesystem::path identitynet;  // folder with config.json and the ControlNet's weights
  std::filesystem::path adapter;      // ip-adapter.bin, or one safetensors
};

enum class Precision : std::uint8_t {
  kAuto,
  kF32,
  kBF16
};  // auto: bf16 where the processor computes it natively

/// The most bytes of a prompt and of a negative prompt, as UTF-8. The text encoders read its first
/// 77 tokens; the rest costs time and memory alone.
inline constexpr std::size_t kMostPromptBytes = std::size_t{64} << 10U;

/// One picture. Defaults are the published demo's where it has them.
struct Request {
  std::string prompt = {};
  /// Absent is diffusers' None: zeroed where the checkpoint says so.
  std::optional<std::string> negative = {};
  int width = 0;  // pixels, multiples of 8; 0: the photo's shape at the model's own area
  int height = 0;
  int steps = 30;
  std::optional<float> guidance = {};  // at 1 and below: none, half the work
  float identity_strength = 0.8F;
  float adapter_strength = 0.8F;
  double identity_start = 0;  // fractions of the steps: IdentityNet is off outside
  double identity_end = 1;
  std::optional<std::uint64_t> seed = {};
  bool vae_tiling = false;  // decode in tiles that are blended, as diffusers' enable_vae_tiling
  int clip_skip = 0;        // layers of the text encoders, as diffusers' clip_skip

  // Where the request leaves them open. Front ends take the model's own guidance
  // (Pipeline::native_guidance()) and a random seed instead.
  static constexpr float kGuidance = 5;
  static constexpr std::uint64_t kSeed = 0;
};

/// A row for each member of Request, and one for how many pictures are made.
namespace parameters {

inline constexpr ServiceMost most_in_service(double most) {
  return {most,
          {"The service computes one job at a time: all others wait for it.",
           "El servicio calcula un trabajo a la vez: los demás esperan."}};
}
inline constexpr Dial kOwnField{.place = PagePlace::kOwnField};

inline constexpr Parameter kPrompt{
    .name = "prompt",
    .title = {"Prompt", "Descripción"},
    .help = {"What the picture shows.", "Qué muestra la imagen."},
    .unit = "bytes",
    .most = kMostPromptBytes,
    .is_required = true,
    .web_ui = "prompt",
    .page = kOwnField,
};
inline constexpr Parameter kNegative{
    .name = "negative_prompt",
    .short_name = "negative",
    .title = {"Negative prompt", "Descripción negativa"},
    .help = {"What the picture should not show; an empty text is not the same as none.",
             "Qué no debe mostrar la imagen; un texto vacío no es lo mismo que ninguno."},
    .unit = "bytes",
    .most = kMostPromptBytes,
    .absent = {"the model's own empty encoding", "la codificación vacía del modelo"},
    .web_ui = "negative_prompt",
    .page = kOwnField,
};
inline constexpr Parameter kSteps{
    .name = "steps",
    .title = {"Steps", "Pasos"},
    .help = {"Steps of the sampler: with more the picture is finer and takes longer.",
             "Pasos del muestreador: con más, la imagen es más fina y tarda más."},
    .least = 1,
    .most = 1000,
    .service = most_in_service(100),
    .web_ui = "steps",
    .page = {PagePlace::kDials, 1, 100, 1},
    .png = "Steps",
    .png_always = true,
};
inline constexpr Parameter kGuidance{
    .name = "guidance",
    .title = {"Guidance", "Guía"},
    .help =
        {"How closely the prompt is followed; at 1 and below not at all, in half the time.",
         "Con qué fidelidad se sigue la descripción; con 1 o menos, nada, en la mitad de tiempo."},
    .most = 100,
    .absent = {"the model's own (guidance_scale in generation_config.json), else 5",
               "la del modelo (guidance_scale en generation_config.json) o, si no, 5"},
    .web_ui = "cfg_scale",
    .page = {PagePlace::kFiner, 0, 20, 0.5},
    .png = "CFG scale",
    .png_always = true,
};
inline constexpr Parameter kSeed{
    .name = "seed",
    .title = {"Seed", "Semilla"},
    .help = {"Chooses the first noise: the same seed and settings give the same picture.",
             "Elige el primer ruido: la misma semilla y los mismos ajustes dan la misma imagen."},
    .absent = {"a random number below 2147483648, which is told",
               "un número al azar menor que 2147483648, que se indica"},
    .web_ui = "seed",
    .page = kOwnField,
    .png = "Seed",
    .png_always = true,
};
inline constexpr Parameter kWidth{
    .name = "width",
    .title = {"Width", "Ancho"},
    .help = {"The picture's width.", "El ancho de la imagen."},
    .unit = "pixels",
    .least = 8,
    .most = 8192,
    .multiple_of = 8,
    .service = {4096,
                {"A larger picture takes the service too long to plan while others wait.",
                 "Una imagen mayor se tarda demasiado en planificar mientras otros esperan."}},
    .absent = {"the photo's shape at the model's own area",
               "la forma de la foto con el área propia del modelo"},
    .zero_is_absent = true,
    .flag_name = "--size",
    .openai_name = "size",
    .web_ui = "width",
    .page = kOwnField,
};
inline constexpr Parameter kHeight{
    .name = "height",
    .title = {"Height", "Alto"},
    .help = {"The picture's height.", "El alto de la imagen."},
    .unit = "pixels",
    .least = kWidth.least,
    .most = kWidth.most,
    .multiple_of = kWidth.multiple_of,
    .service = kWidth.service,
    .absent = kWidth.absent,
    .zero_is_absent = true,
    .flag_name = "--size",
    .openai_name = "size",
    .web_ui = "height",
    .page = kOwnField,
};
inline constexpr Parameter kIdentityStrength{
    .name = "identity_strength",
    .title = {"IdentityNet strength", "Fuerza de IdentityNet"},
    .help = {"How firmly the face's place and features are held (IdentityNet); 0 turns it off.",
             "Con qué firmeza se mantienen el lugar y los rasgos de la cara (IdentityNet); 0 la "
             "desactiva."},
    .most = 5,
    .flag = FlagGroup::kPerson,
    .web_ui = "points.weight",
    .page = {PagePlace::kDials, 0, 1.5, 0.05},
    .png = "IdentityNet strength",
    .png_always = true,
};
inline constexpr Parameter kAdapterStrength{
    .name = "adapter_strength",
    .title = {"Adapter strength", "Fuerza del adaptador"},
    .help = {"How much of the person flows into the whole picture: less leaves more to the prompt.",
             "Cuánto de la persona pasa a toda la imagen: con menos, decide más la descripción."},
    .most = 5,
    .flag = FlagGroup::kPerson,
    .web_ui = "face.weight",
    .page = {PagePlace::kDials, 0, 1.5, 0.05},
    .png = "Adapter strength",
    .png_always = true,
};
inline constexpr Parameter kIdentityStart{
    .name = "identity_start",
    .title = {"IdentityNet start", "Inicio de IdentityNet"},
    .help = {"IdentityNet works from this fraction of the steps on.",
             "IdentityNet actúa desde esta fracción de los pasos."},
    .most = 1,
    .flag = FlagGroup::kAdvanced,
    .web_ui = "points.guidance_start",
    .png = "IdentityNet start",
};
inline constexpr Parameter kIdentityEnd{
    .name = "identity_end",
    .title = {"IdentityNet end", "Fin de IdentityNet"},
    .help = {"IdentityNet works up to this fraction of the steps.",
             "IdentityNet actúa hasta esta fracción de los pasos."},
    .most = 1,
    .flag = FlagGroup::kAdvanced,
    .web_ui = "points.guidance_end",
    .png = "IdentityNet end",
};
inline constexpr Parameter kVaeTiling{
    .name = "vae_tiling",
    .title = {"VAE tiling", "VAE por teselas"},
    .help = {"Decodes the picture in overlapping tiles that are blended, as diffusers' "
             "enable_vae_tiling does: large pictures decode faster, and light may change from tile "
             "to tile.",
             "Descodifica la imagen en teselas solapadas que se funden, como enable_vae_tiling de "
             "diffusers: las imágenes grandes tardan menos, y la luz puede cambiar de tesela a "
             "tesela."},
    .flag = FlagGroup::kAdvanced,
    .png = "VAE tiling",
};
inline constexpr Parameter kClipSkip{
    .name = "clip_skip",
    .title = {"CLIP skip", "Capas de CLIP omitidas"},
    .help = {"How many layers before the usual one the text encoders are read for the prompt, as "
             "diffusers' clip_skip: with more it is followed more loosely.",
             "Cuántas capas antes de la habitual se leen los codificadores de texto para la "
             "descripción, como clip_skip de diffusers: con más, se sigue con más libertad."},
    .unit = "layers",
    .most = 11,
    .flag = FlagGroup::kAdvanced,
    .page = {PagePlace::kFiner, 0, 11, 1},
    .png = "CLIP layers skipped",
};
inline constexpr Parameter kCount{
    .name = "count",
    .short_name = "images",
    .title = {"Pictures", "Imágenes"},
    .help = {"How many pictures are made, one after the other, with seeds counted up.",
             "Cuántas imágenes se crean, una tras otra, con semillas consecutivas."},
    .least = 1,
    .most = 1000,
    .service = most_in_service(16),
    .shapes_picture = false,
    .openai_name = "n",
    .web_ui = "n_iter",
    .page = {PagePlace::kDials, 1, 16, 1},
};

}  // namespace parameters

/// Calls f(row, s.member...) for each row but kCount. `s` are Requests, or other structs with the
/// same members: the types of members may differ.
template <typename F, typename... S>
constexpr void each_parameter(F&& f, S&... s) {
  namespace rows = parameters;
  f(rows::kPrompt, s.prompt...);
  f(rows::kNegative, s.negative...);
  f(rows::kSteps, s.steps...);
  f(rows::kGuidance, s.guidance...);
  f(rows::kSeed, s.seed...);
  f(rows::kWidth, s.width...);
  f(rows::kHeight, s.height...);
  f(rows::kIdentityStrength, s.identity_strength...);
  f(rows::kAdapterStrength, s.adapter_strength...);
  f(rows::kIdentityStart, s.identity_start...);
  f(rows::kIdentityEnd, s.identity_end...);
  f(rows::kVaeTiling, s.vae_tiling...);
  f(rows::kClipSkip, s.clip_skip...);
}

/// Throws Error(kArgument), "cannot take NAME: expected RULE, got VALUE", for a request that no
/// picture can have: a value out of its row's range, prompts that are not UTF-8, a window whose
/// start is after its end. Sides must be given. `name_of` gives what the front end calls a
/// parameter.
void check(const Request& request);
void check(const Request& request, std::string (*name_of)(const Parameter& row));

/// "expected at most identity_end, got 0.5 and 0.2", where IdentityNet's window ends before it
/// begins. `end_name`: what identity_end is called.
std::optional<std::string> window_problem(const Request& request, std::string_view end_name);

}  // namespace semblance
