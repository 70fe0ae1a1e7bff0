// The content of each byte of a region, for check_plan().
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "planner/plan.h"

namespace semblance {

/// Bytes [offset, offset + bytes) of what origin number `origin` wrote.
struct ContentPiece {
  int origin = -1;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;

  friend bool operator==(const ContentPiece&, const ContentPiece&) = default;
};
/// What a value holds, from its first byte to its last. Adjacent pieces of an origin are merged.
using Content = std::vector<ContentPiece>;

void append(Content& content, ContentPiece piece);
/// Bytes [offset, offset + bytes) of a content, which must have that many.
Content range_of(const Content& content, std::uint64_t offset, std::uint64_t bytes);

class Ledger {
 public:
  /// The region holds `content` from `offset`.
  void write(std::uint64_t offset, const Content& content);
  /// What the place holds; bytes never written have origin -1.
  Content read(const Place& place) const;

 private:
  struct Range {
    std::uint64_t end = 0;
    int origin = -1;
    std::uint64_t offset = 0;  // of the range's first byte in its origin
  };
  void split(std::uint64_t at);
  std::map<std::uint64_t, Range> ranges_;  // by first byte
};

}  // namespace semblance
