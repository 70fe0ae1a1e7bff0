// Stopping and resuming a run, as a user does it.
#include "cli/program_test.h"
#include "image/decode.h"

namespace semblance::cli {
namespace {

class ResumeProgram : public ProgramTest {
 protected:
  // Saved runs may only name outputs in the working folder.
  ResumeProgram() { fs::current_path(folder()); }
  ~ResumeProgram() override { fs::current_path("/"); }

  /// A copy of the models, for tests that damage it.
  fs::path models() {
    const fs::path copy = folder() / "models";
    fs::copy(golden() / "checkpoint", copy, fs::copy_options::recursive);
    return copy;
  }
  std::string state() const { return file("out.png.resume"); }
  /// All files except the models.
  std::set<std::string> left() const {
    std::set<std::string> names = files();
    names.erase("models");
    return names;
  }
};

TEST_F(ResumeProgram, ResumesAfterCtrlC) {
  const std::vector<std::string> flags{"--steps", "60", "--size", "128x128", "--negative", "x"};
  run(generate(flags)).exits(0);
  const std::string whole = bytes_of(file("out.png"));
  fs::remove(file("out.png"));

  std::vector<std::string> kept = flags;
  kept.insert(kept.end(), {"--save-state", file("my state")});
  Running running = start(generate(kept));
  while (!fs::exists(file("my state"))) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  running.signal(SIGTERM);
  running.end().exits(130).says("resume with: semblance generate --resume '" + file("my state") +
                                "'");
  EXPECT_EQ(left(), (std::set<std::string>{"my state"}));

  run({"generate", "--resume", file("my state")})
      .exits(0)
      .prints(file("out.png") + "\n")
      .says("out.png: 128 x 128, 60 steps, seed 7, f32, from step ");
  EXPECT_TRUE(bytes_of(file("out.png")) == whole);
  EXPECT_EQ(left(), (std::set<std::string>{"my state", "out.png"}));
}

TEST_F(ResumeProgram, SurvivesAKill) {
  // The second and the last keep latents; the last two draw noise in their steps.
  for (const char* scheduler : {"euler", "unipc", "euler_a", "dpmpp_sde"}) {
    SCOPED_TRACE(scheduler);
    const std::vector<std::string> flags{"--steps", "60", "--scheduler", scheduler};
    run(generate(flags)).exits(0);
    const std::string whole = bytes_of(file("out.png"));
    std::vector<std::string> saving = flags;
    saving.insert(saving.end(), {"--save-state", state()});
    Running running = start(generate(saving));
    while (!fs::exists(state())) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    running.signal(SIGKILL);
    running.end().exits(128 + SIGKILL);
    run({"generate", "--resume", state(), "--save-state", state(), "-o", file("b.png")}).exits(0);
    EXPECT_TRUE(bytes_of(file("b.png")) == whole);
    EXPECT_FALSE(fs::exists(state()));
  }
}

TEST_F(ResumeProgram, RemovesTheStateWhenDone) {
  run(generate({"--save-state", state(), "--images", "2"})).exits(0);
  EXPECT_EQ(files(), (std::set<std::string>{"out.png", "out-2.png"}));
}

TEST_F(ResumeProgram, SavesTheStateWhenARunFails) {
  const fs::path copy = models();
  const fs::path vae = copy / "base/vae/diffusion_pytorch_model.fp16.safetensors";
  run(generate({"--latents", file("out.npy"), "--steps", "100"}, copy)).exits(0);
  const std::string whole = bytes_of(file("out.png"));
  const std::string latents = bytes_of(file("out.npy"));
  fs::remove(file("out.png"));
  fs::remove(file("out.npy"));

  // The VAE is read after the steps; truncating it fails the run only then.
  const std::string good = bytes_of(vae);
  Running running =
      start(generate({"--latents", file("out.npy"), "--steps", "100", "--images", "1"}, copy));
  ASSERT_TRUE(running.waits_for("100 steps"));
  fs::resize_file(vae, good.size() / 2);
  running.end()
      .exits(4)
      .says("became shorter")
      .says("100 of 100 steps are saved; resume with: semblance generate --resume " + state())
      .prints_nothing();
  EXPECT_EQ(left(), (std::set<std::string>{"out.png.resume"}));

  run({"generate", "--resume", state()}).exits(4);
  write_bytes(vae, good);
  run({"generate", "--resume", state()}).exits(0).says("from step 101");
  EXPECT_TRUE(bytes_of(file("out.png")) == whole);
  EXPECT_TRUE(bytes_of(file("out.npy")) == latents);
}

TEST_F(ResumeProgram, ReportsThatNothingCouldBeSaved) {
  const fs::path copy = models();
  const fs::path vae = copy / "base/vae/diffusion_pytorch_model.fp16.safetensors";
  fs::create_directory(file("out.png.resume"));
  Running running = start(generate({"--steps", "100"}, copy));
  ASSERT_TRUE(running.waits_for("100 steps"));
  fs::resize_file(vae, 1000);
  running.end().exits(4).says("100 of 100 steps are lost: cannot write");
}

TEST_F(ResumeProgram, MakesTheRemainingPictures) {
  run(generate({"--images", "3", "--steps", "30"})).exits(0);
  std::vector<std::string> whole;
  const std::vector<std::string> names{"out.png", "out-2.png", "out-3.png"};
  for (const std::string& name : names) whole.push_back(bytes_of(file(name)));
  for (const std::string& name : names) fs::remove(file(name));
  Running running = start(generate({"--images", "3", "--steps", "30", "--save-state", state()}));
  ASSERT_TRUE(running.waits_for("out-2.png"));
  running.signal(SIGKILL);
  running.end();
  run({"generate", "--resume", state()}).exits(0).prints(file("out-3.png"));
  for (std::size_t i = 0; i < names.size(); ++i)
    EXPECT_TRUE(bytes_of(file(names[i])) == whole[i]) << i;
}

TEST_F(ResumeProgram, AcceptsModelsThatHaveMoved) {
  const fs::path copy = models();
  run(generate({"--save-state", state()}, copy)).exits(0);
  const std::string whole = bytes_of(file("out.png"));
  Running running = start(generate({"--save-state", state(), "--steps", "100"}, copy));
  while (!fs::exists(state())) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  running.signal(SIGKILL);
  running.end();
  fs::rename(copy, file("moved"));
  run({"generate", "--resume", state()})
      .exits(3)
      .says("cannot open --base")
      .says("it does not exist");
  const std::string moved = file("moved");
  run({"generate", "--resume", state(), "--base", moved + "/base", "--identitynet",
       moved + "/identitynet", "--adapter", testing::adapter_in(moved).string()})
      .exits(0);
  // A different model of the same shapes.
  const fs::path unet = moved + "/base/unet/diffusion_pytorch_model.fp16.safetensors";
  std::string bytes = bytes_of(unet);
  bytes[bytes.size() - 2] = static_cast<char>(bytes[bytes.size() - 2] ^ 1);
  write_bytes(unet, bytes);
  run({"generate", "--resume", state(), "--base", moved + "/base", "--identitynet",
       moved + "/identitynet", "--adapter", testing::adapter_in(moved).string()})
      .exits(2)
      .says("the UNet is not the one it was started with");
}

TEST_F(ResumeProgram, RefusesFlagsThatWouldChangeThePicture) {
  write_bytes(state(), "nothing");
  for (const std::string flag :
       {"--prompt", "--seed", "--face", "--size", "--images", "--threads", "--detector-size"}) {
    const std::string value = flag == "--size" ? "64x64" : "64";
    run({"generate", "--resume", state(), flag, value})
        .exits(2)
        .says(flag + " cannot be used with --resume");
  }
  run({"generate", "--resume", state(), "--vae-tiling"})
      .exits(2)
      .says("--vae-tiling cannot be used with --resume");
  run({"generate", "--resume", state()}).exits(2).says("this is not a saved run");
  run({"generate", "--resume", file("none")}).exits(3).says("No such file");
}

TEST_F(ResumeProgram, RefusesAStateThatWouldOverwrite) {
  run(generate({"--save-state", file("out.png")})).exits(2).says("--save-state: ");
  run(generate({"--save-state", identity()})).exits(2).says("would be overwritten");
  run(generate({"--save-state", file("none/x")})).exits(3).says("there is no folder");
}

TEST_F(ResumeProgram, WritesOutsideTheWorkingFolderOnlyIfTold) {
  fs::create_directory(file("theirs"));
  const std::string picture = file("theirs/out.png"), latents = file("other.npy");
  Running running = start(
      generate({"--steps", "100", "--save-state", state(), "-o", picture, "--latents", latents}));
  ASSERT_TRUE(running.waits_for_file(state()));
  running.signal(SIGTERM);
  running.end().exits(130).says("resume with: semblance generate --resume " + state());

  // From a sibling folder, also through a link.
  fs::create_directory(file("mine"));
  fs::create_directory_symlink(file("theirs"), file("mine/link"));
  fs::current_path(file("mine"));
  run({"generate", "--resume", state()})
      .exits(2)
      .says("-o is needed: the saved run names " + picture)
      .says("add -o " + picture);
  run({"generate", "--resume", state(), "-o", "a.png"})
      .exits(2)
      .says("--latents is needed: the saved run names " + latents);
  EXPECT_FALSE(fs::exists(picture));
  EXPECT_FALSE(fs::exists(latents));
  run({"generate", "--resume", state(), "-o", "a.png", "--latents", "a.npy"}).exits(0);
  EXPECT_TRUE(fs::exists(file("mine/a.png")));

  // If the picture is written elsewhere, the printed command still works.
  const std::string linked = file("mine/link/out.png");
  Running second = start(
      generate({"--steps", "100", "--save-state", "my state", "-o", linked, "--latents", "b.npy"}));
  ASSERT_TRUE(second.waits_for_file("my state"));
  second.signal(SIGTERM);
  const std::string told = second.end().exits(130).err();
  const std::string begin = "resume with: ";
  const std::size_t at = told.find(begin + "cd " + file("theirs") + " && semblance generate");
  ASSERT_NE(at, std::string::npos) << told;
  std::string command = told.substr(at + begin.size());
  command = command.substr(0, command.find('\n'));
  command.replace(command.find("semblance generate"), 9, SEMBLANCE_PROGRAM);
  EXPECT_EQ(std::system((command + " 2>err.txt >out.txt").c_str()), 0)
      << command << bytes_of("err.txt");
  EXPECT_TRUE(fs::exists(picture));
  EXPECT_TRUE(fs::exists("b.npy"));
}

TEST_F(ResumeProgram, DecodesInTiles) {
  const std::vector<std::string> big{"--size", "200x72", "--no-metadata"};
  run(generate(big)).exits(0);
  const std::string whole = bytes_of(file("out.png"));
  std::vector<std::string> tiled = big;
  tiled.emplace_back("--vae-tiling");
  run(generate(tiled)).exits(0);
  EXPECT_NE(bytes_of(file("out.png")), whole);
  EXPECT_EQ(decode(fs::path(file("out.png"))).size(), (Size{200, 72}));
  run(generate({"--vae-tiling"})).exits(0);
  EXPECT_NE(bytes_of(file("out.png")).find("VAE tiling: on"), std::string::npos);
}

}  // namespace
}  // namespace semblance::cli
