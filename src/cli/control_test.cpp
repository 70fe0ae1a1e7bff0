// --control as a user gives it, and ControlNets of the service's requests.
#include "cli/serve_test.h"
#include "image/encode.h"
#include "service/base64.h"

namespace semblance::cli {
namespace {

using Json = nlohmann::json;

class Control : public ServeTest {
 protected:
  Control() { fs::current_path(folder()); }
  ~Control() override { fs::current_path("/"); }

  static std::string net(const std::string& name) {
    return (golden() / "control_nets" / name).string();
  }
  static std::string image() { return (golden() / "control_two/control_1.png").string(); }
  static std::string edges(const std::string& more = "") {
    return "model=" + net("edges") + ",image=" + image() + more;
  }
  std::string png(const std::vector<std::string>& more) {
    run(generate(more)).exits(0);
    return bytes_of(file("out.png"));
  }
  Json plan(const std::vector<std::string>& more) {
    std::vector<std::string> words = generate(more);
    words[0] = "plan";
    words.emplace_back("--json");
    return Json::parse(run(words).exits(0).out());
  }
  static std::vector<std::string> names_of(const Json& report) {
    std::vector<std::string> names;
    for (const Json& stage : report["stages"]) names.push_back(stage["name"]);
    return names;
  }
};

TEST_F(Control, ChangesThePicture) {
  const std::string plain = png({"--no-metadata"});
  const std::string with = png({"--no-metadata", "--control", edges()});
  EXPECT_NE(with, plain);
  EXPECT_EQ(png({"--no-metadata", "--control", edges(",strength=0")}), plain);
  EXPECT_NE(png({"--no-metadata", "--control", edges(",prepare=canny")}), with);
  EXPECT_NE(png({"--no-metadata", "--control", edges(",end=0.5")}), with);
  EXPECT_NE(png({"--no-metadata", "--control", edges(), "--control", edges()}), with);
  EXPECT_NE(
      png({"--no-metadata", "--control", "model=" + net("union") + ",type=tile,image=" + image()}),
      png({"--no-metadata", "--control", "model=" + net("union") + ",type=pose,image=" + image()}));
}

TEST_F(Control, IsPlannedAndGivesTheSameBitsInLittleMemory) {
  const std::vector<std::string> flags{
      "--steps",   "4",
      "--control", edges(",end=0.5"),
      "--control", "model=" + net("depth.safetensors") + ",image=" + image() + ",prepare=canny"};
  const std::string all = png(flags);
  const Json report = plan(flags);
  const std::vector<std::string> names = names_of(report);
  EXPECT_EQ(std::ranges::count(names, "ControlNet features"), 2);
  EXPECT_EQ(std::ranges::count(names_of(plan({})), "ControlNet features"), 0);
  std::vector<std::string> little = flags;
  little.insert(little.end(),
                {"--memory", std::to_string(report["minimum_bytes"].get<std::uint64_t>()) + "B"});
  EXPECT_TRUE(png(little) == all);
}

TEST_F(Control, IsCutWithThePartThatIsRepainted) {
  Image scene({96, 80}), mask(scene.size()), left(scene.size()), right(scene.size());
  for (int y = 0; y < 80; ++y) {
    for (int i = 0; i < 288; ++i) scene.row(y)[i] = static_cast<std::uint8_t>(7 * i + 11 * y);
    std::fill(right.row(y) + 3 * 64, right.row(y) + 3 * 96, std::uint8_t{255});
    std::fill(left.row(y), left.row(y) + 3 * 24, std::uint8_t{255});
  }
  for (int y = 24; y < 48; ++y)
    std::fill(mask.row(y) + 3 * 56, mask.row(y) + 3 * 80, std::uint8_t{255});
  for (const auto& [name, picture] :
       {std::pair("scene", &scene), {"mask", &mask}, {"left", &left}, {"right", &right}})
    write_image(*picture, file(std::string(name) + ".png"), {});
  const auto made = [&](const std::string& control) {
    return png({"--no-metadata", "--init", file("scene.png"), "--mask", file("mask.png"), "--pose",
                identity(), "--inpaint-area", "masked", "--inpaint-padding", "8", "--mask-blur",
                "2", "--steps", "4", "--control",
                "model=" + net("edges") + ",strength=1,image=" + file(control + ".png")});
  };
  write_image(Image(scene.size()), file("black.png"), {});
  const std::string black = made("black");
  EXPECT_EQ(made("left"), black);  // white only outside the part
  EXPECT_NE(made("right"), black);
}

TEST_F(Control, IsPlannedWithoutFiles) {
  const Json report = Json::parse(run({"plan", "--size", "1024x1024", "--json", "--control",
                                       "model=canny", "--control", "model=union,type=depth"})
                                      .exits(0)
                                      .out());
  EXPECT_EQ(std::ranges::count(report["assumed"], Json("canny")), 1);
  const Json without = Json::parse(run({"plan", "--size", "1024x1024", "--json"}).out());
  EXPECT_GT(report["step_seconds"].get<double>(), without["step_seconds"].get<double>());
}

TEST_F(Control, ResumesTheSamePicture) {
  std::vector<std::string> words = generate({"--steps", "60", "--control", edges()});
  run(words).exits(0);
  const std::string whole = bytes_of(file("out.png"));
  words.insert(words.end(), {"--save-state", file("state")});
  Running running = start(words);
  while (!fs::exists(file("state"))) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  running.signal(SIGTERM);
  running.end().exits(130);
  run({"generate", "--resume", file("state")}).exits(0);
  EXPECT_TRUE(bytes_of(file("out.png")) == whole);
}

TEST_F(Control, IsNamedInThePicturesText) {
  const std::string text = png({"--control", edges(",prepare=canny,strength=0.75")});
  EXPECT_NE(text.find("ControlNet 0: \"Module: canny, Model: edges, Weight: 0.75, Guidance Start: "
                      "0, Guidance End: 1, Image: control_1.png\""),
            std::string::npos);
  EXPECT_EQ(text.find(golden().string()), std::string::npos);
}

TEST_F(Control, IsLookedUpByName) {
  const std::string want = png({"--no-metadata", "--control", edges()});
  const std::vector<std::string> named{"--no-metadata", "--control", "model=edges,image=" + image(),
                                       "--control-dir", (golden() / "control_nets").string()};
  EXPECT_EQ(png(named), want);
  std::vector<std::string> mistyped = named;
  mistyped[2] = "model=edgs,image=" + image();
  run(generate(mistyped)).exits(3).says("have none of that name, did you mean edges?");
}

TEST_F(Control, RefusesWhatItCannotUse) {
  run(generate({"--control", "model=" + net("edges")}))
      .exits(2)
      .says("cannot take --control: the ControlNet " + net("edges") +
            " has no picture\n  add image=FILE");
  run(generate({"--control", edges(",strength=6")}))
      .exits(2)
      .says("cannot take --control: expected strength from 0 to 5, got '6'");
  run(generate({"--control", "model=" + net("edges") + ",image=none.png"}))
      .exits(3)
      .says("none.png");
  write_bytes(file("text.png"), "not a picture");
  run(generate({"--control", "model=" + net("edges") + ",image=text.png"}))
      .exits(2)
      .says("text.png");
  run(generate({"--control", "model=" + net("union") + ",image=" + image()}))
      .exits(2)
      .says("without a type: it is a Union net");
  std::vector<std::string> many;
  for (int i = 0; i < 9; ++i) many.insert(many.end(), {"--control", edges()});
  run(generate(many))
      .exits(2)
      .says("cannot take --control: expected a list of at most 8 texts, got 9");
  run(generate({"--control", edges(), "-o", image()})).exits(2).does_not_say("Mode:");
  EXPECT_FALSE(fs::exists(file("out.png")));
}

/// The demo's IdentityNet stands in for a ControlNet.
TEST_F(Control, OfARequestIsANameInTheServicesFolder) {
  Service service =
      serve({"--control-dir", (fs::path(SEMBLANCE_SOURCE_DIR) / "models/demo").string()});
  EXPECT_EQ(Json::parse(service.ask("GET", "/api/info").body)["control_nets"],
            Json({"ControlNetModel", "ip-adapter"}));
  Json settings = service.settings(64, 2);
  const std::string plain = service.finished_picture(settings);
  settings["controls"] = {"model=ControlNetModel,strength=0.8,prepare=canny"};
  const auto sent = [&](const Json& wanted, const std::string& picture) {
    return service.form(wanted).add("control", picture, "control.png");
  };
  const std::string id = service.submit(sent(settings, bytes_of(image())));
  EXPECT_EQ(service.ended(id)["state"], "done") << service.job(id).dump();
  EXPECT_EQ(service.job(id)["settings"]["controls"], settings["controls"]);
  const std::string with = service.picture(id);
  EXPECT_NE(pixels_of(with), pixels_of(plain));
  EXPECT_NE(with.find("ControlNet 0: \"Module: canny, Model: ControlNetModel"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_of(id) / "control-1"));
  const Reply plan =
      service.ask("POST", "/api/plan", settings.dump(), "Content-Type: application/json\r\n");
  EXPECT_EQ(plan.status, 200) << plan.body;

  const auto refused = [&](const Json& wanted, const Form& form) {
    const Reply reply = service.post("/api/jobs", form);
    EXPECT_EQ(Json::parse(reply.body)["error"]["param"], wanted) << reply.body;
    return std::pair(reply.status, reply.body);
  };
  EXPECT_NE(refused("controls", service.form(settings))
                .second.find("expected 1 pictures, one for each, got 0"),
            std::string::npos);
  EXPECT_EQ(refused("control", sent(settings, "not a picture")).first, 400);
  for (const char* text : {"model=/etc/passwd", "model=ControlNetModel,image=/etc/passwd",
                           "model=ControlNetModel,strength=9"}) {
    Json wrong = settings;
    wrong["controls"] = {text};
    EXPECT_EQ(refused("controls", sent(wrong, bytes_of(image()))).first, 400) << text;
  }
  settings["controls"] = {"model=pose"};
  EXPECT_EQ(refused("controls", sent(settings, bytes_of(image()))).first, 404);
}

TEST_F(Control, IsAUnitOfAUTOMATIC1111) {
  Service service =
      serve({"--control-dir", (fs::path(SEMBLANCE_SOURCE_DIR) / "models/demo").string()});
  const auto made = [&](const Json& more) {
    Json whole{{"prompt", "a man"}, {"width", 64}, {"height", 64}, {"steps", 2}, {"seed", 7}};
    Json units = {
        {{"module", "instant_id_face_embedding"}, {"image", service::base64(demo_photo())}},
        {{"module", "instant_id_face_keypoints"}}};
    if (!more.is_null()) units.push_back(more);
    whole["alwayson_scripts"]["controlnet"]["args"] = units;
    return service.ask("POST", "/sdapi/v1/txt2img", whole.dump(),
                       "Content-Type: application/json\r\n");
  };
  const Json unit{{"module", "canny"},
                  {"model", "ControlNetModel [0123abcd]"},
                  {"weight", 0.5},
                  {"guidance_end", 0.5},
                  {"image", service::base64(bytes_of(image()))}};
  const Json plain = Json::parse(made({}).body), with = Json::parse(made(unit).body);
  EXPECT_NE(with["images"], plain["images"]);
  EXPECT_NE(
      with["info"].get<std::string>().find("Weight: 0.5, Guidance Start: 0, Guidance End: 0.5"),
      std::string::npos)
      << with["info"];
  Json other = unit;
  other["model"] = "none of these";
  EXPECT_EQ(made(other).status, 404);
}

}  // namespace
}  // namespace semblance::cli
