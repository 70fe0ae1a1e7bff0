// Failures in the middle of a run in little memory: one clear message, the finished steps saved, no
// other files left behind.
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <regex>

#include "cli/program_test.h"
#include "tests/support/control_group.h"
#include "tests/support/sanitized.h"

namespace semblance::cli {
namespace {

using namespace std::chrono_literals;
using semblance::testing::ControlGroup;

class Faults : public ProgramTest {
 protected:
  Faults() {
    fs::create_directory(scratch());
    fs::current_path(folder());  // saved runs may only name outputs in the working folder
  }
  ~Faults() override {
    fs::current_path("/");
    if (mounted_) umount2(file("mounted").c_str(), MNT_DETACH);
    unsetenv("LD_PRELOAD");
    unsetenv("SEMBLANCE_FAULTS");
    unsetenv("SEMBLANCE_FAIL");
  }

  /// A copy of the models, for tests that damage it.
  fs::path models() {
    const fs::path copy = folder() / "models";
    if (!fs::exists(copy)) fs::copy(golden() / "checkpoint", copy, fs::copy_options::recursive);
    return copy;
  }
  fs::path unet() { return models() / "base/unet/diffusion_pytorch_model.fp16.safetensors"; }
  std::string scratch() const { return file("scratch"); }
  std::string state() const { return file("state"); }
  /// A run whose second half needs a different plan, so that the UNet's file is read again in the
  /// middle.
  std::vector<std::string> of_many_steps(std::vector<std::string> more = {}) {
    std::vector<std::string> flags{"--size",           "128x128", "--steps",      "60",
                                   "--identity-start", "0.5",     "--memory",     kBudget,
                                   "--scratch",        scratch(), "--save-state", state()};
    flags.insert(flags.end(), more.begin(), more.end());
    return generate(flags, models());
  }
  /// A run of one step whose decoder spills a lot.
  std::vector<std::string> that_spills(std::vector<std::string> more = {}) const {
    std::vector<std::string> flags{"--size",       "768x768", "--steps",   "1",
                                   "--memory",     "110MiB",  "--scratch", scratch(),
                                   "--save-state", state()};
    flags.insert(flags.end(), more.begin(), more.end());
    return generate(flags);
  }
  static constexpr const char* kBudget = "300MiB";

  std::string whole(const std::vector<std::string>& words) {
    run(words).exits(0);
    const std::string bytes = bytes_of(file("out.png"));
    fs::remove(file("out.png"));
    EXPECT_EQ(left(), std::set<std::string>());
    EXPECT_FALSE(bytes.empty());
    return bytes;
  }
  /// The files that the run left.
  std::set<std::string> left() const {
    std::set<std::string> names = files();
    for (const char* own : {"models", "scratch", "plan.txt", "mounted", "disk"}) names.erase(own);
    return names;
  }
  void expect_no_scratch() const { EXPECT_TRUE(fs::is_empty(scratch())); }
  Running start_and_wait_for_a_step(const std::vector<std::string>& words) {
    fs::remove(state());
    Running running = start(words);
    EXPECT_TRUE(running.waits_for_file(state()));
    return running;
  }
  /// From now on the program's calls fail as described in tests/support/failing_calls.cpp.
  void prepare_faults() const {
    setenv("LD_PRELOAD", SEMBLANCE_FAILING_CALLS, 1);
    setenv("SEMBLANCE_FAULTS", file("plan.txt").c_str(), 1);
  }
  void fault(const std::string& plan) const {
    write_bytes(file("new.txt"), plan);
    fs::rename(file("new.txt"), file("plan.txt"));
  }
  /// Resumes without faults.
  void resumes_to(const std::string& picture, const std::vector<std::string>& more = {}) {
    unsetenv("LD_PRELOAD");
    std::vector<std::string> words{"generate", "--resume", state()};
    words.insert(words.end(), more.begin(), more.end());
    run(words).exits(0);
    EXPECT_TRUE(bytes_of(file("out.png")) == picture);
  }
  /// Exactly one error is printed, counted by lines that begin with the program's name.
  static void expect_one_message(const Outcome& outcome) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = outcome.err().find("semblance: ", at)) != std::string::npos;
         ++at)
      count += at == 0 || outcome.err()[at - 1] == '\n';
    EXPECT_EQ(count, 1U) << outcome.err();
  }
  /// Mounts a small disk; returns why it failed, or an empty string.
  std::string mount_disk(int mebibytes, bool read_only) {
    fs::create_directory(file("mounted"));
    const std::string disk = file("disk");
    const std::string make =
        "dd if=/dev/zero of='" + disk + "' bs=1M status=none count=" + std::to_string(mebibytes) +
        " && mkfs.ext4 -q -F '" + disk + "' && mount -o loop" + (read_only ? ",ro" : "") + " '" +
        disk + "' '" + file("mounted") + "' 2>/dev/null";
    if (std::system(make.c_str()) != 0) return "no disk can be made and mounted here";
    mounted_ = true;
    return "";
  }

  bool mounted_ = false;
};

