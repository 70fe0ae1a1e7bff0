// Incomplete or inconsistent model folders: `semblance generate` reports them before computing.
#include "cli/program_test.h"

namespace semblance::cli {
namespace {

/// A copy of the small checkpoint, to be damaged by tests.
class DamagedModels : public ProgramTest {
 protected:
  DamagedModels() {
    fs::copy(golden() / "checkpoint", models(), fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(models()))
      fs::permissions(entry, fs::perms::owner_all, fs::perm_options::add);
  }
  fs::path models() const { return file("models"); }
  Outcome run_damaged() {
    const Outcome outcome = run(generate({}, models())).says("semblance: ").prints_nothing();
    EXPECT_EQ(files(), (std::set<std::string>{"models"}));
    return outcome;
  }
  void replace(const std::string& name, const std::string& from, const std::string& to) {
    std::string bytes = bytes_of(models() / name);
    const std::size_t at = bytes.find(from);
    ASSERT_NE(at, std::string::npos) << from << " is not in " << name;
    write_bytes(models() / name, bytes.replace(at, from.size(), to));
  }
  /// The first weight file in a folder of the base model.
  fs::path weights_of(const std::string& folder) const {
    for (const auto& entry : fs::directory_iterator(models() / folder)) {
      if (entry.path().extension() == ".safetensors") return entry.path();
    }
    return {};
  }
};

TEST_F(DamagedModels, WorkBeforeTheyAreDamaged) { run(generate({}, models())).exits(0); }

TEST_F(DamagedModels, NoFolder) {
  fs::remove_all(models() / "base");
  run_damaged().exits(3).says("base");
}

TEST_F(DamagedModels, NoConfig) {
  fs::remove(models() / "base/unet/config.json");
  run_damaged().exits(3).says("unet/config.json");
}

TEST_F(DamagedModels, NoWeights) {
  fs::remove(weights_of("base/vae"));
  run_damaged().exits(3).says("base/vae");
}

TEST_F(DamagedModels, NoVocabulary) {
  fs::remove(models() / "base/tokenizer/vocab.json");
  run_damaged().exits(3).says("tokenizer/vocab.json");
}

TEST_F(DamagedModels, NoScheduler) {
  fs::remove_all(models() / "base/scheduler");
  run_damaged().exits(3).says("scheduler");
}

TEST_F(DamagedModels, ASamplerThatSemblanceLacksIsAWarning) {
  replace("base/scheduler/scheduler_config.json", "EulerDiscreteScheduler", "IPNDMScheduler");
  run(generate({}, models()))
      .exits(0)
      .says(
          "warning: the model specifies the sampler IPNDMScheduler, which is not available: Euler "
          "is used");
}

TEST_F(DamagedModels, AWebPageOrAPointerInsteadOfAFile) {
  write_bytes(models() / "base/vae/config.json", "<!DOCTYPE html><html>");
  run_damaged().exits(4).says("vae/config.json: expected JSON, got a web page\n");
  fs::copy_file(golden() / "checkpoint/base/vae/config.json", models() / "base/vae/config.json",
                fs::copy_options::overwrite_existing);
  write_bytes(weights_of("base/vae"), "version https://git-lfs.github.com/spec/v1\n");
  run_damaged().exits(4).says("got a Git LFS pointer to it\n  fetch the file itself: git lfs pull");
}

TEST_F(DamagedModels, AMissingTensor) {
  replace(fs::relative(weights_of("base/unet"), models()), "conv_in.weight", "conv_on.weight");
  run_damaged().exits(3).says("conv_in.weight").says("conv_on.weight");
}

TEST_F(DamagedModels, ATensorOfTheWrongShape) {
  replace(fs::relative(weights_of("identitynet"), models()), "[32,4,3,3]", "[4,32,3,3]");
  run_damaged().exits(5).says("conv_in.weight").says("[4,32,3,3]");
}

TEST_F(DamagedModels, AConfigWithTextForANumber) {
  replace("base/unet/config.json", "\"in_channels\": 4", "\"in_channels\": \"four\"");
  run_damaged().exits(4).says("in_channels").says("unet/config.json");
}

TEST_F(DamagedModels, AConfigThatIsNotJson) {
  write_bytes(models() / "base/vae/config.json", "{\"in_channels\": ");
  run_damaged().exits(4).says("vae/config.json");
}

TEST_F(DamagedModels, ATruncatedFile) {
  const fs::path weights = weights_of("base/unet");
  fs::resize_file(weights, fs::file_size(weights) / 2);
  run_damaged().exits(4).says(weights.string());
}

TEST_F(DamagedModels, AHeaderWithAFalseSize) {
  const fs::path weights = weights_of("identitynet");
  std::string bytes = bytes_of(weights);
  bytes.replace(0, 8, 8, '\x7f');
  write_bytes(weights, bytes);
  run_damaged().exits(4).says(weights.string());
}

TEST_F(DamagedModels, AnInvalidAdapter) {
  write_bytes(testing::adapter_in(models()), "\x80\x02}q\x01.");
  run_damaged().exits(4).says(testing::adapter_in(models()).string());
}

}  // namespace
}  // namespace semblance::cli
