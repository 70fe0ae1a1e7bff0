#include "hub/libraries.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "hub/digest.h"
#include "memory/base_memory.h"

namespace semblance {
namespace {

TEST(SharedLibrary, OpensWhileCodeIsUnloaded) {
  std::atomic<bool> over = false;
  std::jthread giver([&] {
    while (!over) drop_unmodified_code();
  });
  for (int i = 0; i < 10; ++i) {
    const SharedLibrary library("libcurl.so.4", "libcurl4");
    void* const handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_NOLOAD);
    ASSERT_NE(handle, nullptr);
    // Other memory may be mapped where the library was, so no code is unloaded meanwhile.
    const std::lock_guard guard(mappings_mutex());
    dlclose(handle);
    dlclose(handle);  // drops our handle, so that the next round maps it again
  }
  over = true;
}

/// RFC 4231, test cases 1, 2 and 6.
TEST(Hmac, MatchesTheStandard) {
  EXPECT_EQ(hmac_sha256(std::string(20, '\x0b'), "Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hmac_sha256("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hmac_sha256(std::string(131, '\xaa'),
                        "Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

}  // namespace
}  // namespace semblance
