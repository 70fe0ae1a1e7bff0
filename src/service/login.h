// Who has shown the key: sessions of browsers, and how often someone guesses. In memory alone: a
// restart ends all sessions. Thread-safe.
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

/// Whether the two are the same, in a time that depends on the length of `given` alone.
bool same_secret(std::string_view given, std::string_view secret);

/// 64 hexadecimal digits of the system's random source. Throws Error(kDevice) where that fails.
std::string random_token();

using Clock = std::chrono::steady_clock;

/// Sessions, each named by a random token that its browser keeps in a cookie.
class Sessions {
 public:
  static constexpr std::size_t kMost = 64;  // the oldest ends where one more begins
  static constexpr std::chrono::hours kLife{24 * 30};

  /// A new session's random_token().
  std::string begin(Clock::time_point now);
  bool has(std::string_view token, Clock::time_point now) const;
  void end(std::string_view token);

 private:
  struct Session {
    std::string token;
    Clock::time_point begun;
  };
  mutable std::mutex mutex_;
  std::deque<Session> sessions_;  // the oldest first
};

/// Holds guessing of the key to ten failures a minute: of each address, and of all addresses that
/// have not shown the key before. So nobody who guesses can keep out those who know it.
class Guesses {
 public:
  static constexpr std::size_t kMostFailures = 10;
  static constexpr std::chrono::seconds kTime{60};

  enum class Answer { kRight, kWrong, kTooMany };
  struct Result {
    Answer answer = Answer::kRight;
    std::chrono::seconds wait{0};  // where there were too many
  };

  /// Compares only where there were not too many failures, and counts this one. An IPv6 address
  /// stands for its network of 64 bits, which is what one user has.
  Result check(std::string_view given, std::string_view key, const std::string& address,
               Clock::time_point now);

 private:
  using Failures = std::deque<Clock::time_point>;
  struct Address {
    Failures failures;
    bool is_known = false;  // has shown the key
    Clock::time_point last;
  };
  static std::optional<std::chrono::seconds> wait_of(Failures& failures, Clock::time_point now);
  void forget_old(Clock::time_point now);

  std::mutex mutex_;
  std::map<std::string, Address> addresses_;
  Failures unknown_;  // of addresses that are not known
};

}  // namespace semblance::service
