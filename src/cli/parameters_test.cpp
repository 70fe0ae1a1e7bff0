// Every front end supports every row of the parameter table (pipeline/request.h).
#define SEMBLANCE_IMPLEMENTATION  // for the names in namespace v1
#include "app/parameters.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/program_test.h"
#include "cli/request_flags.h"
#include "core/error.h"
#include "pipeline/resume.h"
#include "semblance/semblance.h"
#include "service/a1111.h"
#include "service/openai.h"
#include "service/parameters_json.h"
#include "service/settings.h"
#include "service/web_files.h"

namespace semblance::cli {
namespace {

using nlohmann::json;
using service::JobRequest;

JobRequest usual() {
  JobRequest settings{{.prompt = "a man", .negative = {}, .width = 64, .height = 64}};
  settings.guidance = 5;
  settings.seed = 1;
  return settings;
}

/// A value that differs from usual() and is valid in every front end.
template <typename T>
PlainOf<T> another(const Parameter& row) {
  if constexpr (kind_of<T>() == ParameterKind::kText) {
    return "other words";
  } else if constexpr (kind_of<T>() == ParameterKind::kList) {
    if (&row == &parameters::kControls) return {"model=canny,strength=0.5,end=0.5", "model=pose"};
    if (&row == &parameters::kPeople) return {R"({"adapter_strength":0.5})", "{}"};
    return {"film:0.5:2", "other"};
  } else if constexpr (kind_of<T>() == ParameterKind::kChoice) {
    return std::string(row.choices.all().at(1).name);
  } else if constexpr (kind_of<T>() == ParameterKind::kSwitch) {
    return true;
  } else if constexpr (kind_of<T>() == ParameterKind::kSeed) {
    return 18446744073709551615U;
  } else {
    const bool is_whole = kind_of<T>() == ParameterKind::kWhole;
    return static_cast<PlainOf<T>>(is_whole ? row.least + row.multiple_of
                                            : (row.least + row.most) / 4);
  }
}

/// Calls f(row, settings) for each row, with only that row's value changed.
template <typename F>
void each_change(F&& f) {
  const JobRequest before = usual();
  JobRequest after = usual();
  service::each_job_parameter(
      [&](const Parameter& row, auto& member, const auto& old) {
        using T = std::decay_t<decltype(member)>;
        SCOPED_TRACE(row.name);
        member = another<T>(row);
        ASSERT_NE(member, old);
        f(row, static_cast<const JobRequest&>(after));
        member = old;
      },
      after, before);
}

/// A row's value as form text.
std::string text_of(const Parameter& row, const JobRequest& settings) {
  const json value = to_json(settings)[std::string(row.name)];
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string kept(const Request& request) { return to_json(JobRequest{request}).dump(); }

TEST(Parameters, AreDescribedInBothLanguages) {
  std::set<std::string_view> names;
  each_change([&](const Parameter& row, const JobRequest&) {
    EXPECT_TRUE(names.insert(row.name).second);
    for (const Words& words : {row.title, row.help}) {
      EXPECT_FALSE(words.english.empty());
      EXPECT_FALSE(words.spanish.empty());
      EXPECT_EQ(words.english.find("--"), std::string_view::npos);
    }
    EXPECT_TRUE(row.help.english.ends_with('.') && row.help.spanish.ends_with('.'));
    EXPECT_EQ(row.absent.english.empty(), row.absent.spanish.empty());
    EXPECT_EQ(row.service.most > 0, !row.service.reason.english.empty());
    EXPECT_EQ(row.service.reason.english.empty(), row.service.reason.spanish.empty());
    EXPECT_LE(row.service.most, row.most);
  });
}

TEST(Parameters, AreFlags) {
  Flags flags("generate", "");
  RequestSettings settings;
  declare_request(flags, settings);
  const std::string help = flags.help();
  each_change([&](const Parameter& row, const JobRequest&) {
    EXPECT_NE(help.find("  " + row.flag_text()), std::string::npos);
  });
  each_change([&](const Parameter& row, const JobRequest& changed) {
    if (&row == &parameters::kPeople) return;  // a file: people_test.cpp
    Flags read("generate", "");
    RequestSettings given;
    declare_request(read, given);
    const std::string flag = row.flag_text();
    std::vector<std::string> values{flag == "--size" ? "16x16" : text_of(row, changed)};
    if (const json value = to_json(changed)[std::string(row.name)]; value.is_array())
      values = value.get<std::vector<std::string>>();
    std::vector<const char*> words;
    for (const std::string& value : values) {
      words.push_back(flag.c_str());
      if (value != "true") words.push_back(value.c_str());
    }
    EXPECT_TRUE(read.read(words));
    if (flag == "--size") given.request.width = given.request.height = 16;
    const JobRequest got{given.request, given.images, given.best_of};
    EXPECT_EQ(text_of(row, got), text_of(row, changed));
  });
}

TEST(Parameters, AreServiceSettings) {
  each_change([](const Parameter& row, const JobRequest& changed) {
    const json there = to_json(changed);
    EXPECT_EQ(to_json(service::read_settings(there)), there);
    EXPECT_NE(there[std::string(row.name)], to_json(usual())[std::string(row.name)]);
  });
}

TEST(Parameters, AreFieldsOfOpenAisApi) {
  each_change([](const Parameter& row, const JobRequest& changed) {
    const bool is_size = row.openai_name == "size";
    const std::string value = is_size ? "16x16" : text_of(row, changed);
    std::vector<service::Part> parts(3);
    parts[0].name = "image", parts[0].data = "PHOTO";
    parts[1].name = "prompt", parts[1].data = "a man";
    parts[2].name = row.openai_name.empty() ? row.name : row.openai_name, parts[2].data = value;
    if (row.is_required) parts.erase(parts.begin() + 1);
    const service::ImagesRequest edit =
        service::parse_images(service::ImagesKind::kEdit, parts, "m");
    EXPECT_EQ(text_of(row, edit.request), text_of(row, changed));
  });
}

TEST(Parameters, AreFieldsOfTheWebUiOrHaveNone) {
  each_change([](const Parameter& row, const JobRequest& changed) {
    json face{{"module", "instant_id_face_embedding"}, {"image", "UEhPVE8="}};
    json points{{"module", "instant_id_face_keypoints"}};
    json body{{"prompt", "a man"}};
    const std::string_view field = row.web_ui.empty() ? row.name : row.web_ui;
    const std::size_t dot = field.find('.');
    json& object = dot == field.npos ? body : field.starts_with("face.") ? face : points;
    object[std::string(field.substr(dot + 1))] =
        json::parse(to_json(changed)[std::string(row.name)].dump());
    if (row.name == "seed") object["seed"] = 7;            // numbers have 53 bits there
    if (row.name == "eta") body["sampler_name"] = "DDIM";  // Euler has none
    body["alwayson_scripts"] = {{"controlnet", {{"args", {face, points}}}}};
    if (row.web_ui.empty()) {
      EXPECT_THROW(service::parse_txt2img(body.dump(), "m", 64), service::HttpError);
      return;
    }
    const service::Txt2Img wanted = service::parse_txt2img(body.dump(), "m", 64);
    const std::string want = row.name == "seed" ? "7" : text_of(row, changed);
    EXPECT_EQ(text_of(row, wanted.request), want);
  });
}

TEST(Parameters, AreInSavedRunsAndDefaultInOldOnes) {
  const fs::path file = fs::temp_directory_path() / ("semblance_rows_" + std::to_string(getpid()));
  each_change([&](const Parameter& row, const JobRequest& changed) {
    if (!row.shapes_picture) return;
    SavedRun run;
    run.request = changed;
    run.latent.resize(static_cast<std::size_t>(4 * (changed.width / 8) * (changed.height / 8)));
    const std::size_t people = people_in(changed);
    run.request.photos.assign(people, 1);
    run.people.embeddings.resize(people * 512);
    run.people.keypoints.resize(people);
    auto regions = std::make_shared<std::vector<Mask>>();
    for (std::size_t i = 0; i < changed.people.size(); ++i)
      regions->emplace_back(Size{changed.width, changed.height});
    run.people.regions = regions;
    auto pictures = std::make_shared<std::vector<Image>>();
    for (std::size_t i = 0; i < changed.controls.size(); ++i)
      pictures->emplace_back(Size{changed.width, changed.height});
    run.controls = pictures;
    save(run, file);
    EXPECT_EQ(kept(load_saved_run(file).request), kept(changed));
  });
  fs::remove(file);
}

TEST(Parameters, AreInThePicturesMetadata) {
  const std::string before = parameters_text(usual(), {.base = "m"});
  each_change([&](const Parameter& row, const JobRequest& changed) {
    EXPECT_EQ(parameters_text(changed, {.base = "m"}) != before, row.shapes_picture);
  });
}

TEST(Parameters, AreInTheApiDocumentAndOnThePage) {
  json document;
  for (const service::WebFile& file : service::web_files()) {
    if (file.path == "/web/openapi.json")
      document = json::parse(service::with_parameters(file.bytes));
  }
  const json& settings = document["components"]["schemas"]["Settings"]["properties"];
  const auto fields = [&document](const char* path, const char* type) {
    const json& content = document["paths"][path]["post"]["requestBody"]["content"];
    return content[type]["schema"]["properties"];
  };
  const json edit = fields("/v1/images/edits", "multipart/form-data");
  const json generation = fields("/v1/images/generations", "application/json");
  const json page = json::parse(service::parameters_json());
  std::size_t rows = 0, shown = 0;
  each_change([&](const Parameter& row, const JobRequest&) {
    ++rows;
    EXPECT_TRUE(settings.contains(row.name));
    const std::string_view field = row.openai_name.empty() ? row.name : row.openai_name;
    EXPECT_TRUE(edit.contains(field) && generation.contains(field)) << field;
    const auto entry =
        std::ranges::find_if(page, [&](const json& e) { return e["name"] == row.name; });
    EXPECT_EQ(entry != page.end(), row.page.place != PagePlace::kNone);
    if (entry == page.end()) return;
    ++shown;
    if (!entry->contains("from")) return;
    EXPECT_LE((*entry)["least"], (*entry)["from"]);
    EXPECT_GE((*entry)["most"], (*entry)["to"]);
  });
  EXPECT_EQ(settings.size(), rows);
  EXPECT_EQ(page.size(), shown);
}

TEST(Parameters, AreInThePublicLibraryWithTheSameDefaults) {
  const v1::Settings settings;
  Request request, ours;
  ours.seed = 0;  // the library does not choose random seeds
  each_parameter([](const Parameter&, auto& to, const auto& from) { to = from; }, request,
                 settings);
  EXPECT_EQ(kept(request), kept(ours));
}

}  // namespace
}  // namespace semblance::cli