TEST_F(Faults, TruncatedWeightFile) {
  const std::string picture = whole(of_many_steps());
  const std::string good = bytes_of(unet());
  Running running = start_and_wait_for_a_step(of_many_steps());
  fs::resize_file(unet(), 1000);
  const Outcome outcome = running.end_within(30s);
  outcome.exits(4).says("cannot read " + unet().string() + ": it became shorter than ");
  outcome.says(" of 60 steps are saved; resume with: semblance generate --resume " + state());
  outcome.prints_nothing();
  expect_one_message(outcome);
  expect_no_scratch();
  EXPECT_EQ(left(), std::set<std::string>{"state"});
  write_bytes(unet(), good);
  resumes_to(picture);
}

TEST_F(Faults, OverwrittenWeightFile) {
  const std::string picture = whole(of_many_steps());
  const std::string good = bytes_of(unet());
  Running running = start_and_wait_for_a_step(of_many_steps());
  std::string other = good;
  other[other.size() - 2] = static_cast<char>(other[other.size() - 2] ^ 1);
  {
    std::fstream over(unet(), std::ios::binary | std::ios::in | std::ios::out);
    over << other;
  }
  const Outcome outcome = running.end_within(30s);
  outcome.exits(4).says("it was written to while it was read");
  expect_one_message(outcome);
  EXPECT_EQ(left(), std::set<std::string>{"state"});
  run({"generate", "--resume", state()})
      .exits(2)
      .says("the UNet is not the one it was started with");
  write_bytes(unet(), good);
  resumes_to(picture);
}

/// Another file is renamed to the name: the run continues with the one it opened.
TEST_F(Faults, ReplacedWeightFile) {
  const std::string picture = whole(of_many_steps());
  Running running = start_and_wait_for_a_step(of_many_steps());
  write_bytes(file("models/other"), "nothing");
  fs::rename(file("models/other"), unet());
  running.end_within(30s).exits(0);
  EXPECT_TRUE(bytes_of(file("out.png")) == picture);
  EXPECT_EQ(left(), std::set<std::string>{"out.png"});
}

TEST_F(Faults, WeightFileOnAFailingDisk) {
  if (semblance::testing::kSanitized) GTEST_SKIP() << "the sanitizer must be loaded first";
  const std::string picture = whole(of_many_steps());
  prepare_faults();
  Running running = start_and_wait_for_a_step(of_many_steps());
  fault("read /unet/ " + std::to_string(EIO));
  const Outcome outcome = running.end_within(30s);
  outcome.exits(7).says("cannot read " + unet().string() + ": Input/output error");
  outcome.says("of 60 steps are saved; resume with: ").prints_nothing();
  expect_one_message(outcome);
  EXPECT_EQ(left(), std::set<std::string>{"state"});
  resumes_to(picture);
}

TEST_F(Faults, ScratchFileOnAFullOrFailingDisk) {
  if (semblance::testing::kSanitized) GTEST_SKIP() << "the sanitizer must be loaded first";
  const std::string picture = whole(that_spills());
  struct Case {
    std::string kind;
    int error;
    std::string text;
  };
  const Case cases[] = {
      {"write", ENOSPC,
       "cannot write the scratch file in " + scratch() +
           ": No space left on device\n  free some space there, or name another folder"},
      {"write", EIO, "cannot write the scratch file in " + scratch() + ": Input/output error"},
      {"read", EIO, "cannot read the scratch file in " + scratch() + ": Input/output error"},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.text);
    prepare_faults();
    fault(each.kind + " " + scratch() + " " + std::to_string(each.error));
    Running running = start(that_spills());
    const Outcome outcome = running.end_within(30s);
    outcome.exits(7).says(each.text).prints_nothing();
    expect_one_message(outcome);
    expect_no_scratch();
    if (!fs::exists(state())) continue;  // an encoder spilled: no step was finished yet
    outcome.says("1 of 1 steps are saved; resume with: ");
    EXPECT_EQ(left(), std::set<std::string>{"state"});
    resumes_to(picture);
    fs::remove(file("out.png"));
    fs::remove(state());
  }
}

