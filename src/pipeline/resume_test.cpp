// Saving and resuming a run: the same bits, and the errors of damaged files.
#include "pipeline/resume.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/parallel.h"
#include "face/identity.h"
#include "pipeline/models_test.h"
#include "pipeline/pipeline.h"
#include "tests/support/errors.h"
#include "tests/support/golden.h"
#include "weights/writer.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;

class Resume : public ::testing::Test {
 protected:
  Resume() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() /
              (std::string("semblance_resume_") + test->name() + "_" + std::to_string(getpid()));
    fs::create_directories(folder_);
    request_.prompt = "a man in the \"snow\", été";
    request_.width = 64;
    request_.height = 48;
    request_.steps = 5;
    request_.identity_end = 0.6;  // so that two denoisers run
    request_.seed = ~std::uint64_t{0};
  }
  ~Resume() override {
    set_threads(threads_);
    fs::remove_all(folder_);
  }

  static ModelPaths models(const std::string& name = "fp16_published") {
    return testing::models_in(testing::golden_path("pipeline") / name / "checkpoint");
  }
  static Identity identity() {
    return read_identity(testing::golden_path("pipeline/fp16_published/plain") / "identity.json");
  }
  Generation start(Pipeline& pipeline) const {
    const Identity person = identity();
    return pipeline.start(request_, person.embedding,
                          scale_keypoints(person, {request_.width, request_.height}));
  }
  fs::path file() const { return folder_ / "out.png.resume"; }
  /// Saves a run of two steps in file().
  SavedRun saved() {
    Pipeline pipeline(models(), {.precision = Precision::kF32});
    Generation generation = start(pipeline);
    generation.next();
    generation.next();
    SavedRun run = generation.saved();
    run.outputs = {"/tmp/out.png", "/tmp/%41\xff é.png"};
    save(run, file());
    return run;
  }
  std::string bytes() const {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& bytes) const { std::ofstream(file(), std::ios::binary) << bytes; }
  /// The saved file with one JSON value changed; null removes it.
  void change(const std::string& key, const nlohmann::json& value) {
    SavedRun run = saved();
    const auto metadata = read_safetensors_metadata(*open_file(file()));
    nlohmann::json json = nlohmann::json::parse(metadata.at("run"));
    if (value.is_null()) {
      json.erase(key);
    } else {
      json[key] = value;
    }
    rewrite(run, {{"format", "semblance run"}, {"version", "1"}, {"run", json.dump()}});
  }
  void rewrite(const SavedRun& run, const SafetensorsMetadata& metadata,
               const std::string& left_out = {}, Shape latent = {1, 4, 6, 8},
               std::optional<Shape> kept = {}) const {
    std::vector<TensorBytes> tensors;
    const auto add = [&](const char* name, Shape shape, std::span<const std::byte> bytes) {
      if (name != left_out) tensors.push_back({{name, DType::kF32, shape}, bytes});
    };
    add("latent", latent,
        std::as_bytes(std::span(run.latent))
            .first(static_cast<std::size_t>(latent.elements()) * sizeof(float)));
    add("embedding", {512}, std::as_bytes(std::span(run.people.embeddings)));
    add("keypoints", {5, 2}, std::as_bytes(std::span(run.people.keypoints)));
    const std::vector<float> zeros(kept ? static_cast<std::size_t>(kept->elements()) : 0);
    if (kept) add("kept", *kept, std::as_bytes(std::span(zeros)));
    write_safetensors(file(), tensors, metadata);
  }
  void refuses(ErrorKind kind, const std::string& part) const {
    expect_error(kind, part, [&] { load_saved_run(file()); });
  }

  fs::path folder_;
  Request request_;
  int threads_ = threads();
};

