#include "runtime/news_test.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<int> g_allocations{0};
}  // namespace

#ifndef SEMBLANCE_SANITIZED  // sanitizers have their own; then nothing is counted

void* operator new(std::size_t bytes) {
  ++g_allocations;
  if (void* block = std::malloc(bytes)) return block;
  throw std::bad_alloc();
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++g_allocations;
  return std::malloc(bytes);
}
void operator delete(void* block, const std::nothrow_t&) noexcept { std::free(block); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

#endif

namespace semblance::testing {

int allocation_count() { return g_allocations; }

}  // namespace semblance::testing
