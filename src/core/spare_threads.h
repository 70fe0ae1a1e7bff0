// Threads that wait to be OpenMP's. Its runtime ends the process when it cannot make a thread, and
// it makes and ends threads all along, as teams grow and shrink. So the program makes them first,
// where a failure can be told, and hands one over each time that the runtime asks for a thread
// (src/reserve.cpp). Without that, as in the shared library, nothing here is used.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <mutex>

namespace semblance {

class SpareThreads {
 public:
  /// Null until use() is called, which is for the program alone, before it has other threads.
  static SpareThreads* instance();
  static void use();

  /// Has so many threads more, or fewer, set aside for a thread that will lead teams, and at least
  /// `count` in all with least(). Both throw Error(kDevice), with how many there could be, where
  /// the system makes no more.
  void claim(int count);
  void give_back(int count);
  void least(int count);

  /// Runs start(argument) on a thread that waits, or that will soon: one that was set aside.
  pthread_t run(void* (*start)(void*), void* argument);

 private:
  struct Spare;
  void make_until(int wanted);
  void wait_for_work(Spare& spare);

  std::mutex mutex_;
  std::condition_variable returned_;
  Spare* idle_ = nullptr;
  int made_ = 0;
  int claimed_ = 0;
};

}  // namespace semblance
