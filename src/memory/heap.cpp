#include "memory/heap.h"

#include <malloc.h>

namespace semblance {

#ifdef __GLIBC__

void return_freed_memory() {
  constexpr int kFrom = 128 * 1024;
  mallopt(M_MMAP_THRESHOLD, kFrom);
  mallopt(M_TRIM_THRESHOLD, kFrom);
  mallopt(M_ARENA_MAX, 2);
}

void trim_heap() { malloc_trim(0); }

#else

void return_freed_memory() {}
void trim_heap() {}

#endif

}  // namespace semblance
