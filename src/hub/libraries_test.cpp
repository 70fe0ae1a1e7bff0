#include "hub/libraries.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "memory/base_memory.h"

namespace semblance {
namespace {

TEST(SharedLibrary, OpensWhileCodeIsGivenBack) {
  std::atomic<bool> over = false;
  std::jthread giver([&] {
    while (!over) give_back_code();
  });
  for (int i = 0; i < 10; ++i) {
    const SharedLibrary library("libcurl.so.4", "libcurl4");
    void* const handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_NOLOAD);
    ASSERT_NE(handle, nullptr);
    dlclose(handle);
    dlclose(handle);  // the library's own, so that the next round maps it anew
  }
  over = true;
}

}  // namespace
}  // namespace semblance
