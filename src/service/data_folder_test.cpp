#include "service/data_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <optional>

#include "tests/support/errors.h"

namespace semblance::service {
namespace {

namespace fs = std::filesystem;
using semblance::testing::expect_error;

class DataFolderTest : public ::testing::Test {
 protected:
  DataFolderTest() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    home_ = fs::temp_directory_path() /
            ("semblance_data_" + std::string(test->name()) + "_" + std::to_string(getpid()));
    fs::remove_all(home_);
    fs::create_directory(home_);
  }
  ~DataFolderTest() override { fs::remove_all(home_); }

  fs::path at(const std::string& name) const { return home_ / name; }
  static unsigned mode(const fs::path& path) {
    struct stat status {};
    EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777U;
  }
  fs::path made(const std::string& name, unsigned mode) const {
    fs::create_directory(at(name));
    EXPECT_EQ(chmod(at(name).c_str(), mode), 0);
    return at(name);
  }
  static void refused(const fs::path& folder, const std::string& why) {
    const unsigned before = mode(folder);
    expect_error(ErrorKind::kArgument, why, [&] { const DataFolder data(folder); });
    EXPECT_EQ(mode(folder), before);
  }

 private:
  fs::path home_;
};

TEST_F(DataFolderTest, ANewFolderIsForItsOwnerAlone) {
  const DataFolder data(at("a/b/data/"));
  EXPECT_EQ(data.path(), fs::canonical(at("a/b/data")));
  for (const fs::path& made : {at("a"), at("a/b"), data.path(), data.jobs(), data.identities()})
    EXPECT_EQ(mode(made), 0700U) << made;
}

TEST_F(DataFolderTest, AnEmptyFolderIsUsedUnchanged) {
  made("data", 0750);
  for (int start = 0; start < 3; ++start) {
    const DataFolder data(at("data"));
    EXPECT_EQ(mode(at("data")), 0750U);
    EXPECT_EQ(mode(data.jobs()), 0700U);
    if (start == 1) std::ofstream(data.database()) << "";
  }
  // Next to our database, other files are allowed.
  std::ofstream(at("data/notes.txt")) << "x";
  const DataFolder data(at("data"));
}

TEST_F(DataFolderTest, ForeignFilesWithoutADatabaseAreRefused) {
  made("music", 0755);
  std::ofstream(at("music/song.mp3")) << "x";
  refused(at("music"), "has no semblance database but other files, such as song.mp3");
  EXPECT_FALSE(fs::exists(at("music/lock")));
}

TEST_F(DataFolderTest, AWorldWritableFolderIsRefused) {
  refused(made("tmp", 01777), "everyone may write to ");
  refused(fs::temp_directory_path(), "--data: ");
}

TEST_F(DataFolderTest, AnotherUsersFolderIsRefusedEvenThroughALink) {
  fs::path theirs = "/usr";
  if (geteuid() == 0) {
    theirs = made("theirs", 0700);
    ASSERT_EQ(chown(theirs.c_str(), 12345, 12345), 0);
  }
  refused(theirs, " belongs to user ");
  fs::create_directory_symlink(theirs, at("link"));
  refused(at("link"), theirs.string() + " belongs to user ");
}

TEST_F(DataFolderTest, ALinkToOwnFolderIsAccepted) {
  made("data", 0700);
  fs::create_directory_symlink(at("data"), at("link"));
  const DataFolder data(at("link"));
  EXPECT_EQ(data.path(), fs::canonical(at("data")));
}

TEST_F(DataFolderTest, TheSecretIsMadeOnceForItsOwnerAlone) {
  made("data", 0755);
  std::string secret;
  {
    const DataFolder data(at("data"));
    secret = data.link_secret();
    EXPECT_EQ(secret.size(), 64U);
    EXPECT_EQ(mode(at("data/link-secret")), 0600U);
    EXPECT_EQ(data.link_secret(), secret);
  }
  const DataFolder data(at("data"));
  EXPECT_EQ(data.link_secret(), secret) << "links survive a restart";
  for (const std::string& damaged : {std::string(), std::string(64, 'x'), secret.substr(1)}) {
    std::ofstream(at("data/link-secret")) << damaged;
    const std::string another = data.link_secret();
    EXPECT_EQ(another.size(), 64U);
    EXPECT_NE(another, secret);
    EXPECT_EQ(data.link_secret(), another);
  }
  fs::remove(at("data/link-secret"));
  fs::create_directory(at("data/link-secret"));
  expect_error(ErrorKind::kDevice, "cannot write " + data.path().string() + "/link-secret: ", [&] {
    data.link_secret();
  });
}

TEST_F(DataFolderTest, PartsThatAreLinksAreRefused) {
  made("elsewhere", 0700);
  made("data", 0700);
  for (const char* part : {"jobs", "identities", "service.sqlite", "lock", "link-secret"}) {
    fs::create_symlink(at("elsewhere"), at("data") / part);
    refused(at("data"), "got a link");
    fs::remove(at("data") / part);
  }
  EXPECT_TRUE(fs::is_empty(at("elsewhere")));
  std::ofstream(at("data/jobs")) << "x";
  refused(at("data"), "to be a folder of user " + std::to_string(geteuid()));
}

TEST_F(DataFolderTest, AFileIsRefused) {
  std::ofstream(at("file")) << "x";
  refused(at("file"), "expected a folder, " + at("file").string() + " is not one");
}

}  // namespace
}  // namespace semblance::service
