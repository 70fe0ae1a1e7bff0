// Threads started in advance for OpenMP. Its runtime starts and ends threads as teams grow and
// shrink, and ends the process if it cannot start one. So the program starts them first, where it
// can report a failure, and hands one over each time the runtime asks for a thread
// (src/reserve.cpp). The shared library does not do this and uses nothing here.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <mutex>

namespace semblance {

class SpareThreads {
 public:
  /// Null until use() is called. Only the program calls use(), before it starts other threads.
  static SpareThreads* instance();
  static void use();

  /// claim() sets `count` more threads aside for a thread that will lead teams, give_back()
  /// releases them; ensure() makes sure that there are at least `count` in all. claim() and
  /// ensure() throw Error(kDevice), with the number that could be started, if the system refuses
  /// more.
  void claim(int count);
  void give_back(int count);
  void ensure(int count);

  /// Runs start(argument) on a thread that was set aside; waits until one is idle.
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
