// Several people in one picture, as a user asks for them.
#include "cli/serve_test.h"
#include "image/encode.h"

namespace semblance::cli {
namespace {

using Json = nlohmann::json;

class PeopleFlags : public ServeTest {
 protected:
  static Json points(double x, double y) {
    return {{x - 6, y - 6}, {x + 6, y - 6}, {x, y}, {x - 5, y + 6}, {x + 5, y + 6}};
  }
  static std::string other() { return (golden() / "no_negative/identity.json").string(); }
  static Json two() {
    return {{{"faces", {identity()}}, {"keypoints", points(20, 24)}, {"box", {0, 0, 48, 64}}},
            {{"faces", {other()}}, {"keypoints", points(72, 28)}, {"box", {48, 0, 96, 64}}}};
  }
  std::string people_file(const Json& people) const {
    write_bytes(file("people.json"), people.dump());
    return file("people.json");
  }
  /// A generate command for people in place of --face.
  std::vector<std::string> command(const Json& people,
                                   const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = generate_without("--face");
    words.insert(words.end(), {"--size", "96x64", "--people", people_file(people)});
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::string png(const Json& people, const std::vector<std::string>& more = {}) {
    run(command(people, more)).exits(0);
    return bytes_of(file("out.png"));
  }
  Json plan_of(std::vector<std::string> words) {
    words[0] = "plan";
    words.emplace_back("--json");
    return Json::parse(run(words).exits(0).out());
  }
  void refuses(const Json& people, const std::string& problem,
               const std::vector<std::string>& more = {}) {
    run(command(people, more)).exits(2).says(problem);
    EXPECT_FALSE(fs::exists(file("out.png")));
  }
  static std::string drawn(const std::string& name) {
    return (fs::path(SEMBLANCE_SOURCE_DIR) / "models/demo/faces" / name).string();
  }
  /// Two drawn faces beside each other, of people 5 and 9.
  void write_group() const {
    const Image left = decode(drawn("05.png"));
    const Image right = decode(drawn("09.png"));
    Image group({left.width() + right.width(), left.height()});
    for (int y = 0; y < left.height(); ++y) {
      std::copy_n(left.row(y), left.row_bytes(), group.row(y));
      std::copy_n(right.row(y), right.row_bytes(), group.row(y) + left.row_bytes());
    }
    write_image(group, file("group.png"), {});
  }
};

TEST_F(PeopleFlags, EachChangesThePicture) {
  const std::string picture = png(two());
  EXPECT_NE(picture.find("People: 2"), std::string::npos);
  const auto with = [&](const char* key, const Json& value) {
    Json people = two();
    people[1][key] = value;
    return png(people);
  };
  EXPECT_NE(with("prompt", "a woman with a hat"), picture);
  EXPECT_NE(with("adapter_strength", 0.1), picture);
  EXPECT_NE(with("identity_strength", 0.1), picture);
  EXPECT_NE(with("start", 0.5), picture);
  EXPECT_NE(with("box", {40, 0, 96, 60}), picture);
  EXPECT_NE(with("keypoints", points(70, 34)), picture);
  EXPECT_NE(with("faces", {identity()}), picture);
  EXPECT_NE(png(two(), {"--region-mask"}), picture);
  // A box and the same as a mask.
  Image mask({96, 64});
  for (int y = 0; y < 64; ++y)
    std::fill(mask.row(y) + 3 * 48, mask.row(y) + 3 * 96, std::uint8_t{255});
  write_image(mask, file("mask.png"), {});
  Json masked = two();
  masked[1].erase("box");
  masked[1]["mask"] = "mask.png";  // beside the file of people
  EXPECT_EQ(png(masked), picture);
  // Without regions each has the columns nearer to its face; here these are 46 columns.
  Json free = two();
  for (Json& person : free) person.erase("box");
  Json columns = two();
  columns[0]["box"] = {0, 0, 46, 64};
  columns[1]["box"] = {46, 0, 96, 64};
  EXPECT_EQ(png(free), png(columns));
}

TEST_F(PeopleFlags, GiveTheSameBitsInLittleMemoryAndAfterAStop) {
  const std::vector<std::string> more{"--steps", "12", "--save-state", file("state")};
  const std::string whole = png(two(), more);
  const Json report = plan_of(command(two()));
  EXPECT_TRUE(report["fits"]);
  std::vector<std::string> little = more;
  little.insert(little.end(),
                {"--memory", std::to_string(report["minimum_bytes"].get<std::uint64_t>()) + "B"});
  EXPECT_TRUE(png(two(), little) == whole);
  fs::remove(file("out.png"));
  Running running = start(command(two(), more));
  while (!fs::exists(file("state"))) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  running.signal(SIGTERM);
  running.end().exits(130);
  run_behind("cd '" + folder().string() + "'", {"generate", "--resume", file("state")}).exits(0);
  EXPECT_TRUE(bytes_of(file("out.png")) == whole);
  run({"generate", "--resume", file("people.json"), "--people", file("people.json")})
      .exits(2)
      .says("--people cannot be used with --resume");
}

TEST_F(PeopleFlags, ArePlannedAtFullSize) {
  Json people = two();
  people[0]["box"] = {0, 0, 512, 1024};
  people[1]["box"] = {512, 0, 1024, 1024};
  const auto at = [&](const std::string& flag, const std::string& value) {
    return plan_of({"plan", "--size", "1024x1024", "--memory", "512MiB", flag, value});
  };
  const Json both = at("--people", people_file(people));
  const Json one = at("--face", identity());
  EXPECT_TRUE(both["fits"]);
  EXPECT_LE(both["peak_bytes"].get<std::uint64_t>(), std::uint64_t{512} << 20);
  EXPECT_GT(both["step_seconds"].get<double>(), 1.5 * one["step_seconds"].get<double>());
  EXPECT_LT(both["step_seconds"].get<double>(), 2.5 * one["step_seconds"].get<double>());
  EXPECT_LT(both["minimum_bytes"].get<std::uint64_t>(),
            one["minimum_bytes"].get<std::uint64_t>() + (std::uint64_t{128} << 20));
}

TEST_F(PeopleFlags, TakeTheFacesOfAPose) {
  write_group();
  const std::vector<std::string> from_pose{"generate", "--people-from-pose",
                                           "--pose",   file("group.png"),
                                           "--face",   drawn("02.png"),
                                           "--face",   drawn("03.png"),
                                           "--size",   "192x96",
                                           "--steps",  "3",
                                           "--seed",   "1",
                                           "--prompt", "two people",
                                           "-o",       file("out.png")};
  run(from_pose).exits(0).says("likeness");
  const std::string picture = bytes_of(file("out.png"));
  write_bytes(file("people.json"), Json{{{"faces", {drawn("02.png")}}, {"pose_face", 1}},
                                        {{"faces", {drawn("03.png")}}, {"pose_face", 2}}}
                                       .dump());
  const std::vector<std::string> by_file{
      "generate", "--people", file("people.json"), "--pose", file("group.png"),
      "--size",   "192x96",   "--steps",           "3",      "--seed",
      "1",        "--prompt", "two people",        "-o",     file("out.png")};
  run(by_file).exits(0);
  EXPECT_TRUE(bytes_of(file("out.png")) == picture);
  std::vector<std::string> three = from_pose;
  three.insert(three.end(), {"--face", drawn("04.png")});
  fs::remove(file("out.png"));
  run(three).exits(2).says("cannot take people: expected as many faces in ").says(", 3, got 2");
  std::vector<std::string> one = from_pose;
  one.erase(one.begin() + 6, one.begin() + 8);
  run(one).exits(2).says(
      "cannot take --people-from-pose: expected 2 to 8 people, each a --face, got 1");
  std::vector<std::string> placeless = from_pose;
  placeless.erase(placeless.begin() + 2, placeless.begin() + 4);
  run(placeless).exits(2).says("cannot take --people-from-pose: there is no photo of their places");
  std::vector<std::string> twice = by_file;
  twice.insert(twice.end(), {"--face", drawn("02.png")});
  run(twice).exits(2).says("cannot take --people: --face is given, too");
  EXPECT_FALSE(fs::exists(file("out.png")));
}

TEST_F(PeopleFlags, RefuseWhatCannotBe) {
  Json people = two();
  people[0]["faces"] = {"none.json"};
  run(command(people)).exits(3).says("none.json");
  people = two();
  people[0].erase("faces");
  refuses(people, "person 1: faces are missing");
  people = two();
  people[1]["box"] = {48, 0, 97, 64};
  refuses(people, "cannot take people: expected the box of person 2 in the picture, 96x64");
  people = two();
  people[1].erase("keypoints");
  refuses(people, "cannot take people: person 2 has no place: expected keypoints or a pose photo");
  people = two();
  people[1]["keypoints"] = points(20, 24);
  refuses(people, "the face of person 2, at 20,24, is outside its region");
  write_bytes(file("people.json"), "[{]");
  std::vector<std::string> words = generate_without("--face");
  words.insert(words.end(), {"--people", file("people.json")});
  run(words).exits(2).says("people.json: expected a JSON list of people");
  people = two();
  people[1]["box"] = {40, 0, 96, 64};
  run(command(people))
      .exits(0)
      .says("warning: the boxes of the people 1, 2 overlap: there the two are mixed");
}

TEST_F(PeopleFlags, SwapSeveralFaces) {
  write_group();
  write_bytes(file("people.json"),
              Json{{{"faces", {drawn("02.png")}}}, {{"faces", {drawn("03.png")}}}}.dump());
  const std::vector<std::string> words{"swap",     file("group.png"),
                                       "--people", file("people.json"),
                                       "--size",   "192x96",
                                       "--steps",  "2",
                                       "--seed",   "1",
                                       "-o",       file("out.png")};
  run(words).exits(0);
  const Image before = decode(file("group.png"));
  const Image after = decode(file("out.png"));
  ASSERT_EQ(after.size(), before.size());
  // Both halves change, the corners do not.
  std::array<int, 2> changed{};
  for (int y = 0; y < before.height(); ++y) {
    for (int x = 0; x < before.width(); ++x) {
      if (!std::equal(before.row(y) + 3 * x, before.row(y) + 3 * x + 3, after.row(y) + 3 * x))
        ++changed[x < before.width() / 2 ? 0 : 1];
    }
  }
  EXPECT_GT(changed[0], 1000);
  EXPECT_GT(changed[1], 1000);
  for (const int x : {0, before.width() - 1}) {
    for (const int y : {0, before.height() - 1})
      EXPECT_TRUE(
          std::equal(before.row(y) + 3 * x, before.row(y) + 3 * x + 3, after.row(y) + 3 * x));
  }
  write_bytes(
      file("people.json"),
      Json{{{"faces", {drawn("02.png")}}, {"pose_face", 3}}, {{"faces", {identity()}}}}.dump());
  run(words).exits(2).says("cannot take people: expected at least 3 faces in ").says(", got 2");
}

TEST_F(PeopleFlags, ViewAndFramingMoveTheFaceOfOnePerson) {
  const auto one = [&](const std::vector<std::string>& more) {
    run(generate(more)).exits(0);
    return bytes_of(file("out.png"));
  };
  const std::string plain = one({});
  const std::string turned = one({"--view", "three-quarter-left"});
  EXPECT_NE(turned, plain);
  EXPECT_NE(turned.find("View: three-quarter-left"), std::string::npos);
  EXPECT_NE(one({"--view", "three-quarter-right"}), turned);
  EXPECT_NE(one({"--view", "three-quarter-left", "--framing", "half"}), turned);
  EXPECT_NE(one({"--region-mask"}), plain);
  run(generate({"--view", "back"})).exits(2).says("--view: expected one of front, three-quarter");
}

TEST_F(PeopleFlags, AreSettingsOfTheService) {
  write_group();
  Service service = serve();
  Json settings = service.settings(64, 2);
  settings["width"] = 192;
  settings["height"] = 96;
  settings["people"] = {Json::object(), {{"adapter_strength", 0.5}, {"mask", true}}};
  Image mask({192, 96});
  for (int y = 0; y < 96; ++y)
    std::fill(mask.row(y) + 3 * 96, mask.row(y) + 3 * 192, std::uint8_t{255});
  write_image(mask, file("mask.png"), {});
  const auto form = [&](bool with_region) {
    Form made;
    made.add("settings", settings.dump())
        .add("photo", demo_photo(2), "2.png")
        .add("photo", demo_photo(3), "3.png")
        .add("pose", bytes_of(file("group.png")), "group.png");
    return with_region ? made.add("region", bytes_of(file("mask.png")), "mask.png") : made;
  };
  const std::string id = service.submit(form(true));
  const Json job = service.ended(id);
  ASSERT_EQ(job["state"], "done") << job.dump();
  EXPECT_NE(service.picture(id).find("People: 2"), std::string::npos);
  const Reply without = service.post("/api/jobs", form(false));
  EXPECT_EQ(without.status, 400);
  EXPECT_NE(without.body.find("expected 1 masks, one for each person"), std::string::npos)
      << without.body;
  settings["people"].push_back(Json::object());
  const Reply fewer = service.post("/api/jobs", form(true));
  EXPECT_EQ(fewer.status, 400);
  EXPECT_NE(fewer.body.find("cannot take people: expected 3 photos"), std::string::npos);
  settings["people"] = {{{"faces", {"/etc/passwd"}}}};
  const Reply path = service.post("/api/jobs", form(false));
  EXPECT_EQ(path.status, 400);
  EXPECT_NE(path.body.find("expected no paths"), std::string::npos) << path.body;
  settings["people"] = {Json::object(), {{"box", {0, 0, 10, 96}}}};
  const Json failed = service.ended(service.submit(form(false)));
  EXPECT_EQ(failed["state"], "failed");
  EXPECT_NE(failed.dump().find("is outside its region"), std::string::npos) << failed.dump();
}

}  // namespace
}  // namespace semblance::cli
