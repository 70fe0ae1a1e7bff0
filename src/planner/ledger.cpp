#include "planner/ledger.h"

#include <algorithm>

namespace semblance {

void append(Content& content, ContentPiece piece) {
  if (piece.bytes == 0) return;
  if (!content.empty()) {
    ContentPiece& last = content.back();
    const bool unknown = piece.origin < 0 && last.origin < 0;
    if (last.origin == piece.origin && (unknown || last.offset + last.bytes == piece.offset)) {
      last.bytes += piece.bytes;
      return;
    }
  }
  content.push_back(piece);
}

Content range_of(const Content& content, std::uint64_t offset, std::uint64_t bytes) {
  Content result;
  std::uint64_t at = 0;
  const std::uint64_t end = offset + bytes;
  for (const ContentPiece& piece : content) {
    const std::uint64_t begin = std::max(at, offset);
    const std::uint64_t stop = std::min(at + piece.bytes, end);
    if (begin < stop) append(result, {piece.origin, piece.offset + (begin - at), stop - begin});
    at += piece.bytes;
  }
  SEMBLANCE_ASSERT(end <= at);
  return result;
}

void Ledger::write(std::uint64_t offset, const Content& content) {
  std::uint64_t bytes = 0;
  for (const ContentPiece& piece : content) bytes += piece.bytes;
  if (bytes == 0) return;
  split(offset);
  split(offset + bytes);
  ranges_.erase(ranges_.lower_bound(offset), ranges_.lower_bound(offset + bytes));
  for (const ContentPiece& piece : content) {
    ranges_[offset] = {offset + piece.bytes, piece.origin, piece.offset};
    offset += piece.bytes;
  }
}

Content Ledger::read(const Place& place) const {
  Content result;
  std::uint64_t at = place.offset;
  const std::uint64_t end = place.offset + place.bytes;
  auto next = ranges_.upper_bound(at);
  if (next != ranges_.begin() && std::prev(next)->second.end > at) --next;
  while (at < end) {
    if (next == ranges_.end() || next->first >= end) {
      append(result, {-1, 0, end - at});
      break;
    }
    if (next->first > at) {
      append(result, {-1, 0, next->first - at});
      at = next->first;
    }
    const Range& range = next->second;
    const std::uint64_t stop = std::min(range.end, end);
    append(result, {range.origin, range.offset + (at - next->first), stop - at});
    at = stop;
    ++next;
  }
  return result;
}

void Ledger::split(std::uint64_t at) {
  auto range = ranges_.upper_bound(at);
  if (range == ranges_.begin()) return;
  --range;
  if (range->first >= at || range->second.end <= at) return;
  Range tail = range->second;
  tail.offset += at - range->first;
  range->second.end = at;
  ranges_[at] = tail;
}

}  // namespace semblance
