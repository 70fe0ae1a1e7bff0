// Rows of the database as jobs and saved identities. The file may be damaged, or somebody may have
// written into it: nothing in a row is believed, and an id that is not one of ours is never part of
// a path.
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
/// What a job's repeat_key has in front of the client's key, or of the request's own digest.
inline constexpr std::string_view kKeyPrefix = "key ", kContentPrefix = "content ";

/// 20 hexadecimal digits, as Store::new_id() makes them.
bool is_id(std::string_view text);
/// 1 to kMostKeyBytes visible ASCII characters and spaces.
bool is_key(std::string_view text);

/// As SQLite gives it. Texts are empty where the column holds something else; times are in ms since
/// 1970, absent where the column is NULL, and -1 where it is no whole number.
struct JobRow {
  std::string id, state, repeat_key, digest, kept;
  std::optional<std::int64_t> created, started, ended;
};
struct IdentityRow {
  std::string id, name;
  std::optional<std::int64_t> created;
};

/// None where the id is not one of ours. A row that is wrong in another way is a job that failed,
/// code "corrupt", with a message that is UTF-8.
std::optional<Job> job_in(const JobRow& row);
/// The same. A name that cannot be shown becomes "?", so that no face is lost by it.
std::optional<SavedIdentity> saved_identity_in(const IdentityRow& row);

}  // namespace semblance::service
