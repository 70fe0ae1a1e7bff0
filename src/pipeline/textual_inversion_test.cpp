// Textual inversions against diffusers (tools/oracle/textual_inversion.py), and their files.
#include "pipeline/textual_inversion.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "face/identity.h"
#include "pipeline/pipeline.h"
#include "pipeline/prompts_test.h"
#include "pipeline/stage_graphs.h"
#include "tests/support/errors.h"
#include "weights/safetensors.h"
#include "weights/writer.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using testing::error_of;
using testing::expect_error;

ModelPaths paths_with(const std::string& checkpoint, const std::vector<std::string>& names) {
  ModelPaths paths = testing::models_in(folder_of(checkpoint) / "checkpoint");
  for (const std::string& name : names)
    paths.embeddings.push_back(folder_of(checkpoint) / "embeddings" / name);
  return paths;
}

class TextualInversionGoldens : public ::testing::TestWithParam<std::string> {};

TEST_P(TextualInversionGoldens, AreAgreedWith) {
  const OpenedModels models =
      open_models(paths_with(GetParam(), {"toy-cat.safetensors", "one.pt"}));
  const auto file = open_file(folder_of(GetParam()) / "textual_inversion.safetensors");
  const WeightMap goldens = read_safetensors(file);
  const std::vector<Json> prompts =
      Json::parse("prompts", read_safetensors_metadata(*file).at("prompts")).items();
  int compared = 0;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto text = [&](std::size_t at) {
      return prompts[i].items()[at].value().get<std::string>();
    };
    for (const std::string encoding : {"plain", "weighted"}) {
      const std::string name = fmt::format("{}.{}", encoding, i);
      const StoredTensor* const want = goldens.find(name + ".conditioning");
      if (want == nullptr) continue;
      SCOPED_TRACE(name + " " + text(0) + " | " + text(1));
      const Request request = request_for(text(1), text(0), encoding);
      EXPECT_TRUE(read_prompts(models, request).layout.has_vectors);
      const Values values = encoded(models, request);
      ASSERT_EQ(values.at("text").type.shape, want->shape);
      testing::expect_close(values.at("text").f32(), golden(goldens, name + ".conditioning"));
      ++compared;
      if (goldens.find(name + ".pooled") != nullptr)
        testing::expect_close(values.at("pooled").f32(), golden(goldens, name + ".pooled"));
    }
  }
  EXPECT_EQ(compared, 5);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, TextualInversionGoldens,
                         ::testing::Values("fp16_published", "bf16_shards", "fp32_convolutions"),
                         [](const auto& info) { return info.param; });

/// diffusers takes the highest id where `eos_token_id` is 2, which an added token has.
TEST(TextualInversion, ThePooledVectorIsThatOfTheEndToken) {
  const OpenedModels models = open_models(paths_with("fp16_published", {"toy-cat.safetensors"}));
  ASSERT_EQ(models.clip[1].end_id, 2);
  const Request request = request_for("toy-cat in the snow", "toy-cat", "plain");
  const PromptInputs read = read_prompts(models, request);
  const std::span<const std::int32_t> ids = read.ids[1];
  const std::int32_t end = models.tokenizers[1].end_id();
  std::vector<std::int32_t> tokens, ends;
  std::vector<float> keep, vectors(ids.size() * 40);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    tokens.push_back(std::max(ids[i], 0));
    keep.push_back(ids[i] < 0 ? 0 : 1);
    if (ids[i] < 0)
      read_vector(models.embeddings, 1, -1 - ids[i], std::span(vectors).subspan(i * 40, 40));
  }
  for (const auto prompt : {ids.first(77), ids.last(77)})
    ends.push_back(static_cast<std::int32_t>(std::ranges::find(prompt, end) - prompt.begin()));
  EXPECT_EQ(ends[0], 1 + 3);
  Session session(text_encoder_graph(models, 1, 2, 0, true), cpu_backend(), models.clip_weights[1]);
  session.set_input("ids", tokens);
  session.set_input("keep", keep);
  session.set_input("vectors", vectors);
  session.set_input("ends", ends);
  session.run();
  const Values values = encoded(models, request);
  EXPECT_TRUE(std::ranges::equal(values.at("pooled").f32(), session.output_f32("pooled")));
}

