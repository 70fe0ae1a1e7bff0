// The public C++ API, used on its own.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>

#include "semblance/semblance.h"
#include "tests/support/sanitized.h"

namespace {

namespace fs = std::filesystem;

fs::path golden() {
  return fs::path(SEMBLANCE_SOURCE_DIR) / "tests/goldens/pipeline/fp16_published";
}

semblance::Models models(int threads = 0) {
  const fs::path checkpoint = golden() / "checkpoint";
  return {.base = checkpoint / "base",
          .identitynet = checkpoint / "identitynet",
          .adapter = checkpoint / "ip-adapter.bin",
          .precision = semblance::Precision::kF32,
          .threads = threads};
}

TEST(PublicGeneration, IsSavedAndResumed) {
  const fs::path file =
      fs::temp_directory_path() / ("semblance_api_" + std::to_string(getpid()) + ".resume");
  const semblance::Person person = semblance::Person::load(golden() / "plain" / "identity.json");
  semblance::Generator generator(models());
  semblance::Generation whole = generator.start(
      person,
      {.prompt = "a man", .width = 200, .height = 72, .steps = 3, .seed = 5, .vae_tiling = true});
  whole.next();
  whole.save(file);
  while (whole.next()) {
  }
  semblance::Generation again = semblance::Generator(models()).resume(file);
  EXPECT_EQ(again.step(), 1);
  int steps = 0;
  for (const semblance::Step& step : again.steps()) steps = step.index;
  EXPECT_EQ(steps, 3);
  EXPECT_EQ(again.latent(), whole.latent());
  const semblance::Picture picture = again.picture();
  EXPECT_TRUE(picture.rgb == whole.picture().rgb);
  EXPECT_EQ(picture.parameters, whole.picture().parameters);
  EXPECT_NE(picture.parameters.find("VAE tiling: on"), std::string::npos);

  const auto refused = [&](const semblance::Models& other) {
    try {
      semblance::Generator(other).resume(file);
    } catch (const semblance::Error& error) {
      return error.kind();
    }
    return semblance::ErrorKind::kInternal;
  };
  EXPECT_EQ(refused(models(7)), semblance::ErrorKind::kArgument);
  std::ofstream(file) << "no run";
  EXPECT_EQ(refused(models()), semblance::ErrorKind::kArgument);
  fs::remove(file);
  EXPECT_EQ(refused(models()), semblance::ErrorKind::kMissing);
}

TEST(PublicGeneration, WarnsAboutWhatThePictureLacks) {
  const semblance::Person person = semblance::Person::load(golden() / "plain" / "identity.json");
  semblance::Generator generator(models());
  EXPECT_TRUE(generator.start(person, {.prompt = "a man", .width = 64, .height = 64, .steps = 1})
                  .warnings()
                  .empty());
  semblance::Settings settings{.prompt = "a (man:1.2)", .width = 64, .height = 64, .steps = 1};
  EXPECT_TRUE(generator.start(person, settings).warnings().empty());
  settings.encoding = "plain";
  semblance::Generation weighted = generator.start(person, settings);
  EXPECT_EQ(weighted.warnings(),
            std::vector<std::string>{"prompt: weights such as (snow:1.3) or [snow] are read as "
                                     "plain text, brackets included"});
  EXPECT_NE(weighted.picture().parameters.find("Warnings: \"prompt: weights such as"),
            std::string::npos);
}

TEST(PublicGeneration, ReadsTheControlNetsPictures) {
  const semblance::Person person = semblance::Person::load(golden() / "plain" / "identity.json");
  semblance::Models with_folder = models();
  with_folder.control_folder = golden() / "control_nets";
  semblance::Generator generator(with_folder);
  semblance::Settings settings{.prompt = "a man", .width = 64, .height = 64, .steps = 1};
  const auto latent = [&] {
    semblance::Generation generation = generator.start(person, settings);
    generation.next();
    return generation.latent();
  };
  const std::vector<float> plain = latent();
  const std::uint64_t least = generator.plan(settings).minimum_bytes;
  settings.controls = {"model=edges"};
  EXPECT_GT(generator.plan(settings).minimum_bytes, least);
  try {
    latent();
    FAIL();
  } catch (const semblance::Error& error) {
    EXPECT_EQ(error.kind(), semblance::ErrorKind::kArgument);
    EXPECT_STREQ(error.what(),
                 "cannot take controls: the ControlNet edges has no picture\n  add image=FILE");
  }
  settings.controls = {"model=edges,image=" + (golden() / "control_two/control_1.png").string()};
  EXPECT_NE(latent(), plain);
}

TEST(PublicGeneration, HasSeveralPeople) {
  const std::vector<semblance::Person> people{
      semblance::Person::load(golden() / "plain" / "identity.json"),
      semblance::Person::load(golden() / "no_negative" / "identity.json")};
  semblance::Generator generator(models());
  semblance::Settings settings{.prompt = "two", .width = 96, .height = 64, .steps = 1};
  settings.people = {
      R"({"keypoints": [[14, 18], [26, 18], [20, 24], [15, 30], [25, 30]], "box": [0, 0, 48, 64]})",
      R"({"keypoints": [[66, 18], [78, 18], [72, 24], [67, 30], [77, 30]], "box": [48, 0, 96, 64]})"};
  const auto latent = [&](std::span<const semblance::Person> all) {
    semblance::Generation generation = generator.start(all, settings);
    generation.next();
    return generation.latent();
  };
  const std::vector<float> made = latent(people);
  const std::vector<semblance::Person> swapped{people[1], people[0]};
  EXPECT_NE(latent(swapped), made);
  EXPECT_GT(generator.plan(settings).step_seconds, 0);
  const auto refuses = [&](std::span<const semblance::Person> all, const std::string& text) {
    try {
      latent(all);
      ADD_FAILURE() << text;
    } catch (const semblance::Error& error) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
    }
  };
  refuses(std::span(people).first(1),
          "cannot take people: expected as many persons as Settings::people, 2, got 1");
  settings.people = {"{}", "{}"};
  refuses(people, "cannot take people: person 1 has no place");
  // Of a pose, the faces from the left.
  semblance::Generation posed = generator.start(people, settings, swapped);
  EXPECT_TRUE(posed.next());
}

