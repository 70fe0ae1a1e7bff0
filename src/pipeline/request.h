// A request for a picture, the paths of the models, and the one table of a picture's parameters.
// Flags and their help, JSON, checks, saved runs, the text in pictures, the API document and the
// page's fields are all made from this table (pipeline/parameter.h describes a row).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/parameter.h"

namespace semblance {

/// Paths of the model files (docs/models.md). Nothing is read until a Pipeline is opened.
struct ModelPaths {
  std::filesystem::path base;         // diffusers folder of an SDXL model
  std::filesystem::path identitynet;  // folder with config.json and the ControlNet's weights
  std::filesystem::path adapter;      // ip-adapter.bin, or the same as safetensors
  std::vector<std::filesystem::path> embeddings = {};  // textual inversions for SDXL
};

enum class Precision : std::uint8_t {
  kAuto,
  kF32,
  kBF16
};  // auto: bf16 where the processor computes it natively

/// Maximum length of a prompt and of a negative prompt, in bytes of UTF-8. The longer the text, the
/// more each step computes.
inline constexpr std::size_t kMostPromptBytes = std::size_t{64} << 10U;

/// How prompts become what the UNet reads, as users name it; PromptEncoding has the same order.
inline constexpr std::array<std::string_view, 4> kEncodingNames{"auto", "plain", "weighted",
                                                                "a1111"};

/// One picture. Defaults are those of InstantID's demo where it has them.
struct Request {
  std::string prompt = {};
  /// Absent means diffusers' None: a zero encoding if the checkpoint says so.
  std::optional<std::string> negative = {};
  int width = 0;  // pixels, multiples of 8; 0: the photo's shape at the model's native area
  int height = 0;
  int steps = 30;
  std::optional<float> guidance = {};  // 1 and below: off, half the work
  float identity_strength = 0.8F;
  float adapter_strength = 0.8F;
  double identity_start = 0;  // fractions of the steps; IdentityNet is off outside
  double identity_end = 1;
  std::optional<std::uint64_t> seed = {};
  bool vae_tiling = false;  // decode in blended tiles, as diffusers' enable_vae_tiling
  std::string encoding{kEncodingNames[0]};  // of the prompts: pipeline/prompts.h
  int clip_skip = 0;                        // text encoder layers to skip, as diffusers' clip_skip

