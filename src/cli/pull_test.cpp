// `semblance models` as a user runs it, against a server on this machine.
#include "cli/program_test.h"
#include "hub/hub_server_test.h"

namespace semblance::cli {
namespace {

class ModelsProgram : public ProgramTest {
 protected:
  ModelsProgram() {
    setenv("HOME", file("home").c_str(), 1);
    setenv("HF_HUB_CACHE", file("hub").c_str(), 1);
    setenv("HF_ENDPOINT", server.url().c_str(), 1);
    setenv("no_proxy", "127.0.0.1,localhost", 1);
    for (const char* name : {"HF_TOKEN", "HF_HOME", "HF_HUB_OFFLINE"}) unsetenv(name);
    server.publish("InstantX/InstantID", testing::instantid_files());
  }
  ~ModelsProgram() override {
    unsetenv("HF_HUB_CACHE");
    unsetenv("HF_ENDPOINT");
  }
  fs::path snapshot() const {
    return file("hub/models--InstantX--InstantID/snapshots/") + testing::HubServer::commit();
  }
  testing::HubServer server;
};

TEST_F(ModelsProgram, PullsListsChecksAndRemoves) {
  run({"models", "list"}).exits(0).prints("no models in");
  run({"models", "pull", "instantid"})
      .exits(2)
      .says("for research, non-commercial")
      .says("Are these licences accepted?")
      .says("--yes answers with yes");
  run({"models", "pull", "instantid", "--yes"}).exits(0).prints(snapshot().string());
  run({"models", "pull", "instantid"}).exits(0).says("all is there");
  run({"models", "list"}).exits(0).prints("InstantX/InstantID: InstantID").prints("whole");
  run({"models", "list", "--json"}).exits(0).prints("\"whole\": true");
  write_bytes(fs::canonical(snapshot() / "ip-adapter.bin"), "damaged");
  run({"models", "check"}).exits(4).says("ip-adapter.bin: its SHA-256 is").says("models rm NAME");
  run({"models", "rm", "instantid"}).exits(2).says("--yes answers with yes");
  run({"models", "rm", "instantid", "-y"}).exits(0).prints("models--InstantX--InstantID");
  run({"models", "rm", "instantid", "-y"}).exits(3).says("it is not in");
  run({"models", "check", "instantid"}).exits(3).says("`semblance models pull InstantX/InstantID`");
}

TEST_F(ModelsProgram, GoesOnAfterKill) {
  server.fault("safetensors", {.times = 1, .pause_ms = 20});
  Running killed = start({"models", "pull", "instantid", "--yes"});
  const std::string bytes =
      testing::instantid_files()["ControlNetModel/diffusion_pytorch_model.safetensors"];
  const fs::path part = file("hub/models--InstantX--InstantID/blobs/") +
                        testing::digest_of(DigestKind::kSha256, bytes) + ".incomplete";
  ASSERT_TRUE(killed.waits_for_file(part));
  while (fs::exists(part) && fs::file_size(part) < 10'000 && !killed.ended()) usleep(1000);
  killed.signal(SIGKILL);
  killed.end();
  ASSERT_TRUE(fs::exists(part));
  EXPECT_FALSE(fs::exists(snapshot() / "ControlNetModel/diffusion_pytorch_model.safetensors"));
  run({"models", "list"}).exits(0).prints("broken off");
  run({"models", "pull", "instantid"}).exits(0);
  EXPECT_EQ(bytes_of(snapshot() / "ControlNetModel/diffusion_pytorch_model.safetensors"), bytes);
  EXPECT_NE(server.requests("safetensors").back().find("Range: bytes="), std::string::npos);
}

TEST_F(ModelsProgram, WordsThatAreNone) {
  run({"models"}).exits(2).says("pull, list, check or rm");
  run({"models", "pul"}).exits(2).says("did you mean pull?");
  run({"models", "pull"}).exits(2).says("pull needs names");
  run({"models", "pull", "sdlx"}).exits(2).says("did you mean sdxl?");
  run({"models", "rm"}).exits(2).says("rm needs names");
  run({"models", "--help"}).exits(0).prints("semblance models pull sdxl instantid antelopev2");
  run({"models", "pull", "--help"}).exits(0).prints("HF_TOKEN");
}

TEST_F(ModelsProgram, AMissingModelNamesTheCommand) {
  const std::vector<std::string> words{"generate", "--base", "a/b", "--face",     identity(),
                                       "--prompt", "x",      "-o",  file("x.png")};
  run(words).exits(2).says("`semblance models pull instantid` gets IdentityNet and the adapter");
  run({"models", "pull", "instantid", "--yes"}).exits(0);
  run(words).exits(3).says("`semblance models pull a/b` gets it");
}

TEST_F(ModelsProgram, GeneratesFromTheCacheByNameAlone) {
  const fs::path models = golden() / "checkpoint";
  const auto link = [](const fs::path& from, const fs::path& to) {
    fs::create_directories(to.parent_path());
    fs::copy(from, to, fs::copy_options::recursive);
  };
  const std::string commit(40, 'd');
  link(models / "base", file("hub/models--a--b/snapshots/") + commit);
  const fs::path instantid = file("hub/models--InstantX--InstantID/snapshots/") + commit;
  link(models / "identitynet", instantid / "ControlNetModel");
  link(testing::adapter_in(models), instantid / "ip-adapter.bin");
  run({"generate", "--base", "a/b", "--face", identity(), "--prompt", "a man in the snow", "--size",
       "64x48", "--steps", "2", "--precision", "f32", "-o", file("out.png")})
      .exits(0);
  EXPECT_NE(bytes_of(file("out.png")).find("Model: b"), std::string::npos);
}

}  // namespace
}  // namespace semblance::cli
