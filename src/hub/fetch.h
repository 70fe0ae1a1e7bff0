// GET requests, several at once, that survive a bad line: what broke off is asked for again from
// the byte after the last one, a server that is busy is given the time it asks for, redirects are
// followed, and a token goes to the endpoint alone.
//
// One thread turns the Fetcher; nothing here is thread-safe.
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
  std::chrono::milliseconds first_pause{1'000};    // before a second attempt; doubled each time
  std::chrono::milliseconds longest_pause{30'000};
  std::chrono::seconds longest_wait{300};  // that a server may ask for by Retry-After
  int attempts = 6;                        // in a row that bring no byte
  int parallel = 4;                        // downloads at once
  int redirects = 5;
};

/// The head of an answer.
struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers = {};  // names in lower case
  /// The header's value, or nothing.
  std::string_view header(const std::string& name) const;
};

/// Who takes the bytes of a GET. Whatever a function throws ends the fetch with that.
class Receiver {
 public:
  virtual ~Receiver() = default;
  /// Bytes that are there already: the next request asks from here on.
  virtual std::uint64_t offset() const { return 0; }
  /// Told of each answer below 400, redirects too, before its bytes.
  virtual void begin(const Answer& answer) = 0;
  virtual void take(std::span<const std::byte> bytes) = 0;
  enum class End { kWhole, kShort, kAnew };  // kAnew: it was not what it should be, ask again
  /// The answer has ended; says whether the rest has to be asked for.
  virtual End end() = 0;
};

/// Takes a text of at most `limit_bytes`.
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
  std::string page;  // where a person reads about it and accepts its terms
  int attempts = 0;  // instead of NetworkOptions' own; 0: that
};

class Fetcher {
 public:
  /// `tell` is told of what is tried again. The token goes to no other origin (scheme, host, port)
  /// than the endpoint's, and unencrypted to this machine alone.
  Fetcher(NetworkOptions options, std::string endpoint, std::string token,
          std::function<void(const std::string&)> tell);
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  /// Begins a fetch; the number names it. The receiver must stay until it has ended.
  int start(FetchRequest request, Receiver& receiver);
  /// Whether it has arrived. Throws the Error that ended it: kMissing (401, 403, 404), kDevice (the
  /// network or server fails), kCorrupt (an answer that breaks the rules), or what the receiver
  /// threw.
  bool has_arrived(int number);
  /// Ends a fetch, whose receiver may go then.
  void stop(int number) noexcept;
  /// Moves what there is to move, waiting for it at most this long.
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

/// Seconds that a Retry-After asks for: a number, or a date; nothing (-1) for another text.
long retry_after_seconds(std::string_view header);

}  // namespace semblance
