// A request for a picture, and the one table of a picture's parameters.
// Flags and their help, JSON, checks, saved runs, the text in pictures, the API document and the
// page's fields are all made from this table (pipeline/parameter.h describes a row).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/control_parameters.h"
#include "pipeline/hires_parameters.h"
#include "pipeline/inpaint_parameters.h"
#include "pipeline/lora_choice.h"
#include "pipeline/model_paths.h"
#include "pipeline/parameter.h"
#include "pipeline/person_choice.h"
#include "pipeline/person_parameters.h"
#include "pipeline/photos.h"
#include "pipeline/sampling_choices.h"
#include "pipeline/step_parameters.h"
#include "pipeline/style_choice.h"

namespace semblance {

/// Auto: the backend's 16-bit type where it has one (bf16 on processors that compute it natively,
/// f16 on graphics cards), else f32.
enum class Precision : std::uint8_t { kAuto, kF32, kBF16, kF16 };
/// "f32", "bf16" or "f16"; never auto.
std::string_view name_of(Precision precision);

/// Maximum length of a prompt and of a negative prompt, in bytes of UTF-8. The longer the text, the
/// more each step computes.
inline constexpr std::size_t kMostPromptBytes = std::size_t{64} << 10U;

/// How prompts become what the UNet reads, as users name it; PromptEncoding has the same order.
inline constexpr std::array<std::string_view, 4> kEncodingNames{"auto", "plain", "weighted",
                                                                "a1111"};

/// How good a picture is, for the time that it takes (pipeline/request_defaults.h).
inline constexpr std::array<std::string_view, 3> kQualityNames{"draft", "good", "best"};

/// One picture. Defaults are those of InstantID's demo where it has them.
struct Request {
  std::string prompt = {};
  /// Absent means diffusers' None: a zero encoding if the checkpoint says so.
  std::optional<std::string> negative = {};
  /// Put around the prompts by app/picture_prompts.h, which leaves none.
  std::optional<Choice> style = {};
  int width = 0;  // pixels, multiples of 8; 0: the photo's shape at the model's native area
  int height = 0;
  std::optional<int> steps = {};       // RequestDefaults has what absent means, here and below
  std::optional<float> guidance = {};  // 1 and below: off, half the work
  Choice combine = std::string(kCombineNames[0]);
  float identity_strength = 0.8F;
  float adapter_strength = 0.8F;
  double identity_start = 0;  // fractions of the steps; IdentityNet is off outside
  double identity_end = 1;
  double adapter_start = 0;  // likewise for the face adapter
  double adapter_end = 1;
  bool no_keypoints = false;  // a black picture for IdentityNet
  float identity_noise = 0;   // in place of the unconditional half's zeros (pipeline/photos.h)
  std::optional<Choice> view = {};  // app/face_view.h: of the face, and its place
  std::optional<Choice> framing = {};
  bool region_mask = false;  // the person only in the face's box: pipeline/people.h
  /// Of a picture with several people: pipeline/person_choice.h. Empty for one.
  std::vector<std::string> people = {};
  std::optional<std::uint64_t> seed = {};
  std::vector<std::string> loras = {};     // pipeline/lora_choice.h; those of the prompt add up
  std::vector<std::string> controls = {};  // ControlNets beside IdentityNet: control_choice.h
  bool vae_tiling = false;  // decode in blended tiles, as diffusers' enable_vae_tiling
  Choice encoding = std::string(kEncodingNames[0]);  // of the prompts: pipeline/prompts.h
  int clip_skip = 0;                        // text encoder layers to skip, as diffusers' clip_skip
  int reuse = 1;                            // steps that share the UNet's deep features (DeepCache)
  std::optional<double> guidance_end = {};  // fraction of the steps; guidance is off after it
  std::optional<double> strength = {};      // set if it starts from a picture (img2img)
  int mask_blur = 4;                        // of a mask's edge, in pixels
  Choice inpaint_area =
      std::string(kInpaintAreaNames[0]);  // app/initial_picture.h, with its margin
  int inpaint_padding = 32;
  Choice masked_content = std::string(kMaskedContentNames[0]);
  int extend_left = 0;  // pixels beside the picture to start from, which are painted
  int extend_top = 0;
  int extend_right = 0;
  int extend_bottom = 0;
  Choice refine_faces = std::string(kRefineNames[0]);
  double hires = 1;                    // how much larger a second pass makes it: pipeline/hires.h
  double hires_strength = 0.4;         // of that pass
  float perturbed_guidance = 0;        // scale of perturbed attention guidance; 0: off
  bool freeu = false;                  // FreeU, with its authors' factors for SDXL
  bool fast = false;                   // with the LCM-LoRA, in few steps
  std::optional<Choice> quality = {};  // kQualityNames
  // No parameters: they follow from the files.
  std::vector<int> photos = {1};  // of each person
  bool has_mask = false;          // of the picture to start from: only a part is repainted
  bool has_alpha = false;         // that picture is transparent somewhere, which is dropped

