// Browsers' sessions, and protection against guessing the key. Kept only in memory: a restart ends
// all sessions. Thread-safe.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace semblance::service {

/// Whether the two are equal, in a time that depends only on the length of `given`.
bool same_secret(std::string_view given, std::string_view secret);

/// 64 hexadecimal digits from the system's random source. Throws Error(kDevice) if that fails.
std::string random_token();

using Clock = std::chrono::steady_clock;

/// Sessions, each identified by a random token that the browser keeps in a cookie.
class Sessions {
 public:
  static constexpr std::size_t kMost = 64;  // one more ends the oldest
  static constexpr std::chrono::hours kLife{24 * 30};

  /// A new session's random_token().
  std::string begin(Clock::time_point now);
  bool has(std::string_view token, Clock::time_point now) const;
  void end(std::string_view token);
  void end_all();

 private:
  struct Session {
    std::string token;
    Clock::time_point begun;
  };
  mutable std::mutex mutex_;
  std::deque<Session> sessions_;  // the oldest first
};

/// Limits wrong keys to ten a minute: per address, and over all addresses that have not shown the
/// key before. So an attacker cannot lock out clients that know the key.
class Guesses {
 public:
  static constexpr std::size_t kMostFailures = 10;
  static constexpr std::chrono::seconds kTime{60};

  enum class Answer { kRight, kWrong, kTooMany };
  struct Result {
    Answer answer = Answer::kRight;
    std::chrono::seconds wait{0};  // after too many failures
  };

  /// Compares the key unless there were too many failures, and counts a failure. An IPv6 address
  /// counts as its 64-bit network, since one user has a whole one.
  Result check(std::string_view given, std::string_view key, const std::string& address,
               Clock::time_point now);

 private:
  using Failures = std::deque<Clock::time_point>;
  struct Address {
    Failures failures;
    bool is_known = false;  // has shown the right key
    Clock::time_point last;
  };
  static std::optional<std::chrono::seconds> wait_of(Failures& failures, Clock::time_point now);
  void forget_old(Clock::time_point now);

  std::mutex mutex_;
  std::map<std::string, Address> addresses_;
  Failures unknown_;  // of all unknown addresses
};

}  // namespace semblance::service
