// Converts database rows to jobs and saved identities. The file may be damaged or tampered with, so
// nothing in a row is trusted, and an id that fails is_id() is never used in a path.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "service/job.h"

namespace semblance::service {

struct SavedIdentity {
  std::string id;
  std::string name;
  Time created;
};

inline constexpr std::size_t kMostNameBytes = 200;  // of a saved identity
inline constexpr std::size_t kMostKeyBytes = 200;   // of an Idempotency-Key
/// The prefix of a job's repeat_key: for a key from the client, or for the request's own digest.
inline constexpr std::string_view kKeyPrefix = "key ", kContentPrefix = "content ";

/// 20 hexadecimal digits, as Store::new_id() makes them.
bool is_id(std::string_view text);
/// 1 to kMostKeyBytes visible ASCII characters and spaces.
bool is_key(std::string_view text);

/// As SQLite returns it. Texts are empty if the column is not text; times are in ms since 1970,
/// absent if the column is NULL, and -1 if it is not an integer.
struct JobRow {
  std::string id, state, repeat_key, digest, kept;
  std::optional<std::int64_t> created, started, ended;
};
struct IdentityRow {
  std::string id, name;
  std::optional<std::int64_t> created;
};

/// Nothing if the id is invalid. A row with any other error becomes a failed job, code "corrupt",
/// with a UTF-8 message.
std::optional<Job> job_in(const JobRow& row);
/// Nothing if the id is invalid. A name that cannot be shown becomes "?", so that no face is lost.
std::optional<SavedIdentity> saved_identity_in(const IdentityRow& row);

}  // namespace semblance::service
