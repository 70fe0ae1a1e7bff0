// People in the service: several photos of one person, and how alike the results are.
#include <set>

#include "cli/serve_test.h"

namespace semblance::cli {
namespace {

using Json = nlohmann::json;

class ServePeople : public ServeTest {};

TEST_F(ServePeople, SeveralPhotosMakeThePictureOfTheirSavedFace) {
  Service service = serve();
  Json settings = service.settings(64, 1);
  settings["combine"] = "concat";
  const auto with_photos = [](Form form) {
    return form.add("photo", demo_photo(), "1.png").add("photo", demo_photo(), "2.png");
  };
  const std::string id = service.submit(with_photos(Form().add("settings", settings.dump())));
  EXPECT_EQ(service.ended(id)["state"], "done") << service.job(id).dump();
  const Reply saved = service.post("/api/identities", with_photos(Form().add("name", "Ann")));
  ASSERT_EQ(saved.status, 201) << saved.body;
  EXPECT_EQ(Json::parse(saved.body)["photos"], 2);
  EXPECT_EQ(Json::parse(saved.body)["likeness"].size(), 2U);
  const std::string again =
      service.submit(Form()
                         .add("settings", settings.dump())
                         .add("identity", Json::parse(saved.body)["id"].get<std::string>()));
  EXPECT_EQ(service.ended(again)["state"], "done") << service.job(again).dump();
  EXPECT_EQ(service.picture(again), service.picture(id));
  // Somebody else is named.
  const auto with_others = [](Form form) {
    return form.add("photo", demo_photo(3), "3.png").add("photo", demo_photo(9), "9.png");
  };
  const Form others = with_others(Form().add("settings", settings.dump()));
  const Json failed = service.ended(service.submit(others));
  EXPECT_EQ(failed["state"], "failed");
  EXPECT_EQ(failed["error"]["param"], "photo");
  EXPECT_NE(failed["error"]["message"].get<std::string>().find(
                "photo 2 shows somebody else than the photo"),
            std::string::npos)
      << failed.dump();
  const Reply refused = service.post("/api/identities", with_others(Form().add("name", "Ann")));
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("photo 2 shows somebody else"), std::string::npos) << refused.body;
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_of(id)))
    names.insert(entry.path().filename().string());
  EXPECT_EQ(names, (std::set<std::string>{"0.png", "0.webp"}));
}

TEST_F(ServePeople, KeepsTheMostAlikePicture) {
  Service service = serve();
  Json settings = service.settings(128, 6);
  std::vector<std::pair<double, int>> all;
  std::map<int, std::string> pictures;
  for (int seed = 1; seed <= 4; ++seed) {
    settings["seed"] = seed;
    const std::string id = service.submit(service.form(settings));
    const Json job = service.ended(id);
    ASSERT_TRUE(job["images"][0]["likeness"].is_number()) << job.dump();
    all.emplace_back(job["images"][0]["likeness"].get<double>(), seed);
    pictures[seed] = service.picture(id);
    EXPECT_NE(pictures[seed].find(", Likeness: 0."), std::string::npos);
  }
  settings["seed"] = 1;
  settings["best_of"] = 2;
  settings["count"] = 2;
  const std::string id = service.submit(service.form(settings));
  const Json job = service.ended(id);
  ASSERT_EQ(job["images"].size(), 2U) << job.dump();
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& [likeness, seed] = std::max(all[2 * i], all[2 * i + 1]);
    EXPECT_EQ(job["images"][i]["seed"], seed);
    EXPECT_EQ(job["images"][i]["likeness"], likeness);
    const std::string url = job["images"][i]["url"];
    EXPECT_EQ(service.ask("GET", url).body, pictures[seed]);
  }
}

}  // namespace
}  // namespace semblance::cli
