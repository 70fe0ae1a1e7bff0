// The hub's checksums of files: SHA-256 for large files; for small ones git's blob id, which is
// SHA-1 over "blob <bytes>\0" and the contents.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

namespace semblance {

enum class DigestKind { kSha256, kGitBlob };

/// An expected checksum: 64 or 40 lower-case hex digits.
struct Digest {
  DigestKind kind = DigestKind::kSha256;
  std::string hex = {};
  bool operator==(const Digest&) const = default;
};

/// "SHA-256" or "git's SHA-1", for messages.
std::string_view title_of(DigestKind kind);

/// Whether `text` is exactly `digits` lower-case hex digits.
bool is_hex(std::string_view text, std::size_t digits);

/// Parses a checksum, its kind given by the length: 64 hex digits are SHA-256, 40 a git blob id.
/// Returns false for other text.
bool parse_digest(std::string_view text, Digest& digest);

class Hasher {
 public:
  /// `bytes`: the total length, which is part of git's blob id.
  Hasher(DigestKind kind, std::uint64_t bytes);
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  void update(std::span<const std::byte> bytes);
  /// Returns the checksum in hex. Call once.
  std::string finish();

 private:
  void* context_;  // EVP_MD_CTX
};

/// HMAC-SHA-256 (RFC 2104) of `text`, in hex. Throws Error(kMissing) if libcrypto is not installed,
/// Error(kDevice) if it fails.
std::string hmac_sha256(std::string_view key, std::string_view text);

/// Computes the checksum of a file, reading it in pieces and passing each piece's size to `seen`.
/// Throws what open_file() and File::read throw, and Error(kCancelled).
std::string digest_of_file(const std::filesystem::path& path, DigestKind kind,
                           const std::function<void(std::uint64_t)>& seen = {},
                           std::stop_token stop = {});

}  // namespace semblance
