// The API's document matches the code: exactly its routes and exactly its answers' keys.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <regex>
#include <set>

#include "service/base64.h"
#include "service/service_test.h"
#include "service/settings.h"

namespace semblance::service {
namespace {

using nlohmann::json;
using testing::Form;
using testing::photo;

class ApiDocument : public testing::ServiceTest {
 protected:
  ApiDocument() : document_(json::parse(api_document())) { begin(); }

  const json& document() const { return document_; }

  /// Calls the handler as the server does.
  HttpResponse ask(const std::string& method, const std::string& target,
                   const std::string& body = "", const std::string& type = "application/json") {
    HttpRequest request{.method = method, .path = target.substr(0, target.find('?'))};
    request.headers = {{"content-type", type}, {"host", "localhost"}};
    request.body = body;
    const Router::Match match = router().find(method, request.path);
    EXPECT_NE(match.route, nullptr) << method << " " << target;
    try {
      return match.route->handler(request, match.captures);
    } catch (const HttpError& error) {
      return error.response();
    } catch (const Error& error) {
      return error_response(error);
    }
  }
  json made(const std::string& method, const std::string& path, const std::string& body = "",
            const std::string& type = "application/json") {
    HttpResponse response = ask(method, path, body, type);
    EXPECT_LT(response.status, 300) << response.body.whole();
    if (response.stream) {
      while (const auto piece = response.stream()) response.body += *piece;
    }
    return json::parse(response.body.whole());
  }

  /// The document's schema for the answer to a method of a path.
  const json& schema_of(const std::string& method, const std::string& pattern,
                        const std::string& status = "200") const {
    return document_.at("paths")
        .at(pattern)
        .at(method)
        .at("responses")
        .at(status)
        .at("content")
        .at("application/json")["schema"];
  }

  const json& resolved(const json& schema) const {
    if (!schema.contains("$ref")) return schema;
    return document_.at(json::json_pointer(schema["$ref"].get<std::string>().substr(1)));
  }

  /// The differences between `value` and `schema`. Every property must be present unless the schema
  /// has a "required" without it.
  std::string differences(const json& described, const json& value,
                          const std::string& where) const {
    const json& schema = resolved(described);
    if (schema.contains("oneOf")) {
      std::string all;
      for (const json& one : schema["oneOf"]) {
        const std::string found = differences(one, value, where);
        if (found.empty()) return "";
        all += found;
      }
      return all;
    }
    const std::string type = schema.at("type");
    const bool fits = type == "object"    ? value.is_object()
                      : type == "array"   ? value.is_array()
                      : type == "string"  ? value.is_string()
                      : type == "integer" ? value.is_number_integer()
                      : type == "number"  ? value.is_number()
                      : type == "boolean" ? value.is_boolean()
                                          : type == "null" && value.is_null();
    if (!fits) return where + " is no " + type + "; ";
    std::string found;
    if (schema.contains("enum") &&
        std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end())
      found += where + " is " + value.dump() + "; ";
    if (type == "array" && schema.contains("items")) {
      for (std::size_t i = 0; i < value.size(); ++i)
        found += differences(schema["items"], value[i], fmt::format("{}[{}]", where, i));
    }
    if (type != "object" || !schema.contains("properties")) return found;
    const json& properties = schema.at("properties");
    for (const auto& [key, inner] : value.items()) {
      if (!properties.contains(key)) {
        found += where + "." + key + " is not in the document; ";
      } else {
        found += differences(properties[key], inner, where + "." + key);
      }
    }
    const json required = schema.value("required", json());
    for (const auto& [key, inner] : properties.items()) {
      const bool is_optional =
          required.is_array() && std::find(required.begin(), required.end(), key) == required.end();
      if (!is_optional && !value.contains(key)) found += where + "." + key + " is missing; ";
    }
    return found;
  }

