#include "hub/fetch.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <exception>

#include "core/ascii.h"
#include "core/error.h"
#include "hub/libraries.h"
#include "weights/names.h"

namespace semblance {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostHeaderBytes = std::size_t{64} << 10;
constexpr std::size_t kMostErrorBytes = std::size_t{64} << 10;

struct Origin {
  std::string scheme;
  std::string host;
  std::string port;
  bool operator==(const Origin&) const = default;
  bool is_this_machine() const {
    return host == "localhost" || host.starts_with("127.") || host == "[::1]";
  }
};

Origin origin_of(const std::string& url) {
  const Curl& curl = Curl::get();
  CURLU* const parts = curl.url();
  Origin origin;
  if (curl.url_set(parts, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK) {
    const auto part = [&](CURLUPart which, unsigned flags) {
      char* text = nullptr;
      if (curl.url_get(parts, which, &text, flags) != CURLUE_OK) return std::string();
      std::string copy = lower(text);
      curl.free(text);
      return copy;
    };
    origin = {part(CURLUPART_SCHEME, 0), part(CURLUPART_HOST, 0),
              part(CURLUPART_PORT, CURLU_DEFAULT_PORT)};
  }
  curl.url_cleanup(parts);
  return origin;
}

bool is_transient(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return true;
    default:
      return false;
  }
}

bool is_transient_status(int status) { return status == 408 || status == 429 || status >= 500; }

std::string seconds_text(double seconds) {
  return seconds < 10 ? fmt::format("{:.1f} s", seconds) : fmt::format("{:.0f} s", seconds);
}

}  // namespace

std::string_view Answer::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

void TextReceiver::take(std::span<const std::byte> bytes) {
  if (bytes.size() > limit_bytes_ - text.size()) {
    fail(ErrorKind::kCorrupt, "cannot read {}: the server sends more than {} bytes", what_,
         limit_bytes_);
  }
  text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

long retry_after_seconds(std::string_view header) {
  long seconds = -1;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), seconds);
  if (error == std::errc() && end == header.data() + header.size()) return std::max(seconds, -1L);
  const std::time_t when = Curl::get().getdate(std::string(header).c_str(), nullptr);
  if (when < 0) return -1;
  return std::max<long>(0, static_cast<long>(when - std::time(nullptr)));
}

/// One GET: several attempts, each of one or more requests.
class Fetcher::Fetch {
 public:
  Fetch(Fetcher& owner, FetchRequest request, Receiver& receiver)
      : owner_(owner),
        request_(std::move(request)),
        receiver_(receiver),
        easy_(Curl::get().easy_init()),
        attempts_left_(attempts()),
        begun_at_(receiver.offset()) {
    if (easy_ == nullptr) fail(ErrorKind::kMemory, "cannot fetch {}: out of memory", request_.what);
  }
  ~Fetch() {
    leave();
    Curl::get().easy_cleanup(easy_);
    Curl::get().slist_free_all(headers_);
  }
  Fetch(const Fetch&) = delete;
  Fetch& operator=(const Fetch&) = delete;

  bool arrived() const {
    if (error_) std::rethrow_exception(error_);
    return arrived_;
  }
  bool ended() const { return arrived_ || error_ != nullptr; }
  /// Sends the next attempt's request when it is due.
  void wake(CURLM* multi) {
    if (multi_ != nullptr || ended() || Clock::now() < wakes_) return;
    url_ = request_.url;
    redirects_ = 0;
    send(multi);
  }
  Clock::time_point wakes() const { return wakes_; }
  bool sleeps() const { return multi_ == nullptr && !ended(); }
  /// Called when a request has ended.
  void ended_with(CURLcode code) {
    CURLM* const multi = multi_;
    leave();
    try {
      if (error_) return;
      finish(code, multi);
    } catch (...) {
      error_ = std::current_exception();
    }
  }

 private:
  int attempts() const {
    return request_.attempts > 0 ? request_.attempts : owner_.options_.attempts;
  }

  void leave() {
    if (multi_ != nullptr) Curl::get().multi_remove_handle(multi_, easy_);
    multi_ = nullptr;
  }