TEST(TextualInversion, LeavesOtherPromptsAsTheyAre) {
  const OpenedModels with = open_models(paths_with("fp16_published", {"toy-cat.safetensors"}));
  const OpenedModels without = models_of("fp16_published");
  const Request request = request_for("a toy and a cat", "");
  EXPECT_FALSE(read_prompts(with, request).layout.has_vectors);
  EXPECT_EQ(read_prompts(with, request).ids, read_prompts(without, request).ids);
}

TEST(TextualInversion, GivesTheSameBitsAtAnyBudget) {
  const OpenedModels models = open_models(paths_with("fp16_published", {"toy-cat.safetensors"}));
  const Request request = request_for("(toy-cat:1.2) in the snow", "blurry");
  const Values all = encoded(models, request);
  for (const std::uint64_t kib : {420, 900, 4000}) {
    Workspace::Options options;
    options.places_bytes = kib << 10U;
    const Values some = encoded(models, request, options);
    EXPECT_TRUE(std::ranges::equal(some.at("text").f32(), all.at("text").f32())) << kib;
    EXPECT_TRUE(std::ranges::equal(some.at("pooled").f32(), all.at("pooled").f32())) << kib;
  }
}

TEST(TextualInversion, ARunGoesOnWithTheSameOnes) {
  const ModelPaths paths = paths_with("fp16_published", {"toy-cat.safetensors", "one.pt"});
  Pipeline pipeline(paths, {.precision = Precision::kF32});
  const Identity person = read_identity(folder_of("fp16_published") / "plain/identity.json");
  Request request = request_for("toy-cat in the snow", "one");
  request.steps = 2;
  Generation generation =
      pipeline.start(request, person.embedding, scale_keypoints(person, {64, 64}));
  generation.next();
  const fs::path file = fs::temp_directory_path() / fmt::format("semblance_ti_{}", getpid());
  save(generation.saved(), file);
  const SavedRun run = load_saved_run(file);
  fs::remove(file);
  EXPECT_EQ(run.models.embeddings.size(), 2U);
  generation.next();
  // In another order, too.
  ModelPaths turned = paths;
  std::swap(turned.embeddings[0], turned.embeddings[1]);
  Generation resumed = Pipeline(turned, {.precision = Precision::kF32}).resume(run);
  resumed.next();
  EXPECT_EQ(resumed.latent(), generation.latent());
  expect_error(ErrorKind::kArgument, "), got none\n  give the same files with --embedding", [&] {
    Pipeline(paths_with("fp16_published", {}), {.precision = Precision::kF32}).resume(run);
  });
  const char* const other = "cannot resume the run: expected the embeddings it was started with (";
  expect_error(ErrorKind::kArgument, other, [&] {
    Pipeline(paths_with("fp16_published", {"one.pt"}), {.precision = Precision::kF32}).resume(run);
  });
}

// ---- Files

class InversionFiles : public ::testing::Test {
 protected:
  InversionFiles() { fs::create_directories(folder_); }
  ~InversionFiles() override { fs::remove_all(folder_); }

  /// Writes tensors of zeros.
  fs::path write(const std::string& name, const std::map<std::string, Shape>& tensors,
                 DType dtype = DType::kF32) const {
    std::vector<TensorBytes> all;
    std::vector<std::vector<std::byte>> bytes;
    bytes.reserve(tensors.size());
    for (const auto& [tensor, shape] : tensors) {
      bytes.emplace_back(static_cast<std::size_t>(shape.elements()) * size_of(dtype));
      all.push_back({{tensor, dtype, shape}, bytes.back()});
    }
    write_safetensors(folder_ / name, all, {}, Readers::kAll);
    return folder_ / name;
  }
  std::string error(const std::vector<fs::path>& files) const {
    std::string text = error_of([&] { open_textual_inversions(files, models_.clip); });
    const std::string prefix = folder_.string() + "/";
    for (auto at = text.find(prefix); at != std::string::npos; at = text.find(prefix))
      text.erase(at, prefix.size());
    return text;
  }

  fs::path folder_ = fs::temp_directory_path() / fmt::format("semblance_inversion_{}", getpid());
  OpenedModels models_ = models_of("fp16_published");  // widths 24 and 40
};

