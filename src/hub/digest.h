// The checksums that name a file's bytes on the hub: SHA-256 for large files, and for small ones
// git's blob id, which is SHA-1 over "blob <bytes>\0" and the bytes.
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

/// What a file should have: 64 or 40 lower case hex digits.
struct Digest {
  DigestKind kind = DigestKind::kSha256;
  std::string hex = {};
  bool operator==(const Digest&) const = default;
};

/// "SHA-256" or "git's SHA-1", for messages.
std::string_view title_of(DigestKind kind);

/// Whether text is `digits` hex digits in lower case.
bool is_hex(std::string_view text, std::size_t digits);

/// The kind that a checksum of this length has: 64 hex digits are SHA-256, 40 are a git blob's.
/// False where text is neither.
bool parse_digest(std::string_view text, Digest& digest);

class Hasher {
 public:
  /// `bytes`: how many will come, which git's blob id begins with.
  Hasher(DigestKind kind, std::uint64_t bytes);
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  void update(std::span<const std::byte> bytes);
  /// In hex; ends it.
  std::string finish();

 private:
  void* context_;  // EVP_MD_CTX
};

/// HMAC-SHA-256 (RFC 2104) of `text`, in hex. Throws Error(kMissing) where libcrypto is not there,
/// Error(kDevice) where it refuses.
std::string hmac_sha256(std::string_view key, std::string_view text);

/// Reads a file once, in pieces. `seen` is told of each piece's bytes. Throws what open_file() and
/// File::read throw, Error(kCancelled).
std::string digest_of_file(const std::filesystem::path& path, DigestKind kind,
                           const std::function<void(std::uint64_t)>& seen = {},
                           std::stop_token stop = {});

}  // namespace semblance
