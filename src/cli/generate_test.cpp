// `semblance generate` as a user runs it: flags, pictures and messages.

#include "cli/program_test.h"
#include "image/decode.h"

namespace semblance::cli {
namespace {

class Generate : public ProgramTest {};

TEST_F(Generate, MakesAPicture) {
  run(generate()).exits(0).prints(file("out.png") + "\n").says("out.png: 64 x 48, 2 steps, seed 7");
  EXPECT_EQ(files(), (std::set<std::string>{"out.png"}));
  EXPECT_EQ(decode(fs::path(file("out.png"))).size(), (Size{64, 48}));
}

TEST_F(Generate, PrintsFiveLinesWithoutATerminal) {
  const Outcome outcome = run(generate()).exits(0);
  outcome.says("Mode: ").says("Predicted peak: ").says("Predicted time: ").says("Measured: peak ");
  EXPECT_EQ(std::count(outcome.err().begin(), outcome.err().end(), '\n'), 5);
  EXPECT_EQ(run(generate({"--quiet"})).exits(0).err(), "");
}

TEST_F(Generate, MakesTheSamePictureAgain) {
  run(generate()).exits(0);
  const std::string first = bytes_of(file("out.png"));
  run(generate()).exits(0);
  EXPECT_EQ(bytes_of(file("out.png")), first);
  run(generate({"--seed", "8"})).exits(0);
  EXPECT_NE(bytes_of(file("out.png")), first);
}

TEST_F(Generate, CountsUpSeeds) {
  run(generate({"--images", "3", "--no-metadata"}))
      .exits(0)
      .prints(file("out.png") + "\n" + file("out-2.png") + "\n" + file("out-3.png") + "\n")
      .says("seed 9");
  run(generate({"--seed", "9", "--no-metadata", "-o", file("nine.png")})).exits(0);
  EXPECT_EQ(bytes_of(file("nine.png")), bytes_of(file("out-3.png")));
}

TEST_F(Generate, MakesABatchWithComfyUisNoise) {
  const std::vector<std::string> comfy{"--scheduler", "euler_a", "--noise", "comfy"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), comfy.begin(), comfy.end());
    more.emplace_back("--no-metadata");
    return generate(more);
  };
  run(with({"--images", "2"})).exits(0);
  run(with({"--noise-picture", "1", "--noise-batch", "2", "-o", file("second.png")})).exits(0);
  EXPECT_EQ(bytes_of(file("second.png")), bytes_of(file("out-2.png")));
  EXPECT_NE(bytes_of(file("second.png")), bytes_of(file("out.png")));
}

TEST_F(Generate, WritesTheSamplerAsTheWebUiDoes) {
  run(generate({"--scheduler", "DPM++ 2M", "--sigmas", "Karras"})).exits(0);
  const std::string png = bytes_of(file("out.png"));
  EXPECT_NE(png.find("Steps: 2, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: "), png.npos);
}

TEST_F(Generate, DrawsASeedWhenNoneIsGiven) {
  const auto seed_of = [&] {
    const std::string said = run(generate_without("--seed")).exits(0).err();
    return std::stoll(said.substr(said.find("seed ") + 5));
  };
  const long long first = seed_of();
  EXPECT_LT(first, 1LL << 31);
  EXPECT_NE(first, seed_of());  // equal with a probability of 1 in 2^31
}

TEST_F(Generate, UsesTheLastOfRepeatedFlags) {
  run(generate({"--size", "32x32", "--size=40x56"})).exits(0);
  EXPECT_EQ(decode(fs::path(file("out.png"))).size(), (Size{40, 56}));
}

TEST_F(Generate, TakesTheSizeFromTheFrame) {
  // The identity's frame has the model's native shape, or nearly.
  run(generate({"--size", "auto"})).exits(0);
  const Size own = decode(fs::path(file("out.png"))).size();
  EXPECT_EQ(own.w % 64, 0);
  EXPECT_EQ(own.h % 64, 0);
}

