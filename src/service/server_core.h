// What all connections of a server share: access control, routes, limits, counts, and the memory
// that requests and responses book before they use it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "service/access_control.h"
#include "service/http.h"
#include "service/http_limits.h"
#include "service/http_stats.h"

namespace semblance::service {

/// A number of bytes that can be booked. Any thread.
class Pool {
 public:
  explicit Pool(std::uint64_t limit) : limit_(limit) {}
  /// False if that would exceed the limit.
  bool take(std::uint64_t bytes);
  void give(std::uint64_t bytes) { used_ -= bytes; }
  std::uint64_t used() const { return used_; }
  bool is_half_used() const { return used_ > limit_ / 2; }

 private:
  const std::uint64_t limit_;
  std::atomic<std::uint64_t> used_ = 0;
};

/// Shared by all connections of a server. Any thread.
struct ServerCore {
  ServerCore(const AccessOptions& access_options, Router routes, const HttpLimits& http_limits,
             std::shared_ptr<HttpStats> http_stats);

  /// Whether memory or connections run short, in total or for this client, so that slow clients
  /// must make room.
  bool is_short(const std::string& client) const;

  AccessControl access;
  Router router;
  const HttpLimits limits;
  const std::shared_ptr<HttpStats> stats;
  Pool bodies;
  Pool small_bodies;
  std::atomic<std::uint64_t> work_bytes = 0;  // of the pools, booked for handlers' own work
  std::atomic<bool> stopping = false;
  std::atomic<unsigned> handling = 0;

  mutable std::mutex mutex;
  std::map<std::string, unsigned> connections;  // of each client
  unsigned connection_count = 0;
};

/// Bytes booked for one request or response.
class Booking {
 public:
  /// `is_work`: for a handler's own work, and not for a body or text.
  explicit Booking(ServerCore& core, bool is_work = false) : core_(core), is_work_(is_work) {}
  ~Booking() { resize(0); }
  Booking(const Booking&) = delete;
  Booking& operator=(const Booking&) = delete;

  /// Replaces the booking with one of `bytes`. False, and unchanged, if there is no room.
  bool resize(std::uint64_t bytes);
  std::uint64_t bytes() const { return bytes_; }

 private:
  ServerCore& core_;
  bool is_work_;
  std::uint64_t bytes_ = 0;
};

}  // namespace semblance::service