TEST_F(InversionFiles, AreReadInAllTheirKinds) {
  const fs::path embeddings = folder_of("fp16_published") / "embeddings";
  const auto read = open_textual_inversions(
      {embeddings / "toy-cat.safetensors", embeddings / "one.pt", embeddings / "both.pt",
       write("flat.safetensors", {{"clip_l", {24}}, {"clip_g", {40}}}, DType::kBF16)},
      models_.clip);
  ASSERT_EQ(read.size(), 4U);
  const std::vector<VectorWord> words = vector_words(read);
  EXPECT_EQ(words[0].word, "both");
  EXPECT_EQ(words[1].word, "flat");
  EXPECT_EQ(words[3].word, "toy-cat");
  EXPECT_EQ(words[3].first_row, 3 + 1 + 1);
  // The same vectors by two formats.
  for (std::size_t encoder = 0; encoder < 2; ++encoder) {
    std::vector<float> first(encoder == 0 ? 24 : 40), second(first.size());
    read_vector(read, encoder, 2, first);
    read_vector(read, encoder, 7, second);
    EXPECT_EQ(first, second);
    EXPECT_NE(first[0], 0);
  }
}

TEST_F(InversionFiles, OfOtherModelsAreRefused) {
  EXPECT_TRUE(error({folder_of("fp16_published") / "embeddings/old.pt"})
                  .ends_with("old.pt: expected vectors for SDXL's two text encoders (clip_l and "
                             "clip_g), got one tensor of width 24\n  it was made for Stable "
                             "Diffusion 1 or 2: look for one for SDXL"));
  EXPECT_EQ(error({write("a.safetensors", {{"clip_l", {2, 24}}, {"clip_g", {2, 48}}})}),
            "shape: cannot take the embedding a.safetensors: expected clip_g of 1 to 75 vectors of "
            "40 numbers, got [2,48]");
  EXPECT_NE(error({write("a.safetensors", {{"clip_l", {76, 24}}, {"clip_g", {76, 40}}})})
                .find("clip_l of 1 to 75 vectors"),
            std::string::npos);
  EXPECT_EQ(error({write("a.safetensors", {{"clip_l", {2, 24}}, {"clip_g", {3, 40}}})}),
            "shape: cannot take the embedding a.safetensors: expected as many vectors in clip_l as "
            "in clip_g, got 2 and 3");
  EXPECT_EQ(error({write("a.safetensors", {{"x", {2}}, {"y", {2}}})}),
            "corrupt: cannot take the embedding a.safetensors: expected the tensors clip_l and "
            "clip_g, got x, y");
  EXPECT_NE(error({write("a.safetensors", {{"clip_l", {2, 24}}, {"clip_g", {2, 40}}}, DType::kI32)})
                .find("expected the tensors clip_l and clip_g, got clip_g, clip_l"),
            std::string::npos);
}

TEST_F(InversionFiles, HaveWordsOfTheirOwn) {
  const fs::path file = write("a.safetensors", {{"clip_l", {24}}, {"clip_g", {40}}});
  fs::create_directories(folder_ / "b");
  fs::copy_file(file, folder_ / "b/A.pt");
  EXPECT_EQ(error({file, folder_ / "b/A.pt"}),
            "argument: cannot take the embedding b/A.pt: there is another one called A\n  rename "
            "one of the files");
  fs::copy_file(file, folder_ / "\xff.safetensors");
  EXPECT_TRUE(error({folder_ / "\xff.safetensors"}).starts_with("argument: "));
}

TEST_F(InversionFiles, ThatAreBrokenAreRefused) {
  EXPECT_TRUE(error({folder_ / "none.safetensors"}).starts_with("missing: "));
  const fs::path file = write("a.safetensors", {{"clip_l", {24}}, {"clip_g", {40}}});
  fs::resize_file(file, fs::file_size(file) - 8);
  EXPECT_TRUE(error({file}).starts_with("corrupt: ")) << error({file});
  std::ofstream(folder_ / "b.pt") << "nothing";
  EXPECT_TRUE(error({folder_ / "b.pt"}).starts_with("corrupt: "));
}

TEST_F(InversionFiles, APlanNeedsNone) {
  const AssumedModels assumed = assume_models(
      {.base = {}, .identitynet = {}, .adapter = {}, .embeddings = {folder_ / "n.pt"}});
  EXPECT_EQ(assumed.assumed.back(), (folder_ / "n.pt").string());
}

}  // namespace
}  // namespace semblance