TEST(PublicGeneration, DrawsItsPrompts) {
  const semblance::Person person = semblance::Person::load(golden() / "plain" / "identity.json");
  const fs::path folder =
      fs::temp_directory_path() / ("semblance_cards_" + std::to_string(getpid()));
  fs::create_directories(folder);
  std::ofstream(folder / "hair.txt") << "red\n";
  semblance::Models with_cards = models();
  with_cards.wildcards = folder;
  semblance::Generator generator(with_cards);
  semblance::Settings settings{.prompt = "a {tall} man, __hair__ hair", .style = "line art"};
  settings.width = settings.height = 64;
  settings.steps = 1;
  settings.encoding = "Weighted";
  const std::string text = generator.start(person, settings).picture().parameters;
  EXPECT_TRUE(text.starts_with("line art drawing of a tall man, red hair, clean black ink"))
      << text;
  EXPECT_GT(generator.plan(settings).peak_bytes, 0U);
  settings.style = "Oil";
  try {
    generator.start(person, settings);
    ADD_FAILURE();
  } catch (const semblance::Error& error) {
    EXPECT_NE(std::string(error.what()).find("cannot take style: there is no style 'Oil'"),
              std::string::npos);
  }
  fs::remove_all(folder);
}

TEST(PublicGeneration, StaysWithinItsMemory) {
  if (semblance::testing::kSanitized)
    GTEST_SKIP() << "the sanitizer uses more memory than the plan";
  const semblance::Settings settings{.prompt = "a man", .width = 64, .height = 64, .steps = 1};
  const semblance::Person person = semblance::Person::load(golden() / "plain" / "identity.json");
  const auto picture_of = [&](semblance::Generator& generator) {
    semblance::Generation generation = generator.start(person, settings);
    while (generation.next()) {
    }
    return generation.picture().rgb;
  };
  semblance::Models limited = models();
  limited.memory_bytes = 1 << 20;
  semblance::Generator small(limited);
  const semblance::Plan none = small.plan(settings);
  EXPECT_FALSE(none.fits);
  EXPECT_EQ(none.peak_bytes, 0U);
  EXPECT_GT(none.minimum_bytes, limited.memory_bytes);
  limited.memory_bytes = none.minimum_bytes + (4 << 20);
  limited.scratch_folder = "/var/tmp";
  semblance::Generator enough(limited);
  const semblance::Plan plan = enough.plan(settings);
  EXPECT_TRUE(plan.fits);
  EXPECT_LE(plan.peak_bytes, limited.memory_bytes);
  EXPECT_GT(plan.seconds, 0.0);
  semblance::Generator unlimited(models());
  EXPECT_TRUE(unlimited.plan(settings).fits);
  EXPECT_EQ(picture_of(enough), picture_of(unlimited));
  limited.scratch_folder = "/proc/none";
  EXPECT_THROW(semblance::Generator{limited}, semblance::Error);
}

TEST(PublicPerson, IsFoundInFilesAndInMemory) {
  const fs::path demo = fs::path(SEMBLANCE_SOURCE_DIR) / "models/demo";
  const fs::path photo = demo / "faces/03.png";
  std::ifstream file(photo, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  semblance::FaceFinder finder(demo / "face-models");
  const semblance::Person person = finder.largest(photo);
  const auto in_memory = std::as_bytes(std::span(bytes));
  EXPECT_EQ(finder.largest(in_memory).embedding, person.embedding);
  EXPECT_EQ(finder.all(in_memory).size(), finder.all(photo).size());
  const std::string text = person.to_json();
  EXPECT_EQ(semblance::Person::from_json(text).to_json(), text);
}

TEST(PublicPicture, RefusesAWrongNumberOfBytes) {
  const semblance::Picture picture{.width = 2, .height = 1, .rgb = {1, 2, 3}};
  try {
    picture.encode(semblance::PictureFormat::kPng);
    FAIL();
  } catch (const semblance::Error& error) {
    EXPECT_EQ(error.kind(), semblance::ErrorKind::kArgument);
    EXPECT_STREQ(error.what(),
                 "cannot write the picture: expected 6 bytes of rgb for 2 x 1 pixels, got 3");
  }
}

}  // namespace
