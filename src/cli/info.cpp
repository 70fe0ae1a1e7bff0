// semblance info: what a picture's texts say about how it was made, and the command that makes it
// again.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/parameters.h"
#include "app/recipe.h"
#include "app/recipe_words.h"
#include "app/shell_text.h"
#include "cli/command.h"
#include "cli/demo_model.h"
#include "cli/flags.h"
#include "cli/model_flags.h"
#include "cli/photo_flags.h"
#include "core/error.h"
#include "core/messages.h"
#include "core/short_text.h"
#include "hub/catalog.h"
#include "memory/budget.h"

namespace semblance::cli {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct InfoSettings {
  std::filesystem::path picture;
  bool json = false;
  Language language = Language::kEnglish;
  // Of the command.
  std::vector<std::string> faces;
  std::filesystem::path pose;
  std::filesystem::path initial;
  std::filesystem::path mask;
  std::filesystem::path output;
  ModelPaths models;
  ModelPlaces places;
  PhotoFlags looking;
};

void declare_info(Flags& flags, InfoSettings& s) {
  flags.group("What to do");
  flags.positional("PICTURE", "The picture: PNG, JPEG or WebP.", s.picture);
  flags.toggle(
      "--json",
      "Prints {\"file\", \"format\", \"width\", \"height\", \"kind\": \"semblance\", "
      "\"a1111\" or \"comfyui\", \"made_by\", \"prompt\", \"negative_prompt\", \"fields\", "
      "\"texts\", \"command\": the words, \"shell\": the same in one line, \"notes\"}. "
      "What is not known is null.",
      s.json);
  flags.value("--lang", "en|es",
              "Language: English or Spanish. Default: from LC_ALL, LC_MESSAGES or LANG.",
              [&s](const std::string& flag, const std::string& text) {
                s.language = parse_language(text, flag);
              });
  flags.group("What the command is given (pictures hold no files, and names of models only)");
  flags.values("--face", "FILE", "The photo or identity of the person; may be given several times.",
               [&s](const std::string&, const std::string& text) { s.faces.push_back(text); });
  flags.path("--pose", "FILE", "The photo that sets the position of the face.", s.pose);
  flags.path("--init", "FILE", "The picture to start from.", s.initial);
  flags.path("--mask", "FILE", "The mask of the part that is repainted.", s.mask);
  flags.path("-o,--output", "FILE", "The picture to write. Default: PICTURE-again.png.", s.output);
  flags.group(kModelsGroup);
  declare_model_flags(flags, s.models, s.places);
  s.looking.declare_models(flags, "Face detector and recogniser: insightface's folder.");
  flags.epilogue(
      "Reads the text of pictures made by Semblance, AUTOMATIC1111's web UI (and programs that\n"
      "write its format) and ComfyUI. Nothing is opened but the picture. docs/provenance.md says\n"
      "what is carried over.\n"
      "\n"
      "Examples\n"
      "  semblance info snow.png\n"
      "  semblance info snow.png --face me.jpg -o snow-2.png\n"
      "  sh -c \"$(semblance info snow.png --face me.jpg --json | jq -r .shell)\"\n"
      "\n" +
      exit_codes_text());
}

std::string_view kind_name(Recipe::Kind kind) {
  switch (kind) {
    case Recipe::Kind::kSemblance:
      return "semblance";
    case Recipe::Kind::kWebUi:
      return "a1111";
    case Recipe::Kind::kComfyUi:
      return "comfyui";
  }
  return "";
}

/// Puts what the flags give in place of what the picture says.
void take_given(const InfoSettings& s, Recipe& recipe) {
  const auto given = [](std::string& text, const std::filesystem::path& path) {
    if (!path.empty()) text = path.string();
  };
  if (!s.faces.empty()) recipe.faces = s.faces;
  given(recipe.pose, s.pose);
  given(recipe.initial, s.initial);
  given(recipe.mask, s.mask);
  const std::filesystem::path named = recipe.models.base;
  each_model_path(
      [](const ModelPathRow&, auto& path, const auto& own) {
        if (!own.empty()) path = own;
      },
      recipe.models, s.models);
  if (!s.models.base.empty() || recipe.kind != Recipe::Kind::kSemblance) return;
  // Names that `generate` looks up in another way.
  const auto demo = find_demo_model();
  if (named == sdxl_repository().name) {
    recipe.models.base = pull_name(ModelName{.repository = sdxl_repository()});
  } else if (demo && named == model_name(demo->models.base) && s.models.identitynet.empty() &&
             s.models.adapter.empty()) {
    recipe.models.base.clear();
    recipe.notes.push_back(filled(recipe_words::kNoteDemo, named.string()));
  }
}

std::string extension_of(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return ".jpg";
    case ImageFormat::kPng:
      return ".png";
    case ImageFormat::kWebp:
      return ".webp";
  }
  return "";
}

std::vector<std::string> command_words(const InfoSettings& s, const Recipe& recipe,
                                       ImageFormat format) {
  const std::string output = s.output.empty()
                                 ? s.picture.stem().string() + "-again" + extension_of(format)
                                 : s.output.string();
  std::vector<std::string> words = command_of(recipe, output);
  std::vector<std::string> places;
  for (const auto& [flag, path] :
       {std::pair("--models-dir", &s.places.models), std::pair("--lora-dir", &s.places.loras),
        std::pair("--control-dir", &s.places.controls),
        std::pair("--face-models", &s.looking.files.folder),
        std::pair("--detector", &s.looking.files.detector),
        std::pair("--recogniser", &s.looking.files.recogniser)}) {
    if (!path->empty()) places.insert(places.end(), {flag, path->string()});
  }
  constexpr std::ptrdiff_t kProgram = 2;  // "semblance generate"
  words.insert(words.begin() + kProgram, places.begin(), places.end());
  return words;
}

