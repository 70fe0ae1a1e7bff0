#include "service/server_core.h"

#include <utility>

namespace semblance::service {

ServerCore::ServerCore(const AccessOptions& access_options, Router routes,
                       const HttpLimits& http_limits, std::shared_ptr<HttpStats> http_stats)
    : access(access_options),
      router(std::move(routes)),
      limits(http_limits),
      stats(std::move(http_stats)),
      bodies(limits.bodies_bytes),
      small_bodies(limits.small_bodies_bytes) {
  router.add(
      "POST", "/api/login",
      [this](const HttpRequest& request, const Router::Captures&) { return access.login(request); },
      {.body_limit = 4096, .open = true});
  router.add("POST", "/api/logout",
             [this](const HttpRequest& request, const Router::Captures&) {
               return access.logout(request);
             },
             {.body_limit = 4096, .open = true});
}

bool ServerCore::is_short(const std::string& client) const {
  if (bodies.is_half_used() || small_bodies.is_half_used()) return true;
  const auto is_most = [](unsigned count, unsigned limit) { return count > limit / 4 * 3; };
  const std::lock_guard lock(mutex);
  const auto own = connections.find(client);
  return is_most(connection_count, limits.connections) ||
         (own != connections.end() && is_most(own->second, limits.connections_by_address));
}

bool Pool::take(std::uint64_t bytes) {
  std::uint64_t before = used_.load();
  do {
    if (bytes > limit_ || before > limit_ - bytes) return false;
  } while (!used_.compare_exchange_weak(before, before + bytes));
  return true;
}

bool Booking::resize(std::uint64_t bytes) {
  const auto pool_of = [&](std::uint64_t count) -> Pool& {
    return count <= core_.limits.small_body ? core_.small_bodies : core_.bodies;
  };
  Pool& before = pool_of(bytes_);
  Pool& after = pool_of(bytes);
  const std::uint64_t had = &before == &after ? bytes_ : 0;
  if (bytes > had && !after.take(bytes - had)) return false;
  if (bytes < had) after.give(had - bytes);
  if (&before != &after) before.give(bytes_);
  if (is_work_) core_.work_bytes += bytes - bytes_;
  bytes_ = bytes;
  return true;
}

}  // namespace semblance::service
