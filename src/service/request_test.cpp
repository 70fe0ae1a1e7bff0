#include "service/server_test.h"

namespace semblance::service {
namespace {

using namespace std::chrono_literals;
using namespace testing;

class Requests : public ServerTest {};

TEST_F(Requests, MalformedRequestsAreAnsweredWithErrors) {
  start({.header_bytes = 4096});
  const std::string malformed = "argument: cannot read the request: ";
  const std::string host = "Host: localhost\r\n";
  const std::string length =
      malformed + "its length must be given by content-length or by transfer-encoding: chunked";
  struct Case {
    std::string text;
    int status;
    std::string error;
  };
  const std::vector<Case> table = {
      {"GET / HTTP/1.1\r\n\r\n", 400, malformed + "it must have the header host"},
      {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, malformed + "it must have the header host"},
      {"GET / HTTP/1.1\r\n" + host + host + "\r\n", 400,
       malformed + "the header host appears more than once"},
      {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400,
       malformed + "the header content-length appears more than once"},
      {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 30\r\n\r\nx", 400,
       malformed + "the header content-length appears more than once"},
      {"POST /echo HTTP/1.1\r\n" + host +
           "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400, length},
      {"POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", 400, length},
      {"POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n", 400, length},
      {"POST /echo HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
       length},
      {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", 400, ""},
      {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: +1\r\n\r\nx", 400, ""},
      {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: 1, 1\r\n\r\nx", 400, ""},
      {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: 0x1\r\n\r\nx", 400, ""},
      {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: \r\n\r\nx", 400, ""},
      {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n\r\n", 413,
       "too_large: cannot read the request: its body's length is too large"},
      {"POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
       malformed + "it is not well-formed HTTP/1.1"},
      {"POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n", 400,
       malformed + "it is not well-formed HTTP/1.1"},
      {"POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
       400, malformed + "it is not well-formed HTTP/1.1"},
      {"POST /echo HTTP/1.1\r\n" + host +
           "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
       413, "too_large: cannot read the request: its body's length is too large"},
      {"GET / HTTP/1.1\r\n" + host + "Bad Name: x\r\n\r\n", 400,
       malformed + "a header's name must be letters, digits and dashes before the colon"},
      {"GET / HTTP/1.1\r\n" + host + "Name : x\r\n\r\n", 400,
       malformed + "a header's name must be letters, digits and dashes before the colon"},
      {"GET / HTTP/1.1\r\n" + host + "no colon\r\n\r\n", 400, ""},
      {"GET / HTTP/1.1\r\n" + host +
           "X: a\x01"
           "b\r\n\r\n",
       400, malformed + "the header x has control characters"},
      {"GET / HTTP/9.1\r\n" + host + "\r\n", 505, malformed + "it is not well-formed HTTP/1.1"},
      {"GET / HTTP/2.0\r\n" + host + "\r\n", 505, malformed + "it is not well-formed HTTP/1.1"},
      {"GET /a b HTTP/1.1\r\n" + host + "\r\n", 400,
       malformed + "the target must have no spaces, control characters or #, got /a b"},
      {"G(T / HTTP/1.1\r\n" + host + "\r\n", 400, malformed + "its method must be a word"},
      {"GET http://localhost/ HTTP/1.1\r\n" + host + "\r\n", 400,
       malformed + "the path must begin with /, got http://localhost/"},
      {"GET /../etc/passwd HTTP/1.1\r\n" + host + "\r\n", 400,
       malformed + "the path must have no . or .. as a part, got /../etc/passwd"},
      {"GET /web/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + host + "\r\n", 400,
       malformed + "the path must have no . or .. as a part, got /web/%2e%2e/%2e%2e/etc/passwd"},
      {"GET /%00 HTTP/1.1\r\n" + host + "\r\n", 400,
       malformed + "the path must have no control characters, got /%00"},
      {"GET / HTTP/1.1\r\n" + host + "X: " + std::string(4096, 'x') + "\r\n\r\n", 431, ""},
      {"GET /" + std::string(5000, 'x') + " HTTP/1.1\r\n" + host + "\r\n", 414, ""},
      {"GET / HTTP/1.1\r\n" + host + "X: " + std::string(200'000, 'x'), 431,
       "too_large: cannot read the request: its target and headers may have at most 4096 bytes"},
      {"GET /" + std::string(200'000, 'x'), 414,
       "too_large: cannot read the request: its target may have at most 4096 bytes"},
  };
  for (const Case& one : table) {
    Client other = client();
    other.send(one.text);
    const Reply reply = other.reply();
    const std::string shown = one.text.substr(0, 120);
    EXPECT_EQ(reply.status, one.status) << shown;
    const std::string error = error_in(reply);
    if (!one.error.empty()) {
      EXPECT_EQ(error, one.error) << shown;
    }
    EXPECT_NE(error.find(": cannot "), std::string::npos) << error;
    EXPECT_TRUE(other.is_closed_within(4000)) << shown;
  }
  EXPECT_EQ(seen_->calls, 0);
}

/// Parsers could read each of these differently: refused, and what follows it is not read as a
/// request.
TEST_F(Requests, AmbiguousRequestsAreRefused) {
  start();
  const std::string nul(1, '\0');
  const std::string get = "GET /api/info HTTP/1.1\r\nHost: localhost\r\n";
  const std::string post = "POST /echo HTTP/1.1\r\nHost: localhost\r\n";
  const std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  const std::vector<std::string> table = {
      // Lines.
      get + "X: a\r\n b\r\n\r\n",
      get + "X: a\r\n\tb\r\n\r\n",
      post + "Content-Length:\r\n 40\r\n\r\n",
      post + "X: y\r\n Content-Length: 40\r\n\r\n",
      "GET /api/info HTTP/1.1\nHost: localhost\n\n",
      "GET /api/info HTTP/1.1\r\nHost: localhost\n\r\n",
      get + "X: a\n\r\n",
      get + "X: a\nContent-Length: 40\r\n\r\n",
      get + "X: a\rContent-Length: 40\r\n\r\n",
      get + "X: a\r\r\n\r\n",
      get + "\n",
      "\n" + get + "\r\n",
      " " + get + "\r\n",
      get + "X: a" + nul + "\r\n\r\n",
      get + "X" + nul + ": a\r\n\r\n",
      "GET /api/info" + nul + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET /api/info HTTP/1.1" + nul + "\r\nHost: localhost\r\n\r\n",
      "GET  /api/info HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET\t/api/info HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET /api/info HTTP/1.1 \r\nHost: localhost\r\n\r\n",
      "GET /api/info http/1.1\r\nHost: localhost\r\n\r\n",
      "GET /api/info\r\n\r\n",
      // Names.
      post + "Content-Length : 40\r\n\r\n",
      post + "Content-Length\t: 40\r\n\r\n",
      post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
      post + "\"Content-Length\": 40\r\n\r\n",
      get + ": a\r\n\r\n",
      get + "a\r\n\r\n",
      // Repeated headers.
      get + "Host: localhost\r\n\r\n",
      get + "host: evil.example\r\n\r\n",
      post + "Content-Length: 0\r\nContent-Length: 40\r\n\r\n",
      post + "Content-Length: 40\r\ncontent-length: 40\r\n\r\n",
      post + "Content-Length: 40, 40\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
      get + "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
      // Lengths.
      post + "Content-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
      "POST /echo HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
      post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
      post + "Transfer-Encoding:\r\n\r\n0\r\n\r\n",
      post + "Content-Length: 4 0\r\n\r\n",
      post + "Content-Length: 0b1\r\n\r\n",
      post + "Content-Length: 1e1\r\n\r\n",
      // Chunks.
      chunked + "0\n\n",
      chunked + "1\nx\n0\n\n",
      chunked + "1\r\nx\n0\r\n\r\n",
      chunked + "1\r\nxy0\r\n\r\n",
      chunked + "1 \r\nx\r\n0\r\n\r\n",
      chunked + " 1\r\nx\r\n0\r\n\r\n",
      chunked + "0x1\r\nx\r\n0\r\n\r\n",
      chunked + "+1\r\nx\r\n0\r\n\r\n",
      chunked + "\r\nx\r\n0\r\n\r\n",
      chunked + "1;a\rb\r\nx\r\n0\r\n\r\n",
      chunked + "1;a" + nul + "\r\nx\r\n0\r\n\r\n",
      chunked + "1;" + std::string(300, 'a') + "\r\nx\r\n0\r\n\r\n",
      chunked + "0\r\nX : y\r\n\r\n",
      chunked + "0\r\n X: y\r\n\r\n",
      chunked + "0\r\nX: y\n\r\n",
  };
  for (const std::string& text : table) {
    Client one = client();
    one.send(text + request("GET", "/api/info"));
    EXPECT_EQ(one.reply().status, 400) << text;
    EXPECT_TRUE(one.is_closed_within(4000)) << text;
    EXPECT_EQ(one.received(), "") << text;
  }
  EXPECT_EQ(seen_->calls, 0);
}

TEST_F(Requests, HeadersHaveALimit) {
  start();
  std::string headers, names;
  for (int i = 0; i < 63; ++i) headers += "X-" + std::to_string(i) + ": y\r\n";
  for (int i = 0; i < 64; ++i) names += "&n" + std::to_string(i);
  EXPECT_EQ(ask(request("GET", "/api/info", headers)).status, 200);
  const Reply reply = ask(request("GET", "/api/info", headers + "One: more\r\n"));
  EXPECT_EQ(reply.status, 431);
  EXPECT_EQ(error_in(reply), "too_large: cannot read the request: it may have at most 64 headers");
  EXPECT_EQ(ask(request("GET", "/api/info?" + names.substr(1))).status, 200);
  EXPECT_EQ(error_in(ask(request("GET", "/api/info?" + names))),
            "too_large: cannot read the request: its query may have at most 64 names");
}

TEST_F(Requests, MayFollowAnEmptyLine) {
  start();
  Client one = client();
  EXPECT_EQ(one.ask("\r\n" + request("POST", "/echo", "", "abc") + "\r\n").body, "abc");
  EXPECT_EQ(one.ask(request("GET", "/api/info")).status, 200);
}

TEST_F(Requests, ChunksMayHaveExtensionsAndTrailers) {
  start();
  Client one = client();
  EXPECT_EQ(one.ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: CHUNKED\r\n\r\n"
                    "00a;name=\"value\"\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n")
                .body,
            "0123456789");
  EXPECT_EQ(one.ask(request("GET", "/api/info")).status, 200);
}

TEST_F(Requests, OtherProtocolsAreDisconnected) {
  start();
  for (const std::string text : {"HELLO\r\n\r\n", "\x16\x03\x01\x02\n\n", "GET\r\n\r\n"}) {
    Client one = client();
    one.send(text);
    EXPECT_TRUE(one.is_closed_within(3000)) << text;
  }
  EXPECT_EQ(ask(request("GET", "/api/info")).status, 200);
}

TEST_F(Requests, OldClientsAreAnswered) {
  start();
  Client one = client();
  const Reply reply = one.ask("GET /api/info HTTP/1.0\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(one.is_closed_within(1000));
  Client other = client();
  other.send("GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(becomes_true([&] { return seen_->streams == 1; }));
  seen_->may_end = true;
  EXPECT_EQ(other.reply().status, 200);
}

TEST_F(Requests, ReadsChunks) {
  start();
  Client one = client();
  for (int i = 0; i < 3; ++i) {
    one.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (const std::string piece : {"3\r\nabc\r\n", "1;x=y\r\nd\r", "\n2\r\nef\r\n0\r\n", "\r\n"}) {
      one.send(piece);
      std::this_thread::sleep_for(3ms);
    }
    EXPECT_EQ(one.reply().body, "abcdef");
  }
  EXPECT_EQ(server_->counts().bodies_bytes, 0U);
}

TEST_F(Requests, ReadsByteByByte) {
  start();
  Client one = client();
  for (const char c : request("POST", "/echo", "X: y\r\n", "abc")) {
    ASSERT_TRUE(one.send(std::string(1, c)));
    std::this_thread::sleep_for(500us);
  }
  EXPECT_EQ(one.reply().body, "abc");
}

TEST_F(Requests, AnswersPipelinedRequestsInTheirOrder) {
  start();
  Client one = client();
  std::string text;
  for (int i = 0; i < 50; ++i) text += request("POST", "/echo", "", std::to_string(i));
  one.send(text);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(one.reply().body, std::to_string(i));
  // After a refusal that closes the connection, the following bytes are not read as a request.
  one.send("POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n" +
           request("GET", "/api/info"));
  EXPECT_EQ(one.reply().status, 404);
  EXPECT_TRUE(one.is_closed_within(4000));
  EXPECT_EQ(one.received(), "");
}

TEST_F(Requests, ContinuesOnlyAcceptedRequests) {
  start();
  Client one = client();
  one.send(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: "
      "3\r\n\r\n");
  EXPECT_EQ(one.reply(true).status, 100);
  one.send("abc");
  EXPECT_EQ(one.reply().body, "abc");
  one.send(
      "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: "
      "3\r\n\r\n");
  EXPECT_EQ(one.reply().status, 404);
}

}  // namespace
}  // namespace semblance::service