/// The features are not saved: a run goes on from the last step that made them.
TEST_F(Resume, GivesTheSameBitsWhereStepsShareFeatures) {
  request_.reuse = 3;
  request_.perturbed_guidance = 2;
  request_.guidance_end = 0.7;
  request_.steps = 8;
  request_.scheduler = std::string("dpmpp_2m");
  Pipeline pipeline(models(), {.precision = Precision::kF32});
  Generation whole = start(pipeline);
  for (int done = 0; whole.next(); ++done) {
    save(whole.saved(), folder_ / std::to_string(done));
  }
  for (int done = 0; done < request_.step_count(); ++done) {
    const SavedRun run = load_saved_run(folder_ / std::to_string(done));
    EXPECT_EQ(run.step, done + 1 == request_.step_count() ? done + 1 : (done + 1) / 3 * 3);
    Generation resumed = pipeline.resume(run);
    while (resumed.next()) {
    }
    EXPECT_EQ(resumed.latent(), whole.latent()) << done;
  }
  SavedRun run = load_saved_run(folder_ / "2");
  run.step = 4;
  expect_error(ErrorKind::kCorrupt, "expected a multiple of 3 steps done",
               [&] { pipeline.resume(run); });
}

TEST_F(Resume, GivesTheSameBitsForSeveralPhotos) {
  request_.combine = std::string("concat");
  Pipeline pipeline(models(), {.precision = Precision::kF32});
  const Identity person =
      read_identity(testing::golden_path("pipeline/fp16_published/concat/identity.json"));
  Generation whole =
      pipeline.start(request_, person.embeddings(), scale_keypoints(person, {64, 48}));
  whole.next();
  save(whole.saved(), file());
  while (whole.next()) {
  }
  const SavedRun run = load_saved_run(file());
  EXPECT_EQ(run.request.photos, std::vector{3});
  EXPECT_EQ(run.people.embeddings, person.embeddings());
  Generation resumed = pipeline.resume(run);
  while (resumed.next()) {
  }
  EXPECT_EQ(resumed.latent(), whole.latent());
}

TEST_F(Resume, KeepsTheBestSoFar) {
  SavedRun run = saved();
  run.face_models = "/models/antelopev2";
  for (const Candidate& best : {Candidate{18446744073709551615U, 0.25}, Candidate{1, {}}}) {
    run.best = best;
    save(run, file());
    EXPECT_EQ(load_saved_run(file()).best, run.best);
    EXPECT_EQ(load_saved_run(file()).face_models, run.face_models);
  }
  change("best", {{"seed", "x"}, {"likeness", 0.5}});
  refuses(ErrorKind::kCorrupt, "best.seed\" must be a whole number of 64 bits, as text");
  change("best", {{"seed", "1"}, {"likeness", "much"}});
  refuses(ErrorKind::kCorrupt, "likeness");
}

TEST_F(Resume, NeedsTheSameLoras) {
  const fs::path golden = testing::golden_path("pipeline/fp16_published/lora_kohya");
  const fs::path film = folder_ / "film.safetensors";
  fs::copy_file(golden / "style.safetensors", film);
  request_.loras = {film.string() + ":0.8:0.5"};
  Pipeline pipeline(models(), {.precision = Precision::kF32, .lora_folders = {folder_ / "loras"}});
  Generation whole = start(pipeline);
  while (whole.next()) {
  }
  saved();
  const auto resumed = [&] {
    Generation generation = pipeline.resume(load_saved_run(file()));
    while (generation.next()) {
    }
    return generation.latent();
  };
  EXPECT_EQ(load_saved_run(file()).request.loras, request_.loras);
  EXPECT_EQ(resumed(), whole.latent());
  // Elsewhere, it is found by its name.
  fs::create_directories(folder_ / "loras");
  fs::rename(film, folder_ / "loras/film.safetensors");
  EXPECT_EQ(resumed(), whole.latent());
  fs::remove(folder_ / "loras/film.safetensors");
  expect_error(ErrorKind::kMissing, "cannot find the LoRA film", resumed);
  fs::copy_file(testing::golden_path("pipeline/fp16_published/lora_kinds_2/kinds.safetensors"),
                film);
  expect_error(
      ErrorKind::kArgument,
      "cannot resume the run: the LoRA film is not the one it was started with\n  put that "
      "file back where it was, or start a new run",
      resumed);
}

