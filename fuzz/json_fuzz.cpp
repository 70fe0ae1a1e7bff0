// links: semblance_core
// Any bytes as a config: every way to read a key returns a value or throws an Error.
#include <cstdlib>

#include "core/error.h"
#include "core/json.h"

namespace {

void attempt(const auto& action) {
  try {
    action();
  } catch (const semblance::Error& error) {
    if (error.kind() == semblance::ErrorKind::kInternal) std::abort();
  }
}

void read_every_way(const semblance::Json& json, int depth) {
  if (depth > 4) return;
  for (const std::string& key : json.keys()) {
    attempt([&] { json.get_int(key, 1, {.least = -5, .most = 1 << 20}); });
    attempt([&] { json.get_float(key, 0.5); });
    attempt([&] { json.get_bool(key); });
    attempt([&] { json.get_string(key); });
    attempt([&] { json.get_int_list(key); });
    attempt([&] { json.get_int_or_list(key, 3); });
    attempt([&] { json.get_float_list(key); });
    attempt([&] { json.get_string_list(key); });
    attempt([&] { read_every_way(json.child(key), depth + 1); });
  }
  if (json.is_list()) {
    for (const semblance::Json& item : json.items()) read_every_way(item, depth + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attempt([&] {
    read_every_way(semblance::Json::parse("fuzz", {reinterpret_cast<const char*>(data), size}), 0);
  });
  return 0;
}
