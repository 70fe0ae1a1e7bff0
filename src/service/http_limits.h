// All limits of the HTTP layer, and the memory they allow (docs/service.md has measurements).
#pragma once

#include <chrono>
#include <cstdint>

namespace semblance::service {

/// The least resident memory of a connection: its thread's stack and control block.
inline constexpr std::uint64_t kConnectionLeastBytes = std::uint64_t{16} << 10;

struct HttpLimits {
  unsigned connections = 256;             // at a time; further ones wait until one ends
  unsigned connections_by_address = 128;  // further ones are closed at once

  // A request's.
  std::uint64_t header_bytes = std::uint64_t{16} << 10;  // request line and headers
  unsigned header_count = 64;                            // headers, and names in the query
  std::uint64_t chunk_line_bytes = 256;                  // a chunk's size with its extensions

  // Memory that is booked before it is used: request bodies from the first byte until the handler
  // has read them, texts of responses until they are sent.
  std::uint64_t bodies_bytes = std::uint64_t{24} << 20;       // all bodies above small_body
  std::uint64_t small_bodies_bytes = std::uint64_t{2} << 20;  // all others, in addition
  std::uint64_t small_body = std::uint64_t{64} << 10;
  std::uint64_t small_text = std::uint64_t{8} << 10;  // a response up to this is not booked

  // Time.
  std::chrono::milliseconds head_time{15'000};         // to receive a request's head
  std::chrono::milliseconds start_time{5'000};         // before least_rate applies
  std::uint64_t least_rate = std::uint64_t{32} << 10;  // bytes a second on average: a request's
                                                       // body; a response under pressure
  std::chrono::milliseconds idle_time{60'000};  // without progress; start_time under pressure

  std::uint64_t stack_bytes = std::uint64_t{256} << 10;  // of a connection's thread
  /// SO_SNDBUF and SO_RCVBUF; the kernel uses up to twice as much for each.
  int socket_bytes = 16 << 10;
  /// The most memory a connection uses besides what is booked: the touched part of its stack, a
  /// head with its headers, small_text.
  std::uint64_t connection_bytes = std::uint64_t{80} << 10;

  /// The most memory of the whole layer. Its current memory is counted as Tag::kClients.
  constexpr std::uint64_t most_bytes() const {
    return bodies_bytes + small_bodies_bytes + connections * connection_bytes;
  }
};

}  // namespace semblance::service
