#include "service/http.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "service/target.h"
#include "tests/support/errors.h"

namespace semblance::service {
namespace {

using semblance::testing::error_of;
using semblance::testing::expect_error;

TEST(ErrorResponse, HasOneForm) {
  const HttpResponse response = error_response(413, "too_large", "a \"text\"", "image");
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.type, "application/json");
  EXPECT_EQ(response.body.whole(),
            R"({"error":{"message":"a \"text\"","type":"invalid_request_error","param":"image",)"
            R"("code":"too_large"}})");
  EXPECT_EQ(error_response(500, "internal", "x").body.whole(),
            R"({"error":{"message":"x","type":"server_error","param":null,"code":"internal"}})");
}

TEST(ErrorResponse, QuotesAnyBytes) {
  const auto body =
      nlohmann::json::parse(error_response(400, "argument", "got \xff\x01").body.whole());
  EXPECT_EQ(body["error"]["message"], "got \xEF\xBF\xBD\x01");
}

TEST(ErrorResponse, EveryKindHasAStatus) {
  const std::vector<std::pair<ErrorKind, int>> table = {
      {ErrorKind::kArgument, 400},  {ErrorKind::kShape, 400},   {ErrorKind::kCorrupt, 400},
      {ErrorKind::kMissing, 404},   {ErrorKind::kMemory, 422},  {ErrorKind::kDevice, 503},
      {ErrorKind::kCancelled, 409}, {ErrorKind::kInternal, 500}};
  for (const auto& [kind, status] : table) {
    const HttpResponse response = error_response(Error(kind, "text"), "face");
    EXPECT_EQ(response.status, status) << name_of(kind);
    const auto error = nlohmann::json::parse(response.body.whole())["error"];
    EXPECT_EQ(error["code"], name_of(kind));
    EXPECT_EQ(error["message"], "text");
    EXPECT_EQ(error["param"], "face");
  }
}

std::string found(const Router& router, const std::string& method, const std::string& path) {
  const Router::Match match = router.find(method, path);
  if (match.route == nullptr) {
    std::string methods;
    for (const std::string& one : match.methods) methods += " " + one;
    return "none;" + methods;
  }
  std::string text = match.route->handler({}, {}).body.whole();
  for (const std::string& capture : match.captures) text += " " + capture;
  return text;
}

Router::Handler says(const std::string& text) {
  return [text](const HttpRequest&, const Router::Captures&) { return json_response(text); };
}

TEST(Router, FindsTheMostSpecificPattern) {
  Router router;
  router.add("GET", "/", says("page"));
  router.add("GET", "/web/{path...}", says("file"));
  router.add("GET", "/api/jobs/{id}", says("job"));
  router.add("DELETE", "/api/jobs/{id}", says("delete"));
  router.add("GET", "/api/jobs/latest", says("latest"));
  router.add("GET", "/api/jobs/{id}/images/{n}", says("image"));
  router.add("POST", "/api/jobs", says("create"));
  EXPECT_EQ(found(router, "GET", "/"), "page");
  EXPECT_EQ(found(router, "HEAD", "/"), "page");
  EXPECT_EQ(found(router, "GET", "/web/a/b.js"), "file a/b.js");
  EXPECT_EQ(found(router, "GET", "/web/"), "none;");
  EXPECT_EQ(found(router, "GET", "/web"), "none;");
  EXPECT_EQ(found(router, "GET", "/api/jobs/7"), "job 7");
  EXPECT_EQ(found(router, "GET", "/api/jobs/latest"), "latest");
  EXPECT_EQ(found(router, "DELETE", "/api/jobs/latest"), "delete latest");
  EXPECT_EQ(found(router, "GET", "/api/jobs/7/images/0"), "image 7 0");
  EXPECT_EQ(found(router, "GET", "/api/jobs/7/images/"), "none;");
  EXPECT_EQ(found(router, "GET", "/api/jobs/7/"), "none;");
  EXPECT_EQ(found(router, "GET", "/api//7"), "none;");
  EXPECT_EQ(found(router, "PUT", "/api/jobs/7"), "none; DELETE GET HEAD OPTIONS");
  EXPECT_EQ(found(router, "GET", "/api/jobs"), "none; OPTIONS POST");
  EXPECT_EQ(found(router, "get", "/"), "none; GET HEAD OPTIONS");
  EXPECT_EQ(router.list().front(), "DELETE /api/jobs/{id}");
  EXPECT_EQ(router.list().size(), 7U);
}

