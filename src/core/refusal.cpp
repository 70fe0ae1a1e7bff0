#include "core/refusal.h"

#include <sys/resource.h>

#include <cerrno>
#include <cstring>

namespace semblance {

ErrorKind kind_of(int system_error) {
  return system_error == ENOMEM ? ErrorKind::kMemory : ErrorKind::kDevice;
}

std::string thread_limits() {
  std::string text = "raise one of the limits: ";
  rlimit limit{};
  if (getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    text += fmt::format("processes of this user (ulimit -u, now {}), ", limit.rlim_cur);
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    text += fmt::format("address space (ulimit -v, now {} KiB), ", limit.rlim_cur / 1024);
  return text + "threads of the control group (pids.max)";
}

void fail_to_start(std::string_view what, const std::system_error& error) {
  const int reason = error.code().value();
  fail(kind_of(reason), "cannot start a thread {}: {}\n  {}", what, std::strerror(reason),
       thread_limits());
}

}  // namespace semblance
