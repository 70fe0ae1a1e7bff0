// 64-bit FNV-1a: tells things apart, but does not protect against forgery.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace semblance {

class Fnv1a {
 public:
  void add(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) {
      value_ ^= std::to_integer<std::uint64_t>(byte);
      value_ *= 0x100000001b3U;
    }
  }
  /// Adds the number's eight bytes, lowest first.
  void add(std::uint64_t number) { add(std::as_bytes(std::span(&number, 1))); }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325U;
};

}  // namespace semblance
