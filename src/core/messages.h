// What the program tells in the user's language: English or Spanish. Both catalogues are built in,
// so that Spanish works where no Spanish locale is installed. Words that a user types (flags, file
// names), JSON's keys and values, and the texts of errors other than those below are English in
// both.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace semblance {

enum class Language : std::uint8_t { kEnglish, kSpanish };

/// The language of the first of LC_ALL, LC_MESSAGES and LANG that is set and not empty: Spanish for
/// "es", "es_MX", "es_ES.UTF-8", English for all else.
Language language_of_environment();

/// "en" or "es", as --lang takes them. Throws Error(kArgument) with `flag` in front.
Language parse_language(std::string_view text, std::string_view flag = "--lang");

/// The language of text_of(), English until it is set. Thread-safe.
Language language();
void set_language(Language language);

/// While it lives, language() is another one on this thread: for a request that asks for it.
class LanguageScope {
 public:
  explicit LanguageScope(Language language);
  ~LanguageScope();
  LanguageScope(const LanguageScope&) = delete;
  LanguageScope& operator=(const LanguageScope&) = delete;

 private:
  std::optional<Language> before_;
};

/// Each with what its places {0}, {1}, ... hold. Amounts come as text (bytes_text), percent as
/// numbers.
enum class Message : std::uint8_t {
  // What a mode is called, and what it tells the user.
  kNameNormal,
  kNameReduced,
  kNameUltraConservative,
  kNameInsufficient,
  kModeNormal,
  kModeReduced,
  kModeUltraConservative,
  kModeInsufficient,
  // The memory there is.
  kRam,          // total, available, used, percent used
  kGroup,        // limit, used without page cache that can be dropped, room
  kGroupNone,    //
  kLimit,        // limit, letter of ulimit, mapped, room
  kLimitNone,    //
  kGpu,          // name, free, total
  kGpuNone,      //
  kForRun,       // available, budget
  kModeLine,     // mode's name, mode's message
  kBesideSteps,  // resident, available
  // Warnings.
  kWarning,               // text
  kMemoryLow,             // available, what the run still needs
  kBudgetAboveAvailable,  // budget, available
  kDetectorReduced,       // size taken, full size
  kPromptWeights,         // the prompt's name
  kPromptCut,             // the prompt's name, tokens that are read, where the rest begins
  kOtherSampler,          // the model's sampler
  kDemoModel,
  kDemoFaceModels,
  kSizesAssumed,  // file or folder that is not there
  // A plan.
  kPlanMode,        // mode's name, budget
  kPlanPeak,        // peak
  kPlanScratch,     // peak, scratch file's size, its folder
  kPlanTime,        // whole time, time of a step
  kPlanMeasured,    // measured peak, predicted peak, measured time, predicted time
  kWaitedForReads,  // percent of the time
  kStage,           // headings of the plan's table
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
  kStageDenoiser,
  kStageDenoiserAlone,
  kStageDecoder,
  kStagePicture,
  kLimitComputing,
  kLimitReading,
  kLimitScratch,
  kSmallestBudget,  // budget
  kLargestPicture,  // size
  // What the program is doing.
  kLookingForFaces,       // photo
  kLargestFaceUsed,       // flag, faces, photo
  kOpeningModels,         //
  kPlanning,              //
  kPicture,               // picture, width, height, steps, seed, precision
  kPictureResumed,        // text of kPicture, first step
  kReadingPromptAndFace,  // picture
  kStepOf,                // picture, step, steps
  kTimeLeft,              // time
  kDecoding,              // picture
  kWriting,               // picture
  kTook,                  // picture, time
  kListingFiles,          //
  kNothingToDownload,     // model
  kToDownload,            // model, amount to come, amount in all, folder
  kDownloading,           // files, of them, amount, of that
  kNothingToCheck,        // what there is instead
  kReadSoFar,             // model, amount
  kNoChecksum,            // model, file
  kFilesCorrect,          // model, amount, files
  kAuditing,              // model
  kTensorsCorrect,        // model
  kDownloadRestarts,      // file
  kDownloadWaits,         // file
  // Replanning.
  kReplanned,    // available, peak of the new plan
  kCannotGoOn,   // what the rest needs, available
  kHowToResume,  // command
  // Refusal, and the way out.
  kCannotFit,   // size, needed, budget
  kTrySmaller,  // size that fits, what it needs, budget that would do as --memory takes it
  kTryMemory,   // budget that would do, as --memory takes it
  // The service.
  kServeSummary,       // mode's name, budget, folder
  kServeListening,     // URL
  kServeNotEncrypted,  // what it listens on
  kServeEnding,        //
};
inline constexpr int kMessageCount = static_cast<int>(Message::kServeEnding) + 1;

/// The text with its places, as the catalogue has it.
std::string_view format_of(Message message, Language language);

namespace message_detail {
std::string format(Message message, Language language, fmt::format_args args);
}

/// The text in a language, with its places filled.
template <typename... Args>
std::string text_in(Language language, Message message, const Args&... args) {
  return message_detail::format(message, language, fmt::make_format_args(args...));
}

/// The same in language().
template <typename... Args>
std::string text_of(Message message, const Args&... args) {
  return text_in(language(), message, args...);
}

}  // namespace semblance
