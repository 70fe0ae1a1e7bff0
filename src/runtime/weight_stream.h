// Reads weights ahead of the computation: reader threads fill a ring of a given size with raw file
// bytes in the order of use.
//
//   stream.start(stop);                       // begins a pass over all chunks in order
//   for i: use(stream.wait(i)); stream.release(i);
//
// One thread (the consumer) calls start, wait, release and stop. Every chunk has a fixed place in
// the ring (ring_places), and is read as soon as all earlier chunks there are released. Nothing is
// allocated during a pass.
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
  /// Pieces that are contiguous in the ring: a weight, or some ranges of its rows.
  struct Chunk {
    std::string name;  // for the trace
    std::vector<Piece> pieces;
    std::uint64_t bytes() const;
  };

  enum class Cache : std::uint8_t {
    kPass,  // bypass the page cache, so that other programs' pages are not evicted; what is already
            // cached is read from there. Uncached, takes a third of the CPU time of kKeep.
    kKeep,  // read through the page cache, announcing what comes; files stay there if they fit
  };
  struct Options {
    Cache cache = Cache::kPass;
    /// More than one only helps disks that need several concurrent requests.
    int readers = 1;
    /// Size of one read: a cancel waits for at most this much. A multiple of 4096.
    std::uint64_t read_bytes = std::uint64_t{4} << 20;
    Trace* trace = nullptr;
  };

  /// Where each chunk begins in the ring: after the previous one, at a multiple of 64, or at 0 if
  /// it would not fit before the end. Throws Error(kInternal) for a chunk larger than the ring.
  /// Chunks that are held at the same time must not overlap: see wait().
  static std::vector<std::uint64_t> ring_places(std::span<const std::uint64_t> chunk_bytes,
                                                std::uint64_t ring_bytes);

  /// Memory that a stream needs besides the ring.
  static std::uint64_t staging_bytes(const Options& options);

  /// The ring must be aligned to 64 bytes and outlive the stream. Throws Error(kMemory), and what
  /// ring_places throws.
  WeightStream(std::span<std::byte> ring, std::vector<Chunk> chunks, Options options);
  WeightStream(std::span<std::byte> ring, std::vector<Chunk> chunks)
      : WeightStream(ring, std::move(chunks), Options()) {}
  /// Ends at once: waits only for reads in progress.
  ~WeightStream();
  WeightStream(const WeightStream&) = delete;
  WeightStream& operator=(const WeightStream&) = delete;

  /// Begins a pass; wait(0) is next. `cyclic`: also reads ahead for the pass after this one as soon
  /// as there is room, and the next start() continues with it. After an error or a cancel, or in
  /// the middle of a pass, start() drops what was read and starts over.
  void start(std::stop_token stop = {}, bool cyclic = false);

  /// Blocks until chunk i is read and returns its bytes, valid until release(i). Chunks must be
  /// waited for in order. If reading a file failed, throws its error once (Error(kCorrupt) or
  /// Error(kDevice) with the file's name); throws Error(kCancelled) if a stop was requested. After
  /// either, only start() may be called. Throws Error(kInternal) if chunks that are still held
  /// overlap this one's place, since it would wait forever.
  std::span<const std::byte> wait(std::size_t i);
  /// Frees the place of chunk i; wait(i) must have returned.
  void release(std::size_t i);

  /// Ends the pass. When it returns, nothing writes to the ring until the next start().
  void stop();

  struct Counts {
    std::uint64_t bytes_read = 0;
    double wait_seconds = 0;  // in which wait() blocked
    double busy_seconds = 0;  // of all readers' reads, summed
  };
  /// Since construction. Thread-safe.
  Counts counts() const;

 private:
  enum class Held : std::uint8_t { kNo, kReading, kReady, kHeld };
  struct State {
    std::uint64_t place = 0;
    std::uint64_t bytes = 0;
    std::uint64_t left = 0;  // not read yet
    Held held = Held::kNo;
  };
  /// Where the next read begins. Chunk numbers keep counting up through the passes.
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
    const File* file = nullptr;  // nullptr if the chunk has no bytes
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
  Cursor announced_;  // kKeep: everything before it has been announced to the system
  std::uint64_t announced_bytes_ = 0;  // announced but not read yet
  std::uint64_t oldest_ = 0;           // the first unreleased chunk
  std::uint64_t asked_ = 0;            // the chunk wait() returns next
  std::uint64_t limit_ = 0;            // chunks from here on are not read
  int reading_ = 0;                    // readers working without the lock
  bool running_ = false;
  bool cancelled_ = false;
  bool ending_ = false;
  std::exception_ptr error_;
  Counts counts_;

  std::optional<std::stop_callback<Cancel>> cancel_;
  std::vector<std::thread> readers_;
};

}  // namespace semblance
