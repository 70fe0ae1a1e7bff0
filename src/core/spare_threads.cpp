#include "core/spare_threads.h"

#include <signal.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "core/error.h"
#include "core/library_call.h"
#include "core/refusal.h"

namespace semblance {
namespace {

/// A thread uses about 100 KiB of its stack; the rest is only address space.
constexpr std::size_t kStackBytes = std::size_t{1} << 20;

SpareThreads* the_spare_threads = nullptr;

}  // namespace

struct SpareThreads::Spare {
  explicit Spare(SpareThreads& threads) : owner(threads) {}
  SpareThreads& owner;
  pthread_t thread{};
  void* (*start)(void*) = nullptr;
  void* argument = nullptr;
  std::condition_variable woken;
  Spare* next = nullptr;
};

SpareThreads* SpareThreads::instance() { return the_spare_threads; }

// Never destroyed: its threads wait until the process ends.
void SpareThreads::use() { the_spare_threads = new SpareThreads(); }

void SpareThreads::claim(int count) {
  const std::lock_guard lock(mutex_);
  make_until(claimed_ + count);
  claimed_ += count;
}

void SpareThreads::give_back(int count) {
  const std::lock_guard lock(mutex_);
  // The threads end with the one that led them.
  claimed_ -= count;
  made_ -= count;
}

void SpareThreads::ensure(int count) {
  const std::lock_guard lock(mutex_);
  make_until(count);
}

void SpareThreads::make_until(int wanted) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);  // signals are for the program's own threads
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = 0;
  while (made_ < wanted && error == 0) {
    auto* const spare = new (std::nothrow) Spare(*this);
    const auto body = [](void* given) -> void* {
      auto& own = *static_cast<Spare*>(given);
      own.owner.wait_for_work(own);
      return nullptr;
    };
    error = spare == nullptr ? ENOMEM : pthread_create(&spare->thread, &attributes, body, spare);
    if (error == 0) {
      ++made_;
    } else {
      delete spare;
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error == 0) return;
  const int left = made_ - claimed_;
  fail(kind_of(error),
       "cannot start {} compute threads, only {}: {}\n  {}; or use fewer with --threads",
       wanted - claimed_, left, std::strerror(error), thread_limits());
}

void SpareThreads::wait_for_work(Spare& spare) {
  stay_in_library_call();
  for (;;) {
    std::unique_lock lock(mutex_);
    spare.start = nullptr;
    spare.next = idle_;
    idle_ = &spare;
    returned_.notify_one();
    spare.woken.wait(lock, [&spare] { return spare.start != nullptr; });
    lock.unlock();
    spare.start(spare.argument);
  }
}

pthread_t SpareThreads::run(void* (*start)(void*), void* argument) {
  std::unique_lock lock(mutex_);
  returned_.wait(lock, [this] { return idle_ != nullptr; });
  Spare& spare = *idle_;
  idle_ = spare.next;
  spare.start = start;
  spare.argument = argument;
  spare.woken.notify_one();
  return spare.thread;
}

}  // namespace semblance
