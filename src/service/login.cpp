#include "service/login.h"

#include <arpa/inet.h>
#include <sys/random.h>

#include <algorithm>
#include <array>

#include "core/error.h"

namespace semblance::service {
namespace {

constexpr std::size_t kMostAddresses = 1024;
/// How long an address counts as known after it has shown the key.
constexpr std::chrono::hours kKnownTime{24};

/// The key by which failures are counted.
std::string network_of(const std::string& address) {
  in6_addr v6{};
  if (::inet_pton(AF_INET6, address.c_str(), &v6) != 1) return address;
  return std::string(reinterpret_cast<const char*>(v6.s6_addr), 8);
}

}  // namespace

std::string random_token() {
  std::array<unsigned char, 32> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    fail(ErrorKind::kDevice, "cannot make a secret: the system's random source failed");
  std::string token;
  for (const unsigned char byte : bytes) token += fmt::format("{:02x}", byte);
  return token;
}

bool same_secret(std::string_view given, std::string_view secret) {
  // Compares every given byte; the secret is repeated if it is shorter.
  unsigned differences = given.size() == secret.size() ? 0 : 1;
  if (secret.empty()) return given.empty();
  for (std::size_t i = 0; i < given.size(); ++i) {
    differences |= static_cast<unsigned char>(given[i]) ^
                   static_cast<unsigned char>(secret[i % secret.size()]);
  }
  return differences == 0;
}

std::string Sessions::begin(Clock::time_point now) {
  Session session{random_token(), now};
  std::string token = session.token;
  const std::lock_guard guard(mutex_);
  if (sessions_.size() == kMost) sessions_.pop_front();
  sessions_.push_back(std::move(session));
  return token;
}

bool Sessions::has(std::string_view token, Clock::time_point now) const {
  const std::lock_guard guard(mutex_);
  bool found = false;  // compares all, so that the time reveals nothing
  for (const Session& session : sessions_)
    found |= same_secret(token, session.token) && now - session.begun < kLife;
  return found;
}

void Sessions::end(std::string_view token) {
  const std::lock_guard guard(mutex_);
  std::erase_if(sessions_,
                [&](const Session& session) { return same_secret(token, session.token); });
}

void Sessions::end_all() {
  const std::lock_guard guard(mutex_);
  sessions_.clear();
}

std::optional<std::chrono::seconds> Guesses::wait_of(Failures& failures, Clock::time_point now) {
  while (!failures.empty() && now - failures.front() >= kTime) failures.pop_front();
  if (failures.size() < kMostFailures) return {};
  return std::chrono::ceil<std::chrono::seconds>(failures.front() + kTime - now);
}

void Guesses::forget_old(Clock::time_point now) {
  if (addresses_.size() < kMostAddresses) return;
  std::erase_if(addresses_, [&](const auto& entry) {
    return now - entry.second.last >= (entry.second.is_known ? kKnownTime : kTime);
  });
  while (addresses_.size() >= kMostAddresses) {
    addresses_.erase(std::ranges::min_element(addresses_, {},
                                              [](const auto& entry) { return entry.second.last; }));
  }
}

Guesses::Result Guesses::check(std::string_view given, std::string_view key,
                               const std::string& address, Clock::time_point now) {
  const std::lock_guard guard(mutex_);
  const std::string network = network_of(address);
  const auto found = addresses_.find(network);
  bool is_known = false;
  if (found != addresses_.end()) {
    found->second.is_known &= now - found->second.last < kKnownTime;
    is_known = found->second.is_known;
    if (const auto wait = wait_of(found->second.failures, now)) return {Answer::kTooMany, *wait};
  }
  if (!is_known) {
    if (const auto wait = wait_of(unknown_, now)) return {Answer::kTooMany, *wait};
  }
  const bool is_right = same_secret(given, key);
  if (is_right && is_known) {
    found->second.last = now;
    return {};
  }
  forget_old(now);
  Address& entry = addresses_[network];
  entry.last = now;
  if (is_right) {
    entry.is_known = true;
    return {};
  }
  entry.failures.push_back(now);
  if (!is_known) unknown_.push_back(now);
  return {Answer::kWrong, {}};
}

}  // namespace semblance::service
