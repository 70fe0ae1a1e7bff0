#include "core/messages.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <thread>

#include "tests/support/errors.h"

namespace semblance {
namespace {

using testing::expect_error;

std::set<std::string> placeholders(std::string_view format) {
  std::set<std::string> found;
  for (std::size_t begin = format.find('{'); begin != std::string_view::npos;
       begin = format.find('{', begin + 1)) {
    const std::size_t end = format.find('}', begin);
    found.emplace(format.substr(begin, end - begin));
  }
  return found;
}

TEST(Messages, BothCataloguesAreCompleteAndAgree) {
  for (int i = 0; i < kMessageCount; ++i) {
    const auto message = static_cast<Message>(i);
    const std::string_view english = format_of(message, Language::kEnglish);
    const std::string_view spanish = format_of(message, Language::kSpanish);
    EXPECT_FALSE(english.empty()) << i;
    EXPECT_FALSE(spanish.empty()) << i;
    const auto expected = placeholders(english);
    const auto got = placeholders(spanish);
    EXPECT_EQ(expected, got) << english << '\n' << spanish;
    // Placeholders are numbered from 0 without gaps.
    std::set<char> digits;
    for (const std::string& placeholder : expected) digits.insert(placeholder.at(1));
    char next = '0';
    for (const char digit : digits) EXPECT_EQ(digit, next++) << english;
  }
}

TEST(Messages, SpanishModeTextsMatchTheGuide) {
  const auto spanish = [](Message message) { return format_of(message, Language::kSpanish); };
  EXPECT_EQ(spanish(Message::kModeReduced), "Usando configuración de memoria reducida");
  EXPECT_EQ(spanish(Message::kModeUltraConservative), "Modo de memoria ultra-conservador activado");
  EXPECT_EQ(spanish(Message::kModeInsufficient),
            "Memoria insuficiente para cargar el pipeline principal");
}

TEST(Messages, FillsPlaceholdersInTheCurrentLanguage) {
  EXPECT_EQ(text_of(Message::kCannotFit, "1024x1024", "231 MiB", "200 MiB"),
            "cannot fit: 1024x1024 needs at least 231 MiB, the budget is 200 MiB");
  EXPECT_EQ(text_of(Message::kTrySmaller, "896x896", "192 MiB", "231MiB"),
            "896x896 fits in 192 MiB: try --size 896x896, or --memory 231MiB");
  set_language(Language::kSpanish);
  EXPECT_EQ(text_of(Message::kCannotFit, "1024x1024", "231 MiB", "200 MiB"),
            "no cabe: 1024x1024 necesita al menos 231 MiB, el presupuesto es 200 MiB");
  EXPECT_EQ(text_of(Message::kWaitedForReads, 2.25),
            "El 2.2 % del tiempo se fue esperando al disco");
  EXPECT_EQ(
      text_of(Message::kMemoryLow, "100 MiB", "150 MiB"),
      "Queda poca memoria: 100 MiB disponibles, la ejecución necesita 150 MiB más. Libera memoria "
      "o sube el límite; si no, la ejecución seguirá con un plan más pequeño, si cabe alguno");
  set_language(Language::kEnglish);
  expect_error(ErrorKind::kInternal, "cannot fit: {0} needs",
               [] { text_of(Message::kCannotFit, "1024x1024"); });
}

TEST(Messages, LanguageScopeOverridesTheLanguageOnItsThread) {
  const auto said = [] { return text_of(Message::kTryMemory, "2GiB"); };
  {
    const LanguageScope spanish(Language::kSpanish);
    EXPECT_EQ(said(), "prueba --memory 2GiB");
    std::string elsewhere;
    std::thread([&] { elsewhere = said(); }).join();
    EXPECT_EQ(elsewhere, "try --memory 2GiB");
    {
      const LanguageScope english(Language::kEnglish);
      EXPECT_EQ(said(), "try --memory 2GiB");
    }
    EXPECT_EQ(said(), "prueba --memory 2GiB");
  }
  EXPECT_EQ(said(), "try --memory 2GiB");
}

/// The language chosen by the three variables; nullptr unsets one.
Language chosen(const char* all, const char* messages, const char* lang) {
  const auto set = [](const char* name, const char* value) {
    value == nullptr ? unsetenv(name) : setenv(name, value, 1);
  };
  set("LC_ALL", all);
  set("LC_MESSAGES", messages);
  set("LANG", lang);
  return language_of_environment();
}

TEST(Messages, ReadsTheLanguageFromTheEnvironment) {
  constexpr auto kEnglish = Language::kEnglish;
  constexpr auto kSpanish = Language::kSpanish;
  EXPECT_EQ(chosen(nullptr, nullptr, nullptr), kEnglish);
  EXPECT_EQ(chosen(nullptr, nullptr, "es_ES.UTF-8"), kSpanish);
  EXPECT_EQ(chosen(nullptr, nullptr, "es"), kSpanish);
  EXPECT_EQ(chosen(nullptr, nullptr, "es_MX"), kSpanish);
  EXPECT_EQ(chosen(nullptr, nullptr, "es-AR"), kSpanish);
  EXPECT_EQ(chosen(nullptr, nullptr, "es@euro"), kSpanish);
  EXPECT_EQ(chosen(nullptr, nullptr, "est"), kEnglish);
  EXPECT_EQ(chosen(nullptr, nullptr, "de_DE.UTF-8"), kEnglish);
  EXPECT_EQ(chosen("", "", "es_ES.UTF-8"), kSpanish);
  EXPECT_EQ(chosen(nullptr, "es_CL", "en_US.UTF-8"), kSpanish);
  EXPECT_EQ(chosen("C", "es_CL", "es_CL"), kEnglish);
  EXPECT_EQ(chosen("es_PE.UTF-8", "en_GB", "C"), kSpanish);
  chosen(nullptr, nullptr, nullptr);
}

TEST(Messages, RefusesOtherLanguages) {
  EXPECT_EQ(parse_language("en"), Language::kEnglish);
  EXPECT_EQ(parse_language("es"), Language::kSpanish);
  expect_error(ErrorKind::kArgument, "--lang: expected en (English) or es (Spanish), got 'fr'",
               [] { parse_language("fr"); });
  expect_error(ErrorKind::kArgument, "got ''", [] { parse_language(""); });
}

}  // namespace
}  // namespace semblance
