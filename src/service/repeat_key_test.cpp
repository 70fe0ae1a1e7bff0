#include "service/repeat_key.h"

#include <gtest/gtest.h>

#include "service/form_test.h"
#include "service/service_test.h"

namespace semblance::service {
namespace {

using testing::Form;
using testing::photo;

HttpRequest request_of(const Form& form, const std::string& path = "/api/jobs") {
  HttpRequest request{.method = "POST", .path = path, .body = form.body};
  request.headers["content-type"] = form.type;
  return request;
}

TEST(RepeatKey, TheDigestCoversTheWholeRequest) {
  const auto digest = [](const std::string& photo, const std::string& prompt) {
    return digest_of(request_of(Form().add("settings", prompt).add("photo", photo, "me.png")));
  };
  const std::string plain = digest("photo", "prompt");
  EXPECT_EQ(plain.size(), 64U);
  EXPECT_EQ(digest("photo", "prompt"), plain);
  EXPECT_NE(digest("photo", "prompts"), plain);
  EXPECT_NE(digest("photo2", "prompt"), plain);
  EXPECT_NE(digest("promptphoto", ""), plain);
  const Form form = Form().add("settings", "prompt").add("photo", "photo", "me.png");
  EXPECT_NE(digest_of(request_of(form, "/v1/images/edits")), plain);
  EXPECT_NE(digest_of(request_of(Form(form).add("face", "1"))), plain);
  // Each try has a new boundary.
  HttpRequest again = request_of(form);
  const std::string boundary = form.type.substr(form.type.find("boundary=") + 9);
  for (std::string* text : {&again.body, &again.headers["content-type"]}) {
    for (std::size_t at = 0; (at = text->find(boundary, at)) != std::string::npos; at += 5)
      text->replace(at, boundary.size(), "other");
  }
  EXPECT_EQ(digest_of(again), plain);
  HttpRequest json{.method = "POST", .path = "/sdapi/v1/txt2img", .body = "{}"};
  json.headers["content-type"] = "application/json";
  const std::string empty = digest_of(json);
  json.body = "{} ";
  EXPECT_NE(digest_of(json), empty);
}

TEST(RepeatKey, ComesFromTheHeaderOrTheRetryCount) {
  const Form form = Form().add("settings", "{}");
  const auto take = [&](const std::string& header, const std::string& value) {
    HttpRequest request = request_of(form);
    if (!header.empty()) request.headers[header] = value;
    JobRequest job;
    take_repeat_key(job, request);
    return job;
  };
  EXPECT_EQ(take("", "").repeat_key, "");
  EXPECT_EQ(take("", "").digest, "");
  EXPECT_EQ(take("idempotency-key", "a key").repeat_key, "key a key");
  EXPECT_EQ(take("idempotency-key", "a key").digest, digest_of(request_of(form)));
  const JobRequest first = take("x-stainless-retry-count", "0");
  const JobRequest second = take("x-stainless-retry-count", "1");
  EXPECT_EQ(first.repeat_key, "content " + first.digest);
  EXPECT_EQ(second.repeat_key, first.repeat_key);
  EXPECT_TRUE(first.begins_anew);
  EXPECT_FALSE(second.begins_anew);
  EXPECT_EQ(take("idempotency-key", std::string(200, 'k')).repeat_key.size(), 204U);
  for (const std::string& wrong :
       {std::string(201, 'k'), std::string("\xc3\xa4"), std::string("a\tb")}) {
    try {
      take("idempotency-key", wrong);
      FAIL() << wrong;
    } catch (const HttpError& error) {
      EXPECT_EQ(error.response().status, 400);
      EXPECT_NE(std::string(error.what()).find("cannot take Idempotency-Key: expected 1 to 200"),
                std::string::npos)
          << error.what();
    }
  }
}

}  // namespace
}  // namespace semblance::service
