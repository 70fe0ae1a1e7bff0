// A real control group with a memory limit and no swap, for tests of what happens when memory runs
// out:
//
//   ControlGroup group(64 << 20);
//   if (!group.ready()) GTEST_SKIP() << group.why_not();
//   const GroupOutcome outcome = group.run({"/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=99M"});
//
// Needs root, and control groups version 1 or 2 mounted at the usual place.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace semblance::testing {

/// How a program in a group ended.
struct GroupOutcome {
  int exit_code = -1;  // -1 if a signal ended it
  int signal = 0;
  std::string out = {};
  std::string err = {};
  std::uint64_t peak_bytes = 0;  // of the group, page cache included; 0 if unknown
};

class ControlGroup {
 public:
  explicit ControlGroup(std::uint64_t limit_bytes) {
    namespace fs = std::filesystem;
    static int count = 0;
    const std::string name =
        "semblance_test_" + std::to_string(getpid()) + "_" + std::to_string(count++);
    for (const char* mounted : {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"}) {
      std::error_code error;
      const fs::path folder = fs::path(mounted) / name;
      if (!fs::exists(fs::path(mounted) / "cgroup.procs", error)) continue;
      if (!fs::create_directory(folder, error)) {
        why_not_ = "cannot make a control group: " + error.message();
        continue;
      }
      folder_ = folder.string();
      is_v1_ = fs::exists(folder / "memory.limit_in_bytes", error);
      if (set_limit(limit_bytes)) {
        turn_swap_off();
        is_ready_ = true;
        return;
      }
      why_not_ = "cannot set a control group's limit";
      remove();
    }
  }
  ~ControlGroup() { remove(); }
  ControlGroup(const ControlGroup&) = delete;
  ControlGroup& operator=(const ControlGroup&) = delete;

  bool ready() const { return is_ready_; }
  const std::string& why_not() const { return why_not_; }

  /// A limit below the current usage first drops page cache. If that is not enough, version 1 fails
  /// and version 2 kills a program.
  bool set_limit(std::uint64_t bytes) const {
    const std::string text = std::to_string(bytes);
    if (!is_v1_) return put("memory.max", text);
    // The limit with swap must never be below the one without, so it is set both before and after.
    put("memory.memsw.limit_in_bytes", text);
    const bool is_set = put("memory.limit_in_bytes", text);
    put("memory.memsw.limit_in_bytes", text);
    return is_set;
  }
  /// A command that moves the shell running it into the group.
  std::string enter_command() const { return "echo $$ > '" + folder_ + "/cgroup.procs'"; }
  std::uint64_t peak_bytes() const {
    const std::string text = get(is_v1_ ? "memory.max_usage_in_bytes" : "memory.peak");
    return text.empty() ? 0 : std::strtoull(text.c_str(), nullptr, 10);
  }

  /// Runs the program at the path words[0] in the group and waits for it to end.
  GroupOutcome run(std::vector<std::string> words) const {
    GroupOutcome outcome;
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    const std::string procs = folder_ + "/cgroup.procs";
    const int out = nameless();
    const int err = nameless();
    const pid_t child = fork();
    if (child == 0) {  // only async-signal-safe calls
      const int group = open(procs.c_str(), O_WRONLY);
      if (group < 0 || write(group, "0", 1) != 1) _exit(126);
      close(group);
      dup2(out, STDOUT_FILENO);
      dup2(err, STDERR_FILENO);
      execv(pointers[0], pointers.data());
      _exit(127);
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
    outcome.out = content(out);
    outcome.err = content(err);
    outcome.peak_bytes = peak_bytes();
    return outcome;
  }

 private:
  static int nameless() {
    std::string name = (std::filesystem::temp_directory_path() / "semblance_out_XXXXXX").string();
    const int descriptor = mkostemp(name.data(), O_CLOEXEC);
    unlink(name.c_str());
    return descriptor;
  }
  static std::string content(int descriptor) {
    std::string text;
    std::array<char, 4096> piece;
    lseek(descriptor, 0, SEEK_SET);
    for (ssize_t got; (got = read(descriptor, piece.data(), piece.size())) > 0;)
      text.append(piece.data(), static_cast<std::size_t>(got));
    close(descriptor);
    return text;
  }
  bool put(const std::string& file, const std::string& text) const {
    const int descriptor = open((folder_ + "/" + file).c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return false;
    const bool done =
        write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    close(descriptor);
    return done;
  }
  std::string get(const std::string& file) const {
    const int descriptor = open((folder_ + "/" + file).c_str(), O_RDONLY | O_CLOEXEC);
    return descriptor < 0 ? "" : content(descriptor);
  }
  void turn_swap_off() const {
    is_v1_ ? put("memory.swappiness", "0") : put("memory.swap.max", "0");
  }
  /// Retries, because the system may not have cleaned up the group's last process yet.
  void remove() {
    if (folder_.empty()) return;
    for (int tries = 0; tries < 200 && rmdir(folder_.c_str()) != 0 && errno == EBUSY; ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    folder_.clear();
  }

  std::string folder_;
  std::string why_not_ = "no control groups are mounted";
  bool is_v1_ = false;
  bool is_ready_ = false;
};

/// Runs a program in a new group. If no group can be made, the outcome has exit code -1, signal 0
/// and the reason in `err`.
inline GroupOutcome run_in_control_group(std::uint64_t limit_bytes,
                                         std::vector<std::string> words) {
  const ControlGroup group(limit_bytes);
  if (!group.ready()) return {.err = group.why_not()};
  return group.run(std::move(words));
}

}  // namespace semblance::testing
