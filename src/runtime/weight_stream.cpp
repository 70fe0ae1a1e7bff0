#include "runtime/weight_stream.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/integers.h"
#include "core/refusal.h"
#include "runtime/trace.h"

namespace semblance {
namespace {

constexpr std::uint64_t kReadAlignment = 64;
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kEndless = std::numeric_limits<std::uint64_t>::max();

/// How far ahead of reading the system is told what comes (or twice the ring, if that is less).
/// Otherwise a disk with a short queue would idle between two reads.
constexpr std::uint64_t kAnnouncedBytes = std::uint64_t{64} << 20;
/// Ranges that one read announces: more than one, so that the distance grows.
constexpr std::size_t kAnnouncedRanges = 4;

/// Even an empty chunk has a place.
std::uint64_t room_of(std::uint64_t bytes) {
  return std::max(kReadAlignment, round_up(bytes, kReadAlignment));
}

std::vector<std::uint64_t> bytes_of(std::span<const WeightStream::Chunk> chunks) {
  std::vector<std::uint64_t> bytes;
  for (const WeightStream::Chunk& chunk : chunks) bytes.push_back(chunk.bytes());
  return bytes;
}

}  // namespace

std::uint64_t WeightStream::Chunk::bytes() const {
  std::uint64_t bytes = 0;
  for (const Piece& piece : pieces) bytes += piece.bytes;
  return bytes;
}

std::vector<std::uint64_t> WeightStream::ring_places(std::span<const std::uint64_t> chunk_bytes,
                                                     std::uint64_t ring_bytes) {
  std::vector<std::uint64_t> places;
  std::uint64_t next = 0;
  for (std::uint64_t bytes : chunk_bytes) {
    SEMBLANCE_ASSERT(bytes <= ring_bytes);
    if (next > ring_bytes || bytes > ring_bytes - next) next = 0;
    places.push_back(next);
    next += room_of(bytes);
  }
  return places;
}

std::uint64_t WeightStream::staging_bytes(const Options& options) {
  if (options.cache == Cache::kKeep) return 0;
  // A range that begins inside a page touches one page more; the last page is for alignment.
  return static_cast<std::uint64_t>(options.readers) * (options.read_bytes + kPage) + kPage;
}

WeightStream::WeightStream(std::span<std::byte> ring, std::vector<Chunk> chunks, Options options)
    : ring_(ring),
      chunks_(std::move(chunks)),
      options_(options),
      staging_(staging_bytes(options), Tag::kStaging) {
  SEMBLANCE_ASSERT(options_.readers > 0 && options_.read_bytes > 0 &&
                   options_.read_bytes % kPage == 0);
  const std::vector<std::uint64_t> bytes = bytes_of(chunks_);
  const std::vector<std::uint64_t> places = ring_places(bytes, ring_.size());
  for (std::size_t i = 0; i < chunks_.size(); ++i)
    states_.push_back({places[i], bytes[i], 0, Held::kNo});
  std::span<std::byte> staging = staging_.bytes();
  if (!staging.empty()) {
    const std::uint64_t begin = reinterpret_cast<std::uintptr_t>(staging.data()) % kPage;
    staging = staging.subspan((kPage - begin) % kPage);
  }
  const std::size_t share = staging.empty() ? 0 : options_.read_bytes + kPage;
  try {
    // So that push_back cannot throw and lose a thread.
    readers_.reserve(static_cast<std::size_t>(options_.readers));
    for (std::size_t i = 0; i < static_cast<std::size_t>(options_.readers); ++i) {
      readers_.push_back(
          start_thread("that reads weights", [this, i, part = staging.subspan(i * share, share)] {
            read_loop(static_cast<int>(i), part);
          }));
    }
  } catch (...) {
    {
      const std::scoped_lock lock(mutex_);
      ending_ = true;
    }
    work_.notify_all();
    for (std::thread& reader : readers_) reader.join();
    throw;
  }
}

WeightStream::~WeightStream() {
  cancel_.reset();
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  work_.notify_all();
  for (std::thread& reader : readers_) reader.join();
}

void WeightStream::cancel() noexcept {
  {
    const std::scoped_lock lock(mutex_);
    cancelled_ = true;
  }
  ready_.notify_all();
}

void WeightStream::halt(std::unique_lock<std::mutex>& lock) {
  running_ = false;
  ready_.wait(lock, [this] { return reading_ == 0; });
  for (State& state : states_) state.held = Held::kNo;
  next_ = announced_ = {};
  announced_bytes_ = oldest_ = asked_ = limit_ = 0;
  error_ = nullptr;
}

void WeightStream::start(std::stop_token stop, bool cyclic) {
  cancel_.reset();  // not under the lock, which a running callback may be waiting for
  if (chunks_.empty()) return;
  {
    std::unique_lock lock(mutex_);
    const bool continues =
        running_ && !cancelled_ && error_ == nullptr && asked_ % chunks_.size() == 0;
    if (!continues) halt(lock);
    running_ = true;
    cancelled_ = false;
    limit_ = cyclic ? kEndless : asked_ + chunks_.size();
  }
  work_.notify_all();
  if (stop.stop_possible()) cancel_.emplace(std::move(stop), Cancel{this});
}

void WeightStream::stop() {
  cancel_.reset();
  std::unique_lock lock(mutex_);
  halt(lock);
}

std::span<const std::byte> WeightStream::wait(std::size_t i) {
  std::unique_lock lock(mutex_);
  SEMBLANCE_ASSERT(running_ && i == asked_ % chunks_.size() && asked_ < limit_);
  State& chunk = states_[i];
  if (chunk.held != Held::kReady || cancelled_) {
    const double begin = Trace::now();
    bool stuck = false;
    ready_.wait(lock, [&] {
      stuck = next_.chunk == asked_ && next_.at_start() && !has_place(asked_);
      return chunk.held == Held::kReady || error_ != nullptr || cancelled_ || stuck;
    });
    counts_.wait_seconds += Trace::now() - begin;
    if (cancelled_ || error_ != nullptr) {
      running_ = false;
      if (cancelled_) fail(ErrorKind::kCancelled, "cancelled");
      std::rethrow_exception(std::exchange(error_, nullptr));
    }
    if (stuck) {
      fail(ErrorKind::kInternal,
           "internal error: chunk {} ({}, {} bytes) overlaps an unreleased chunk in the ring", i,
           chunks_[i].name, chunk.bytes);
    }
  }
  chunk.held = Held::kHeld;
  ++asked_;
  return std::span<const std::byte>(ring_).subspan(chunk.place, chunk.bytes);
}

void WeightStream::release(std::size_t i) {
  {
    const std::scoped_lock lock(mutex_);
    if (!running_) return;  // the pass has failed, so nothing is held
    SEMBLANCE_ASSERT(i < states_.size() && states_[i].held == Held::kHeld);
    states_[i].held = Held::kNo;
    while (oldest_ < asked_ && state(oldest_).held == Held::kNo) ++oldest_;
  }
  work_.notify_all();
}

WeightStream::Counts WeightStream::counts() const {
  const std::scoped_lock lock(mutex_);
  return counts_;
}

bool WeightStream::has_place(std::uint64_t chunk) {
  const State& wanted = state(chunk);
  for (std::uint64_t other = oldest_; other < chunk; ++other) {
    const State& earlier = state(other);
    if (earlier.held != Held::kNo && earlier.place < wanted.place + room_of(wanted.bytes) &&
        wanted.place < earlier.place + room_of(earlier.bytes)) {
      return false;
    }
  }
  return true;
}

bool WeightStream::can_read() {
  if (!running_ || cancelled_ || error_ != nullptr || next_.chunk >= limit_) return false;
  return !next_.at_start() || has_place(next_.chunk);
}

WeightStream::Range WeightStream::advance(Cursor& cursor) const {
  const std::vector<Piece>& pieces = chunks_[cursor.chunk % chunks_.size()].pieces;
  const auto skip_done = [&] {
    while (cursor.piece < pieces.size() && cursor.done == pieces[cursor.piece].bytes) {
      cursor.done_before += cursor.done;
      cursor.done = 0;
      ++cursor.piece;
    }
  };
  skip_done();
  Range range;
  range.chunk = cursor.chunk;
  if (cursor.piece < pieces.size()) {
    const Piece& piece = pieces[cursor.piece];
    range.file = piece.file.get();
    range.offset = piece.offset + cursor.done;
    range.bytes = std::min(options_.read_bytes, piece.bytes - cursor.done);
    range.place = cursor.done_before + cursor.done;
    cursor.done += range.bytes;
    skip_done();
  }
  if (cursor.piece == pieces.size()) cursor = {.chunk = cursor.chunk + 1};
  return range;
}

WeightStream::Range WeightStream::take() {
  if (next_.at_start()) {
    State& chunk = state(next_.chunk);
    chunk.held = Held::kReading;
    chunk.left = chunk.bytes;
  }
  const Range range = advance(next_);
  announced_bytes_ -= std::min(announced_bytes_, range.bytes);
  if (announced_.chunk < next_.chunk) {
    announced_ = next_;
    announced_bytes_ = 0;
  }
  return range;
}

std::size_t WeightStream::to_announce(std::span<Range> ranges) {
  if (options_.cache != Cache::kKeep) return 0;
  const std::uint64_t distance = std::min<std::uint64_t>(kAnnouncedBytes, 2 * ring_.size());
  std::size_t count = 0;
  while (count < ranges.size() && announced_.chunk < limit_ && announced_bytes_ < distance &&
         announced_.chunk < next_.chunk + chunks_.size()) {
    ranges[count] = advance(announced_);
    announced_bytes_ += ranges[count].bytes;
    if (ranges[count].file != nullptr) ++count;
  }
  return count;
}

void WeightStream::read(const Range& range, std::uint64_t place,
                        std::span<std::byte> staging) const {
  const std::span<std::byte> dst = ring_.subspan(place + range.place, range.bytes);
  if (options_.cache == Cache::kPass) {
    range.file->read_past_cache(range.offset, dst, staging);
  } else {
    range.file->read(range.offset, dst);
  }
}

void WeightStream::read_loop(int reader, std::span<std::byte> staging) {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return ending_ || can_read(); });
    if (ending_) return;
    const Range range = take();
    std::array<Range, kAnnouncedRanges> announced;
    const std::size_t count = to_announce(announced);
    State& chunk = state(range.chunk);
    const std::uint64_t place = chunk.place;
    ++reading_;
    lock.unlock();
    std::exception_ptr error;
    const double begin = Trace::now();
    if (range.file != nullptr) {
      for (const Range& soon : std::span(announced).first(count))
        soon.file->will_need(soon.offset, soon.bytes);
      try {
        read(range, place, staging);
      } catch (...) {
        error = std::current_exception();
      }
    }
    const double end = Trace::now();
    if (options_.trace != nullptr) {
      options_.trace->add(TraceRow::kReader, chunks_[range.chunk % chunks_.size()].name, begin, end,
                          range.bytes, reader);
    }
    lock.lock();
    --reading_;
    counts_.busy_seconds += end - begin;
    if (error != nullptr) {
      if (error_ == nullptr) error_ = error;
    } else {
      counts_.bytes_read += range.bytes;
      chunk.left -= range.bytes;
      if (chunk.left == 0) chunk.held = Held::kReady;
    }
    ready_.notify_all();
  }
}

}  // namespace semblance