TEST_F(Faults, VanishingScratchFolder) {
  const std::string picture = whole(that_spills());
  // It exists when the flags are read, but not when the picture is decoded.
  std::vector<std::string> words = that_spills({"--steps", "4"});
  Running running = start_and_wait_for_a_step(words);
  fs::remove(scratch());
  const Outcome outcome = running.end_within(60s);
  outcome.exits(7).says("cannot create the scratch file in " + scratch() +
                        ": No such file or directory");
  outcome.says("4 of 4 steps are saved; resume with: ");
  expect_one_message(outcome);
  EXPECT_EQ(left(), std::set<std::string>{"state"});
  run({"generate", "--resume", state()}).exits(0);
  const std::string other = bytes_of(file("out.png"));
  fs::create_directory(scratch());
  run(words).exits(0);
  EXPECT_TRUE(bytes_of(file("out.png")) == other);
}

TEST_F(Faults, ScratchFolderOnAFullDisk) {
  if (const std::string why = mount_disk(8, false); !why.empty()) GTEST_SKIP() << why;
  const Outcome outcome = start(that_spills({"--scratch", file("mounted")})).end_within(60s);
  outcome.exits(7).says("cannot create the scratch file in " + file("mounted") + ": it needs ");
  outcome.says(" are free\n  free some space there, or name another folder with --scratch DIR");
  expect_one_message(outcome);
  EXPECT_FALSE(fs::exists(file("out.png")));
}

TEST_F(Faults, ReadOnlyScratchFolder) {
  if (const std::string why = mount_disk(8, true); !why.empty()) GTEST_SKIP() << why;
  const Outcome outcome = start(that_spills({"--scratch", file("mounted")})).end_within(10s);
  outcome.exits(7).says("--scratch: cannot write in " + file("mounted") +
                        ": Read-only file system\n  name a folder on a disk with --scratch DIR");
  expect_one_message(outcome);
  EXPECT_EQ(left(), std::set<std::string>());
}

TEST_F(Faults, ScratchFolderInMemory) {
  fs::create_directory(file("mounted"));
  if (mount("none", file("mounted").c_str(), "tmpfs", 0, "size=64m") != 0)
    GTEST_SKIP() << "cannot mount a tmpfs here: " << std::strerror(errno);
  mounted_ = true;
  const Outcome outcome = start(that_spills({"--scratch", file("mounted")})).end_within(10s);
  outcome.exits(2).says("--scratch: " + file("mounted") + " is in memory (tmpfs)");
  expect_one_message(outcome);
  EXPECT_EQ(left(), std::set<std::string>());
}

/// Whether the process has an unnamed file open in the folder.
bool has_scratch_open(pid_t process, const std::string& folder) {
  std::error_code error;
  for (const auto& entry :
       fs::directory_iterator("/proc/" + std::to_string(process) + "/fd", error)) {
    const fs::path target = fs::read_symlink(entry.path(), error);
    if (target.string().starts_with(folder + "/")) return true;
  }
  return false;
}

TEST_F(Faults, SignalDuringASpill) {
  if (semblance::testing::kSanitized) GTEST_SKIP() << "the sanitizer must be loaded first";
  const std::string picture = whole(that_spills());
  prepare_faults();
  fault("slow " + scratch() + " 30");
  double slowest = 0;
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGKILL}) {
    for (const auto delay : {0ms, 150ms}) {
      SCOPED_TRACE(std::to_string(number) + " after " + std::to_string(delay.count()) + " ms");
      Running running = start_and_wait_for_a_step(that_spills());
      while (!has_scratch_open(running.process(), scratch()) && !running.ended())
        std::this_thread::sleep_for(1ms);
      std::this_thread::sleep_for(delay);
      EXPECT_TRUE(has_scratch_open(running.process(), scratch()));
      const auto begin = std::chrono::steady_clock::now();
      running.signal(number);
      const Outcome outcome = running.end_within(10s);
      const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
      slowest = std::max(slowest, taken.count());
      if (number == SIGKILL) {
        outcome.exits(128 + SIGKILL);
      } else {
        outcome.exits(130).says("cancelled").says("resume with: ").prints_nothing();
        expect_one_message(outcome);
        EXPECT_LT(taken.count(), 1.0);
      }
      expect_no_scratch();
      EXPECT_EQ(left(), std::set<std::string>{"state"});
    }
  }
  RecordProperty("slowest_ms", static_cast<int>(slowest * 1000));
  resumes_to(picture);
}

