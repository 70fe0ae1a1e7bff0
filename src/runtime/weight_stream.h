// Reads weights ahead of the computation: reader threads fill a ring of given size with raw bytes
// of files, in the order in which they will be used.
//
//   stream.start(stop);                       // begins a pass: all chunks, once, in order
//   for i: use(stream.wait(i)); stream.release(i);
//
// One thread (the consumer) calls start, wait, release and stop. Every chunk has one place in the
// ring, known beforehand (ring_places), and is read as soon as all earlier chunks that lie there
// are released. While a pass runs nothing is allocated.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "memory/buffer.h"
#include "memory/file.h"

namespace semblance {

class Trace;

class WeightStream {
 public:
  struct Piece {
    std::shared_ptr<const File> file;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  /// Pieces that lie one behind the other in the ring: a weight, or some ranges of its rows.
  struct Chunk {
    std::string name;  // for the trace
    std::vector<Piece> pieces;
    std::uint64_t bytes() const;
  };

  enum class Cache : std::uint8_t {
    kPass,  // past the system's page cache, so that the rest of the machine isn't pushed out; what
            // is cached already is taken from there. A third of a core's time of kKeep when cold.
    kKeep,  // through the page cache, which is told what comes: files stay there if they fit
  };
  struct Options {
    Cache cache = Cache::kPass;
    /// More than one only helps disks that need several requests at once.
    int readers = 1;
    /// Of one read: a cancel waits for as much at most. A multiple of 4096.
    std::uint64_t read_bytes = std::uint64_t{4} << 20;
    Trace* trace = nullptr;
  };

  /// Where each chunk begins in the ring: at a multiple of 64 behind the one before it, or at 0
  /// when it would not fit before the end. Error(kInternal) for a chunk larger than the ring.
  /// Chunks that are held together must lie apart: see wait().
  static std::vector<std::uint64_t> ring_places(std::span<const std::uint64_t> chunk_bytes,
                                                std::uint64_t ring_bytes);

  /// Memory that a stream takes beside the ring.
  static std::uint64_t staging_bytes(const Options& options);

  /// The ring is aligned to 64 bytes and outlives the stream. Throws Error(kMemory), and what
  /// ring_places throws.
  WeightStream(std::span<std::byte> ring, std::vector<Chunk> chunks, Options options);
  WeightStream(std::span<std::byte> ring, std::vector<Chunk> chunks)
      : WeightStream(ring, std::move(chunks), Options()) {}
  /// Ends at once: waits for a read that is under way, no longer.
  ~WeightStream();
  WeightStream(const WeightStream&) = delete;
  WeightStream& operator=(const WeightStream&) = delete;

  /// Begins a pass; wait(0) is next. `cyclic`: the pass after this one begins to be read as soon as
  /// there is place, and the next start() goes on with it. After an error, a cancel or in the
  /// middle of a pass start() drops what was read and begins again.
  void start(std::stop_token stop = {}, bool cyclic = false);

  /// The bytes of chunk i, the one after the last that was asked for; blocks until they are there.
  /// Valid until release(i). Throws once what reading a file threw (Error(kCorrupt) or
  /// Error(kDevice) with its name), Error(kCancelled) when the stop was asked for; then only
  /// start() goes on. Error(kInternal) when chunks that are still held lie where this one must:
  /// it would wait forever.
  std::span<const std::byte> wait(std::size_t i);
  /// Gives the place of chunk i back; wait(i) has returned.
  void release(std::size_t i);

  /// Ends the pass and lets go of the ring until the next start(): nothing writes to it any more.
  void stop();

  struct Counts {
    std::uint64_t bytes_read = 0;
    double wait_seconds = 0;  // that wait() blocked
    double busy_seconds = 0;  // that readers were in a read, summed over them
  };
  /// Since the stream was made. Thread-safe.
  Counts counts() const;

 private:
  enum class Held : std::uint8_t { kNo, kReading, kReady, kHeld };
  struct State {
    std::uint64_t place = 0;
    std::uint64_t bytes = 0;
    std::uint64_t left = 0;  // not read yet
    Held held = Held::kNo;
  };
  /// Where the next read begins. Chunks are numbered on and on through the passes.
  struct Cursor {
    std::uint64_t chunk = 0;
    std::size_t piece = 0;
    std::uint64_t done = 0;         // of the piece
    std::uint64_t done_before = 0;  // of the chunk's earlier pieces
    bool at_start() const { return piece == 0 && done == 0; }
  };
  /// A part of one piece.
  struct Range {
    std::uint64_t chunk = 0;
    const File* file = nullptr;  // none where the chunk has no bytes
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t place = 0;  // in the chunk
  };
  struct Cancel {
    WeightStream* stream;
    void operator()() const noexcept { stream->cancel(); }
  };

  State& state(std::uint64_t chunk) { return states_[chunk % states_.size()]; }
  void cancel() noexcept;
  void halt(std::unique_lock<std::mutex>& lock);
  bool has_place(std::uint64_t chunk);
  bool can_read();
  Range advance(Cursor& cursor) const;
  Range take();
  std::size_t to_announce(std::span<Range> ranges);
  void read_loop(int reader, std::span<std::byte> staging);
  void read(const Range& range, std::uint64_t place, std::span<std::byte> staging) const;

  const std::span<std::byte> ring_;
  const std::vector<Chunk> chunks_;
  const Options options_;
  Buffer staging_;  // of all readers

  mutable std::mutex mutex_;
  std::condition_variable work_;   // for the readers
  std::condition_variable ready_;  // for the consumer
  // All below is guarded by mutex_.
  std::vector<State> states_;
  Cursor next_;
  Cursor announced_;                   // kKeep: the system was told of what is before it
  std::uint64_t announced_bytes_ = 0;  // of it not read yet
  std::uint64_t oldest_ = 0;           // the first chunk that is not released
  std::uint64_t asked_ = 0;            // the chunk that wait() takes next
  std::uint64_t limit_ = 0;            // chunks from here on are not read
  int reading_ = 0;                    // readers outside of the lock
  bool running_ = false;
  bool cancelled_ = false;
  bool ending_ = false;
  std::exception_ptr error_;
  Counts counts_;

  std::optional<std::stop_callback<Cancel>> cancel_;
  std::vector<std::thread> readers_;
};

}  // namespace semblance
