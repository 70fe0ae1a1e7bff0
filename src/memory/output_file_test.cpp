#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <vector>

#include "memory/file.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using testing::error_of;
using testing::expect_error;

class OutputFileTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path at(const std::string& name) const { return folder_ / name; }
  std::size_t count() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  static void write(const fs::path& path, std::string_view text, Readers readers = Readers::kAll) {
    OutputFile file(path, readers);
    file.write(text);
    file.commit();
  }
  static std::string text_of(const fs::path& path) { return read_small_file(path, 1 << 20); }
  static mode_t mode_of(const fs::path& path) {
    struct stat status {};
    EXPECT_EQ(stat(path.c_str(), &status), 0);
    return status.st_mode & 07777U;
  }

  fs::path folder_ = fs::temp_directory_path() / ("semblance_output_" + std::to_string(getpid()));
};

/// Runs with another user's rights during its lifetime.
class Nobody {
 public:
  Nobody() : is_root_(geteuid() == 0), groups_(64) {
    if (!is_root_) return;
    groups_.resize(static_cast<std::size_t>(std::max(0, getgroups(64, groups_.data()))));
    is_root_ = setgroups(0, nullptr) == 0 && setegid(65534) == 0 && seteuid(65534) == 0;
  }
  ~Nobody() {
    if (is_root_ &&
        (seteuid(0) != 0 || setegid(0) != 0 || setgroups(groups_.size(), groups_.data()) != 0))
      ADD_FAILURE() << "cannot restore root's rights";
  }
  Nobody(const Nobody&) = delete;
  Nobody& operator=(const Nobody&) = delete;
  bool is_root() const { return is_root_; }

 private:
  bool is_root_;
  std::vector<gid_t> groups_;
};

TEST_F(OutputFileTest, AppearsWholeOrNotAtAll) {
  {
    OutputFile file(at("out"));
    file.write("half");
  }
  EXPECT_TRUE(fs::is_empty(folder_));
  for (const char* text : {"one", "another"}) {
    write(at("out"), text);
    EXPECT_EQ(text_of(at("out")), text);
  }
  EXPECT_EQ(count(), 1U);
}

TEST_F(OutputFileTest, RejectsInvalidPaths) {
  expect_error(ErrorKind::kMissing, "there is no folder " + at("none").string(),
               [&] { OutputFile(at("none") / "out"); });
  expect_error(ErrorKind::kArgument, "got a folder", [&] { OutputFile file(folder_); });
  expect_error(ErrorKind::kArgument, "got a folder", [&] { OutputFile(at("none/")); });
  expect_error(ErrorKind::kDevice, "File name too long",
               [&] { OutputFile(at(std::string(256, 'a'))); });
  write(at("file"), "");
  expect_error(ErrorKind::kDevice, "Not a directory", [&] { OutputFile(at("file/out")); });
  EXPECT_THROW(OutputFile("/proc/out.txt"), Error);
}