 private:
  json document_;
};

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

TEST_F(ApiDocument, HasExactlyTheRoutesOfTheCode) {
  std::set<std::string> code{"post /api/login", "post /api/logout"};  // the server's own
  for (const std::string& route : router().list()) {
    const std::string path = route.substr(route.find(' ') + 1);
    if (path == "/" || path.starts_with("/web/")) continue;  // the page
    code.insert(lower(route.substr(0, route.find(' '))) + " " + path);
  }
  std::set<std::string> said;
  for (const auto& [path, methods] : document()["paths"].items()) {
    for (const auto& [method, what] : methods.items()) said.insert(method + " " + path);
  }
  EXPECT_EQ(code, said);
}

/// Generators of clients name functions after the operations, and files after their tags.
TEST_F(ApiDocument, NamesEveryOperation) {
  std::set<std::string> names, tags, used;
  for (const json& tag : document()["tags"]) tags.insert(tag["name"]);
  for (const auto& [path, methods] : document()["paths"].items()) {
    for (const auto& [method, what] : methods.items()) {
      const std::string name = what.value("operationId", "");
      EXPECT_TRUE(std::regex_match(name, std::regex("[a-z][a-z0-9]+([A-Z][a-z0-9]+)*")))
          << method << " " << path << " has " << name;
      EXPECT_TRUE(names.insert(name).second) << name << " is there twice";
      ASSERT_EQ(what.value("tags", json::array()).size(), 1U) << name;
      used.insert(what["tags"][0]);
    }
  }
  EXPECT_EQ(used, tags);
}

TEST_F(ApiDocument, MarksRoutesThatNeedNoKey) {
  for (const auto& [path, methods] : document()["paths"].items()) {
    for (const auto& [method, what] : methods.items()) {
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      const Router::Match match = router().find(upper, path);
      const bool is_open =
          match.route == nullptr ? path.starts_with("/api/log") : match.route->options.open;
      EXPECT_EQ(is_open, what.contains("security") && what["security"].empty()) << path;
    }
  }
}

TEST_F(ApiDocument, DeclaresEveryPathParameter) {
  for (const auto& [path, methods] : document()["paths"].items()) {
    for (const auto& [method, what] : methods.items()) {
      std::set<std::string> named, there;
      for (const json& parameter : what.value("parameters", json::array())) {
        if (parameter["in"] == "path")
          named.insert("{" + parameter["name"].get<std::string>() + "}");
      }
      for (std::size_t at = path.find('{'); at != path.npos; at = path.find('{', at + 1))
        there.insert(path.substr(at, path.find('}', at) + 1 - at));
      EXPECT_EQ(named, there) << path;
    }
  }
}

TEST_F(ApiDocument, SettingsMatchTheCode) {
  const json& schema = document()["components"]["schemas"]["Settings"];
  json strict = schema;
  strict.erase("required");
  EXPECT_EQ(differences(strict, to_json(JobRequest{{.prompt = "x", .negative = {}}}), "settings"),
            "");
  // Its limits are the code's: the limits themselves are accepted, values beyond them refused.
  for (const auto& [key, described] : schema["properties"].items()) {
    const json& range = described.contains("oneOf") ? described["oneOf"][0] : described;
    for (const char* end : {"minimum", "maximum"}) {
      if (!range.contains(end)) continue;
      json settings{{"prompt", "x"}};
      if (key == "width" || key == "height") settings["width"] = settings["height"] = 64;
      if (key == "identity_end") settings["identity_start"] = 0;
      if (key == "identity_start") settings["identity_end"] = 1;
      if (key == "noise_picture") settings["noise_batch"] = 16;
      settings[key] = range[end];
      EXPECT_EQ(refusal([&] { read_settings(settings); }), "no error") << key << " " << end;
      const int beyond = std::string(end) == "minimum" ? -1 : 1;
      settings[key] = range[end].get<double>() + beyond * range.value("multipleOf", 1);
      EXPECT_EQ(refusal([&] { read_settings(settings); }), "400 argument") << key << " " << end;
    }
    if (range.contains("maxLength")) {
      json settings{{"prompt", "x"}};
      settings[key] = std::string(range["maxLength"].get<std::size_t>(), 'x');
      EXPECT_EQ(refusal([&] { read_settings(settings); }), "no error") << key;
      settings[key] = settings[key].get<std::string>() + "x";
      EXPECT_EQ(refusal([&] { read_settings(settings); }), "400 argument") << key;
    }
    if (range.contains("default")) {
      EXPECT_EQ(range["default"], to_json(JobRequest{})[key]) << key;
    }
  }
}

TEST_F(ApiDocument, StateMatches) {
  for (const char* path : {"/api/info", "/api/memory", "/api/health", "/api/ready", "/v1/models",
                           "/api/identities", "/api/jobs", "/api/models"})
    EXPECT_EQ(differences(schema_of("get", path), made("GET", path), path), "");
  const std::string name = engine().facts().name;
  EXPECT_EQ(differences(schema_of("get", "/v1/models/{id}"), made("GET", "/v1/models/" + name), ""),
            "");
  json login;
  EXPECT_EQ(document()["paths"]["/api/login"]["post"]["responses"].contains("204"), true);
}

TEST_F(ApiDocument, PlansMatch) {
  const json& schema = schema_of("post", "/api/plan");
  const json fits = made("POST", "/api/plan", R"({"prompt": "x", "width": 64, "height": 64})");
  EXPECT_EQ(fits["fits"], true);
  EXPECT_EQ(differences(schema, fits, "plan"), "");
  const json refused =
      made("POST", "/api/plan", R"({"prompt": "x", "width": 4096, "height": 4096})");
  EXPECT_EQ(refused["fits"], false);
  EXPECT_TRUE(refused["smaller"].is_object());
  EXPECT_EQ(differences(schema, refused, "plan"), "");
}

TEST_F(ApiDocument, FacesAndIdentitiesMatch) {
  const Form form = Form().add("photo", photo(), "me.png");
  const json faces = made("POST", "/api/faces", form.body, form.type);
  EXPECT_EQ(faces["faces"].size(), 1U);
  EXPECT_EQ(differences(schema_of("post", "/api/faces"), faces, "faces"), "");
  Form kept = Form().add("photo", photo(), "me.png").add("name", "Ann");
  for (int photos = 1; photos <= 2; ++photos) {
    const json identity = made("POST", "/api/identities", kept.body, kept.type);
    EXPECT_EQ(identity["photos"], photos);
    EXPECT_EQ(differences(schema_of("post", "/api/identities", "201"), identity, "identity"), "");
    kept.add("photo", photo(), "me-2.png");
  }
  EXPECT_EQ(differences(schema_of("get", "/api/identities"), made("GET", "/api/identities"), ""),
            "");
}

TEST_F(ApiDocument, JobsMatch) {
  const json& schema = schema_of("get", "/api/jobs/{id}");
  const auto differs = [&](const json& job) { return differences(schema, job, "job"); };
  const auto form = [&](const std::string& settings, const std::string& face) {
    return Form()
        .add("settings", settings)
        .add("photo", photo(), "me.png")
        .add("face", face)
        .add("keep_photo", "False");  // as generated clients write it
  };
  const std::string small = R"({"prompt": "x", "width": 64, "height": 64, "steps": 40})";
  const json first = made("POST", "/api/jobs", form(small, "0").body, Form().type);
  const json waiting = made("POST", "/api/jobs", form(small, "0").body, Form().type);
  EXPECT_EQ(differs(first), "");
  EXPECT_EQ(differs(waiting), "");
  const std::string id = first["id"];
  ASSERT_TRUE(becomes_true([&] { return jobs().get(id).progress.step > 2; }));
  const json running = made("GET", "/api/jobs/" + id);
  EXPECT_EQ(running["state"], "running");
  EXPECT_TRUE(running["seconds_left"].is_number());
  EXPECT_TRUE(running["planned_bytes"].is_number());
  EXPECT_EQ(differs(running), "");
  EXPECT_EQ(differs(made("POST", "/api/jobs/" + waiting["id"].get<std::string>() + "/cancel")), "");
  ASSERT_TRUE(becomes(id, JobState::kDone));
  const std::string weighted =
      R"({"prompt": "a (man) [in|at snow]", "width": 64, "height": 64, "steps": 1})";
  const std::string warned = made("POST", "/api/jobs", form(weighted, "0").body, Form().type)["id"];
  ASSERT_TRUE(becomes(warned, JobState::kDone));
  EXPECT_EQ(made("GET", "/api/jobs/" + warned)["warnings"].size(), 1U);
  EXPECT_EQ(differs(made("GET", "/api/jobs/" + warned)), "");
  const json done = made("GET", "/api/jobs/" + id);
  EXPECT_EQ(done["images"].size(), 1U);
  EXPECT_EQ(differs(done), "");
  const std::string failing = made("POST", "/api/jobs", form(small, "7").body, Form().type)["id"];
  ASSERT_TRUE(becomes(failing, JobState::kFailed));
  const json failed = made("GET", "/api/jobs/" + failing);
  EXPECT_TRUE(failed["error"].is_object());
  EXPECT_EQ(differs(failed), "");
  EXPECT_EQ(differences(schema_of("get", "/api/jobs"), made("GET", "/api/jobs"), "jobs"), "");
}

TEST_F(ApiDocument, RecipesMatch) {
  const std::string settings =
      R"({"prompt": "a man", "width": 64, "height": 64, "steps": 2, "seed": 9223372036854775807})";
  const Form form = Form().add("settings", settings).add("photo", photo(), "me.png");
  const std::string id = made("POST", "/api/jobs", form.body, form.type)["id"];
  ASSERT_TRUE(becomes(id, JobState::kDone));
  const std::string png = Body(jobs().picture(id, 0)).whole();
  const Form asked = Form().add("picture", png, "a.png");
  const json recipe = made("POST", "/api/recipe", asked.body, asked.type);
  EXPECT_EQ(differences(schema_of("post", "/api/recipe"), recipe, "recipe"), "");
  EXPECT_EQ(recipe["settings"]["prompt"], "a man");
  EXPECT_EQ(recipe["settings"]["seed"], 9223372036854775807U);
  EXPECT_EQ(recipe["settings"]["width"], 64);
  for (const auto& [file, status] : {std::pair(photo(), 404), std::pair(png.substr(0, 60), 400),
                                     std::pair(std::string("x"), 400)}) {
    const Form bad = Form().add("picture", file, "a.png");
    EXPECT_EQ(ask("POST", "/api/recipe", bad.body, bad.type).status, status);
  }
}

TEST_F(ApiDocument, Automatic1111Matches) {
  for (const char* path : {"progress", "samplers", "schedulers", "sd-models", "memory", "options",
                           "scripts", "cmd-flags", "prompt-styles", "embeddings", "loras",
                           "upscalers", "sd-vae", "script-info", "extensions"}) {
    const std::string whole = std::string("/sdapi/v1/") + path;
    EXPECT_EQ(differences(schema_of("get", whole), made("GET", whole), path), "");
  }
  for (const char* path :
       {"/controlnet/version", "/controlnet/model_list", "/controlnet/module_list",
        "/controlnet/control_types", "/controlnet/settings"})
    EXPECT_EQ(differences(schema_of("get", path), made("GET", path), path), "");
  const json info = made("POST", "/sdapi/v1/png-info", json{{"image", base64(photo())}}.dump());
  EXPECT_EQ(differences(schema_of("post", "/sdapi/v1/png-info"), info, "info"), "");
  EXPECT_EQ(info["info"], "");
  for (const char* bad : {R"({"image": "x"})", R"({"image": "eA=="})", "{}"})
    EXPECT_EQ(ask("POST", "/sdapi/v1/png-info", bad).status, 400) << bad;
  EXPECT_EQ(
      differences(schema_of("post", "/sdapi/v1/skip"), made("POST", "/sdapi/v1/skip"), "skip"), "");
  const json wanted{{"controlnet_module", "canny"}, {"controlnet_input_images", {base64(photo())}}};
  EXPECT_EQ(differences(schema_of("post", "/controlnet/detect"),
                        made("POST", "/controlnet/detect", wanted.dump()), "detect"),
            "");
}

TEST_F(ApiDocument, OpenAiPicturesMatch) {
  const json& schema = schema_of("post", "/v1/images/edits");
  const auto form = [&] {
    return Form().add("image", photo(), "me.png").add("prompt", "x").add("steps", "1");
  };
  for (const char* format : {"b64_json", "url"}) {
    const Form edit = form().add("size", "64x64").add("response_format", format).add("user", "me");
    const json made_one = made("POST", "/v1/images/edits", edit.body, edit.type);
    EXPECT_TRUE(made_one["data"][0].contains(format));
    EXPECT_EQ(differences(schema, made_one, "edit"), "");
  }
  const json generation{
      {"prompt", "x"}, {"image", base64(photo())}, {"size", "64x64"}, {"steps", 1}};
  EXPECT_EQ(differences(schema_of("post", "/v1/images/generations"),
                        made("POST", "/v1/images/generations", generation.dump()), "generation"),
            "");
}

TEST_F(ApiDocument, ErrorsMatch) {
  const json& schema =
      document()["components"]["responses"]["Error"]["content"]["application/json"]["schema"];
  for (const auto& [method, path] : std::vector<std::pair<std::string, std::string>>{
           {"POST", "/api/plan"}, {"GET", "/api/jobs/0"}, {"POST", "/v1/images/edits"}}) {
    const HttpResponse response = ask(method, path);
    EXPECT_GE(response.status, 400);
    EXPECT_EQ(differences(schema, json::parse(response.body.whole()), path), "");
  }
}

}  // namespace
}  // namespace semblance::service