TEST_F(Generate, WritesTheFormatOfTheFileName) {
  for (const auto& [name, format] :
       {std::pair<std::string, ImageFormat>{"a.jpg", ImageFormat::kJpeg},
        {"b.webp", ImageFormat::kWebp},
        {"c.PNG", ImageFormat::kPng}}) {
    run(generate({"-o", file(name)})).exits(0);
    EXPECT_EQ(probe(fs::path(file(name))).format, format);
  }
}

TEST_F(Generate, WritesMetadata) {
  run(generate({"--negative", "blurry"})).exits(0);
  const std::string png = bytes_of(file("out.png"));
  EXPECT_NE(
      png.find("a man in the snow\nNegative prompt: blurry\nSteps: 2, Sampler: Euler, "
               "CFG scale: 5, Seed: 7, Size: 64x48, Model: base, IdentityNet strength: 0.8, "),
      std::string::npos);
  EXPECT_NE(png.find("Precision: f32, Version: semblance "), std::string::npos);
  EXPECT_EQ(png.find(SEMBLANCE_SOURCE_DIR), std::string::npos);
  run(generate({"--negative", "blurry", "--no-metadata"})).exits(0);
  EXPECT_EQ(bytes_of(file("out.png")).find("blurry"), std::string::npos);
}

TEST_F(Generate, WritesLatents) {
  run(generate({"--latents", file("out.npy")})).exits(0);
  const std::string npy = bytes_of(file("out.npy"));
  EXPECT_NE(npy.find("'descr': '<f4', 'fortran_order': False, 'shape': (1, 4, 6, 8)"),
            std::string::npos);
  EXPECT_EQ(npy.size(), 128U + 4 * 6 * 8 * sizeof(float));
  run(generate({"--latents", file("out.npy"), "--images", "2"}))
      .exits(2)
      .says("cannot take --latents: expected one picture, got --images 2");
  run(generate({"--latents", file("out.bin")}))
      .exits(2)
      .says("expected a file name ending in .npy");
}

TEST_F(Generate, DistinguishesNoNegativePromptFromAnEmptyOne) {
  run(generate()).exits(0);
  const std::string none = bytes_of(file("out.png"));
  run(generate({"--negative", ""})).exits(0);
  EXPECT_NE(bytes_of(file("out.png")), none);
}

TEST_F(Generate, WarnsOfPromptWeightsAndCutOffPrompts) {
  run(generate({"--prompt", "a (man:1.3) [cat]", "--encoding", "plain"}))
      .exits(0)
      .says("warning: --prompt: weights such as (snow:1.3) or [snow] are read as plain text");
  std::string words;
  for (int i = 0; i < 120; ++i) words += "snow ";
  run(generate({"--negative", words + "lastword", "--encoding", "plain"}))
      .exits(0)
      .says("warning: --negative: the model reads 77 tokens; cut off: \"")
      .does_not_say("--prompt: the model");
  EXPECT_NE(
      bytes_of(file("out.png")).find("Warnings: \"negative_prompt: the model reads 77 tokens"),
      std::string::npos);
  run(generate({"--prompt", "a [cat]", "--lang", "es", "--encoding", "plain"}))
      .exits(0)
      .says("aviso: --prompt: los pesos como (nieve:1.3)")
      .says(" pasos, semilla 7, f32")
      .does_not_say(" steps");
  EXPECT_NE(bytes_of(file("out.png")).find("Warnings: \"prompt: weights such as"),
            std::string::npos);
  run(generate()).exits(0).does_not_say("warning");
  EXPECT_EQ(bytes_of(file("out.png")).find("Warnings"), std::string::npos);
}

