#include "service/board.h"

namespace semblance::service {

void Board::changed() {
  {
    const std::lock_guard guard(mutex);
    ++changes_;
  }
  changed_.notify_all();
}

std::uint64_t Board::wait(std::uint64_t seen, std::chrono::milliseconds most) const {
  std::unique_lock guard(mutex);
  changed_.wait_for(guard, most, [&] { return changes_ != seen; });
  return changes_;
}

}  // namespace semblance::service