  void send(CURLM* multi) {
    const Curl& curl = Curl::get();
    const auto option = [&](CURLoption name, auto value) { curl.easy_setopt(easy_, name, value); };
    answer_ = {};
    header_bytes_ = 0;
    error_bytes_ = 0;
    message_[0] = '\0';
    from_ = receiver_.offset();
    option(CURLOPT_URL, url_.c_str());
    option(CURLOPT_PROTOCOLS_STR, "http,https");
    option(CURLOPT_NOSIGNAL, 1L);
    option(CURLOPT_USERAGENT, "semblance");
    option(CURLOPT_ERRORBUFFER, message_);
    option(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(owner_.options_.connect_timeout.count()));
    // libcurl takes whole seconds.
    option(CURLOPT_LOW_SPEED_LIMIT, 1L);
    option(CURLOPT_LOW_SPEED_TIME,
           std::max(1L, static_cast<long>(owner_.options_.idle_timeout.count() / 1000)));
    range_ = from_ > 0 ? fmt::format("{}-", from_) : std::string();
    option(CURLOPT_RANGE, from_ > 0 ? range_.c_str() : static_cast<const char*>(nullptr));
    curl.slist_free_all(headers_);
    headers_ = nullptr;
    if (may_have_token()) {
      const std::string line = "Authorization: Bearer " + owner_.token_;
      headers_ = curl.slist_append(nullptr, line.c_str());
    }
    option(CURLOPT_HTTPHEADER, headers_);
    option(CURLOPT_HEADERFUNCTION, &Fetch::on_header);
    option(CURLOPT_HEADERDATA, static_cast<void*>(this));
    option(CURLOPT_WRITEFUNCTION, &Fetch::on_bytes);
    option(CURLOPT_WRITEDATA, static_cast<void*>(this));
    option(CURLOPT_PRIVATE, static_cast<void*>(this));
    curl.multi_add_handle(multi, easy_);
    multi_ = multi;
  }

  bool may_have_token() const {
    if (owner_.token_.empty()) return false;
    const Origin here = origin_of(url_);
    return here == origin_of(owner_.endpoint_) &&
           (here.scheme == "https" || here.is_this_machine());
  }

  static std::size_t on_header(char* text, std::size_t one, std::size_t count, void* fetch) {
    return static_cast<Fetch*>(fetch)->take_header({text, one * count});
  }
  static std::size_t on_bytes(char* text, std::size_t one, std::size_t count, void* fetch) {
    return static_cast<Fetch*>(fetch)->take_bytes({text, one * count});
  }

