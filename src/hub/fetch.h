// Concurrent GET requests that survive a bad connection: interrupted transfers continue after the
// last byte, Retry-After is respected, redirects are followed, and the token is sent only to the
// endpoint.
//
// Not thread-safe: one thread uses a Fetcher.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace semblance {

struct NetworkOptions {
  std::chrono::milliseconds connect_timeout{15'000};
  std::chrono::milliseconds idle_timeout{30'000};  // without a byte
  std::chrono::milliseconds first_pause{1'000};    // before the second attempt; doubles each time
  std::chrono::milliseconds longest_pause{30'000};
  std::chrono::seconds longest_wait{300};  // maximum Retry-After
  int attempts = 6;                        // in a row without a byte
  int parallel = 4;                        // downloads at once
  int redirects = 5;
};

/// Status and headers of an answer.
struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers = {};  // lower-case names
  /// The header's value, or empty.
  std::string_view header(const std::string& name) const;
};

/// Receives the bytes of a GET. An exception from a member function ends the fetch with it.
class Receiver {
 public:
  virtual ~Receiver() = default;
  /// Bytes received so far: the next request starts here.
  virtual std::uint64_t offset() const { return 0; }
  /// Called for each answer below 400, redirects included, before its bytes.
  virtual void begin(const Answer& answer) = 0;
  virtual void take(std::span<const std::byte> bytes) = 0;
  enum class End { kWhole, kShort, kAnew };  // kAnew: wrong contents, request again
  /// The answer has ended; returns whether to request more.
  virtual End end() = 0;
};

/// Receives a text of at most `limit_bytes`.
class TextReceiver : public Receiver {
 public:
  TextReceiver(std::string what, std::size_t limit_bytes)
      : what_(std::move(what)), limit_bytes_(limit_bytes) {}
  void begin(const Answer&) override { text.clear(); }
  void take(std::span<const std::byte> bytes) override;
  End end() override { return End::kWhole; }
  std::string text;

 private:
  std::string what_;
  std::size_t limit_bytes_;
};

struct FetchRequest {
  std::string url;
  std::string what;  // for messages: "unet/config.json of owner/name"
  std::string page;  // web page with description and terms
  int attempts = 0;  // 0: as in NetworkOptions
};

class Fetcher {
 public:
  /// `tell` gets a message for each retry. The token is sent only to the endpoint's origin (scheme,
  /// host, port), and unencrypted only to this machine.
  Fetcher(NetworkOptions options, std::string endpoint, std::string token,
          std::function<void(const std::string&)> tell);
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  /// Starts a fetch and returns its number. The receiver must outlive the fetch.
  int start(FetchRequest request, Receiver& receiver);
  /// Whether the fetch is complete. Throws the Error that ended it: kMissing (401, 403, 404),
  /// kDevice (network or server failure), kCorrupt (an invalid answer), or what the receiver threw.
  bool has_arrived(int number);
  /// Ends a fetch; its receiver may then be destroyed.
  void stop(int number) noexcept;
  /// Transfers available data, waiting at most this long.
  void turn(std::chrono::milliseconds wait);

 private:
  class Fetch;
  class Multi;
  NetworkOptions options_;
  std::string endpoint_;
  std::string token_;
  std::function<void(const std::string&)> tell_;
  std::unique_ptr<Multi> multi_;
  std::map<int, std::unique_ptr<Fetch>> fetches_;
  int next_ = 1;
};

/// The seconds in a Retry-After header, given as a number or a date; -1 for other text.
long retry_after_seconds(std::string_view header);

}  // namespace semblance
