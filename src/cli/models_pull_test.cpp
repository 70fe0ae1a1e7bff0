// `semblance models` as a user runs it, against a server with the hub's routes and a small
// checkpoint in the published layout: pull, list, check, rm, and a picture from the pulled models.
#include <nlohmann/json.hpp>

#include "cli/program_test.h"
#include "hub/hub_server_test.h"

namespace semblance::cli {
namespace {

using testing::HubServer;

constexpr const char* kSdxl = "stabilityai/stable-diffusion-xl-base-1.0";

std::map<std::string, std::string> files_in(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      files[entry.path().lexically_relative(folder).string()] = bytes_of(entry.path());
  }
  return files;
}

class Models : public ProgramTest {
 protected:
  static constexpr const char* kSdxlFolder = "models--stabilityai--stable-diffusion-xl-base-1.0";
  static constexpr const char* kInstantIdFolder = "models--InstantX--InstantID";

  Models() {
    const fs::path checkpoint = golden() / "checkpoint";
    sdxl_ = files_in(checkpoint / "base");
    std::map<std::string, std::string> published = sdxl_;
    // Other published files, which are not used.
    for (const char* other :
         {"sd_xl_base_1.0.safetensors", "unet/diffusion_pytorch_model.safetensors",
          "unet/model.onnx", "text_encoder/model.safetensors", "text_encoder/flax_model.msgpack",
          "vae_1_0/diffusion_pytorch_model.fp16.safetensors", "README.md"})
      published[other] = testing::some_bytes(3000, 9);
    server_.publish(kSdxl, published);
    std::map<std::string, std::string> instantid;
    for (const auto& [path, bytes] : files_in(checkpoint / "identitynet"))
      instantid["ControlNetModel/" + path] = bytes;
    instantid["ip-adapter.bin"] = bytes_of(checkpoint / "ip-adapter.bin");
    server_.publish("InstantX/InstantID", instantid);
    setenv("HF_HOME", file("hf").c_str(), 1);
    setenv("HF_ENDPOINT", server_.url().c_str(), 1);
    setenv("no_proxy", "127.0.0.1,localhost", 1);
    setenv("HOME", file("home").c_str(), 1);
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE"})
      unsetenv(name);
  }
  ~Models() override {
    for (const char* name : {"HF_HOME", "HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE"})
      unsetenv(name);
  }

  void pull() { run({"models", "pull", "sdxl", "instantid", "--yes"}).exits(0); }
  fs::path snapshot(const std::string& name) const {
    return fs::path(file("hf/hub")) / name / "snapshots" / HubServer::commit();
  }
  fs::path sdxl_folder() const { return snapshot(kSdxlFolder); }
  /// Exactly the files that are used are there, in fp16 where published.
  void expect_sdxl() const {
    const auto files = files_in(sdxl_folder());
    for (const auto& [path, bytes] : files) EXPECT_TRUE(sdxl_.contains(path)) << path;
    for (const auto& [path, bytes] : sdxl_) {
      ASSERT_TRUE(files.contains(path)) << path;
      EXPECT_TRUE(files.at(path) == bytes) << path;
    }
  }
  /// The partial file of a download.
  fs::path incomplete(const std::string& model, const std::string& bytes) const {
    return file("hf/hub/" + model + "/blobs/") + testing::digest_of(DigestKind::kSha256, bytes) +
           ".incomplete";
  }
  fs::path instantid_folder() const { return snapshot(kInstantIdFolder); }