TEST_F(OutputFileTest, LeavesNothingBehindOnAnImmediateExit) {
  EXPECT_EXIT(
      {
        OutputFile file(at("out"));
        file.write("half");
        remove_unfinished_outputs();
        _exit(7);
      },
      ::testing::ExitedWithCode(7), "");
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(OutputFileTest, RecognisesItsHiddenNames) {
  EXPECT_TRUE(is_temporary_name(temporary_name("/folder/out.png").filename().string()));
  for (const char* other :
       {"", ".", ".tmp", "out.png", ".semblance-.tmp", ".semblance-71.tmp", ".semblance-71-.tmp",
        ".semblance--3.tmp", ".semblance-71-x.tmp", ".semblance-71-3", "semblance-71-3.tmp"})
    EXPECT_FALSE(is_temporary_name(other)) << other;
}

TEST_F(OutputFileTest, AcceptsTheLongestName) {
  const std::string longest(255, 'a');
  write(at(longest), "long");
  write(at(longest), "again");
  EXPECT_EQ(text_of(at(longest)), "again");
  EXPECT_EQ(count(), 1U);
}

TEST_F(OutputFileTest, FollowsLinks) {
  fs::create_directory(at("there"));
  write(at("there/file"), "old");
  fs::create_symlink("there/file", at("link"));
  fs::create_symlink(at("link"), at("link to link"));
  fs::create_symlink("there/new", at("dangling"));
  write(at("link to link"), "new");
  EXPECT_EQ(text_of(at("there/file")), "new");
  write(at("dangling"), "made");
  EXPECT_EQ(text_of(at("there/new")), "made");
  for (const char* link : {"link", "link to link", "dangling"})
    EXPECT_TRUE(fs::is_symlink(at(link))) << link;

  fs::create_symlink("loop", at("loop"));
  expect_error(ErrorKind::kDevice, "Too many levels", [&] { OutputFile(at("loop")); });
  fs::create_symlink("nowhere/file", at("lost"));
  expect_error(ErrorKind::kMissing, "there is no folder " + at("nowhere").string(),
               [&] { OutputFile(at("lost")); });
}

TEST_F(OutputFileTest, AnExistingFileKeepsItsMode) {
  for (const mode_t mode : {0600U, 0640U, 0666U, 0400U}) {
    write(at("out"), "old");
    EXPECT_EQ(chmod(at("out").c_str(), mode), 0);
    write(at("out"), "new");
    EXPECT_EQ(text_of(at("out")), "new");
    EXPECT_EQ(mode_of(at("out")), mode);
    fs::remove(at("out"));
  }
}

TEST_F(OutputFileTest, RootKeepsTheOwner) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  write(at("out"), "old");
  EXPECT_EQ(chown(at("out").c_str(), 65534, 65534), 0);
  EXPECT_EQ(chmod(at("out").c_str(), 0640), 0);
  write(at("out"), "new");
  struct stat status {};
  EXPECT_EQ(stat(at("out").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 65534U);
  EXPECT_EQ(status.st_gid, 65534U);
  EXPECT_EQ(mode_of(at("out")), 0640U);
}

TEST_F(OutputFileTest, AGroupThatCannotBeKeptLosesItsRights) {
  write(at("out"), "old");
  EXPECT_EQ(chmod(at("out").c_str(), 0664), 0);
  EXPECT_EQ(chmod(folder_.c_str(), 0777), 0);
  {
    const Nobody nobody;
    if (!nobody.is_root()) GTEST_SKIP() << "needs root";
    write(at("out"), "new");
  }
  EXPECT_EQ(text_of(at("out")), "new");
  EXPECT_EQ(mode_of(at("out")), 0604U);
}

TEST_F(OutputFileTest, PrivateFilesArePrivateFromTheStart) {
  const mode_t before = umask(022);
  write(at("private"), "face", Readers::kOwner);
  write(at("usual"), "picture");
  umask(before);
  EXPECT_EQ(mode_of(at("private")), 0600U);
  EXPECT_EQ(mode_of(at("usual")), 0644U);
}

TEST_F(OutputFileTest, WritesIntoADevice) {
  const fs::path device = at("device");
  if (mknod(device.c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0) GTEST_SKIP() << "needs root";
  fs::create_symlink(device, at("link"));
  for (const char* name : {"device", "link"}) write(at(name), "gone");
  struct stat status {};
  EXPECT_EQ(stat(device.c_str(), &status), 0);
  EXPECT_TRUE(S_ISCHR(status.st_mode));
  EXPECT_TRUE(fs::is_symlink(at("link")));
  EXPECT_EQ(count(), 2U);
  if (access("/dev/full", W_OK) != 0) return;
  expect_error(ErrorKind::kDevice, "cannot write /dev/full: No space left on device",
               [] { write("/dev/full", "much"); });
}

TEST_F(OutputFileTest, WritesIntoAPipe) {
  const fs::path pipe = at("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  auto reader = std::async(std::launch::async, [&] {
    const int descriptor = open(pipe.c_str(), O_RDONLY | O_CLOEXEC);
    std::string text(1 << 20, '\0');
    std::size_t bytes = 0;
    for (ssize_t got = 1; got > 0; bytes += static_cast<std::size_t>(got))
      got = read(descriptor, text.data() + bytes, text.size() - bytes);
    close(descriptor);
    text.resize(bytes);
    return text;
  });
  { const OutputFile unused(pipe); }    // must not look like the end to the reader
  const std::string much(300000, 'x');  // more than a pipe holds
  write(pipe, much);
  EXPECT_EQ(reader.get(), much);
  EXPECT_TRUE(fs::is_fifo(pipe));
}

TEST_F(OutputFileTest, DoesNotWaitForeverForAReader) {
  ASSERT_EQ(mkfifo(at("pipe").c_str(), 0600), 0);
  expect_error(ErrorKind::kDevice, "no reader opened this pipe within 5 seconds",
               [&] { write(at("pipe"), "text"); });
  EXPECT_TRUE(fs::is_fifo(at("pipe")));
}

TEST_F(OutputFileTest, RefusesASocket) {
  const int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  at("socket").string().copy(name.sun_path, sizeof(name.sun_path) - 1);
  ASSERT_EQ(bind(listening, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  expect_error(ErrorKind::kArgument, "expected a file, a device or a pipe, got a socket",
               [&] { OutputFile(at("socket")); });
  close(listening);
}

TEST_F(OutputFileTest, WritesInPlaceIfNothingCanBeRenamed) {
  write(at("behind"), "old and long");
  write(at("out"), "");
  if (mount(at("behind").c_str(), at("out").c_str(), nullptr, MS_BIND, nullptr) != 0)
    GTEST_SKIP() << "cannot mount here";
  { const OutputFile unused(at("out")); }
  EXPECT_EQ(text_of(at("out")), "old and long");
  write(at("out"), "new");
  EXPECT_EQ(text_of(at("behind")), "new");
  EXPECT_EQ(mount(nullptr, at("out").c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr),
            0);
  EXPECT_NE(error_of([&] { OutputFile(at("out")); }).find("Read-only file system"),
            std::string::npos);
  EXPECT_EQ(umount(at("out").c_str()), 0);
}

TEST_F(OutputFileTest, WritesInPlaceInAnotherUsersFolder) {
  write(at("theirs"), "old");
  write(at("open"), "old");
  EXPECT_EQ(chmod(at("open").c_str(), 0666), 0);
  for (const mode_t folder : {0755U, 01777U}) {  // the second like /tmp
    EXPECT_EQ(chmod(folder_.c_str(), folder), 0);
    const Nobody nobody;
    if (!nobody.is_root()) GTEST_SKIP() << "needs root";
    write(at("open"), "new");
    EXPECT_EQ(text_of(at("open")), "new");
    expect_error(ErrorKind::kDevice, "Permission denied", [&] { OutputFile(at("theirs")); });
  }
}

TEST_F(OutputFileTest, WritesThroughALinkInProc) {
  write(at("out"), "old");
  const int descriptor = open(at("out").c_str(), O_WRONLY | O_CLOEXEC);
  fs::remove(at("out"));
  const fs::path link = "/proc/self/fd/" + std::to_string(descriptor);
  write(link, "new");
  struct stat status {};
  EXPECT_EQ(fstat(descriptor, &status), 0);
  EXPECT_EQ(status.st_size, 3);
  close(descriptor);
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace semblance
