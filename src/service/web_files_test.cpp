#include "service/web_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

namespace semblance::service {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(SEMBLANCE_SOURCE_DIR) / "web";

std::string read(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(WebFiles, AreTheFolderByteForByte) {
  std::set<std::string> embedded;
  std::set<std::string_view> etags;
  for (const WebFile& file : web_files()) {
    const std::string name(file.path == "/" ? "index.html" : file.path.substr(5));
    EXPECT_EQ(file.bytes, read(kFolder / name)) << name;
    EXPECT_EQ(file.etag.size(), 34u) << name;
    EXPECT_TRUE(etags.insert(file.etag).second) << name;
    embedded.insert(name);
  }
  std::set<std::string> there;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    there.insert(entry.path().filename().string());
  }
  EXPECT_EQ(embedded, there);
}

TEST(WebFiles, HaveTheTypesThatBrowsersRequire) {
  for (const WebFile& file : web_files()) {
    if (file.path.ends_with(".js")) {
      EXPECT_EQ(file.type, "text/javascript; charset=utf-8");
    }
    if (file.path.ends_with(".css")) {
      EXPECT_EQ(file.type, "text/css; charset=utf-8");
    }
    if (file.path == "/") {
      EXPECT_EQ(file.type, "text/html; charset=utf-8");
    }
  }
}

}  // namespace
}  // namespace semblance::service