TEST_F(Resume, GivesTheSameBitsAfterEveryStep) {
  for (const std::string name : {"fp16_published", "bf16_shards", "fp32_convolutions"}) {
    SCOPED_TRACE(name);
    Pipeline pipeline(models(name), {.precision = Precision::kF32});
    Generation whole = start(pipeline);
    while (whole.next()) {
    }
    const std::vector<float> latent = whole.latent();
    const Image picture = whole.decode();
    for (int stop = 0; stop <= whole.steps(); ++stop) {
      Generation first = start(pipeline);
      while (first.step() < stop) first.next();
      save(first.saved(), file());
      PipelineOptions tight{.precision = Precision::kF32};
      tight.workspace.places_bytes = std::uint64_t{16} << 20;
      Pipeline other(models(name), tight);
      Generation second = other.resume(load_saved_run(file()));
      EXPECT_EQ(second.step(), stop);
      while (second.next()) {
      }
      EXPECT_EQ(second.latent(), latent) << stop;
      EXPECT_TRUE(std::ranges::equal(second.decode().pixels(), picture.pixels())) << stop;
    }
  }
}

TEST_F(Resume, GivesTheSameBitsInBothPasses) {
  request_.hires = 1.5;
  request_.hires_strength = 0.6;
  request_.scheduler = std::string("dpmpp_2m_sde");  // with a state and noise in each step
  Pipeline pipeline(models(), {.precision = Precision::kF32});
  Generation whole = start(pipeline);
  EXPECT_EQ(whole.size(), (Size{64, 48}));
  while (whole.next()) {
  }
  EXPECT_EQ(whole.size(), (Size{96, 72}));
  EXPECT_EQ(whole.steps(), 5 + 3);
  const Image picture = whole.decode();
  for (int stop = 0; stop <= whole.steps(); ++stop) {
    Generation first = start(pipeline);
    while (first.step() < stop) first.next();
    save(first.saved(), file());
    const SavedRun saved = load_saved_run(file());
    EXPECT_EQ(saved.pass, stop > 5 ? 1 : 0);
    Generation second = pipeline.resume(saved);
    EXPECT_EQ(second.step(), stop);
    while (second.next()) {
    }
    EXPECT_TRUE(std::ranges::equal(second.decode().pixels(), picture.pixels())) << stop;
  }
}

TEST_F(Resume, GivesTheSameBitsInBf16) {
  try {
    Pipeline pipeline(models(), {.precision = Precision::kBF16});
    Generation whole = start(pipeline);
    Generation first = start(pipeline);
    first.next();
    while (whole.next()) {
    }
    save(first.saved(), file());
    Generation second = pipeline.resume(load_saved_run(file()));
    while (second.next()) {
    }
    EXPECT_EQ(second.latent(), whole.latent());
  } catch (const Error& error) {
    ASSERT_EQ(error.kind(), ErrorKind::kDevice);
    GTEST_SKIP() << error.what();
  }
}