  // How it is sampled. What is absent follows the model's scheduler_config.json.
  std::optional<Choice> scheduler = {};
  std::optional<Choice> sigmas = {};
  std::optional<Choice> spacing = {};
  std::optional<Choice> prediction = {};
  bool zero_snr = false;
  double eta = 0;
  float guidance_rescale = 0;
  Choice noise = std::string("cpu");
  int noise_picture = 0;                // its index in a batch whose noise is drawn together
  std::optional<int> noise_batch = {};  // the pictures of that batch; absent: up to this one

  // Used if the request and the model leave them open. Front ends use a random seed instead.
  static constexpr int kSteps = 30;
  static constexpr float kGuidance = 5;
  static constexpr std::uint64_t kSeed = 0;

  static constexpr double kStrength = 0.8;  // with a picture to start from

  /// Whether what lies around the picture to start from is painted.
  bool extends() const { return extend_left + extend_top + extend_right + extend_bottom > 0; }
  int step_count() const { return steps.value_or(kSteps); }
  /// Steps left out at the beginning, as in diffusers' image-to-image pipelines.
  int skipped_steps() const {
    return step_count() - static_cast<int>(step_count() * strength.value_or(1));
  }
  float guidance_scale() const { return guidance.value_or(kGuidance); }
  double last_guided() const { return guidance_end.value_or(1); }
};

/// A row for each member of Request but `photos` and `has_mask`, and kCount and kBestOf; those of
/// the person are in pipeline/person_parameters.h, those of a mask in
/// pipeline/inpaint_parameters.h, those of a second pass in pipeline/hires_parameters.h, that of
/// the ControlNets in pipeline/control_parameters.h, those that change the steps in
/// pipeline/step_parameters.h.
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
    .help = {"What the picture shows. May be of any length and have weights (snow:1.3), choices "
             "{red|blue} and LoRAs <lora:film:0.8>: docs/prompts.md.",
             "Qué muestra la imagen. Puede tener cualquier longitud, pesos (nieve:1.3), opciones "
             "{rojo|azul} y LoRA <lora:film:0.8>: docs/prompts.md."},
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
inline constexpr Parameter kStyle{
    .name = "style",
    .title = {"Style", "Estilo"},
    .help = {"A template that is put around the prompts.",
             "Una plantilla que se pone alrededor de las descripciones."},
    .choices = choices::kStyles,
    .absent = {"none", "ninguno"},
    .page = {.place = PagePlace::kFiner},
    .png = "Style",
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
    .absent = {"30, or what a model or LoRA for few steps asks for",
               "30, o lo que pida un modelo o una LoRA para pocos pasos"},
    .web_ui = "steps",
    .page = {PagePlace::kDials, 1, 100, 1},
    .png = "Steps",
    .png_always = true,
};
inline constexpr Parameter kScheduler{
    .name = "scheduler",
    .title = {"Sampler", "Muestreador"},
    .help = {"The method that turns noise into a picture. Some compute the model twice per step.",
             "El método que convierte el ruido en imagen. Algunos calculan el modelo dos veces por "
             "paso."},
    .choices = choices::kSamplers,
    .absent = {"the one that the model specifies", "el que indica el modelo"},
    .web_ui = "sampler_name",
    .page = {PagePlace::kFiner},
};
inline constexpr Parameter kSigmas{
    .name = "sigmas",
    .title = {"Noise levels", "Niveles de ruido"},
    .help = {"How the steps are spread over the noise levels. Some samplers support only default.",
             "Cómo se reparten los pasos entre los niveles de ruido. Algunos muestreadores solo "
             "admiten default."},
    .choices = choices::kCurves,
    .absent = {"as the model specifies", "como indica el modelo"},
    .web_ui = "scheduler",
    .page = {PagePlace::kFiner},
};
inline constexpr Parameter kGuidance{
    .name = "guidance",
    .title = {"Guidance", "Guía"},
    .help = {"How closely the picture follows the prompt (guidance scale). At 1 and below guidance "
             "is off, which halves the time.",
             "Con qué fidelidad sigue la imagen a la descripción. Con 1 o menos, la guía se "
             "desactiva y el tiempo se reduce a la mitad."},
    .most = 100,
    .absent =
        {"what a model or LoRA for few steps asks for, else the base model's guidance_scale "
         "(generation_config.json), else 5",
         "lo que pida un modelo o una LoRA para pocos pasos; si no, guidance_scale del modelo "
         "base (generation_config.json); si no, 5"},
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
inline constexpr Parameter kLoras{
    .name = "loras",
    .short_name = "lora",
    .title = {"LoRAs", "LoRAs"},
    .help = {"A LoRA (also LoHa, LoKr, DoRA) that changes the model's style or adds a subject, as "
             "FILE|NAME[:WEIGHT[:TEXT_WEIGHT]]. The weight is 1 unless given and may be negative; "
             "the second is that of the text encoders, the first unless given. A name is looked "
             "up in the LoRA folder. Several add up.",
             "Una LoRA (también LoHa, LoKr, DoRA) que cambia el estilo del modelo o añade un "
             "motivo, como FILE|NAME[:WEIGHT[:TEXT_WEIGHT]]. El peso es 1 si no se indica y puede "
             "ser negativo; el segundo es el de los codificadores de texto y, si no se indica, "
             "igual al primero. Un nombre se busca en la carpeta de LoRA. Varias se suman."},
    .most = 16,
    .text_problem = lora_problem,
    .absent = {"none", "ninguna"},
    .placeholder = "LORA",
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
    .choices = kChoiceOf<kEncodingNames>,
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
inline constexpr Parameter kSpacing{
    .name = "spacing",
    .title = {"Timestep spacing", "Espaciado de los pasos"},
    .help = {"How timesteps are spaced, as diffusers' timestep_spacing. AUTOMATIC1111 uses "
             "linspace; models made for few steps often need trailing.",
             "Cómo se espacian los pasos, como timestep_spacing de diffusers. AUTOMATIC1111 usa "
             "linspace; los modelos de pocos pasos suelen necesitar trailing."},
    .choices = choices::kSpacings,
    .absent = {"as the model specifies", "como indica el modelo"},
    .flag = FlagGroup::kAdvanced,
    .png = "Timestep spacing",
};
inline constexpr Parameter kPrediction{
    .name = "prediction",
    .title = {"Prediction", "Predicción"},
    .help = {"What the model was trained to predict: epsilon (the noise) or v (velocity).",
             "Qué aprendió a predecir el modelo: epsilon (el ruido) o v (la velocidad)."},
    .choices = choices::kPredictions,
    .absent = {"as the model specifies", "como indica el modelo"},
    .flag = FlagGroup::kAdvanced,
    .png = "Prediction",
};
inline constexpr Parameter kZeroSnr{
    .name = "zero_snr",
    .title = {"Zero terminal SNR", "SNR final cero"},
    .help = {"Starts from pure noise, as diffusers' rescale_betas_zero_snr. For models trained so, "
             "even if their own settings do not say it.",
             "Empieza con ruido puro, como rescale_betas_zero_snr de diffusers. Para modelos "
             "entrenados así, aunque sus ajustes no lo digan."},
    .flag = FlagGroup::kAdvanced,
    .png = "Zero terminal SNR",
};
inline constexpr Parameter kEta{
    .name = "eta",
    .title = {"Eta", "Eta"},
    .help = {"The share of new noise in each step of DDIM and TCD.",
             "La parte de ruido nuevo en cada paso de DDIM y TCD."},
    .most = 1,
    .flag = FlagGroup::kAdvanced,
    .web_ui = "eta",
    .png = "Eta",
};
inline constexpr Parameter kGuidanceRescale{
    .name = "guidance_rescale",
    .title = {"Guidance rescale", "Reescalado de la guía"},
    .help = {"Counters the strong contrast of high guidance, as diffusers' guidance_rescale. 0.7 "
             "suits models with zero terminal SNR.",
             "Compensa el contraste excesivo de una guía alta, como guidance_rescale de diffusers. "
             "0,7 va bien con modelos de SNR final cero."},
    .most = 1,
    .flag = FlagGroup::kAdvanced,
    .png = "Guidance rescale",
};
inline constexpr Parameter kNoise{
    .name = "noise",
    .title = {"Noise source", "Origen del ruido"},
    .help = {"Which program's and device's noise to use, to remake its pictures from their seeds: "
             "torch on a processor or a GPU (cpu, cuda), AUTOMATIC1111, ComfyUI.",
             "De qué programa y dispositivo es el ruido, para rehacer sus imágenes a partir de sus "
             "semillas: torch en un procesador o una GPU (cpu, cuda), AUTOMATIC1111, ComfyUI."},
    .choices = choices::kNoises,
    .flag = FlagGroup::kAdvanced,
    .png = "Noise",
};
inline constexpr Parameter kNoisePicture{
    .name = "noise_picture",
    .title = {"Picture of the batch", "Imagen del lote"},
    .help = {"Which picture of a batch to make, counted from 0. Its noise depends on it: with "
             "ComfyUI's, a batch has one seed.",
             "Qué imagen de un lote se crea, desde 0. Su ruido depende de ello: con el de ComfyUI, "
             "un lote tiene una sola semilla."},
    .most = 999,
    .service = most_in_service(15),
    .flag = FlagGroup::kAdvanced,
    .png = "Batch pos",
};
inline constexpr Parameter kNoiseBatch{
    .name = "noise_batch",
    .title = {"Batch size", "Tamaño del lote"},
    .help = {"How many pictures the batch has whose noise is drawn together.",
             "Cuántas imágenes tiene el lote cuyo ruido se genera junto."},
    .least = 1,
    .most = 1000,
    .service = most_in_service(16),
    .absent = {"up to noise_picture", "hasta noise_picture"},
    .flag = FlagGroup::kAdvanced,
    .png = "Batch size",
};
inline constexpr Parameter kGuidanceEnd{
    .name = "guidance_end",
    .title = {"Guidance end", "Fin de la guía"},
    .help = {"Guidance is on up to this fraction of the steps. A step without it takes about half "
             "the time; the first steps decide what the picture shows.",
             "La guía actúa hasta esta fracción de los pasos. Un paso sin ella tarda cerca de la "
             "mitad; los primeros pasos deciden qué muestra la imagen."},
    .most = 1,
    .absent = {"1, or what a LoRA for few steps asks for",
               "1, o lo que pida una LoRA para pocos pasos"},
    .flag = FlagGroup::kAdvanced,
    .png = "Guidance end",
};
inline constexpr Parameter kStrength{
    .name = "strength",
    .title = {"Strength", "Intensidad"},
    .help = {"How much of the picture that is started from is made anew: the share of the steps "
             "that is made, from a noise level that suits it. 1 keeps next to nothing.",
             "Cuánto se rehace de la imagen de partida: la parte de los pasos que se hace, desde "
             "un nivel de ruido acorde. Con 1 no queda casi nada."},
    .most = 1,
    .absent = {"0.8 with a picture to start from", "0,8 con una imagen de partida"},
    .page = {PagePlace::kInitial, 0, 1, 0.05, Request::kStrength},
    .png = "Denoising strength",
};
inline constexpr Parameter kFast{
    .name = "fast",
    .title = {"Fast", "Rápida"},
    .help =
        {"Makes the picture in 6 steps with the LCM-LoRA (`semblance models pull lcm`): a quarter "
         "of the time of 30 steps. The number of steps and the guidance can be changed.",
         "Crea la imagen en 6 pasos con la LoRA de LCM (`semblance models pull lcm`): una cuarta "
         "parte del tiempo de 30 pasos. Los pasos y la guía se pueden cambiar."},
    .shapes_picture = false,  // it becomes other settings
    .flag = FlagGroup::kAdvanced,
};
inline constexpr Parameter kQuality{
    .name = "quality",
    .title = {"Quality", "Calidad"},
    .help = {"The number of steps by what the model can do: a quick draft (with the LCM-LoRA if it "
             "is there), a good picture, or the best one.",
             "El número de pasos según lo que puede el modelo: un borrador rápido (con la LoRA de "
             "LCM si está), una imagen buena o la mejor."},
    .choices = kChoiceOf<kQualityNames>,
    .absent = {"as steps says", "según los pasos"},
    .shapes_picture = false,  // it becomes other settings
    .flag = FlagGroup::kAdvanced,
};
inline constexpr Parameter kCount{
    .name = "count",
    .short_name = "images",
    .title = {"Pictures", "Imágenes"},
    .help = {"How many pictures to make, one after the other, with consecutive seeds. With "
             "ComfyUI's noise they are a batch with one seed.",
             "Cuántas imágenes crear, una tras otra, con semillas consecutivas. Con el ruido de "
             "ComfyUI son un lote con una sola semilla."},
    .least = 1,
    .most = 1000,
    .service = most_in_service(16),
    .shapes_picture = false,
    .openai_name = "n",
    .web_ui = "n_iter",
    .page = {PagePlace::kDials, 1, 16, 1},
};

}  // namespace parameters

/// Calls f(row, s.member...) for each row except kCount and kBestOf. `s` are Requests or other
/// structs with the same members; the types of the members may differ.
template <typename F, typename... S>
constexpr void each_parameter(F&& f, S&... s) {
  namespace rows = parameters;
  f(rows::kPrompt, s.prompt...);
  f(rows::kNegative, s.negative...);
  f(rows::kStyle, s.style...);
  f(rows::kSteps, s.steps...);
  f(rows::kScheduler, s.scheduler...);
  f(rows::kSigmas, s.sigmas...);
  f(rows::kGuidance, s.guidance...);
  f(rows::kSeed, s.seed...);
  f(rows::kLoras, s.loras...);
  f(rows::kControls, s.controls...);
  f(rows::kWidth, s.width...);
  f(rows::kHeight, s.height...);
  f(rows::kCombine, s.combine...);
  f(rows::kIdentityStrength, s.identity_strength...);
  f(rows::kAdapterStrength, s.adapter_strength...);
  f(rows::kIdentityStart, s.identity_start...);
  f(rows::kIdentityEnd, s.identity_end...);
  f(rows::kAdapterStart, s.adapter_start...);
  f(rows::kAdapterEnd, s.adapter_end...);
  f(rows::kNoKeypoints, s.no_keypoints...);
  f(rows::kIdentityNoise, s.identity_noise...);
  f(rows::kView, s.view...);
  f(rows::kFraming, s.framing...);
  f(rows::kRegionMask, s.region_mask...);
  f(rows::kPeople, s.people...);
  f(rows::kVaeTiling, s.vae_tiling...);
  f(rows::kEncoding, s.encoding...);
  f(rows::kClipSkip, s.clip_skip...);
  f(rows::kGuidanceEnd, s.guidance_end...);
  f(rows::kStrength, s.strength...);
  f(rows::kMaskBlur, s.mask_blur...);
  f(rows::kInpaintArea, s.inpaint_area...);
  f(rows::kInpaintPadding, s.inpaint_padding...);
  f(rows::kMaskedContent, s.masked_content...);
  f(rows::kExtendLeft, s.extend_left...);
  f(rows::kExtendTop, s.extend_top...);
  f(rows::kExtendRight, s.extend_right...);
  f(rows::kExtendBottom, s.extend_bottom...);
  f(rows::kRefineFaces, s.refine_faces...);
  f(rows::kHires, s.hires...);
  f(rows::kHiresStrength, s.hires_strength...);
  f(rows::kReuse, s.reuse...);
  f(rows::kPerturbedGuidance, s.perturbed_guidance...);
  f(rows::kFreeU, s.freeu...);
  f(rows::kFast, s.fast...);
  f(rows::kQuality, s.quality...);
  f(rows::kSpacing, s.spacing...);
  f(rows::kPrediction, s.prediction...);
  f(rows::kZeroSnr, s.zero_snr...);
  f(rows::kEta, s.eta...);
  f(rows::kGuidanceRescale, s.guidance_rescale...);
  f(rows::kNoise, s.noise...);
  f(rows::kNoisePicture, s.noise_picture...);
  f(rows::kNoiseBatch, s.noise_batch...);
}

/// Throws Error(kArgument), "cannot take NAME: expected RULE, got VALUE", for an invalid request: a
/// value outside its row's range, a prompt that is not UTF-8, a start after its end, or
/// noise_picture outside its batch; and what check_prompts() (pipeline/prompts.h) throws. Width and
/// height must be set. `name_of` returns the front end's name of a parameter.
void check(const Request& request);
/// The same without check_prompts(), for prompts whose choices are not drawn yet. `name_of` returns
/// the front end's name of a parameter.
void check_values(const Request& request, std::string (*name_of)(const Parameter& row));

/// A problem of two parameters together, in the words of problem_of(): "expected at most
/// identity_end, got 0.5 and 0.2".
struct PairProblem {
  const Parameter* row;
  std::string text;
};
using ParameterNames = std::function<std::string(const Parameter& row)>;
std::optional<PairProblem> pair_problem(const Request& request, const ParameterNames& name_of,
                                        Asker asker = Asker::kUser);

}  // namespace semblance
