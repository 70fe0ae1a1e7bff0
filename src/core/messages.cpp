#include "core/messages.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <utility>

#include "core/error.h"

namespace semblance {
namespace {

std::atomic<Language> current_language{Language::kEnglish};
thread_local std::optional<Language> scope_language;

struct Entry {
  Message message;
  std::string_view english;
  std::string_view spanish;
};

constexpr std::array<Entry, kMessageCount> kCatalogue = {{
    {Message::kNameNormal, "normal", "normal"},
    {Message::kNameReduced, "reduced", "reducido"},
    {Message::kNameUltraConservative, "ultra-conservative", "ultra-conservador"},
    {Message::kNameInsufficient, "insufficient", "insuficiente"},
    {Message::kModeNormal, "Enough memory", "Hay memoria suficiente"},
    {Message::kModeReduced, "Using the reduced memory configuration",
     "Usando configuración de memoria reducida"},
    {Message::kModeUltraConservative, "Ultra-conservative memory mode is on",
     "Modo de memoria ultra-conservador activado"},
    {Message::kModeInsufficient, "Not enough memory to load the main pipeline",
     "Memoria insuficiente para cargar el pipeline principal"},
    {Message::kRam, "RAM: {0} total, {1} available, {2} used ({3:.1f} %)",
     "RAM: {0} en total, {1} disponibles, {2} en uso ({3:.1f} %)"},
    {Message::kGroup, "Control group: limit {0}, {1} used, {2} left",
     "Grupo de control: límite {0}, {1} en uso, quedan {2}"},
    {Message::kGroupNone, "Control group: no limit", "Grupo de control: sin límite"},
    {Message::kLimit, "Process limit: {0} (ulimit -{1}), {2} mapped, {3} left",
     "Límite del proceso: {0} (ulimit -{1}), {2} asignados, quedan {3}"},
    {Message::kLimitNone, "Process limit: none", "Límite del proceso: ninguno"},
    {Message::kGpu, "GPU: {0} ({1}), {2} free of {3}, {4} in use",
     "GPU: {0} ({1}), {2} libres de {3}, {4} en uso"},
    {Message::kGpuNone, "GPU: none", "GPU: ninguna"},
    {Message::kGpuUnusable, "GPU: {0} is not used: {1}", "GPU: {0} no se usa: {1}"},
    {Message::kCard, "{0}: {1} ({2})", "{0}: {1} ({2})"},
    {Message::kCardDriver, "driver {0}, Vulkan {1}", "controlador {0}, Vulkan {1}"},
    {Message::kCardMemory, "memory {0}, {1} free", "memoria {0}, {1} libres"},
    {Message::kCardUsable, "usable: computes in {0}", "utilizable: calcula en {0}"},
    {Message::kCardByName, "a software driver: computes in {0}, only with --device gpu:{1}",
     "un controlador de software: calcula en {0}, solo con --device gpu:{1}"},
    {Message::kCardUnusable, "not usable: {0}", "no utilizable: {0}"},
    {Message::kNoCard, "No graphics card: {0}", "Ninguna tarjeta gráfica: {0}"},
    {Message::kForRun, "For a run: {0} available, budget {1}",
     "Para una ejecución: {0} disponibles, presupuesto {1}"},
    {Message::kModeLine, "Mode: {0}. {1}", "Modo: {0}. {1}"},
    {Message::kBesideSteps, "memory {0}, {1} available", "memoria {0}, {1} disponibles"},
    {Message::kWarning, "warning: {0}", "aviso: {0}"},
    {Message::kMemoryLow,
     "Memory is low: {0} available, the run needs {1} more. Free some memory or raise the limit; "
     "otherwise the run continues with a smaller plan, if one fits",
     "Queda poca memoria: {0} disponibles, la ejecución necesita {1} más. Libera memoria o sube el "
     "límite; si no, la ejecución seguirá con un plan más pequeño, si cabe alguno"},
    {Message::kBudgetAboveAvailable,
     "the budget of {0} exceeds the {1} available: the system may kill the program",
     "el presupuesto de {0} supera los {1} disponibles: el sistema podría cerrar el programa"},
    {Message::kDetectorReduced,
     "to save memory, the face detector starts at {0} pixels instead of {1} (--detector-size {1} "
     "prevents this)",
     "para ahorrar memoria, el detector de caras empieza en {0} píxeles en vez de {1} "
     "(--detector-size {1} lo evita)"},
    {Message::kPromptWeights,
     "{0}: weights such as (snow:1.3) or [snow] are read as plain text, brackets included",
     "{0}: los pesos como (nieve:1.3) o [nieve] se leen como texto corriente, con sus paréntesis y "
     "corchetes"},
    {Message::kPromptCut, "{0}: the model reads {1} tokens; cut off: \"{2}\"",
     "{0}: el modelo lee {1} tokens; queda fuera: \"{2}\""},
    {Message::kPromptSchedule,
     "{0}: {1} would change the prompt between steps, which is not possible here: it is read as "
     "text",
     "{0}: {1} cambiaría la descripción entre pasos, lo que aquí no es posible: se lee como texto"},
    {Message::kPromptAnd, "{0}: AND is read as a word: prompts cannot be mixed here",
     "{0}: AND se lee como una palabra: aquí no se pueden mezclar descripciones"},
    {Message::kPromptLora, "{0}: LoRAs have an effect only in the prompt; not applied: {1}",
     "{0}: las LoRA solo tienen efecto en la descripción; no se aplican: {1}"},
    {Message::kPromptLanguage,
     "{0}: this does not look like English. These models were trained on English captions and "
     "follow other languages less well; describe the picture in English, or take a style: {1}",
     "{0}: no parece inglés. Estos modelos se entrenaron con descripciones en inglés y siguen peor "
     "otros idiomas; describe la imagen en inglés o usa un estilo: {1}"},
    {Message::kOtherSampler,
     "the model specifies the sampler {0}, which is not available: Euler is used, and the picture "
     "will differ",
     "el modelo indica el muestreador {0}, que no está disponible: se usa Euler y la imagen será "
     "distinta"},
    {Message::kLoraLayers, "the model does not have {0} layers of the LoRA {1}",
     "el modelo no tiene {0} capas de la LoRA {1}"},
    {Message::kInitAlpha,
     "the picture to start from is partly transparent: the colours beneath are used",
     "la imagen de partida es en parte transparente: se usan los colores que hay debajo"},
    {Message::kPeopleOverlap, "the boxes of the people {0} overlap: there the two are mixed",
     "los recuadros de las personas {0} se solapan: ahí se mezclan las dos"},
    {Message::kDemoModel,
     "No model given, using the demo model: drawn faces only, not photos. For photos see --base "
     "and docs/models.md",
     "No se ha indicado ningún modelo y se usa el de demostración: solo caras dibujadas, no fotos. "
     "Para fotos, véanse --base y docs/models.md"},
    {Message::kDemoFaceModels,
     "No face models given, using the demo's: drawn faces only, not photos. For photos see "
     "--face-models and docs/models.md",
     "No se han indicado modelos de caras y se usan los de demostración: solo caras dibujadas, no "
     "fotos. Para fotos, véanse --face-models y docs/models.md"},
    {Message::kSizesAssumed,
     "{0} is missing; assuming the published sizes (SDXL 1.0, InstantID) in fp16",
     "falta {0}; se suponen los tamaños publicados (SDXL 1.0, InstantID) en fp16"},
    {Message::kPlanMode, "Mode: {0}, budget {1}", "Modo: {0}, presupuesto {1}"},
    {Message::kPlanPeak, "Predicted peak: {0}", "Pico previsto: {0}"},
    {Message::kPlanScratch, "Predicted peak: {0}, and {1} on disk in {2}",
     "Pico previsto: {0}, y {1} en disco en {2}"},
    {Message::kPlanCard, "Graphics card: {0}, budget {1}, predicted peak {2}",
     "Tarjeta gráfica: {0}, presupuesto {1}, máximo previsto {2}"},
    {Message::kPlanTime, "Predicted time: {0}, {1} per step", "Tiempo previsto: {0}, {1} por paso"},
    {Message::kPlanAssumed, "{0} was not measured: the time is that of a usual card of its kind",
     "{0} no se ha medido: el tiempo es el de una tarjeta habitual de su tipo"},
    {Message::kPlanMeasured, "Measured: peak {0} (predicted {1}), time {2} (predicted {3})",
     "Medido: pico {0} (previsto {1}), tiempo {2} (previsto {3})"},
    {Message::kWaitedForReads, "{0:.1f} % of the time was spent waiting for the disk",
     "El {0:.1f} % del tiempo se fue esperando al disco"},
    {Message::kStage, "stage", "etapa"},
    {Message::kResident, "resident", "residente"},
    {Message::kStreamed, "streamed", "leído"},
    {Message::kActivations, "activations", "activaciones"},
    {Message::kScratch, "scratch", "auxiliar"},
    {Message::kPeak, "peak", "pico"},
    {Message::kSeconds, "seconds", "segundos"},
    {Message::kLimitedBy, "limited by", "limitado por"},
    {Message::kTotal, "total", "total"},
    {Message::kStagePhoto, "reading the photo", "lectura de la foto"},
    {Message::kStageDetector, "face detector", "detector de caras"},
    {Message::kStageRecogniser, "face recogniser", "reconocedor de caras"},
    {Message::kStageText1, "text encoder 1", "codificador de texto 1"},
    {Message::kStageText2, "text encoder 2", "codificador de texto 2"},
    {Message::kStageResampler, "face resampler", "proyector de la cara"},
    {Message::kStageKeypoints, "keypoint features", "puntos de la cara"},
    {Message::kStageControl, "ControlNet features", "rasgos de ControlNet"},
    {Message::kStageDenoiser, "denoiser", "eliminación de ruido"},
    {Message::kStageDenoiserAlone, "denoiser without identity", "sin IdentityNet"},
    {Message::kFewSteps,
     "{0}, made for few steps: {1} steps with {2} and guidance {3}, unless chosen otherwise",
     "{0}, para pocos pasos: {1} pasos con {2} y guía {3}, si no se elige otra cosa"},
    {Message::kGuidanceUpTo, "{0} up to step {1}", "{0} hasta el paso {1}"},
    {Message::kQualityTime, "{0} {1} steps, {2}", "{0} {1} pasos, {2}"},
    {Message::kQualityTimes, "Time by quality: {0}", "Tiempo según la calidad: {0}"},
    {Message::kStepUnguided, "{0}, one half", "{0}, una mitad"},
    {Message::kStepFromDeep, "{0}, reusing features", "{0}, con rasgos reutilizados"},
    {Message::kStageEnlarged, "{0}, enlarged", "{0}, ampliada"},
    {Message::kStageEncoder, "encoder", "codificador"},
    {Message::kStageDecoder, "decoder", "decodificador"},
    {Message::kStageEnlarging, "enlarging", "ampliación"},
    {Message::kStagePicture, "writing the picture", "escritura de la imagen"},
    {Message::kLimitComputing, "computing", "cálculo"},
    {Message::kLimitReading, "reading weights", "lectura de pesos"},
    {Message::kLimitScratch, "scratch file", "archivo auxiliar"},
    {Message::kSmallestBudget, "Smallest budget for this request: {0}",
     "Presupuesto mínimo para esta petición: {0}"},
    {Message::kLargestPicture, "Largest picture for this budget: {0}",
     "Imagen más grande para este presupuesto: {0}"},
    {Message::kLookingForFaces, "looking for faces in {0}", "buscando caras en {0}"},
    {Message::kLargestFaceUsed, "{0}: {1} faces in {2}, using the largest",
     "{0}: {1} caras en {2}, se usa la mayor"},
    {Message::kPhotosCombined, "{0} photos of one person, likeness {1:.2f} to {2:.2f}",
     "{0} fotos de una persona, parecido de {1:.2f} a {2:.2f}"},
    {Message::kLikeness, "{0}: likeness {1}", "{0}: parecido {1}"},
    {Message::kFacePass, "{0}: the face is repainted at {1}x{2}: {3}, {4}",
     "{0}: se repinta la cara a {1}x{2}: {3}, {4}"},
    {Message::kNoRoomForFacePass,
     "{0}: the face is small, but the budget has no room to repaint it",
     "{0}: la cara es pequeña, pero en el presupuesto no cabe repintarla"},
    {Message::kNoLikeness, "{0}: no face found, so there is no likeness",
     "{0}: no se ha encontrado ninguna cara, así que no hay parecido"},
    {Message::kNoRoomForLikeness,
     "The likeness is not measured: the face models do not fit into the budget.",
     "No se mide el parecido: los modelos de cara no caben en el presupuesto."},
    {Message::kBestKept, "{0}: the most alike of {1}, seed {2}",
     "{0}: la más parecida de {1}, semilla {2}"},
    {Message::kOpeningModels, "opening the models", "abriendo los modelos"},
    {Message::kPlanning, "planning", "planificando"},
    {Message::kPicture, "{0}: {1} x {2}, {3} steps, seed {4}, {5}",
     "{0}: {1} x {2}, {3} pasos, semilla {4}, {5}"},
    {Message::kPictureResumed, "{0}, from step {1}", "{0}, desde el paso {1}"},
    {Message::kReadingPicture, "reading {0}", "leyendo {0}"},
    {Message::kReadingPromptAndFace, "{0}: reading prompt and face",
     "{0}: leyendo el prompt y la cara"},
    {Message::kStepOf, "{0}: step {1} of {2}", "{0}: paso {1} de {2}"},
    {Message::kTimeLeft, "{0} left", "quedan {0}"},
    {Message::kDecoding, "{0}: decoding the picture", "{0}: decodificando la imagen"},
    {Message::kWriting, "{0}: writing", "{0}: escribiendo"},
    {Message::kTook, "{0}: took {1}", "{0}: hecha en {1}"},
    {Message::kListingFiles, "fetching file lists", "obteniendo las listas de archivos"},
    {Message::kNothingToDownload, "{0}: already complete", "{0}: ya está todo"},
    {Message::kToDownload, "{0}: {1} of {2} to download to {3}",
     "{0}: {1} de {2} por descargar, en {3}"},
    {Message::kDownloading, "{0} of {1} files, {2} of {3}", "{0} de {1} archivos, {2} de {3}"},
    {Message::kNothingToCheck, "nothing to check: {0}", "nada que comprobar: {0}"},
    {Message::kReadSoFar, "{0}: {1} read", "{0}: {1} leídos"},
    {Message::kNoChecksum, "{0}: no checksum is known for {1}",
     "{0}: no se conoce la suma de comprobación de {1}"},
    {Message::kFilesCorrect, "{0}: {1} in {2} files, all correct",
     "{0}: {1} en {2} archivos, todo correcto"},
    {Message::kAuditing, "{0}: checking tensors", "{0}: revisando los tensores"},
    {Message::kTensorsCorrect, "{0}: tensors are correct", "{0}: tensores correctos"},
    {Message::kDownloadRestarts, "{0}: the partial download is damaged, starting over",
     "{0}: la descarga parcial está dañada, se empieza de nuevo"},
    {Message::kDownloadWaits, "{0}: waiting for another process that is downloading it",
     "{0}: esperando a otro proceso que lo está descargando"},
    {Message::kReplanned, "available memory shrank to {0}: continuing with a plan of {1}",
     "la memoria disponible ha bajado a {0}: se sigue con un plan de {1}"},
    {Message::kCannotContinue, "cannot continue: the rest needs at least {0}, {1} available",
     "no se puede seguir: el resto necesita al menos {0}, hay {1} disponibles"},
    {Message::kReplannedOnCard,
     "memory on the graphics card shrank to {0}: continuing with a smaller plan",
     "la memoria de la tarjeta gráfica ha bajado a {0}: se sigue con un plan menor"},
    {Message::kCannotContinueOnCard,
     "cannot continue: the rest needs at least {0} on the graphics card, {1} available",
     "no se puede seguir: el resto necesita al menos {0} en la tarjeta gráfica, hay {1} "
     "disponibles"},
    {Message::kHowToResume, "resume with: {0}", "para reanudar: {0}"},
    {Message::kCannotFit, "cannot fit: {0} needs at least {1}, the budget is {2}",
     "no cabe: {0} necesita al menos {1}, el presupuesto es {2}"},
    {Message::kTrySmaller, "{0} fits in {1}: try --size {0}, or --memory {2}",
     "{0} cabe en {1}: prueba --size {0}, o --memory {2}"},
    {Message::kTryMemory, "try --memory {0}", "prueba --memory {0}"},
    {Message::kCannotFitOnCard,
     "cannot fit: {0} needs at least {1} on the graphics card {2}, the budget there is {3}",
     "no cabe: {0} necesita al menos {1} en la tarjeta gráfica {2}, el presupuesto allí es {3}"},
    {Message::kTryGpuMemory, "try --gpu-memory {0}, or --device cpu",
     "prueba --gpu-memory {0}, o --device cpu"},
    {Message::kServeSummary, "mode {0}, budget {1}, results in {2}",
     "modo {0}, presupuesto {1}, resultados en {2}"},
    {Message::kServeListening, "listening on {0}", "escuchando en {0}"},
    {Message::kServeNotEncrypted,
     "traffic to and from {0} is not encrypted, including the key\n  listen on 127.0.0.1 behind a "
     "TLS proxy (docs/operating.md shows two), or use only a trusted network",
     "el tráfico con {0} no está cifrado, tampoco la clave\n  escucha en 127.0.0.1 detrás de un "
     "proxy TLS (docs/operating.md muestra dos) o usa solo una red de confianza"},
    {Message::kServeEnding, "shutting down", "cerrando"},
}};

constexpr bool is_in_order() {
  for (int i = 0; i < kMessageCount; ++i) {
    if (static_cast<int>(kCatalogue[static_cast<std::size_t>(i)].message) != i) return false;
  }
  return true;
}
static_assert(is_in_order(), "the catalogue must list every Message once, in order");

}  // namespace

Language language_of_environment() {
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::string_view locale = value;
    const bool is_spanish =
        locale.starts_with("es") &&
        (locale.size() == 2 || std::string_view("_-.@").find(locale[2]) != std::string_view::npos);
    return is_spanish ? Language::kSpanish : Language::kEnglish;
  }
  return Language::kEnglish;
}

Language parse_language(std::string_view text, std::string_view flag) {
  if (text == "en") return Language::kEnglish;
  if (text == "es") return Language::kSpanish;
  fail(ErrorKind::kArgument, "{}: expected en (English) or es (Spanish), got '{}'", flag, text);
}

Language language() { return scope_language.value_or(current_language); }
void set_language(Language language) { current_language = language; }

LanguageScope::LanguageScope(Language language)
    : before_(std::exchange(scope_language, language)) {}
LanguageScope::~LanguageScope() { scope_language = before_; }

std::string_view format_of(Message message, Language language) {
  const Entry& entry = kCatalogue.at(static_cast<std::size_t>(message));
  return language == Language::kSpanish ? entry.spanish : entry.english;
}

std::string message_detail::format(Message message, Language language, fmt::format_args args) {
  try {
    return fmt::vformat(format_of(message, language), args);
  } catch (const fmt::format_error& error) {
    fail(ErrorKind::kInternal, "internal error: message \"{}\": {}", format_of(message, language),
         error.what());
  }
}

}  // namespace semblance