TEST_F(Faults, BudgetBelowTheMinimum) {
  const Outcome outcome = start(that_spills({"--memory", "20MiB"})).end_within(20s);
  outcome.exits(6).says("cannot fit: 768x768 needs at least ").says(" MiB, the budget is 20 MiB\n");
  expect_one_message(outcome);
  EXPECT_EQ(left(), std::set<std::string>());
  if (semblance::testing::kSanitized) return;

  // The budget that the message names works and is respected.
  std::smatch named;
  ASSERT_TRUE(std::regex_search(outcome.err(), named, std::regex("needs at least ([0-9]+) MiB")));
  const Outcome again = run(that_spills({"--memory", named.str(1) + "MiB"}));
  again.exits(0);
  std::smatch measured;
  ASSERT_TRUE(std::regex_search(again.err(), measured, std::regex("peak ([0-9]+) MiB")));
  EXPECT_LE(std::stoi(measured.str(1)), std::stoi(named.str(1)));
}

std::uint64_t anonymous_bytes(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string word; status >> word;) {
    if (word != "RssAnon:") continue;
    std::uint64_t kib = 0;
    status >> kib;
    return kib * 1024;
  }
  return 0;
}

TEST_F(Faults, LoweredControlGroupLimit) {
  if (semblance::testing::kSanitized) GTEST_SKIP() << "the sanitizer uses memory of its own";
  const std::vector<std::string> words = generate(
      {"--size", "768x768", "--steps", "12", "--scratch", scratch(), "--save-state", state()});
  const std::string picture = whole(words);
  constexpr std::uint64_t kMib = 1 << 20;
  const ControlGroup group(600 * kMib);
  if (!group.ready()) GTEST_SKIP() << group.why_not();
  Running running = start_behind(group.enter_command(), words);
  ASSERT_TRUE(running.waits_for_file(state()));
  // Little more than a step needs: the next plan must be smaller. A step has all of it only at
  // times.
  std::uint64_t most = 0;
  for (int i = 0; i < 50; ++i) {
    most = std::max(most, anonymous_bytes(running.process()));
    std::this_thread::sleep_for(10ms);
  }
  const std::uint64_t limit = most + 12 * kMib;
  ASSERT_TRUE(group.set_limit(limit));
  const Outcome outcome = running.end_within(60s);
  RecordProperty("limit_mib", static_cast<int>(limit / kMib));
  outcome.says("warning: Memory is low: ").says(" more. Free some memory or raise the limit");
  expect_no_scratch();
  if (bytes_of(file("out.png")).empty()) {
    outcome.exits(6).says("steps are saved; resume with: ");
    expect_one_message(outcome);
    resumes_to(picture, {"--scratch", scratch()});
  } else {
    outcome.exits(0).says("available memory shrank to ");
    EXPECT_TRUE(bytes_of(file("out.png")) == picture);
  }
}

/// tests/failing/failing.py covers all allocations; this checks the messages.
TEST_F(Faults, MemoryRefusedForGood) {
  if (semblance::testing::kSanitized) GTEST_SKIP() << "the sanitizer must be loaded first";
  setenv("LD_PRELOAD", SEMBLANCE_FAILING_CALLS, 1);
  // First the blocks of sessions and generated code, then every allocation in the middle of a run.
  for (const char* calls : {"mmap 60 lasting 12", "malloc 300000 lasting 12"}) {
    SCOPED_TRACE(calls);
    setenv("SEMBLANCE_FAIL", calls, 1);
    const Outcome outcome = start(generate()).end_within(30s);
    outcome.exits(6).says("the system is out of memory").prints_nothing();
    expect_one_message(outcome);
    // How far the run is by then depends on the processor.
    if (const std::set<std::string> rest = left(); !rest.empty()) {
      EXPECT_EQ(rest, (std::set<std::string>{"out.png.resume"}));
      outcome.says("steps are saved; resume with: ");
      fs::remove(file("out.png.resume"));
    }
  }
}

TEST_F(Faults, ThreadsThatCannotStart) {
  if (semblance::testing::kSanitized) GTEST_SKIP() << "the sanitizer needs more address space";
  // Each thread has a stack of 1 MiB.
  const Outcome outcome = run_behind("ulimit -v 900000", generate({"--threads", "1000"}));
  outcome.exits(7).says("cannot start 999 compute threads, only ").says(": ");
  outcome.says("address space (ulimit -v, now 900000 KiB)").says("or use fewer with --threads");
  outcome.prints_nothing();
  expect_one_message(outcome);
  EXPECT_EQ(left(), std::set<std::string>());
  run_behind("ulimit -v 900000", generate({"--threads", "64"})).exits(0);
}

}  // namespace
}  // namespace semblance::cli
