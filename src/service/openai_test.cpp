#include "service/openai.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "pipeline/request.h"
#include "service/base64.h"

namespace semblance::service {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

ImagesRequest parsed(const Fields& fields, ImagesKind kind = ImagesKind::kEdit) {
  std::vector<Part> parts;
  for (const auto& [name, value] : fields) {
    Part part;
    part.name = name;
    part.data = value;
    parts.push_back(part);
  }
  ImagesRequest edit = parse_images(kind, parts, "semblance-demo");
  for (Photo* photo : {&edit.request.photo, &edit.request.pose})
    photo->take(std::string(photo->bytes));  // outlives `fields`
  return edit;
}

/// "param: message" of the error that `parse` throws, or "no error".
std::string refusal_of(const std::function<void()>& parse) {
  try {
    parse();
  } catch (const HttpError& error) {
    EXPECT_EQ(error.response().status, 400);
    const auto body = nlohmann::json::parse(error.response().body.whole())["error"];
    return body["param"].get<std::string>() + ": " + body["message"].get<std::string>();
  }
  return "no error";
}

/// The refusal of a form with these fields; adds an image, and a prompt unless there is an empty
/// one.
std::string edit_refusal(Fields fields) {
  const auto has = [&](std::string_view name) {
    return std::ranges::any_of(
        fields, [&](const auto& field) { return field.first == name && field.second.empty(); });
  };
  if (!has("prompt")) fields.insert(fields.begin(), {"prompt", "a man"});
  fields.insert(fields.begin(), {"image", "PHOTO"});
  return refusal_of([&] { parsed(fields); });
}

TEST(ImagesEdit, PromptsHaveALimit) {
  const std::string longest(kMostPromptBytes, 'x');
  EXPECT_EQ(edit_refusal({{"negative_prompt", longest}}), "no error");
  EXPECT_EQ(edit_refusal({{"negative_prompt", longest + "x"}}),
            "negative_prompt: cannot take negative_prompt: expected text of at most 65536 bytes, "
            "got 65537 bytes");
  try {
    parsed({{"image", "PHOTO"}, {"prompt", std::string(14 << 20, 'x')}});
    FAIL();
  } catch (const HttpError& error) {
    EXPECT_STREQ(error.what(),
                 "cannot take prompt: expected text of at most 65536 bytes, got 14680064 bytes");
  }
}

TEST(ImagesEdit, ReadsTheOfficialClient) {
  const ImagesRequest edit = parsed({{"prompt", "a man"},
                                     {"model", "semblance-demo"},
                                     {"n", "2"},
                                     {"response_format", "b64_json"},
                                     {"size", "1024x768"},
                                     {"background", "auto"},
                                     {"output_compression", "50"},
                                     {"output_format", "jpeg"},
                                     {"partial_images", "2"},
                                     {"quality", "auto"},
                                     {"stream", "true"},
                                     {"seed", "18446744073709551615"},
                                     {"negative_prompt", "x"},
                                     {"steps", "5"},
                                     {"identity_strength", "0.5"},
                                     {"vae_tiling", "true"},
                                     {"image[]", "PHOTO"},
                                     {"image[]", "POSE"}});
  const JobRequest& s = edit.request;
  EXPECT_EQ(s.prompt, "a man");
  EXPECT_EQ(s.negative, "x");
  EXPECT_EQ(s.count, 2);
  EXPECT_EQ(s.width, 1024);
  EXPECT_EQ(s.height, 768);
  EXPECT_EQ(s.steps, 5);
  EXPECT_EQ(s.seed, 18446744073709551615U);
  EXPECT_EQ(s.identity_strength, 0.5);
  EXPECT_TRUE(s.vae_tiling);
  EXPECT_TRUE(edit.stream);
  EXPECT_EQ(edit.partial_images, 2);
  EXPECT_EQ(edit.format, "jpeg");
  EXPECT_EQ(edit.quality, 50);
  EXPECT_EQ(edit.request.photo.bytes, "PHOTO");
  EXPECT_EQ(edit.request.pose.bytes, "POSE");
  EXPECT_EQ(edit.warnings,
            std::vector<std::string>{"the second image only gives the pose, not another face"});
}

TEST(ImagesEdit, WarnsAboutFieldsWithoutEffect) {
  const ImagesRequest edit = parsed({{"image", "PHOTO"},
                                     {"prompt", "a"},
                                     {"model", "gpt-image-2"},
                                     {"quality", "high"},
                                     {"input_fidelity", "high"},
                                     {"user", "u"},
                                     {"partial_images", "1"},
                                     {"output_compression", "9"}});
  EXPECT_EQ(edit.warnings.size(), 5U);
  EXPECT_EQ(edit.request.quality, Choice("best"));
  EXPECT_EQ(edit.warnings[0], "model has no effect: this service runs semblance-demo");
  EXPECT_FALSE(edit.request.seed);
  EXPECT_FALSE(edit.request.negative);
  EXPECT_EQ(edit.request.width, 0);
}

TEST(ImagesEdit, RefusesByName) {
  const std::vector<std::tuple<std::string, std::string, std::string>> table = {
      {"mask", "x", "parts of a picture cannot be edited; every picture is new"},
      {"markup", "x", "parts of a picture cannot be edited; every picture is new"},
      {"frame_count", "2", "video is not supported"},
      {"background", "transparent", "expected one of auto, opaque, got transparent"},
      {"output_format", "gif", "expected one of png, jpeg, webp, got gif"},
      {"response_format", "file", "expected one of b64_json, url, got file"},
      {"n", "0", "expected a whole number from 1 to 16, got 0"},
      {"n", "17", "expected a whole number from 1 to 16, got 17"},
      {"n", "two", "expected a whole number from 1 to 16, got two"},
      {"n", "", "expected a whole number from 1 to 16, got nothing"},
      {"n", "99999999999", "expected a whole number from 1 to 16, got 99999999999"},
      {"size", "big", "expected auto or a size such as 1024x1024, got big"},
      {"size", "1024", "expected auto or a size such as 1024x1024, got 1024"},
      {"size", "1024x1024x2", "expected auto or a size such as 1024x1024, got 1024x1024x2"},
      {"size", "1020x1024",
       "expected a multiple of 8 from 8 to 4096, got 1020; the nearest is 1024"},
      {"size", "0x8", "expected a multiple of 8 from 8 to 4096, got 0"},
      {"steps", "101", "expected a whole number from 1 to 100, got 101"},
      {"guidance", "-1", "expected a number from 0 to 100, got -1"},
      {"guidance", "nan", "expected a number from 0 to 100, got nan"},
      {"identity_strength", "6", "expected a number from 0 to 5, got 6"},
      {"seed", "-1", "expected a whole number from 0 to 18446744073709551615, got -1"},
      {"stream", "yes", "expected true or false, got yes"},
      {"partial_images", "4", "expected a whole number from 0 to 3, got 4"},
      {"output_compression", "101", "expected a whole number from 0 to 100, got 101"},
      {"negative_prompt", "\xff", "expected UTF-8 text"},
      {"pose", "", "it is empty"},
      {"prompt", "", "it is empty; describe what the picture should show"},
      {"prompt", "again", "it was sent more than once"},
      {"promt", "x", "there is no such field, did you mean prompt?"},
  };
  for (const auto& [name, value, rule] : table) {
    EXPECT_EQ(edit_refusal({{name, value}}), name + ": cannot take " + name + ": " + rule) << value;
  }
  EXPECT_EQ(edit_refusal({{"svg[model]", "x"}}),
            "svg: cannot take svg: SVG output is not supported");
  EXPECT_EQ(edit_refusal({{"image[]", "a"}, {"pose", "b"}}),
            "image: cannot take image: expected at most two, the photo and the pose, got 3 images");
  EXPECT_EQ(edit_refusal({{"identity_start", "0.9"}, {"identity_end", "0.5"}}),
            "identity_start: cannot take identity_start: expected at most identity_end, got 0.9 "
            "and 0.5");
  EXPECT_EQ(edit_refusal({{"stream", "true"}, {"response_format", "url"}}),
            "response_format: cannot take response_format: a stream carries only b64_json, "
            "got url");
  EXPECT_THROW(parsed({{"prompt", "a"}}), HttpError);
  EXPECT_THROW(parsed({{"image", ""}, {"prompt", "a"}}), HttpError);
  EXPECT_THROW(parsed({{"image", "PHOTO"}}), HttpError);
}

using nlohmann::json;

ImagesRequest parsed_json(const json& body, ImagesKind kind = ImagesKind::kEdit) {
  return parse_images_json(kind, body.dump(), "semblance-demo");
}

TEST(ImagesEditJson, IsReadLikeTheForm) {
  const std::string photo(100'000, 'p');
  const json whole = {
      {"images",
       {{{"image_url", "data:image/png;base64," + base64(photo)}},
        {{"image_url", "data:image/jpeg;base64," + base64("POSE")}, {"file_id", nullptr}}}},
      {"prompt", "a man"},
      {"model", "semblance-demo"},
      {"n", 2},
      {"size", "1024x768"},
      {"mask", nullptr},
      {"stream", true},
      {"partial_images", 1},
      {"response_format", "b64_json"},
      {"output_format", "jpeg"},
      {"seed", 18446744073709551615U},
      {"steps", 5},
      {"identity_strength", 0.5},
      {"vae_tiling", false},
      {"user", nullptr}};
  const ImagesRequest edit = parsed_json(whole);
  const JobRequest& s = edit.request;
  EXPECT_EQ(edit.request.photo.bytes, photo);
  EXPECT_EQ(edit.request.pose.bytes, "POSE");
  EXPECT_EQ(edit.request.photo.name, "images");
  EXPECT_EQ(edit.request.pose.name, "images");
  EXPECT_EQ(s.prompt, "a man");
  EXPECT_EQ(s.count, 2);
  EXPECT_EQ(s.width, 1024);
  EXPECT_EQ(s.seed, 18446744073709551615U);
  EXPECT_EQ(s.steps, 5);
  EXPECT_EQ(s.identity_strength, 0.5);
  EXPECT_TRUE(edit.stream);
  EXPECT_EQ(edit.format, "jpeg");
  EXPECT_EQ(edit.warnings,
            std::vector<std::string>{"the second image only gives the pose, not another face"});
  // One picture, as sent by other clients, and a long prompt.
  const std::string prompt(kMostPromptBytes, 'x');
  for (const json& image : {json(base64(photo)), json({{"image_url", base64(photo)}}),
                            json::array({"data:image/png;base64," + base64(photo)})}) {
    const json smaller{
        {"image", image}, {"prompt", prompt}, {"pose", {{"image_url", base64("POSE")}}}};
    const ImagesRequest one = parsed_json(smaller);
    EXPECT_EQ(one.request.photo.bytes, photo);
    EXPECT_EQ(one.request.pose.bytes, "POSE");
    EXPECT_EQ(one.request.pose.name, "pose");
    EXPECT_EQ(one.request.prompt, prompt);
  }
}

TEST(ImagesEditJson, RefusesByName) {
  const std::string rule = "expected an image in base64, such as data:image/png;base64,...";
  const json image{{"image_url", base64("PHOTO")}};
  const std::vector<std::tuple<std::string, json, std::string>> table = {
      {"images", json::array(),
       "images: cannot take images: it is missing: the photo of the face to keep"},
      {"images",
       {image, image, image},
       "images: cannot take images: expected at most two, the photo and the pose, got 3 images"},
      {"images", {5}, "images[0]: cannot take images[0]: " + rule},
      {"images", {image, "no base64"}, "images[1]: cannot take images[1]: " + rule},
      {"images",
       {{{"image_url", 5}}},
       "images[0].image_url: cannot take images[0].image_url: " + rule},
      {"images",
       {{{"file_id", "file-1"}}},
       "images[0].file_id: cannot take images[0].file_id: files are not supported; send image_url"},
      {"images",
       {{{"url", "x"}}},
       "images[0].url: cannot take images[0].url: there is no such field; an image has image_url"},
      {"images",
       {{{"image_url", "https://a.example/me.png"}}},
       "images[0].image_url: cannot take images[0].image_url: URLs are not fetched: " + rule +
           ", got https://a.example/me.png"},
      {"images", {{{"image_url", ""}}}, "images: cannot take images: it is empty"},
      {"mask", image,
       "mask: cannot take mask: parts of a picture cannot be edited; every picture is new"},
      {"prompt", "",
       "prompt: cannot take prompt: it is empty; describe what the picture should show"},
      {"prompt", nullptr, "prompt: cannot take prompt: it is missing"},
      {"prompt", {"a"}, "prompt: cannot take prompt: expected a string, a number, true or false"},
      {"prompt", std::string(1 << 20, 'x'),
       "prompt: cannot take prompt: expected text of at most 65536 bytes, got a long string"},
      {"n", 0, "n: cannot take n: expected a whole number from 1 to 16, got 0"},
      {"n", 1.5, "n: cannot take n: expected a whole number from 1 to 16, got 1.5"},
      {"stream", 2, "stream: cannot take stream: expected true or false, got 2"},
      {"promt", "x", "promt: cannot take promt: there is no such field, did you mean prompt?"},
  };
  for (const auto& [name, value, refused] : table) {
    json body{{"images", {image}}, {"prompt", "a man"}};
    body[name] = value;
    EXPECT_EQ(refusal_of([&] { parsed_json(body); }), refused);
  }
  EXPECT_EQ(refusal_of([] { parsed_json(json::array()); }),
            "the request: cannot take the request: expected a JSON object");
  EXPECT_THROW(parse_images_json(ImagesKind::kEdit, "{", "m"), Error);
}

TEST(ImagesGeneration, TakesASavedFaceOrAPhoto) {
  constexpr ImagesKind kind = ImagesKind::kGeneration;
  // As the official clients send it, with our fields beside theirs.
  const json body{{"prompt", "a man"},  {"model", "semblance-demo"}, {"n", 2},
                  {"size", "1024x768"}, {"style", "vivid"},          {"identity", "anna"},
                  {"steps", 5}};
  const ImagesRequest named = parsed_json(body, kind);
  EXPECT_EQ(named.request.identity, "anna");
  EXPECT_EQ(named.request.photo.bytes, "");
  EXPECT_EQ(named.request.photo.name, "identity");
  EXPECT_EQ(named.request.count, 2);
  EXPECT_EQ(named.request.steps, 5);
  EXPECT_FALSE(named.request.style);
  EXPECT_EQ(named.warnings,
            std::vector<std::string>{"style has no effect: styles here have other names"});
  const ImagesRequest styled =
      parsed_json({{"prompt", "a"}, {"identity", "anna"}, {"style", "Film Noir"}}, kind);
  EXPECT_EQ(styled.request.style, Choice("Film Noir"));
  EXPECT_EQ(parsed_json({{"prompt", "a"}, {"image", base64("PHOTO")}}, kind).request.photo.bytes,
            "PHOTO");
  const ImagesRequest posed = parsed({{"prompt", "a"}, {"identity", "anna"}, {"pose", "POSE"}});
  EXPECT_EQ(posed.request.identity, "anna");
  EXPECT_EQ(posed.request.pose.bytes, "POSE");
}

TEST(ImagesGeneration, NeedsAFace) {
  constexpr ImagesKind kind = ImagesKind::kGeneration;
  const std::vector<std::pair<json, std::string>> table = {
      {json::object(),
       "it is missing: the name of a saved face, such as {\"identity\": \"anna\"}\n  save one with "
       "POST /api/identities, or send a photo as image"},
      {{{"identity", ""}}, "it is empty"},
      {{{"identity", "anna"}, {"image", base64("PHOTO")}},
       "a photo was sent, too; expected one of them"},
  };
  for (const auto& [more, rule] : table) {
    json body{{"prompt", "a man"}};
    body.update(more);
    EXPECT_EQ(refusal_of([&] { parsed_json(body, kind); }),
              "identity: cannot take identity: " + rule);
  }
}

TEST(ImagesEdit, ResponsesAndEventsHaveTheApisForm) {
  ImagesRequest edit = parsed({{"image", "PHOTO"}, {"prompt", "a"}});
  const MadePicture picture{{{64, 48}, 7}, std::string("UE5H"), "/api/jobs/1/images/0"};
  const auto answer = [&](const std::string& items) {
    const ResponseFrame frame = images_frame(edit, {64, 48}, 1700);
    return nlohmann::json::parse(frame.before + items + frame.after);
  };
  auto body = answer(images_item(edit, picture).whole() + "," + images_item(edit, picture).whole());
  EXPECT_EQ(body["created"], 1700);
  EXPECT_EQ(body["data"].size(), 2U);
  EXPECT_EQ(body["data"][0]["b64_json"], "UE5H");
  EXPECT_EQ(body["size"], "64x48");
  EXPECT_FALSE(body.contains("warnings"));
  edit.wants_url = true;
  edit.warnings = {"w"};
  body = answer(images_item(edit, picture).whole());
  EXPECT_EQ(body["data"][0]["url"], "/api/jobs/1/images/0");
  EXPECT_EQ(body["warnings"][0], "w");
  const std::string partial = partial_image_event(edit, picture, 1, 1700).whole();
  const std::string begin = "event: image_edit.partial_image\ndata: ";
  ASSERT_TRUE(partial.starts_with(begin) && partial.ends_with("}\n\n"));
  EXPECT_EQ(nlohmann::json::parse(partial.substr(begin.size()))["partial_image_index"], 1);
  EXPECT_TRUE(
      completed_event(edit, picture, 1).whole().starts_with("event: image_edit.completed\ndata: "));
  edit.kind = ImagesKind::kGeneration;
  for (const auto& [event, name] : {std::pair{completed_event(edit, picture, 1), "completed"},
                                    {partial_image_event(edit, picture, 1, 1), "partial_image"}}) {
    const std::string type = std::string("image_generation.") + name;
    const std::string text = event.whole();
    ASSERT_TRUE(text.starts_with("event: " + type + "\ndata: ")) << text;
    EXPECT_EQ(nlohmann::json::parse(text.substr(type.size() + 13))["type"], type);
  }
  EXPECT_TRUE(
      error_event(error_response(500, "internal", "x")).starts_with("event: error\ndata: "));
  EXPECT_EQ(preview_steps(3, 30), (std::vector<int>{7, 15, 22}));
  EXPECT_EQ(preview_steps(3, 2), (std::vector<int>{1}));
  EXPECT_EQ(preview_steps(3, 1), std::vector<int>{});
  EXPECT_EQ(nlohmann::json::parse(models_response("m", 5))["data"][0]["id"], "m");
  EXPECT_EQ(nlohmann::json::parse(model_response("m", "m", 5))["object"], "model");
  EXPECT_THROW(model_response("other", "m", 5), HttpError);
}

TEST(Base64, RoundTrips) {
  for (const std::string text : {"", "f", "fo", "foo", "foob", "fooba", "foobar", "\xff\x00\xfe"}) {
    EXPECT_EQ(from_base64(base64(text)), text);
  }
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(from_base64("data:image/png;base64,Zm8="), "fo");
  EXPECT_EQ(from_base64("Zm\r\n8"), "fo");
  for (const std::string bad :
       {"Z", "Zm9=", "Zm8==", "Zm8=Zm8=", "Zm-_", "Z m8", "data:,x", "===="}) {
    EXPECT_FALSE(from_base64(bad)) << bad;
  }
}

}  // namespace
}  // namespace semblance::service
