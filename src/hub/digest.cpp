#include "hub/digest.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "core/stop.h"
#include "hub/libraries.h"
#include "memory/file.h"

namespace semblance {
namespace {

std::string hex_of(std::span<const unsigned char> bytes) {
  std::string hex;
  for (const unsigned char byte : bytes) hex += fmt::format("{:02x}", byte);
  return hex;
}

}  // namespace

std::string_view title_of(DigestKind kind) {
  return kind == DigestKind::kSha256 ? "SHA-256" : "git's SHA-1";
}

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool parse_digest(std::string_view text, Digest& digest) {
  if (!is_hex(text, 64) && !is_hex(text, 40)) return false;
  digest = {text.size() == 64 ? DigestKind::kSha256 : DigestKind::kGitBlob, std::string(text)};
  return true;
}

Hasher::Hasher(DigestKind kind, std::uint64_t bytes) {
  const Crypto& crypto = Crypto::get();
  auto* context = crypto.md_ctx_new();
  context_ = context;
  const bool works =
      context != nullptr &&
      crypto.digest_init(context, kind == DigestKind::kSha256 ? crypto.sha256() : crypto.sha1(),
                         nullptr) == 1;
  if (!works) fail(ErrorKind::kDevice, "cannot compute {}: libcrypto failed", title_of(kind));
  if (kind == DigestKind::kGitBlob) {
    const std::string head = fmt::format("blob {}", bytes);
    crypto.digest_update(context, head.c_str(), head.size() + 1);
  }
}

Hasher::~Hasher() { Crypto::get().md_ctx_free(static_cast<EVP_MD_CTX*>(context_)); }

void Hasher::update(std::span<const std::byte> bytes) {
  Crypto::get().digest_update(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size());
}

std::string Hasher::finish() {
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  Crypto::get().digest_final(static_cast<EVP_MD_CTX*>(context_), raw, &size);
  return hex_of({raw, size});
}

std::string hmac_sha256(std::string_view key, std::string_view text) {
  const Crypto& crypto = Crypto::get();
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (crypto.hmac(crypto.sha256(), key.data(), static_cast<int>(key.size()),
                  reinterpret_cast<const unsigned char*>(text.data()), text.size(), raw,
                  &size) == nullptr) {
    fail(ErrorKind::kDevice, "cannot compute HMAC-SHA-256: libcrypto failed");
  }
  return hex_of({raw, size});
}

std::string digest_of_file(const std::filesystem::path& path, DigestKind kind,
                           const std::function<void(std::uint64_t)>& seen, std::stop_token stop) {
  const auto file = open_file(path);
  Hasher hasher(kind, file->size());
  std::vector<std::byte> piece(std::size_t{1} << 20);
  for (std::uint64_t at = 0; at < file->size();) {
    check_stop(stop);
    const auto part = std::span(piece).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), file->size() - at)));
    file->read(at, part);
    hasher.update(part);
    file->done_with(at, part.size());
    at += part.size();
    if (seen) seen(part.size());
  }
  return hasher.finish();
}

}  // namespace semblance