  // Used if the request leaves them open. Front ends use the model's guidance
  // (Pipeline::native_guidance()) and a random seed instead.
  static constexpr float kGuidance = 5;
  static constexpr std::uint64_t kSeed = 0;
};

/// A row for each member of Request, and one for the number of pictures.
namespace parameters {

inline constexpr ServiceMost most_in_service(double most) {
  return {most,
          {"The service runs one job at a time; all others wait for it.",
           "El servicio procesa un trabajo a la vez; los demás esperan."}};
}
inline constexpr Dial kOwnField{.place = PagePlace::kOwnField};

inline constexpr Parameter kPrompt{
    .name = "prompt",
    .title = {"Prompt", "Descripción"},
    .help = {"What the picture shows. The model reads only the first 77 tokens.",
             "Qué muestra la imagen. El modelo solo lee los primeros 77 tokens."},
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
    .help = {"What the picture should not show. An empty text is not the same as none: it is "
             "encoded and gives a different picture. Ignored when guidance is 1 or less.",
             "Qué no debe mostrar la imagen. Un texto vacío no es lo mismo que ninguno: se "
             "codifica y da otra imagen. Se ignora si la guía es 1 o menos."},
    .unit = "bytes",
    .most = kMostPromptBytes,
    .absent = {"none, which uses the model's own empty encoding",
               "ninguna; se usa la codificación vacía del modelo"},
    .web_ui = "negative_prompt",
    .page = kOwnField,
};
inline constexpr Parameter kSteps{
    .name = "steps",
    .title = {"Steps", "Pasos"},
    .help =
        {"Number of sampler steps. More steps give a finer picture and take proportionally longer.",
         "Número de pasos del muestreador. Con más, la imagen es más fina y tarda más."},
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
    .help = {"How closely the picture follows the prompt (guidance scale). At 1 and below guidance "
             "is off, which halves the time.",
             "Con qué fidelidad sigue la imagen a la descripción. Con 1 o menos, la guía se "
             "desactiva y el tiempo se reduce a la mitad."},
    .most = 100,
    .absent = {"the base model's guidance_scale (generation_config.json), else 5",
               "guidance_scale del modelo base (generation_config.json) o, si no, 5"},
    .web_ui = "cfg_scale",
    .page = {PagePlace::kFiner, 0, 20, 0.5},
    .png = "CFG scale",
    .png_always = true,
};
inline constexpr Parameter kSeed{
    .name = "seed",
    .title = {"Seed", "Semilla"},
    .help = {"Chooses the initial noise: the same seed and settings give the same picture. A whole "
             "number of at most 64 bits.",
             "Elige el ruido inicial: la misma semilla y los mismos ajustes dan la misma imagen. "
             "Un entero de hasta 64 bits."},
    .absent = {"a random number below 2147483648, which is reported",
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
                {"Planning a larger picture takes too long while others wait.",
                 "Planificar una imagen mayor lleva demasiado tiempo mientras otros esperan."}},
    .absent = {"the photo's shape, at the model's native area",
               "la forma de la foto, con el área nativa del modelo"},
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
    .help =
        {"How strongly IdentityNet holds the position and features of the face; 0 turns it off.",
         "Con qué fuerza mantiene IdentityNet la posición y los rasgos de la cara; 0 la "
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
    .help =
        {"How strongly the face adapter brings the person into the whole picture. Lower it to give "
         "the prompt more weight, or when colours are too strong; 0 turns it off.",
         "Con qué fuerza lleva el adaptador a la persona a toda la imagen. Conviene bajarla para "
         "dar más peso a la descripción o si los colores son demasiado intensos; 0 lo desactiva."},
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
    .help = {"IdentityNet is on from this fraction of the steps.",
             "IdentityNet actúa desde esta fracción de los pasos."},
    .most = 1,
    .flag = FlagGroup::kAdvanced,
    .web_ui = "points.guidance_start",
    .png = "IdentityNet start",
};
inline constexpr Parameter kIdentityEnd{
    .name = "identity_end",
    .title = {"IdentityNet end", "Fin de IdentityNet"},
    .help = {"IdentityNet is on up to this fraction of the steps.",
             "IdentityNet actúa hasta esta fracción de los pasos."},
    .most = 1,
    .flag = FlagGroup::kAdvanced,
    .web_ui = "points.guidance_end",
    .png = "IdentityNet end",
};
inline constexpr Parameter kVaeTiling{
    .name = "vae_tiling",
    .title = {"VAE tiling", "VAE por teselas"},
    .help =
        {"Decodes the picture in overlapping, blended tiles, as diffusers' enable_vae_tiling does. "
         "Large pictures decode faster, but brightness may change from tile to tile. Not needed to "
         "save memory: decoding without tiles has no seams and takes no more memory. A picture no "
         "larger than the VAE's own size (1024 x 1024 pixels for SDXL) is one tile.",
         "Decodifica la imagen en teselas solapadas y fundidas entre sí, como enable_vae_tiling de "
         "diffusers. Las imágenes grandes tardan menos, pero el brillo puede cambiar de tesela a "
         "tesela. No hace falta para ahorrar memoria: sin teselas no hay costuras y no se usa más "
         "memoria. Una imagen no mayor que el tamaño del VAE (1024 x 1024 píxeles en SDXL) es una "
         "sola tesela."},
    .flag = FlagGroup::kAdvanced,
    .png = "VAE tiling",
};
inline constexpr Parameter kEncoding{
    .name = "encoding",
    .title = {"Prompt encoding", "Codificación de la descripción"},
    .help =
        {"How prompts are read. plain: 77 tokens, brackets are text. weighted: any length and "
         "weights such as (snow:1.3), as InstantID's full pipeline. a1111: the same as "
         "AUTOMATIC1111 "
         "does it. auto: plain for a short prompt without weights, else weighted.",
         "Cómo se leen las descripciones. plain: 77 tokens, los paréntesis son texto. weighted: "
         "cualquier longitud y pesos como (nieve:1.3), como la versión completa de InstantID. "
         "a1111: "
         "lo mismo, como AUTOMATIC1111. auto: plain para una descripción corta sin pesos; si no, "
         "weighted."},
    .choices = kEncodingNames,
    .flag = FlagGroup::kAdvanced,
    .page = {.place = PagePlace::kFiner},
    .png = "Prompt encoding",
};
inline constexpr Parameter kClipSkip{
    .name = "clip_skip",
    .title = {"CLIP skip", "Capas de CLIP omitidas"},
    .help = {"How many layers earlier than usual the text encoders' output is taken, as diffusers' "
             "clip_skip. With more, the prompt is followed more loosely.",
             "Cuántas capas antes de lo habitual se toma la salida de los codificadores de texto, "
             "como clip_skip de diffusers. Con más, la descripción se sigue con más libertad."},
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
    .help = {"How many pictures to make, one after the other, with consecutive seeds.",
             "Cuántas imágenes crear, una tras otra, con semillas consecutivas."},
    .least = 1,
    .most = 1000,
    .service = most_in_service(16),
    .shapes_picture = false,
    .openai_name = "n",
    .web_ui = "n_iter",
    .page = {PagePlace::kDials, 1, 16, 1},
};

}  // namespace parameters

/// Calls f(row, s.member...) for each row except kCount. `s` are Requests or other structs with the
/// same members; the types of the members may differ.
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
  f(rows::kEncoding, s.encoding...);
  f(rows::kClipSkip, s.clip_skip...);
}

/// Throws Error(kArgument), "cannot take NAME: expected RULE, got VALUE", for an invalid request: a
/// value outside its row's range, a prompt that is not UTF-8, or identity_start after identity_end;
/// and what parse_prompts() (pipeline/prompts.h) throws.
/// Width and height must be set. `name_of` returns the front end's name of a parameter.
void check(const Request& request);
void check(const Request& request, std::string (*name_of)(const Parameter& row));

/// "expected at most identity_end, got 0.5 and 0.2" if IdentityNet's window ends before it begins.
/// `end_name`: the name of identity_end.
std::optional<std::string> window_problem(const Request& request, std::string_view end_name);

}  // namespace semblance