  std::size_t take_header(std::string_view line) {
    header_bytes_ += line.size();
    if (header_bytes_ > kMostHeaderBytes) {
      error_ = std::make_exception_ptr(
          Error(ErrorKind::kCorrupt,
                fmt::format("cannot fetch {}: the answer's headers are too long", request_.what)));
      return 0;
    }
    const std::size_t all = line.size();
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
    if (line.starts_with("HTTP/")) {
      answer_ = {};
      const std::size_t space = line.find(' ');
      if (space != std::string_view::npos)
        std::from_chars(line.data() + space + 1, line.data() + line.size(), answer_.status);
    } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
      std::string_view value = line.substr(colon + 1);
      while (value.starts_with(' ')) value.remove_prefix(1);
      answer_.headers[lower(line.substr(0, colon))] = value;
    } else if (line.empty() && answer_.status >= 200 && answer_.status < 400) {
      return guarded([&] { receiver_.begin(answer_); }) ? all : 0;
    }
    return all;
  }

  std::size_t take_bytes(std::string_view bytes) {
    if (answer_.status >= 300) {  // an error page, which is ignored
      error_bytes_ += bytes.size();
      return error_bytes_ > kMostErrorBytes ? 0 : bytes.size();
    }
    return guarded([&] { receiver_.take(std::as_bytes(std::span(bytes))); }) ? bytes.size() : 0;
  }

  template <typename Action>
  bool guarded(const Action& action) {
    try {
      action();
      return true;
    } catch (...) {
      error_ = std::current_exception();
      return false;
    }
  }

  void finish(CURLcode code, CURLM* multi) {
    const int status = answer_.status;
    const bool answered = code == CURLE_OK || (code == CURLE_WRITE_ERROR && status >= 300);
    if (!answered) {
      const std::string why = message_[0] != '\0' ? message_ : Curl::get().easy_strerror(code);
      if (!is_transient(code)) {
        fail(ErrorKind::kDevice, "cannot fetch {} from {}: {}", request_.what, host(),
             printable(why));
      }
      again(status >= 200 && status < 300 ? "the connection broke (" + printable(why) + ")"
                                          : printable(why));
    } else if (status >= 300 && status < 400) {
      follow(multi);
    } else if (is_transient_status(status)) {
      again(status == 429   ? "the server limits requests (429)"
            : status == 408 ? "the server timed out (408)"
                            : fmt::format("server error ({})", status));
    } else if (status == 200 || status == 206) {
      const Receiver::End end = receiver_.end();
      arrived_ = end == Receiver::End::kWhole;
      if (end == Receiver::End::kShort) again("the connection broke");
      if (end == Receiver::End::kAnew) begun_at_ = receiver_.offset();  // no pause
    } else {
      refuse(status);
    }
  }

  void follow(CURLM* multi) {
    char* target = nullptr;
    Curl::get().easy_getinfo(easy_, CURLINFO_REDIRECT_URL, &target);
    const std::string next = target == nullptr ? "" : target;
    if (next.empty()) {
      fail(ErrorKind::kCorrupt, "cannot fetch {}: {} redirects ({}) without a location",
           request_.what, host(), answer_.status);
    }
    if (++redirects_ > owner_.options_.redirects) {
      fail(ErrorKind::kCorrupt, "cannot fetch {}: more than {} redirects, the last one to {}",
           request_.what, owner_.options_.redirects, printable(origin_of(next).host));
    }
    const std::string scheme = origin_of(next).scheme;
    const bool encrypted = origin_of(url_).scheme == "https";
    if (scheme != "https" && (scheme != "http" || encrypted)) {
      fail(ErrorKind::kCorrupt, "cannot fetch {}: {} redirects to '{}', which is not {}",
           request_.what, host(), printable(next), encrypted ? "https" : "http or https");
    }
    url_ = next;
    send(multi);
  }

  /// Schedules another attempt. Throws when there are none left.
  void again(const std::string& why) {
    if (receiver_.offset() > begun_at_) {
      begun_at_ = receiver_.offset();
      attempts_left_ = attempts();
    }
    using std::chrono::duration;
    const NetworkOptions& options = owner_.options_;
    --attempts_left_;
    const int past = attempts() - attempts_left_;  // 1, 2, ...
    auto pause =
        std::min(options.first_pause * (1 << std::min(past - 1, 16)), options.longest_pause);
    const long asked = retry_after_seconds(answer_.header("retry-after"));
    if (asked >= 0) pause = std::chrono::seconds(std::min<long>(asked, 1'000'000));
    if (attempts_left_ <= 0 || pause > options.longest_wait) {
      const std::string later =
          asked > 0 ? fmt::format("try again in {}", seconds_text(static_cast<double>(asked)))
                    : "try again later";
      fail(ErrorKind::kDevice,
           "cannot fetch {} from {}: {}\n  {}: the partial download is kept; repeat the command to "
           "continue",
           request_.what, host(), why, later);
    }
    owner_.tell_(fmt::format("{}: {}, trying again in {}", request_.what, why,
                             seconds_text(duration<double>(pause).count())));
    wakes_ = Clock::now() + pause;
  }

  [[noreturn]] void refuse(int status) const {
    const std::string said = printable(answer_.header("x-error-message"));
    const std::string also = said.empty() ? "" : ": " + said;
    if (status == 401 && owner_.token_.empty()) {
      fail(ErrorKind::kMissing,
           "cannot fetch {}: it does not exist on {} or needs a login (401){}\n  check the name; "
           "for a gated model, accept its terms at {} and set HF_TOKEN to a token of that account",
           request_.what, host(), also, request_.page);
    }
    if (status == 401) {
      fail(ErrorKind::kMissing,
           "cannot fetch {}: {} rejects the token (401){}\n  check HF_TOKEN, or the token saved by "
           "`hf auth login`, and the name",
           request_.what, host(), also);
    }
    if (status == 403) {
      fail(ErrorKind::kMissing,
           "cannot fetch {}: {} denies access (403){}\n  accept the model's terms at {}, and set "
           "HF_TOKEN to a token of that account with read access",
           request_.what, host(), also, request_.page);
    }
    if (status == 404) {
      fail(ErrorKind::kMissing, "cannot fetch {}: not found on {} (404){}\n  check the name",
           request_.what, host(), also);
    }
    if (status == 416) {
      fail(ErrorKind::kCorrupt, "cannot fetch {}: {} has no byte {} of it (416)", request_.what,
           host(), from_);
    }
    fail(ErrorKind::kDevice, "cannot fetch {}: {} answers {}{}", request_.what, host(), status,
         also);
  }

  std::string host() const { return printable(origin_of(url_).host); }

  Fetcher& owner_;
  FetchRequest request_;
  Receiver& receiver_;
  CURL* easy_;
  CURLM* multi_ = nullptr;  // while a request runs
  curl_slist* headers_ = nullptr;
  char message_[CURL_ERROR_SIZE] = {};
  std::string url_;
  std::string range_;
  Answer answer_;
  std::size_t header_bytes_ = 0;
  std::size_t error_bytes_ = 0;
  std::uint64_t from_ = 0;
  int redirects_ = 0;
  int attempts_left_;
  std::uint64_t begun_at_;
  Clock::time_point wakes_{};
  bool arrived_ = false;
  std::exception_ptr error_;
};