/// All that is told about a picture.
struct Report {
  PictureTexts texts;
  std::optional<Recipe> recipe = {};
  std::vector<std::string> command = {};
  std::vector<std::string> notes = {};
};

std::string info_json(const InfoSettings& s, const Report& report) {
  const Size size = report.texts.picture.upright();
  OrderedJson json{{"file", s.picture.string()},
                   {"format", name_of(report.texts.picture.format)},
                   {"width", size.w},
                   {"height", size.h}};
  for (const char* key : {"kind", "made_by", "prompt", "negative_prompt"}) json[key] = nullptr;
  json["fields"] = OrderedJson::object();
  if (report.recipe) {
    const Recipe& recipe = *report.recipe;
    json["kind"] = kind_name(recipe.kind);
    json["made_by"] = recipe.made_by;
    json["prompt"] = recipe.request.prompt;
    if (recipe.request.negative) json["negative_prompt"] = *recipe.request.negative;
    for (const auto& [name, value] : recipe.fields) json["fields"][name] = value;
  }
  json["texts"] = OrderedJson::object();
  for (const PictureText& text : report.texts.texts)
    json["texts"][text.key] = text.value ? OrderedJson(*text.value) : OrderedJson();
  json["command"] = report.recipe ? OrderedJson(report.command) : OrderedJson();
  json["shell"] = report.recipe ? OrderedJson(shell_command(report.command)) : OrderedJson();
  json["notes"] = report.notes;
  return json.dump(2, ' ', false, OrderedJson::error_handler_t::replace);
}

/// Names and values in two columns. Further lines of a value are below its first.
class InfoTable {
 public:
  void add(std::string_view name, std::string_view value) {
    constexpr std::size_t kMostName = 40;
    rows_.emplace_back(shown_text(short_text(name, kMostName)), shown_text(value));
  }
  std::string text() const {
    std::size_t width = 0;
    for (const auto& [name, value] : rows_) width = std::max(width, name.size());
    std::string out;
    for (const auto& [name, value] : rows_) {
      out += fmt::format("{:<{}}  ", name, width);
      for (const char c : value) {
        out += c;
        if (c == '\n') out.append(width + 2, ' ');
      }
      out += '\n';
    }
    return out;
  }

 private:
  std::vector<std::pair<std::string, std::string>> rows_;
};

std::string info_text(const InfoSettings& s, const Report& report) {
  const Size size = report.texts.picture.upright();
  const std::string file = shown_text(s.picture.filename().string());
  const std::string_view format = name_of(report.texts.picture.format);
  InfoTable table;
  if (!report.recipe) {
    constexpr std::size_t kShownBytes = 500;
    for (const PictureText& text : report.texts.texts) {
      table.add(text.key, text.value
                              ? short_text(*text.value, kShownBytes)
                              : filled(recipe_words::kInfoTooLong, bytes_text(kPictureTextBytes)));
    }
    return filled(recipe_words::kInfoUnknown, file, format, size.w, size.h) + "\n\n" + table.text();
  }
  const Recipe& recipe = *report.recipe;
  table.add(in_language(parameters::kPrompt.title), recipe.request.prompt);
  if (recipe.request.negative)
    table.add(in_language(parameters::kNegative.title), *recipe.request.negative);
  for (const auto& [name, value] : recipe.fields) table.add(name, value);
  constexpr std::size_t kColumns = 96;
  std::string out =
      filled(recipe_words::kInfoPicture, file, format, size.w, size.h, shown_text(recipe.made_by)) +
      "\n\n" + table.text() + '\n' + filled(recipe_words::kInfoCommand) + "\n\n" +
      shell_command(report.command, kColumns) + '\n';
  if (!report.notes.empty()) out += '\n' + filled(recipe_words::kInfoNotes) + "\n\n";
  for (const std::string& line : report.notes) out += "- " + shown_text(line) + '\n';
  return out;
}

}  // namespace

int info(std::span<const char* const> words) {
  InfoSettings s;
  s.language = language_of_environment();
  Flags flags("info PICTURE [--json] [--face FILE] [-o FILE] [flags]",
              "Reads the text in a picture that says how it was made, and prints the `semblance "
              "generate` command that makes it again.");
  declare_info(flags, s);
  if (!flags.read(words)) {
    print(flags.help());
    return 0;
  }
  set_language(s.language);
  if (s.picture.empty())
    fail(ErrorKind::kArgument, "info needs a picture\n  `semblance info --help` shows an example");
  Report report{.texts = read_texts(*open_file(s.picture))};
  if (report.texts.texts.empty()) {
    fail(ErrorKind::kMissing,
         "cannot tell how {} was made: there is no text in it\n  the program that made it wrote "
         "none, or it was lost on the way: most web sites and messengers remove it",
         s.picture.string());
  }
  report.recipe = read_recipe(report.texts, s.picture.string());
  if (report.recipe) {
    take_given(s, *report.recipe);
    report.command = command_words(s, *report.recipe, report.texts.picture.format);
    report.notes = needs_of(*report.recipe);
    report.notes.insert(report.notes.end(), report.recipe->notes.begin(),
                        report.recipe->notes.end());
  }
  print(s.json ? info_json(s, report) : info_text(s, report));
  return 0;
}

}  // namespace semblance::cli
