// The program's messages in English and Spanish. Both catalogues are built in, so Spanish works
// without a Spanish locale. Flags, file names, JSON keys and values, and all errors not listed
// below stay in English.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace semblance {

enum class Language : std::uint8_t { kEnglish, kSpanish };

/// The language set by the first non-empty variable of LC_ALL, LC_MESSAGES and LANG: Spanish for
/// "es", "es_MX", "es_ES.UTF-8" and the like, else English.
Language language_of_environment();

/// Parses "en" or "es". Throws Error(kArgument) prefixed with `flag`.
Language parse_language(std::string_view text, std::string_view flag = "--lang");

/// The language of text_of(); English by default. Thread-safe.
Language language();
void set_language(Language language);

/// Overrides language() on this thread for the lifetime of the object, for a single request.
class LanguageScope {
 public:
  explicit LanguageScope(Language language);
  ~LanguageScope();
  LanguageScope(const LanguageScope&) = delete;
  LanguageScope& operator=(const LanguageScope&) = delete;

 private:
  std::optional<Language> before_;
};

/// The comments list what the placeholders {0}, {1}, ... stand for. Amounts are passed as text
/// (bytes_text), percentages as numbers.
enum class Message : std::uint8_t {
  // Names and descriptions of the memory modes.
  kNameNormal,
  kNameReduced,
  kNameUltraConservative,
  kNameInsufficient,
  kModeNormal,
  kModeReduced,
  kModeUltraConservative,
  kModeInsufficient,
  // Memory of the machine.
  kRam,           // total, available, used, percent used
  kGroup,         // limit, used without droppable page cache, left
  kGroupNone,     //
  kLimit,         // limit, ulimit letter, mapped, left
  kLimitNone,     //
  kGpu,           // name, driver, free, total, in use
  kGpuNone,       //
  kGpuUnusable,   // name, reason
  kCard,          // number, name, type
  kCardDriver,    // driver, Vulkan version
  kCardMemory,    // total, free
  kCardUsable,    // number types
  kCardByName,    // number types, name to choose it by
  kCardUnusable,  // reason
  kNoCard,        // reason
  kForRun,        // available, budget
  kModeLine,      // mode name, mode message
  kBesideSteps,   // resident, available
  // Warnings.
  kWarning,               // text
  kMemoryLow,             // available, what the run still needs
  kBudgetAboveAvailable,  // budget, available
  kDetectorReduced,       // size used, full size
  kPromptWeights,         // prompt name
  kPromptCut,             // prompt name, tokens read, start of the part cut off
  kPromptSchedule,        // the prompt's name, the text in question
  kPromptAnd,             // the prompt's name
  kPromptLora,            // the prompt's name, LoRAs
  kPromptLanguage,        // the prompt's name, styles
  kOtherSampler,          // the model's sampler
  kLoraLayers,            // number, the LoRA and its layers
  kInitAlpha,
  kPeopleOverlap,  // numbers of two people
  kDemoModel,
  kDemoFaceModels,
  kSizesAssumed,  // missing file or folder, or the flag not given
  // A plan.
  kPlanMode,        // mode name, budget
  kPlanPeak,        // peak
  kPlanScratch,     // peak, scratch file size, its folder
  kPlanCard,        // card, budget on it, peak on it
  kPlanTime,        // total time, time per step
  kPlanAssumed,     // card
  kPlanMeasured,    // measured peak, predicted peak, measured time, predicted time
  kWaitedForReads,  // percent of the time
  kStage,           // column headings of the plan table
  kResident,
  kStreamed,
  kActivations,
  kScratch,
  kPeak,
  kSeconds,
  kLimitedBy,
  kTotal,
  kStagePhoto,
  kStageDetector,
  kStageRecogniser,
  kStageText1,
  kStageText2,
  kStageResampler,
  kStageKeypoints,
  kStageControl,
  kStageDenoiser,
  kStageDenoiserAlone,
  kFewSteps,
  kGuidanceUpTo,
  kQualityTime,
  kQualityTimes,
  kStepUnguided,
  kStepFromDeep,
  kStageEnlarged,
  kStageEncoder,
  kStageDecoder,
  kStageEnlarging,
  kStagePicture,
  kLimitComputing,
  kLimitReading,
  kLimitScratch,
  kSmallestBudget,  // budget
  kLargestPicture,  // size
  // What the program is doing.
  kLookingForFaces,  // photo
  kLargestFaceUsed,  // flag, faces, photo
  kPhotosCombined,   // photos, least likeness, most
  kLikeness,         // picture, likeness
  kFacePass,
  kNoRoomForFacePass,
  kNoLikeness,            // picture
  kNoRoomForLikeness,     //
  kBestKept,              // picture, pictures made, seed
  kOpeningModels,         //
  kPlanning,              //
  kPicture,               // picture, width, height, steps, seed, precision
  kPictureResumed,        // text of kPicture, first step to run
  kReadingPicture,        // file
  kReadingPromptAndFace,  // picture
  kStepOf,                // picture, step, steps
  kTimeLeft,              // time
  kDecoding,              // picture
  kWriting,               // picture
  kTook,                  // picture, time
  kListingFiles,          //
  kNothingToDownload,     // model
  kToDownload,            // model, bytes left, total bytes, folder
  kDownloading,           // files done, total files, bytes done, total bytes
  kNothingToCheck,        // reason
  kReadSoFar,             // model, amount
  kNoChecksum,            // model, file
  kFilesCorrect,          // model, amount, files
  kAuditing,              // model
  kTensorsCorrect,        // model
  kDownloadRestarts,      // file
  kDownloadWaits,         // file
  // Replanning.
  kReplanned,             // available, peak of the new plan
  kCannotContinue,        // needed by the rest, available
  kReplannedOnCard,       // what the card has for us
  kCannotContinueOnCard,  // needed by the rest, what the card has for us
  kHowToResume,           // command
  // Refusals and what to do.
  kCannotFit,        // size, needed, budget
  kTrySmaller,       // size that fits, what it needs, sufficient --memory value
  kTryMemory,        // sufficient --memory value
  kCannotFitOnCard,  // size, needed, card, budget on it
  kTryGpuMemory,     // sufficient --gpu-memory value
  // The service.
  kServeSummary,       // mode name, budget, folder
  kServeListening,     // URL
  kServeNotEncrypted,  // listen address
  kServeEnding,        //
};
inline constexpr int kMessageCount = static_cast<int>(Message::kServeEnding) + 1;

/// The catalogue's format string, with placeholders.
std::string_view format_of(Message message, Language language);

namespace message_detail {
std::string format(Message message, Language language, fmt::format_args args);
}

/// The message in `language`, with its placeholders filled.
template <typename... Args>
std::string text_in(Language language, Message message, const Args&... args) {
  return message_detail::format(message, language, fmt::make_format_args(args...));
}

/// The message in language(), with its placeholders filled.
template <typename... Args>
std::string text_of(Message message, const Args&... args) {
  return text_in(language(), message, args...);
}

}  // namespace semblance