  HubServer server_;
  std::map<std::string, std::string> sdxl_;
};

TEST_F(Models, PulledModelsMakeTheSamePictureAsTheirFolders) {
  const Outcome pulled = run({"models", "pull", "sdxl", "instantid", "--yes"});
  pulled.exits(0)
      .says("Open RAIL")
      .prints(sdxl_folder().string())
      .prints(instantid_folder().string());
  expect_sdxl();
  run(generate()).exits(0);
  run({"generate", "--base", "sdxl", "--face", identity(), "--prompt", "a man in the snow",
       "--size", "64x48", "--steps", "2", "--seed", "7", "--precision", "f32", "-o",
       file("pulled.png")})
      .exits(0);
  // The metadata names the model's folder, so only the pixel chunks are compared.
  const auto pixels = [this](const char* name) {
    const std::string bytes = bytes_of(file(name));
    return bytes.substr(bytes.find("IDAT"));
  };
  EXPECT_EQ(pixels("pulled.png"), pixels("out.png"));
}

TEST_F(Models, MissingModelErrorsNameThePullCommand) {
  std::vector<std::string> words{"generate", "--base", "sdxl", "--face",       identity(),
                                 "--prompt", "x",      "-o",   file("out.png")};
  run(words).exits(2).says("`semblance models pull instantid` downloads");
  run({"models", "pull", "instantid", "--yes"}).exits(0);
  run(words).exits(3).says("`semblance models pull sdxl` downloads it");
  words[2] = "a/b";
  run(words).exits(3).says("`semblance models pull a/b` downloads it");
}

TEST_F(Models, LicencesAreShownAndConfirmedOnce) {
  run({"models", "pull", "sdxl"})
      .exits(2)
      .says("Open RAIL")
      .says("Accept these licences?")
      .says("--yes answers yes")
      .prints_nothing();
  EXPECT_TRUE(server_.requests("resolve").empty());
  run({"models", "pull", "instantid"}).exits(2).says("non-commercial research only");
  pull();
  run({"models", "pull", "sdxl"}).exits(0).says("already complete");
}

TEST_F(Models, AreListed) {
  run({"models", "list"}).exits(0).prints("no models in ");
  pull();
  const auto listed = nlohmann::json::parse(run({"models", "list", "--json"}).exits(0).out());
  ASSERT_EQ(listed["models"].size(), 2U);
  for (const auto& model : listed["models"]) {
    EXPECT_TRUE(model["whole"]);
    EXPECT_GT(model["stored_bytes"], 0);
  }
  run({"models", "list"})
      .exits(0)
      .prints("SDXL")
      .prints("InstantX/InstantID: InstantID")
      .prints("complete");
}

TEST_F(Models, AreCheckedByteByByte) {
  run({"models", "check"}).exits(0).says("nothing to check: no models in " + file("hf/hub"));
  run({"models", "check", "-q"}).exits(0).does_not_say("nothing");
  run({"models", "check", "sdxl"}).exits(3).says("`semblance models pull").says("downloads it");
  run({"models", "check", "instantid"}).exits(3).says("`semblance models pull InstantX/InstantID`");
  pull();
  run({"models", "check"}).exits(0).says("files, all correct").says("tensors are correct");
  const fs::path weights =
      fs::canonical(sdxl_folder() / "vae/diffusion_pytorch_model.fp16.safetensors");
  std::string bytes = bytes_of(weights);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  fs::permissions(weights, fs::perms::owner_write, fs::perm_options::add);
  write_bytes(weights, bytes);
  run({"models", "check"})
      .exits(4)
      .says("1 problem found")
      .says("vae/diffusion_pytorch_model.fp16.safetensors: expected SHA-256 ")
      .says("`semblance models rm NAME`")
      .says("to download a model again");
  // A read-only file that has become shorter.
  const fs::path adapter = fs::canonical(instantid_folder() / "ip-adapter.bin");
  fs::remove(adapter);
  write_bytes(adapter, "damaged");
  run({"models", "check"})
      .exits(4)
      .says("2 problems found")
      .says("ip-adapter.bin: expected SHA-256 ");
}

TEST_F(Models, AreRemovedAfterConfirmation) {
  pull();
  run({"models", "rm", "instantid"}).exits(2).says("Remove ").says("--yes answers yes");
  EXPECT_TRUE(fs::exists(instantid_folder()));
  run({"models", "rm", "instantid", "-y"}).exits(0).prints("models--InstantX--InstantID");
  EXPECT_FALSE(fs::exists(instantid_folder()));
  EXPECT_TRUE(fs::exists(sdxl_folder()));
  run({"models", "rm", "instantid", "--yes"}).exits(3).says("not found in ");
}

TEST_F(Models, CtrlCKeepsPartialDownloads) {
  server_.fault("unet/diffusion_pytorch_model.fp16", {.times = 1, .pause_ms = 200});
  Running running = start({"models", "pull", "sdxl", "--yes"});
  const fs::path part =
      incomplete(kSdxlFolder, sdxl_.at("unet/diffusion_pytorch_model.fp16.safetensors"));
  ASSERT_TRUE(running.waits_for_file(part));
  while (fs::file_size(part) == 0 && !running.ended()) usleep(1000);
  running.signal(SIGINT);
  running.end_within(std::chrono::seconds(5)).exits(130).says("repeat the command to continue");
  run({"models", "list"}).exits(0).prints("incomplete; `semblance models pull ");
  EXPECT_FALSE(fs::exists(sdxl_folder() / "unet/diffusion_pytorch_model.fp16.safetensors"));
  pull();
  expect_sdxl();
}

TEST_F(Models, ContinueDownloadingAfterAKill) {
  server_.fault("safetensors", {.times = 1, .pause_ms = 20});
  Running killed = start({"models", "pull", "instantid", "--yes"});
  const std::string bytes =
      bytes_of(golden() / "checkpoint/identitynet/diffusion_pytorch_model.safetensors");
  const fs::path part = incomplete(kInstantIdFolder, bytes);
  ASSERT_TRUE(killed.waits_for_file(part));
  while (fs::exists(part) && fs::file_size(part) < 10'000 && !killed.ended()) usleep(1000);
  killed.signal(SIGKILL);
  killed.end();
  ASSERT_TRUE(fs::exists(part));
  const fs::path weights =
      instantid_folder() / "ControlNetModel/diffusion_pytorch_model.safetensors";
  EXPECT_FALSE(fs::exists(weights));
  run({"models", "list"}).exits(0).prints("incomplete;");
  run({"models", "pull", "instantid"}).exits(0);
  EXPECT_TRUE(bytes_of(weights) == bytes);
  EXPECT_NE(server_.requests("safetensors").back().find("Range: bytes="), std::string::npos);
}

TEST_F(Models, InTheCacheAreFoundByNameWhoeverPutThemThere) {
  const fs::path checkpoint = golden() / "checkpoint";
  const auto put = [](const fs::path& from, const fs::path& to) {
    fs::create_directories(to.parent_path());
    fs::copy(from, to, fs::copy_options::recursive);
  };
  put(checkpoint / "base", snapshot("models--a--b"));
  put(checkpoint / "identitynet", instantid_folder() / "ControlNetModel");
  put(testing::adapter_in(checkpoint), instantid_folder() / "ip-adapter.bin");
  run({"generate", "--base", "a/b", "--face", identity(), "--prompt", "a man in the snow", "--size",
       "64x48", "--steps", "2", "--precision", "f32", "-o", file("out.png")})
      .exits(0);
  EXPECT_NE(bytes_of(file("out.png")).find("Model: b"), std::string::npos);
}

TEST_F(Models, ReportBadNamesAndSettings) {
  run({"models"}).exits(0).prints("Commands\n  pull NAME");
  run({"models", "pul"}).exits(2).says("unknown command 'models pul'").says("did you mean pull?");
  run({"models", "pull"}).exits(2).says("pull needs model names");
  run({"models", "rm"}).exits(2).says("rm needs model names");
  run({"models", "pull", "sdlx"}).exits(2).says("unknown model 'sdlx'").says("did you mean sdxl?");
  run({"models", "--help"}).exits(0).prints("semblance models pull sdxl instantid antelopev2");
  run({"models", "pull", "--help"}).exits(0).prints("HF_TOKEN");
  setenv("HF_ENDPOINT", "ftp://x", 1);
  run({"models", "list"})
      .exits(2)
      .says("HF_ENDPOINT: expected http://HOST or https://HOST, got 'ftp://x'");
  setenv("HF_ENDPOINT", server_.url().c_str(), 1);
  setenv("HF_TOKEN", "two words", 1);
  run({"models", "list"}).exits(2).says("cannot use the token in HF_TOKEN");
  unsetenv("HF_TOKEN");
  unsetenv("HF_HOME");
  setenv("XDG_CACHE_HOME", "", 1);
  setenv("HOME", "", 1);
  run({"models", "list"}).exits(3).says("HOME is not set");
}

}  // namespace
}  // namespace semblance::cli
