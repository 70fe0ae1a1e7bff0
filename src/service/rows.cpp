#include "service/rows.h"

#include <algorithm>

#include "core/error.h"
#include "hub/digest.h"
#include "text/unicode.h"

namespace semblance::service {
namespace {

bool is_time(std::int64_t ms) { return ms >= 0 && ms <= kMostTimeMs; }

std::optional<Time> time_of(const JobRow& row, std::string_view what,
                            const std::optional<std::int64_t>& ms) {
  if (!ms) return std::nullopt;
  if (!is_time(*ms))
    fail(ErrorKind::kCorrupt, "cannot read job {}: {} is not a time", row.id, what);
  return Time(std::chrono::milliseconds(*ms));
}

/// There must be both a key and its request's digest, or neither.
void check_key(const JobRow& row) {
  const auto after = [&](std::string_view prefix) {
    return row.repeat_key.starts_with(prefix) &&
           is_key(std::string_view(row.repeat_key).substr(prefix.size()));
  };
  const bool has_key = (after(kKeyPrefix) || after(kContentPrefix)) && is_hex(row.digest, 64);
  const bool has_none = row.repeat_key.empty() && row.digest.empty();
  if (!has_key && !has_none)
    fail(ErrorKind::kCorrupt, "cannot read job {}: its Idempotency-Key is damaged", row.id);
}

JobState state_in(const JobRow& row) {
  try {
    return job_state(row.state);
  } catch (const Error& error) {
    fail(ErrorKind::kCorrupt, "cannot read job {}: {}", row.id, error.what());
  }
}

Job read_whole(const JobRow& row) {
  Job job{.id = row.id};
  const std::optional<Time> created = time_of(row, "created", row.created);
  if (!created) fail(ErrorKind::kCorrupt, "cannot read job {}: created is missing", row.id);
  job.created = *created;
  job.started = time_of(row, "started", row.started);
  job.ended = time_of(row, "ended", row.ended);
  check_key(row);
  job.state = state_in(row);
  take_kept_text(job, row.kept);
  job.request.repeat_key = row.repeat_key;
  job.request.digest = row.digest;
  if (job.ended_already() != job.ended.has_value())
    fail(ErrorKind::kCorrupt, "cannot read job {}: its state and end time disagree", row.id);
  if ((job.state == JobState::kFailed) != job.error.has_value())
    fail(ErrorKind::kCorrupt, "cannot read job {}: its state and error disagree", row.id);
  if (job.state == JobState::kDone &&
      job.pictures.size() != static_cast<std::size_t>(job.request.count))
    fail(ErrorKind::kCorrupt, "cannot read job {}: it is done but lacks pictures", row.id);
  return job;
}

}  // namespace

bool is_id(std::string_view text) { return is_hex(text, 20); }

bool is_key(std::string_view text) {
  return !text.empty() && text.size() <= kMostKeyBytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

std::optional<Job> job_in(const JobRow& row) {
  if (!is_id(row.id)) return std::nullopt;
  try {
    return read_whole(row);
  } catch (const Error& error) {
    Job job{.id = row.id, .state = JobState::kFailed};
    if (row.created && is_time(*row.created))
      job.created = Time(std::chrono::milliseconds(*row.created));
    job.ended = job.created;
    if (row.ended && is_time(*row.ended)) job.ended = Time(std::chrono::milliseconds(*row.ended));
    job.error = {std::string(name_of(error.kind())), error.what()};
    return job;
  }
}

std::optional<SavedIdentity> saved_identity_in(const IdentityRow& row) {
  if (!is_id(row.id)) return std::nullopt;
  SavedIdentity identity{row.id, row.name, {}};
  try {
    if (row.name.empty() || row.name.size() > kMostNameBytes) identity.name = "?";
    decode_utf8(row.name, "the name");
  } catch (const Error&) {
    identity.name = "?";
  }
  if (row.created && is_time(*row.created))
    identity.created = Time(std::chrono::milliseconds(*row.created));
  return identity;
}

}  // namespace semblance::service
