// Which content the bytes of a region hold: the checker's memory of a run.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "planner/plan.h"

namespace semblance {

/// Consecutive bytes of one content: bytes [offset, offset + bytes) of origin number `origin`.
struct Piece {
  int origin = -1;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;

  friend bool operator==(const Piece&, const Piece&) = default;
};
/// What a value holds, from its first byte to its last. Pieces that continue each other are one.
using Content = std::vector<Piece>;

void append(Content& content, Piece piece);
/// Bytes [offset, offset + bytes) of a content, which has them.
Content range_of(const Content& content, std::uint64_t offset, std::uint64_t bytes);

class Ledger {
 public:
  /// From `offset` on the region now holds `content`.
  void write(std::uint64_t offset, const Content& content);
  /// What the place holds; bytes that were never written are of origin -1.
  Content read(const Place& place) const;

 private:
  struct Range {
    std::uint64_t end = 0;
    int origin = -1;
    std::uint64_t offset = 0;  // of the range's first byte in its origin
  };
  void split(std::uint64_t at);
  std::map<std::uint64_t, Range> ranges_;  // by where they begin
};

}  // namespace semblance