class Fetcher::Multi {
 public:
  Multi() : handle(Curl::get().multi_init()) {}
  ~Multi() { Curl::get().multi_cleanup(handle); }
  Multi(const Multi&) = delete;
  Multi& operator=(const Multi&) = delete;
  CURLM* handle;
};

Fetcher::Fetcher(NetworkOptions options, std::string endpoint, std::string token,
                 std::function<void(const std::string&)> tell)
    : options_(options),
      endpoint_(std::move(endpoint)),
      token_(std::move(token)),
      tell_(std::move(tell)),
      multi_(std::make_unique<Multi>()) {}

Fetcher::~Fetcher() { fetches_.clear(); }

int Fetcher::start(FetchRequest request, Receiver& receiver) {
  auto fetch = std::make_unique<Fetch>(*this, std::move(request), receiver);
  fetch->wake(multi_->handle);
  fetches_.emplace(next_, std::move(fetch));
  return next_++;
}

void Fetcher::stop(int number) noexcept { fetches_.erase(number); }

bool Fetcher::has_arrived(int number) {
  const auto found = fetches_.find(number);
  SEMBLANCE_ASSERT(found != fetches_.end());
  if (!found->second->ended()) return false;
  const auto fetch = std::move(found->second);
  fetches_.erase(found);
  return fetch->arrived();
}

void Fetcher::turn(std::chrono::milliseconds wait) {
  const Curl& curl = Curl::get();
  const auto until = Clock::now() + wait;
  auto next = until;
  for (const auto& [number, fetch] : fetches_) {
    fetch->wake(multi_->handle);
    if (fetch->sleeps()) next = std::min(next, fetch->wakes());
  }
  int running = 0;
  curl.multi_perform(multi_->handle, &running);
  const auto handle_ended = [&] {
    bool any = false;
    int left = 0;
    while (CURLMsg* const message = curl.multi_info_read(multi_->handle, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      void* fetch = nullptr;
      curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &fetch);
      static_cast<Fetch*>(fetch)->ended_with(code);
      any = true;
    }
    return any;
  };
  if (handle_ended()) return;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
  if (left.count() > 0)
    curl.multi_poll(multi_->handle, nullptr, 0, static_cast<int>(left.count()), nullptr);
  curl.multi_perform(multi_->handle, &running);
  handle_ended();
}

}  // namespace semblance