TEST_F(Generate, RefusesUnstorableTextBeforeComputing) {
  run(generate({"--prompt", std::string(40'000, 'a'), "-o", file("out.jpg")}))
      .exits(2)
      .says("write a PNG, or leave the text out")
      .does_not_say("step 1");
  EXPECT_EQ(files(), std::set<std::string>{});
}

TEST_F(Generate, RefusesInvalidFlags) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{"--steps", "0"}, "cannot take --steps: expected a whole number from 1 to 1000, got 0"},
      {{"--steps", "many"},
       "cannot take --steps: expected a whole number from 1 to 1000, got 'many'"},
      {{"--size", "63x64"}, "multiple of 8"},
      {{"--size", "64x100000"}, "multiple of 8"},
      {{"--size", "large"},
       "cannot take --size: expected WxH (as 1024x768), auto or reference, got 'large'"},
      {{"--size", "0x0"}, "cannot take --size: expected WxH"},
      {{"--guidance", "nan"}, "guidance"},
      {{"--guidance", "much"},
       "cannot take --guidance: expected a number from 0 to 100, got 'much'"},
      {{"--guidance", "-1"}, "guidance"},
      {{"--identity-strength", "nan"},
       "cannot take --identity-strength: expected a number from 0 to 5"},
      {{"--identity-strength", "-0.1"},
       "cannot take --identity-strength: expected a number from 0 to 5"},
      {{"--identity-strength", "5.1"},
       "cannot take --identity-strength: expected a number from 0 to 5"},
      {{"--adapter-strength", "inf"},
       "cannot take --adapter-strength: expected a number from 0 to 5"},
      {{"--adapter-strength", "1,5"},
       "cannot take --adapter-strength: expected a number from 0 to 5, got '1,5'"},
      {{"--identity-start", "0.6", "--identity-end", "0.5"},
       "cannot take --identity-start: expected at most --identity-end, got 0.6 and 0.5"},
      {{"--clip-skip", "12"},
       "cannot take --clip-skip: expected a whole number from 0 to 11, got 12"},
      {{"--clip-skip", "2"},
       "cannot take clip_skip: expected at most 1, since the model's first text encoder has 2 "
       "layers, "
       "got 2"},
      {{"--identity-end", "1.5"},
       "cannot take --identity-end: expected a number from 0 to 1, got 1.5"},
      {{"--seed", "-1"}, "cannot take --seed: expected a whole number from 0 to "},
      {{"--seed", "x"},
       "cannot take --seed: expected a whole number from 0 to 18446744073709551615, got 'x'"},
      {{"--seed", "18446744073709551615", "--images", "2"},
       "is too large to count up for 2 pictures"},
      {{"--images", "0"}, "cannot take --images: expected a whole number from 1 to 1000, got 0"},
      {{"--threads", "0"}, "cannot take --threads: expected a whole number from 1 to 1024, got 0"},
      {{"--precision", "f8"},
       "cannot take --precision: expected one of auto, f32, bf16, f16, got 'f8'"},
      {{"--scheduler", "eulr"}, "cannot take --scheduler: expected one of euler, euler_a, heun"},
      {{"--scheduler", "eulr"}, "got 'eulr', did you mean euler?"},
      {{"--spacing", "even"},
       "cannot take --spacing: expected one of leading, trailing, linspace, got 'even'"},
      {{"--prediction", "sample"},
       "cannot take --prediction: expected one of epsilon, v, got 'sample'"},
      {{"--noise", "cuda:T5"},
       "cannot take --noise: expected one of cpu, cuda, a1111-gpu, a1111-cpu, comfy, comfy-cpu, or "
       "cuda:GPU, a1111-gpu:GPU or comfy:GPU with one of t4, p100, "},
      {{"--noise", "cpu:t4"}, "got 'cpu:t4'"},
      {{"--noise-picture", "2", "--noise-batch", "2"},
       "cannot take --noise-picture: expected less than --noise-batch, got 2 and 2"},
      {{"--eta", "2"}, "cannot take --eta: expected a number from 0 to 1, got 2"},
      {{"--scheduler", "ddim", "--sigmas", "karras"},
       "cannot use DDIM: it has no noise level curves, got karras"},
      {{"--eta", "0.5"}, "cannot use Euler: it has no parameter eta, got 0.5"},
      {{"--backend", "gpu"}, "cannot take --backend: expected one of cpu, ref, got 'gpu'"},
      {{"--photo-size", "big"},
       "cannot take --photo-size: expected one of published, original, got 'big'"},
      {{"--detector-size", "100"},
       "cannot take --detector-size: expected a multiple of 32, got 100"},
      {{"--prompt", "broken \xff\xfe"}, "cannot read --prompt: expected UTF-8 text, but byte 7"},
      {{"--negative", "broken \xc3"}, "cannot read --negative: expected UTF-8 text"},
      {{"--quiet=no"}, "--quiet takes no value, got 'no'"},
      {{"-o", file("out.gif")}, ".webp"},
      {{"-o", file("out")}, ".webp"},
      {{"--base", ""}, "cannot take --base: expected a path, got ''"},
      {{"--promt", "a"}, "unknown flag --promt, did you mean --prompt?"},
      {{"stray"}, "unexpected argument 'stray'"},
      {{"--negative"}, "--negative needs a value"},
  };
  for (const auto& [flags, text] : cases) {
    run(generate(flags)).exits(2).says("semblance: ").says(text).prints_nothing();
    EXPECT_EQ(files(), std::set<std::string>{}) << text;
  }
}

TEST_F(Generate, NamesAllMissingFlags) {
  run({"generate", "--base", "sdxl"})
      .exits(2)
      .says("generate needs --identitynet, --adapter, --face, --prompt and -o");
  run(generate_without("--prompt")).exits(2).says("generate needs --prompt");
}

TEST_F(Generate, RefusesOutputsThatCannotBeWritten) {
  run(generate({"-o", file("none/out.png")}))
      .exits(3)
      .says("none/out.png: there is no folder " + file("none"));
  fs::create_directory(file("folder.png"));
  run(generate({"-o", file("folder.png")})).exits(2).says("got a folder");
  run(generate({"-o", "/proc/out.png"})).says("cannot write /proc/out.png");
  write_bytes(file("me.png"), "not looked at");
  run(generate({"--face", file("me.png"), "-o", file("me.png")}))
      .exits(2)
      .says("is read by this run and would be overwritten");
  EXPECT_EQ(bytes_of(file("me.png")), "not looked at");
  run(generate({"--latents", file("none/out.npy")})).exits(3).says("none/out.npy");
}

TEST_F(Generate, LeavesNothingOnAFullDisk) {
  run_behind("ulimit -f 4", generate())
      .exits(7)
      .says("cannot write " + file("out.png") + ": File too large")
      .prints_nothing();
  EXPECT_EQ(files(), std::set<std::string>{});
  write_bytes(file("out.png"), "an older picture");
  run_behind("ulimit -f 4", generate()).exits(7);
  EXPECT_EQ(bytes_of(file("out.png")), "an older picture");
}

TEST_F(Generate, ReportsAFullDisk) {
  const std::string disk = file("disk");
  fs::create_directory(disk);
  if (std::system(("mount -t tmpfs -o size=4k tmpfs " + disk + " 2>/dev/null").c_str()) != 0)
    GTEST_SKIP() << "no permission to mount a small disk";
  run(generate({"-o", disk + "/out.png"})).exits(7).says("out.png: No space left on device");
  EXPECT_TRUE(fs::is_empty(disk));
  run(generate({"--size", "256x256", "--latents", disk + "/out.npy"}))
      .exits(7)
      .says("out.npy: No space left on device")
      .prints_nothing();
  EXPECT_TRUE(fs::is_empty(disk));
  EXPECT_FALSE(fs::exists(file("out.png")));
  EXPECT_EQ(std::system(("umount " + disk).c_str()), 0);
}

TEST_F(Generate, ReportsThatTheResultCannotBePrinted) {
  start(generate(), "/dev/full").end().exits(7).says("cannot print the result: No space left");
}

TEST_F(Generate, EndsWithinASecondAndLeavesNoFiles) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    Running running = start(generate({"--size", "512x512", "--steps", "1000"}));
    ASSERT_TRUE(running.waits_for("out.png: 512 x 512"));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const auto begin = std::chrono::steady_clock::now();
    running.signal(signal);
    running.end().exits(130).says("cancelled").prints_nothing();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1500));
    EXPECT_EQ(files(), std::set<std::string>{});
  }
}

TEST_F(Generate, EndsImmediatelyOnASecondSignal) {
  Running running = start(generate({"--size", "1024x1024", "--steps", "1000"}));
  ASSERT_TRUE(running.waits_for("out.png: 1024 x 1024"));
  running.signal(SIGINT);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const auto begin = std::chrono::steady_clock::now();
  running.signal(SIGINT);
  running.end().exits(130);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(500));
}

}  // namespace
}  // namespace semblance::cli
