#include "service/multipart.h"

#include <gtest/gtest.h>

#include "tests/support/errors.h"

namespace semblance::service {
namespace {

using semblance::testing::error_of;

const std::string kType = "multipart/form-data; boundary=XX";

std::string part(const std::string& headers, const std::string& data) {
  return "--XX\r\n" + headers + "\r\n\r\n" + data + "\r\n";
}
std::string named(const std::string& name, const std::string& data) {
  return part("Content-Disposition: form-data; name=\"" + name + "\"", data);
}

/// "name(filename,type)=data" of all parts, or the error.
std::string parsed_form(const std::string& body, const std::string& type = kType) {
  std::string text;
  const std::string error = error_of([&] {
    for (const Part& part : parse_multipart(type, body)) {
      text += (text.empty() ? "" : " ") + part.name + "(" + part.filename.value_or("-") + "," +
              part.type + ")=" + std::string(part.data);
    }
  });
  return error == "no error" ? text : error;
}

TEST(Multipart, IsSplitIntoParts) {
  EXPECT_EQ(parsed_form(named("a", "1") + named("b", "") + "--XX--\r\n"),
            "a(-,text/plain)=1 b(-,text/plain)=");
  EXPECT_EQ(parsed_form("--XX--"), "");
  EXPECT_EQ(parsed_form("preamble\r\n" + named("a", "1") + "--XX--epilogue"), "a(-,text/plain)=1");
  EXPECT_EQ(parsed_form("--XX \t\r\nContent-Disposition:form-data;name=a\r\n\r\n1\r\n--XX--"),
            "a(-,text/plain)=1");
  EXPECT_EQ(parsed_form(part("content-type: Image/PNG; q=1\r\ncontent-disposition: form-data; "
                             "name=\"image[]\"; filename=\"me.png\"",
                             "\r\n--XY\r\n\0x") +
                        "--XX--"),
            "image[](me.png,image/png)=\r\n--XY\r\n");
  EXPECT_EQ(parsed_form(part("Content-Disposition: form-data; name=a\r\nX-Other: 1\r\n"
                             "Content-Transfer-Encoding: binary",
                             "1") +
                        "--XX--"),
            "a(-,text/plain)=1");
}

TEST(Multipart, UnderstandsClientsQuoting) {
  const auto filename = [](const std::string& text) {
    return parsed_form(part("Content-Disposition: form-data; name=\"a\"; filename=" + text, "") +
                       "--XX--");
  };
  EXPECT_EQ(filename("\"a \\\"b\\\" %22.png\""), "a(a \"b\" %22.png,text/plain)=");
  EXPECT_EQ(filename("\"C:\\temp\\a.png\""), "a(C:\\temp\\a.png,text/plain)=");
  EXPECT_EQ(filename("\"a;b=c.png\""), "a(a;b=c.png,text/plain)=");
  EXPECT_EQ(filename("\"\""), "a(,text/plain)=");
  EXPECT_EQ(filename("\"\xC3\xA9.png\"; filename*=UTF-8''%C3%A9.png"),
            "a(\xC3\xA9.png,text/plain)=");
  EXPECT_EQ(filename("../../etc/passwd"), "a(../../etc/passwd,text/plain)=");
}

TEST(Multipart, AcceptsAnyBoundary) {
  const std::string boundary = "a'()+_,-./:=? b";
  EXPECT_EQ(
      parsed_form("--" + boundary + "\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--" +
                      boundary + "--",
                  "Multipart/Form-Data; charset=utf-8; boundary=\"" + boundary + "\""),
      "a(-,text/plain)=1");
  EXPECT_EQ(parsed_form(named("a", "\r\n--X\r\n--XXX\r\n--XX-") + "--XX--"),
            "a(-,text/plain)=\r\n--X\r\n--XXX\r\n--XX-");
}

TEST(Multipart, DataPointsIntoTheBody) {
  const std::string body = named("a", "12345") + "--XX--";
  const std::vector<Part> parts = parse_multipart(kType, body);
  EXPECT_EQ(parts.at(0).data.data(), body.data() + body.find("12345"));
}

TEST(Multipart, OtherTypesAreRefused) {
  const std::string begin = "argument: cannot read the form: its content type must ";
  const std::string boundary = begin + "have a boundary of 1 to 70 ASCII characters";
  EXPECT_EQ(parsed_form("", ""), begin + "be multipart/form-data, got none");
  EXPECT_EQ(parsed_form("", "application/json"),
            begin + "be multipart/form-data, got application/json");
  EXPECT_EQ(parsed_form("", "multipart/mixed; boundary=XX"),
            begin + "be multipart/form-data, got multipart/mixed");
  EXPECT_EQ(parsed_form("", "multipart/form-data"), boundary);
  EXPECT_EQ(parsed_form("", "multipart/form-data; boundary="), boundary);
  EXPECT_EQ(parsed_form("", "multipart/form-data; boundary=\"a \""), boundary);
  EXPECT_EQ(parsed_form("", "multipart/form-data; boundary=\xC3\xA9"), boundary);
  EXPECT_EQ(parsed_form("", "multipart/form-data; boundary=" + std::string(71, 'b')), boundary);
  EXPECT_EQ(parsed_form("", "multipart/form-data; boundary=a; boundary=b"),
            "argument: cannot read the form: the content type has the parameter boundary twice");
  EXPECT_EQ(parsed_form("", "multipart/form-data; boundary"),
            "argument: cannot read the form: a parameter of the content type has no value");
}

TEST(Multipart, MalformedBodiesAreRefused) {
  const std::string begin = "argument: cannot read the form: ";
  const std::string disposition = "Content-Disposition: form-data; name=a";
  std::string many;
  for (int i = 0; i < 65; ++i) many += named("a", "");
  const std::vector<std::pair<std::string, std::string>> table = {
      {"", "its boundary XX is not in the body"},
      {"--X", "its boundary XX is not in the body"},
      {"--XX", "its boundary XX is not in the body"},
      {"--XX\r\n", "the headers of part 1 do not end"},
      {"--XX\n" + disposition + "\n\n1\n--XX--\n", "its boundary XX is not in the body"},
      {"--XX\r\n" + disposition, "the headers of part 1 do not end"},
      {named("a", "1") + "--XX\r\n" + disposition, "the headers of part 2 do not end"},
      {named("a", "1"), "the part \"a\" does not end: the body is truncated"},
      {named("a", "1") + "--XX-", "the part \"a\" does not end: the body is truncated"},
      {"--XX\r\n\r\n1\r\n--XX--", "a part has no Content-Disposition"},
      {part("Content-Type: image/png", "1") + "--XX--", "a part has no Content-Disposition"},
      {part(disposition + "\r\n" + disposition, "1") + "--XX--",
       "a part has two Content-Dispositions"},
      {part("Content-Disposition: attachment; name=a", "1") + "--XX--",
       "the Content-Disposition of each part must be form-data, got attachment"},
      {part("Content-Disposition: form-data", "1") + "--XX--", "a part has no name"},
      {part("Content-Disposition: form-data; name", "1") + "--XX--",
       "a parameter of the Content-Disposition has no value"},
      {part("Content-Disposition: form-data; name=\"a", "1") + "--XX--",
       "a quote is not closed in the Content-Disposition"},
      {part("Content-Disposition: form-data; name=\"a\"b", "1") + "--XX--",
       "unexpected text after a quoted value in the Content-Disposition"},
      {part("Content-Disposition: form-data; name=a; name=b", "1") + "--XX--",
       "the Content-Disposition has the parameter name twice"},
      {part("Content-Disposition: form-data; name=\"\xff\"", "1") + "--XX--",
       "the names of parts and files must be UTF-8 without control characters"},
      {part("Content-Disposition: form-data; name=a; filename=\"b\nc\"", "1") + "--XX--",
       "the names of parts and files must be UTF-8 without control characters"},
      {part("no header", "1") + "--XX--", "a part has a malformed header"},
      {part(disposition + "\r\nContent-Transfer-Encoding: base64", "MQ==") + "--XX--",
       "expected unencoded parts, got the encoding base64"},
      {part(disposition + "\r\nX: " + std::string(4096, 'x'), "") + "--XX--",
       "expected at most 4096 bytes of headers in a part, got 4139"},
      {many + "--XX--", "expected at most 64 parts, got more"},
  };
  for (const auto& [body, message] : table) EXPECT_EQ(parsed_form(body), begin + message) << body;
}

TEST(Multipart, TruncatedBodiesAreRefused) {
  const std::string body =
      named("a", "1") + part("Content-Disposition: form-data; name=b; filename=c", "22") + "--XX--";
  for (std::size_t length = 0; length < body.size(); ++length) {
    const std::string got = parsed_form(body.substr(0, length));
    EXPECT_TRUE(got.starts_with("argument: cannot read the form: ")) << length << ": " << got;
  }
}

TEST(Multipart, PartsAreFoundByName) {
  const std::string body = named("a", "1") + named("b", "2") + named("b", "3") + "--XX--";
  const std::vector<Part> parts = parse_multipart(kType, body);
  EXPECT_EQ(find_part(parts, "a")->data, "1");
  EXPECT_EQ(find_part(parts, "c"), nullptr);
  EXPECT_EQ(error_of([&] { find_part(parts, "b"); }),
            "argument: cannot read the form: it has the part \"b\" more than once");
  EXPECT_EQ(error_of([&] { expect_parts(parts, {"a", "b"}); }), "no error");
  EXPECT_EQ(error_of([&] {
              expect_parts(parts, {"a", "bb"});
            }),
            "argument: cannot read the form: there is no part \"b\", did you mean bb?");
}

}  // namespace
}  // namespace semblance::service
