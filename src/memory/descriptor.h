// A file descriptor that closes itself.
#pragma once

#include <unistd.h>

#include <utility>

namespace semblance {

class Descriptor {
 public:
  /// Takes ownership; a negative number means none.
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }

  int get() const { return number_; }
  /// Closes it now.
  void reset() {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
  }
  /// Gives up ownership without closing.
  void release() { number_ = -1; }

 private:
  int number_;
};

}  // namespace semblance
