// Runs the built program as a user does, and checks the outcome:
//
//   EXPECT_TRUE(run({"generate", "--steps", "0"}).exits(2).says("--steps"));
//
// For tests only.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/golden.h"

extern char** environ;

namespace semblance::cli {

namespace fs = std::filesystem;

inline std::string bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// How a run ended. exits(), says() etc. can be chained; a failed expectation prints everything
/// that the run printed.
class Outcome {
 public:
  Outcome(std::string command, int code, std::string out, std::string err)
      : command_(std::move(command)), code_(code), out_(std::move(out)), err_(std::move(err)) {}

  const Outcome& exits(int code) const {
    EXPECT_EQ(code_, code) << story();
    return *this;
  }
  const Outcome& says(const std::string& text) const {
    EXPECT_NE(err_.find(text), std::string::npos) << "not said: " << text << '\n' << story();
    return *this;
  }
  const Outcome& does_not_say(const std::string& text) const {
    EXPECT_EQ(err_.find(text), std::string::npos) << "said: " << text << '\n' << story();
    return *this;
  }
  const Outcome& prints(const std::string& text) const {
    EXPECT_NE(out_.find(text), std::string::npos) << "not printed: " << text << '\n' << story();
    return *this;
  }
  const Outcome& prints_nothing() const {
    EXPECT_EQ(out_, "") << story();
    return *this;
  }
  const std::string& out() const { return out_; }
  const std::string& err() const { return err_; }

 private:
  std::string story() const {
    return command_ + "\nstdout: " + out_ + "\nstderr: " + err_ + "\nexit code " +
           std::to_string(code_);
  }
  std::string command_;
  int code_;
  std::string out_;
  std::string err_;
};

/// A process that may still be running. The destructor ends it.
class Running {
 public:
  /// `words` start with the program. Output goes to files in `folder`, or stdout to `out`.
  Running(std::vector<std::string> words, const fs::path& folder, const fs::path& out = {})
      : out_(out.empty() ? folder / "stdout.txt" : out), err_(folder / "stderr.txt") {
    std::vector<char*> pointers;
    for (std::string& word : words) {
      command_ += word + ' ';
      pointers.push_back(word.data());
    }
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    constexpr int kWrite = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out_.c_str(), kWrite, 0666);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err_.c_str(), kWrite, 0666);
    EXPECT_EQ(posix_spawn(&process_, pointers[0], &files, nullptr, pointers.data(), environ), 0);
    posix_spawn_file_actions_destroy(&files);
  }

  Running(Running&& other) noexcept
      : out_(std::move(other.out_)),
        err_(std::move(other.err_)),
        command_(std::move(other.command_)),
        process_(std::exchange(other.process_, -1)),
        status_(other.status_) {}
  Running& operator=(Running&&) = delete;
  ~Running() {
    if (process_ <= 0 || ended()) return;
    signal(SIGKILL);
    waitpid(process_, nullptr, 0);
  }

  bool ended() {
    int status = 0;
    if (!status_ && waitpid(process_, &status, WNOHANG) == process_) status_ = status;
    return status_.has_value();
  }
  /// Waits until stderr contains the text; false if the process ends first.
  bool waits_for(const std::string& text) {
    while (bytes_of(err_).find(text) == std::string::npos) {
      if (ended()) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }
  /// Waits for a file to appear; false if the process ends first.
  bool waits_for_file(const fs::path& path) {
    while (!fs::exists(path)) {
      if (ended()) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }
  void signal(int number) const { kill(process_, number); }
  pid_t process() const { return process_; }

  /// A program that hangs is a failure and is killed.
  Outcome end_within(std::chrono::seconds time) {
    const auto last = std::chrono::steady_clock::now() + time;
    while (!ended() && std::chrono::steady_clock::now() < last)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(ended()) << "it hangs: " << command_;
    if (!ended()) signal(SIGKILL);
    return end();
  }
  Outcome end() {
    if (!status_) {
      int status = 0;
      waitpid(process_, &status, 0);
      status_ = status;
    }
    const int code = WIFEXITED(*status_) ? WEXITSTATUS(*status_) : 128 + WTERMSIG(*status_);
    const bool readable = fs::is_regular_file(out_);  // not /dev/full
    return {command_, code, readable ? bytes_of(out_) : "", bytes_of(err_)};
  }

 private:
  fs::path out_;
  fs::path err_;
  std::string command_;
  pid_t process_ = -1;
  std::optional<int> status_;
};

/// Gives each test its own folder, and a small checkpoint to make pictures with.
class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() /
              ("semblance_cli_" + std::string(test->name()) + "_" + std::to_string(getpid()));
    fs::create_directories(folder_ / "logs");
    // The machine's own graphics cards make no difference.
    setenv("VK_DRIVER_FILES", "/nonexistent", 1);
    // The machine is measured once for all tests; the user's cache is not touched.
    setenv("XDG_CACHE_HOME", (fs::temp_directory_path() / "semblance_test_cache").c_str(), 1);
  }
  ~ProgramTest() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  std::string file(const std::string& name) const { return (folder_ / name).string(); }
  fs::path folder() const { return folder_; }
  /// Runs the program with these arguments.
  Running start(std::vector<std::string> words, const fs::path& out = {}) {
    words.insert(words.begin(), SEMBLANCE_PROGRAM);
    return {std::move(words), folder_ / "logs", out};
  }
  Outcome run(const std::vector<std::string>& words) { return start(words).end(); }
  /// Runs it after a shell command ("ulimit -f 4").
  Running start_behind(const std::string& setup, const std::vector<std::string>& words) {
    std::vector<std::string> all{"/bin/sh", "-c", setup + "; exec \"$@\"", "sh", SEMBLANCE_PROGRAM};
    all.insert(all.end(), words.begin(), words.end());
    return {std::move(all), folder_ / "logs"};
  }
  Outcome run_behind(const std::string& setup, const std::vector<std::string>& words) {
    return start_behind(setup, words).end();
  }

  /// Names of the files in the test's folder, without its logs.
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().filename() != "logs") names.insert(entry.path().filename().string());
    }
    return names;
  }

  static fs::path golden() {
    return fs::path(SEMBLANCE_SOURCE_DIR) / "tests/goldens/pipeline/fp16_published";
  }
  static std::string identity() { return (golden() / "plain/identity.json").string(); }

  /// A complete generate command that takes about a second, plus extra or overriding flags.
  std::vector<std::string> generate(const std::vector<std::string>& more = {},
                                    std::optional<fs::path> checkpoint = {}) const {
    const fs::path models = checkpoint.value_or(golden() / "checkpoint");
    std::vector<std::string> words{"generate",
                                   "--base",
                                   (models / "base").string(),
                                   "--identitynet",
                                   (models / "identitynet").string(),
                                   "--adapter",
                                   testing::adapter_in(models).string(),
                                   "--prompt",
                                   "a man in the snow",
                                   "--size",
                                   "64x48",
                                   "--steps",
                                   "2",
                                   "--seed",
                                   "7",
                                   "--precision",
                                   "f32",
                                   "-o",
                                   file("out.png")};
    // Faces add up.
    if (std::ranges::find(more, "--face") == more.end())
      words.insert(words.end(), {"--face", identity()});
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  /// generate() without one flag and its value.
  std::vector<std::string> generate_without(const std::string& flag) const {
    std::vector<std::string> words = generate();
    const auto found = std::find(words.begin(), words.end(), flag);
    words.erase(found, found + 2);
    return words;
  }

 private:
  fs::path folder_;
};

}  // namespace semblance::cli
