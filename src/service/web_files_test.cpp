#include "service/web_files.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "service/routes.h"

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
    const bool is_text = !name.ends_with(".webp") && name != "openapi.json";
    EXPECT_EQ(!file.zipped.empty(), is_text) << name;
    EXPECT_LT(file.zipped.size(), file.bytes.size()) << name;
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

TEST(WebFiles, AreSentZippedToThoseWhoTakeIt) {
  Router router;
  add_page_routes(router);
  const auto answer = [&](const std::string& path, const std::string& accepted,
                          const std::string& known = "") {
    HttpRequest request;
    request.method = "GET";
    request.path = path;
    request.headers = {{"accept-encoding", accepted}, {"if-none-match", known}};
    const Router::Match match = router.find("GET", path);
    return match.route->handler(request, match.captures);
  };
  const std::string whole = read(kFolder / "app.js");
  for (const char* plainly : {"", "identity", "br", "gzip;q=0"}) {
    HttpResponse plain = answer("/web/app.js", plainly);
    EXPECT_EQ(plain.body.whole(), whole) << plainly;
    EXPECT_FALSE(plain.headers.contains("Content-Encoding")) << plainly;
    EXPECT_EQ(plain.headers["Vary"], "Accept-Encoding");
  }
  HttpResponse zipped = answer("/web/app.js", "br, gzip;q=0.5, deflate");
  const std::string bytes = zipped.body.whole();
  EXPECT_EQ(zipped.headers["Content-Encoding"], "gzip");
  EXPECT_TRUE(bytes.starts_with("\x1f\x8b"));
  std::uint32_t unzipped_size = 0;  // its last four bytes
  std::memcpy(&unzipped_size, bytes.data() + bytes.size() - 4, 4);
  EXPECT_EQ(unzipped_size, whole.size());
  EXPECT_EQ(answer("/web/app.js", "gzip", zipped.headers["ETag"]).status, 304);
  EXPECT_EQ(answer("/web/app.js", "", zipped.headers["ETag"]).status, 200);
  EXPECT_FALSE(answer("/web/face_1.webp", "gzip").headers.contains("Content-Encoding"));
}

}  // namespace
}  // namespace semblance::service
