// `semblance models` as a user gives it, against a server of the hub's routes that has the small
// checkpoint in the published layout: pull, list, check, rm, and a picture from what was pulled.
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
  Models() {
    const fs::path checkpoint = golden() / "checkpoint";
    sdxl_ = files_in(checkpoint / "base");
    std::map<std::string, std::string> published = sdxl_;
    // What else is published there, and is not used.
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
  fs::path sdxl_folder() const {
    return snapshot("models--stabilityai--stable-diffusion-xl-base-1.0");
  }
  /// Just what is used is there, fp16 where it is published.
  void expect_sdxl() const {
    const auto files = files_in(sdxl_folder());
    for (const auto& [path, bytes] : files) EXPECT_TRUE(sdxl_.contains(path)) << path;
    for (const auto& [path, bytes] : sdxl_) {
      ASSERT_TRUE(files.contains(path)) << path;
      EXPECT_TRUE(files.at(path) == bytes) << path;
    }
  }
  fs::path instantid_folder() const { return snapshot("models--InstantX--InstantID"); }

  HubServer server_;
  std::map<std::string, std::string> sdxl_;
};

TEST_F(Models, PulledTheyMakeThePictureOfTheirFolders) {
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
  // The text in the file names the model's folder, so pixels are compared by their own chunk.
  const auto pixels = [this](const char* name) {
    const std::string bytes = bytes_of(file(name));
    return bytes.substr(bytes.find("IDAT"));
  };
  EXPECT_EQ(pixels("pulled.png"), pixels("out.png"));
}

TEST_F(Models, AMissingOneNamesTheCommandThatGetsIt) {
  const std::vector<std::string> words{"generate", "--base", "sdxl", "--face",       identity(),
                                       "--prompt", "x",      "-o",   file("out.png")};
  run(words).exits(2).says("`semblance models pull instantid` gets");
  run({"models", "pull", "instantid", "--yes"}).exits(0);
  run(words).exits(3).says("`semblance models pull sdxl` gets it");
}

TEST_F(Models, LicencesAreShownAndAskedForOnce) {
  run({"models", "pull", "sdxl"})
      .exits(2)
      .says("Open RAIL")
      .says("Are these licences accepted?")
      .says("--yes answers with yes")
      .prints_nothing();
  EXPECT_TRUE(server_.requests("resolve").empty());
  pull();
  run({"models", "pull", "sdxl"}).exits(0).says("all is there");
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
  run({"models", "list"}).exits(0).prints("SDXL").prints("InstantID").prints("whole");
}

TEST_F(Models, AreCheckedByteByByte) {
  run({"models", "check", "sdxl"}).exits(3).says("`semblance models pull").says("gets it");
  pull();
  run({"models", "check"})
      .exits(0)
      .says("files are as they should be")
      .says("its tensors are as they should be");
  const fs::path weights =
      fs::canonical(sdxl_folder() / "vae/diffusion_pytorch_model.fp16.safetensors");
  std::string bytes = bytes_of(weights);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  fs::permissions(weights, fs::perms::owner_write, fs::perm_options::add);
  write_bytes(weights, bytes);
  run({"models", "check"})
      .exits(4)
      .says("1 thing is not right")
      .says("vae/diffusion_pytorch_model.fp16.safetensors: its SHA-256 is ")
      .says("gets a model anew");
}

TEST_F(Models, AreRemovedWhenThatIsMeant) {
  pull();
  run({"models", "rm", "instantid"}).exits(2).says("Remove ").says("--yes answers with yes");
  EXPECT_TRUE(fs::exists(instantid_folder()));
  run({"models", "rm", "instantid", "--yes"}).exits(0);
  EXPECT_FALSE(fs::exists(instantid_folder()));
  EXPECT_TRUE(fs::exists(sdxl_folder()));
  run({"models", "rm", "instantid", "--yes"}).exits(3).says("it is not in ");
}

TEST_F(Models, CtrlCLeavesWhatHasArrived) {
  server_.fault("unet/diffusion_pytorch_model.fp16", {.times = 1, .pause_ms = 200});
  Running running = start({"models", "pull", "sdxl", "--yes"});
  while (server_.requests("unet/diffusion").empty() && !running.ended())
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  running.signal(SIGINT);
  running.end_within(std::chrono::seconds(5))
      .exits(130)
      .says("the same command goes on from there");
  run({"models", "list"}).exits(0).prints("broken off; `semblance models pull ");
  EXPECT_FALSE(fs::exists(sdxl_folder() / "unet/diffusion_pytorch_model.fp16.safetensors"));
  pull();
  expect_sdxl();
}

TEST_F(Models, BadWordsAndPlacesAreNamed) {
  run({"models"}).exits(2).says("pull, list, check or rm");
  run({"models", "pul"}).exits(2).says("models has no command 'pul'");
  run({"models", "pull"}).exits(2).says("pull needs names");
  run({"models", "rm"}).exits(2).says("rm needs names");
  run({"models", "pull", "sdlx"}).exits(2).says("there is no model 'sdlx'");
  setenv("HF_ENDPOINT", "ftp://x", 1);
  run({"models", "list"}).exits(2).says("HF_ENDPOINT: http://HOST or https://HOST is needed");
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