TEST_F(Resume, KeepsEverything) {
  request_.negative = "";
  request_.guidance = 0.1F;
  request_.vae_tiling = true;
  SavedRun run = saved();
  run.metadata = false;
  run.latents = "/tmp/x.npy";
  save(run, file());
  const SavedRun read = load_saved_run(file());
  EXPECT_EQ(read.request.prompt, request_.prompt);
  EXPECT_EQ(read.request.negative, "");
  EXPECT_EQ(read.request.seed, request_.seed);
  EXPECT_EQ(read.request.guidance, request_.guidance);
  EXPECT_EQ(read.request.identity_strength, request_.identity_strength);
  EXPECT_EQ(read.request.adapter_strength, request_.adapter_strength);
  EXPECT_EQ(read.request.identity_start, request_.identity_start);
  EXPECT_EQ(read.request.identity_end, request_.identity_end);
  EXPECT_TRUE(read.request.vae_tiling);
  EXPECT_EQ(read.step, 2);
  EXPECT_EQ(read.latent, run.latent);
  EXPECT_EQ(read.people.embeddings, run.people.embeddings);
  EXPECT_EQ(read.people.keypoints, run.people.keypoints);
  EXPECT_EQ(read.precision, Precision::kF32);
  EXPECT_EQ(read.backend, "cpu");
  EXPECT_EQ(read.threads, threads());
  EXPECT_EQ(read.models.base, models().base);
  EXPECT_EQ(read.fingerprints, run.fingerprints);
  EXPECT_EQ(read.outputs, run.outputs);
  EXPECT_EQ(read.latents, run.latents);
  EXPECT_FALSE(read.metadata);
}

