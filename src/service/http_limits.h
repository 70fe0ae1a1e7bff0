// Every limit of the HTTP layer, and the memory that they allow (docs/service.md has figures).
#pragma once

#include <chrono>
#include <cstdint>

namespace semblance::service {

/// The least that a connection holds resident: its thread's stack and control block.
inline constexpr std::uint64_t kConnectionLeastBytes = std::uint64_t{16} << 10;

struct HttpLimits {
  unsigned connections = 256;             // at a time; more wait until one ends
  unsigned connections_by_address = 128;  // more are closed at once

  // Of a request.
  std::uint64_t header_bytes = std::uint64_t{16} << 10;  // request line and headers
  unsigned header_count = 64;                            // headers, and names in the query
  std::uint64_t chunk_line_bytes = 256;                  // a chunk's size with its extensions

  // Booked before it is taken: request bodies from the first byte on until the handler has read
  // them, texts of responses until they are sent.
  std::uint64_t bodies_bytes = std::uint64_t{24} << 20;       // all above small_body together
  std::uint64_t small_bodies_bytes = std::uint64_t{2} << 20;  // all others, beside the large ones
  std::uint64_t small_body = std::uint64_t{64} << 10;
  std::uint64_t small_text = std::uint64_t{8} << 10;  // of a response; not booked

  // Time.
  std::chrono::milliseconds head_time{15'000};         // to receive a request's head
  std::chrono::milliseconds start_time{5'000};         // before least_rate counts
  std::uint64_t least_rate = std::uint64_t{32} << 10;  // bytes a second, averaged: of a request's
                                                       // body; of a response where room is short
  std::chrono::milliseconds idle_time{60'000};  // nothing sent or received; start_time where short

  std::uint64_t stack_bytes = std::uint64_t{256} << 10;  // of a connection's thread
  /// SO_SNDBUF and SO_RCVBUF; the kernel takes up to twice as much for each.
  int socket_bytes = 16 << 10;
  /// What a connection takes of the process at most beside what is booked: what is used of its
  /// stack, a head with its headers, small_text.
  std::uint64_t connection_bytes = std::uint64_t{80} << 10;

  /// What all of it takes at most. What it holds at any time counts as Tag::kClients.
  constexpr std::uint64_t most_bytes() const {
    return bodies_bytes + small_bodies_bytes + connections * connection_bytes;
  }
};

}  // namespace semblance::service
