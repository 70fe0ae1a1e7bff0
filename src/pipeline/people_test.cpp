// Several people in one picture: what must hold beside the goldens (golden_test.cpp).
#include "pipeline/people.h"

#include <unistd.h>

#include "pipeline/golden_case_test.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

using testing::GoldenCase;

GoldenCase people_case(const std::string& name = "people_two") {
  return testing::load_golden_case(testing::golden_path("pipeline/fp16_published/" + name));
}

PipelineOptions in_f32() { return {.precision = Precision::kF32}; }

TEST(People, APersonEverywhereIsAPersonAlone) {
  GoldenCase wanted = people_case();
  const std::vector<float> embeddings(wanted.people.embeddings.begin(),
                                      wanted.people.embeddings.begin() + 512);
  const Keypoints keypoints = wanted.people.keypoints[0];
  Request alone = wanted.request;
  alone.people.clear();
  alone.photos = {1};
  Pipeline pipeline(wanted.paths, in_f32());
  Generation single = pipeline.start(alone, embeddings, keypoints);
  while (single.next()) {
  }
  // Twice the same person, of which one has the whole picture.
  const Size size{alone.width, alone.height};
  auto regions = std::make_shared<std::vector<Mask>>();
  regions->push_back(mask_of_box({0, 0, size.w, size.h}, size));
  regions->emplace_back(size);
  People people{embeddings, {keypoints, keypoints}, regions};
  people.embeddings.insert(people.embeddings.end(), embeddings.begin(), embeddings.end());
  Request both = wanted.request;
  both.people = {"{}", "{}"};
  Generation two = pipeline.start(both, people);
  while (two.next()) {
  }
  testing::expect_close(two.latent(), single.latent(), {1e-6, 1e-3});
}

TEST(People, ResumeGivesTheSameBits) {
  for (const char* const name : {"people_three", "people_unguided", "region_mask"}) {
    const GoldenCase wanted = people_case(name);
    Pipeline pipeline(wanted.paths, in_f32());
    Generation whole = pipeline.start(wanted.request, wanted.people);
    whole.next();
    whole.next();
    const std::filesystem::path file =
        std::filesystem::temp_directory_path() / fmt::format("people_{}.resume", getpid());
    save(whole.saved(), file);
    const SavedRun run = load_saved_run(file);
    std::filesystem::remove(file);
    EXPECT_EQ(run.request.photos, wanted.request.photos);
    EXPECT_EQ(run.people.keypoints, wanted.people.keypoints);
    EXPECT_EQ(run.people.face_boxes, wanted.people.face_boxes);
    Generation resumed = pipeline.resume(run);
    while (whole.next()) {
    }
    while (resumed.next()) {
    }
    EXPECT_EQ(resumed.latent(), whole.latent()) << name;
  }
}

TEST(People, RefusesWhatDoesNotBelongTogether) {
  const GoldenCase wanted = people_case();
  Pipeline pipeline(wanted.paths, in_f32());
  const auto refuses = [&](const std::string& problem, auto&& change) {
    Request request = wanted.request;
    People people = wanted.people;
    change(request, people);
    testing::expect_error(ErrorKind::kArgument, problem, [&] { pipeline.start(request, people); });
  };
  refuses("cannot take people: expected photos of 2 people, got 1",
          [](Request& request, People&) { request.photos = {2}; });
  refuses("cannot take the face's embedding: expected 512 numbers for each photo, got 1023",
          [](Request&, People& people) { people.embeddings.pop_back(); });
  refuses("cannot take people: expected keypoints of 2 people, got 1",
          [](Request&, People& people) { people.keypoints.pop_back(); });
  refuses("cannot take people: expected regions of 2 people, got 0",
          [](Request&, People& people) { people.regions.reset(); });
  refuses("cannot take people: expected boxes of the faces of 2 people, got 0",
          [](Request& request, People&) { request.region_mask = true; });
  refuses("cannot take people: expected masks of 128x96, as the new picture, got 8x8",
          [](Request&, People& people) {
            auto regions = std::make_shared<std::vector<Mask>>(2);
            for (Mask& region : *regions) region = Mask({8, 8});
            people.regions = regions;
          });
  refuses("cannot take combine sequence: expected as many photos of each person, got 1 and 2",
          [](Request& request, People& people) {
            request.combine = std::string("sequence");
            request.photos = {1, 2};
            people.embeddings.resize(3 * 512);
          });
}

TEST(People, PredictionsAreJoined) {
  // 2 people, 1 channel, 2 pixels: unconditional, conditional and perturbed.
  std::vector<float> noise{1, 2, 3, 4, 10, 20, 30, 40, 0, 8, 4, 0};
  const std::vector<float> blend{1, 0.25F, 0, 0.75F};
  const std::span<float> joined = join_people(noise, blend, 2, true, 2);
  EXPECT_EQ(std::vector(joined.begin(), joined.end()), (std::vector<float>{2, 3, 10, 35, 0, 2}));
  std::vector<float> unguided{10, 20, 30, 40};
  const std::span<float> half = join_people(unguided, blend, 2, false, 2);
  EXPECT_EQ(std::vector(half.begin(), half.end()), (std::vector<float>{10, 35}));
}

TEST(People, ASecondOneCostsNoSecondNetworkInMemory) {
  const GoldenCase wanted = people_case();
  Request alone = wanted.request;
  alone.people.clear();
  alone.photos = {1};
  PipelineOptions options = in_f32();
  options.workspace.budget_bytes = std::uint64_t{4} << 30;
  Pipeline pipeline(wanted.paths, options);
  const auto denoiser = [&](const Request& request) {
    const PlannedPicture planned =
        pipeline.plan({.request = request, .minimum = Wanted::kAlways, .largest = Wanted::kNever});
    for (const StagePlan& stage : planned.plan.stages) {
      if (stage.id == StageId::kDenoiser) return stage;
    }
    return StagePlan();
  };
  const StagePlan one = denoiser(alone);
  const StagePlan two = denoiser(wanted.request);
  EXPECT_GT(one.resident_bytes, 0U);
  EXPECT_LT(two.resident_bytes, one.resident_bytes * 11 / 10);
}

}  // namespace
}  // namespace semblance