TEST_F(Resume, RefusesOtherModels) {
  saved();
  const SavedRun run = load_saved_run(file());
  ModelPaths moved = models();
  const fs::path copy = folder_ / "copy";
  fs::copy(moved.base, copy, fs::copy_options::recursive);
  moved.base = copy;
  const auto resume = [&] { Pipeline(moved, {.precision = Precision::kF32}).resume(run); };
  resume();  // the same models in another folder
  const fs::path vae = copy / "vae" / "diffusion_pytorch_model.fp16.safetensors";
  std::fstream file(vae, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(-1, std::ios::end);
  file.put('\x11');
  file.close();
  expect_error(ErrorKind::kArgument,
               "cannot resume the run: the VAE is not the one it was started with (in " +
                   models().base.string(),
               resume);
  expect_error(ErrorKind::kArgument, "is not the one it was started with", [&] {
    Pipeline(models("bf16_shards"), {.precision = Precision::kF32}).resume(run);
  });
}

TEST_F(Resume, RefusesSettingsThatWouldChangeThePicture) {
  SavedRun run = saved();
  Pipeline pipeline(models(), {.precision = Precision::kF32});
  run.precision = Precision::kBF16;
  expect_error(ErrorKind::kArgument, "started with the precision bf16, got f32",
               [&] { pipeline.resume(run); });
  run.precision = Precision::kF32;
  run.backend = "ref";
  expect_error(ErrorKind::kArgument, "started with the backend ref, got cpu",
               [&] { pipeline.resume(run); });
  run.backend = "cpu";
  run.threads = threads() + 1;
  expect_error(ErrorKind::kArgument, "started with the number of threads",
               [&] { pipeline.resume(run); });
  run.threads = threads();
  run.step = 6;
  expect_error(ErrorKind::kCorrupt, "it has 6 steps done of 5", [&] { pipeline.resume(run); });
  run.step = 2;
  run.latent.pop_back();
  expect_error(ErrorKind::kCorrupt, "its latent has 191 numbers, but a picture of 64x48 needs 192",
               [&] { pipeline.resume(run); });
}

TEST_F(Resume, ReportsAMissingFile) { refuses(ErrorKind::kMissing, "No such file"); }

TEST_F(Resume, RefusesATruncatedFile) {
  saved();
  const std::string whole = bytes();
  for (std::size_t length = 0; length < whole.size(); length += 97) {
    write(whole.substr(0, length));
    const std::string text = testing::error_of([&] { load_saved_run(file()); });
    EXPECT_NE(text.find(file().string()), std::string::npos) << length << ": " << text;
  }
  write(whole.substr(0, whole.size() - 1));
  refuses(ErrorKind::kCorrupt, "the file has");
}

TEST_F(Resume, RefusesOtherFiles) {
  write("{\"embedding\": []}");
  refuses(ErrorKind::kArgument, "this is not a saved run of semblance");
  const SavedRun run = saved();
  rewrite(run, {});
  refuses(ErrorKind::kArgument, "this is not a saved run of semblance");
  rewrite(run, {{"format", "semblance run"}, {"version", "2"}, {"run", "{}"}});
  refuses(ErrorKind::kCorrupt, "expected version 1 of the format, got \"2\"");
  fs::resize_file(file(), (std::uintmax_t{2} << 30) + 1);
  refuses(ErrorKind::kArgument, "expected at most 2147483648 bytes");
}

TEST_F(Resume, RefusesAnInconsistentFile) {
  const SavedRun run = saved();
  const SafetensorsMetadata metadata = read_safetensors_metadata(*open_file(file()));
  rewrite(run, metadata, "latent");
  refuses(ErrorKind::kCorrupt, "its latent must be F32 [1,4,6,8], it is missing");
  rewrite(run, metadata, "embedding");
  refuses(ErrorKind::kCorrupt, "its embedding must be F32 [512], it is missing");
  rewrite(run, metadata, "keypoints");
  refuses(ErrorKind::kCorrupt, "its keypoints must be F32 [5,2], it is missing");
  rewrite(run, metadata, "", {1, 4, 3, 8});
  refuses(ErrorKind::kCorrupt, "its latent must be F32 [1,4,6,8], it is f32 [1,4,3,8]");
  for (const Shape& kept : {Shape{1, 4, 6, 7}, Shape{9, 4, 6, 8}, Shape{192}, Shape{1, 3, 6, 8}}) {
    rewrite(run, metadata, "", {1, 4, 6, 8}, kept);
    refuses(ErrorKind::kCorrupt, "its kept must be F32 [");
  }
  SavedRun odd = load_saved_run((save(run, file()), file()));
  odd.people.embeddings[3] = NAN;
  rewrite(odd, metadata);
  refuses(ErrorKind::kCorrupt, "the face's embedding has a number that is not finite");
  odd = run;
  odd.people.keypoints[0][4][1] = INFINITY;
  rewrite(odd, metadata);
  refuses(ErrorKind::kCorrupt, "keypoint 4 is");
}

TEST_F(Resume, RefusesInvalidValues) {
  struct Case {
    std::string key;
    nlohmann::json value;
    std::string part;
  };
  const std::vector<Case> cases{
      {"prompt", nullptr, "prompt"},
      {"prompt", 3, "prompt"},
      {"width", 63, "cannot take width: expected a multiple of 8"},
      {"steps", 0, "cannot take steps: expected a whole number from 1 to 1000"},
      {"step", -1, "step"},
      {"step", 12, "it has 12 steps done of 5"},
      {"seed", 7, "seed"},
      {"seed", "-7", "a whole number of 64 bits, as text"},
      {"seed", "", "a whole number of 64 bits, as text"},
      {"seed", "18446744073709551616", "a whole number of 64 bits, as text"},
      {"scheduler", "eulr", "cannot take scheduler: expected one of euler, "},
      {"sigmas", 3, "sigmas"},
      {"noise_batch", 0, "cannot take noise_batch: expected a whole number from 1 to 1000"},
      {"precision", "int8", "\"f32\" or \"bf16\""},
      {"threads", 0, "threads"},
      {"base", "/a%2", "a path with %XX escapes"},
      {"base", "/a%00", "a path with %XX escapes"},
      {"base", std::string("/a\0b", 4), "a path without a zero byte"},
      {"fingerprints", 3, "fingerprints"},
      {"outputs", std::vector<std::string>(1001, "/a"), "a list of at most 1000 paths"},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.key);
    change(each.key, each.value);
    refuses(ErrorKind::kCorrupt, "cannot resume from " + file().string());
    refuses(ErrorKind::kCorrupt, each.part);
  }
}

TEST_F(Resume, LeavesNoFileAfterAFailedWrite) {
  const SavedRun run = saved();
  expect_error(ErrorKind::kMissing, "there is no folder",
               [&] { save(run, folder_ / "none" / "x.resume"); });
}

}  // namespace
}  // namespace semblance