TEST(Router, RefusesAMalformedPattern) {
  Router router;
  router.add("GET", "/a", says(""));
  for (const std::string pattern : {"a", "/a", "/{a", "/a}", "/{a...}/b"}) {
    expect_error(ErrorKind::kInternal, "internal error",
                 [&] { router.add("GET", pattern, says("")); });
  }
  expect_error(ErrorKind::kInternal, "HEAD", [&] { router.add("HEAD", "/b", says("")); });
}

std::string parsed(const std::string& target) {
  std::string text;
  const std::string error = error_of([&] {
    const Target result = parse_target(target);
    text = result.path;
    for (const auto& [name, value] : result.query) text += " " + name + "=" + value;
  });
  return error == "no error" ? text : error;
}

TEST(Target, IsDecoded) {
  EXPECT_EQ(parsed("/"), "/");
  EXPECT_EQ(parsed("/a%20b/%C3%A9"), "/a b/\xC3\xA9");
  EXPECT_EQ(parsed("/a+b?c+d=e+f%2B&g&=h&&i=j=k"), "/a+b =h c d=e f+ g= i=j=k");
  EXPECT_EQ(parsed("/?a=1&a=2"), "/ a=2");
  EXPECT_EQ(parsed("/a?b=%2F..%2F"), "/a b=/../");
  EXPECT_EQ(parsed("/..."), "/...");
  EXPECT_EQ(parsed("/a%252e"), "/a%2e") << "decoded once";
}

TEST(Target, TricksAreRefused) {
  const std::string begin = "argument: cannot read the request: the ";
  const std::vector<std::pair<std::string, std::string>> table = {
      {"", "path must begin with /, got "},
      {"a", "path must begin with /, got a"},
      {"http://localhost/", "path must begin with /, got http://localhost/"},
      {"/%", "path must have two hexadecimal digits after each %, got /%"},
      {"/%4", "path must have two hexadecimal digits after each %, got /%4"},
      {"/%zz", "path must have two hexadecimal digits after each %, got /%zz"},
      {"/?a=%f", "query must have two hexadecimal digits after each %, got %f"},
      {"/%ff", "path must be UTF-8, got /%ff"},
      {"/%c0%ae%c0%ae/", "path must be UTF-8, got /%c0%ae%c0%ae/"},
      {"/?%ff=1", "query must be UTF-8, got %ff"},
      {"/a%00b", "path must have no control characters, got /a%00b"},
      {"/a%0d%0ab", "path must have no control characters, got /a%0d%0ab"},
      {"/?a=%00", "query must have no NUL, got a=%00"},
      {"/a/../b", "path must have no . or .. as a part, got /a/../b"},
      {"/..", "path must have no . or .. as a part, got /.."},
      {"/%2e%2e/b", "path must have no . or .. as a part, got /%2e%2e/b"},
      {"/./b", "path must have no . or .. as a part, got /./b"},
      {"/..%2fb", "path must have no encoded slash, got /..%2fb"},
      {"/a%2Fb", "path must have no encoded slash, got /a%2Fb"},
      {"/a%5c..%5cb", "path must have no backslash, got /a%5c..%5cb"},
      {"/a b", "target must have no spaces, control characters or #, got /a b"},
      {"/a#b", "target must have no spaces, control characters or #, got /a#b"},
  };
  for (const auto& [target, message] : table) EXPECT_EQ(parsed(target), begin + message);
}

}  // namespace
}  // namespace semblance::service
