// links: semblance_service
// Any bytes as a row of the service's database give a job that can be shown and stored, a job that
// failed as corrupt, or no job if the id is invalid; likewise for a saved face.
//
// The input's lines are id, state, repeat_key, digest, created, started, ended; the rest is `kept`,
// or the name of a saved face.
#include <charconv>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "service/rows.h"

namespace {

using namespace semblance::service;

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

/// Like the database: empty for an empty line, -1 for a line that is not a number.
std::optional<std::int64_t> take_number(std::string_view& text) {
  const std::string_view line = take_line(text);
  if (line.empty()) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  return error == std::errc() && end == line.data() + line.size() ? number : -1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  JobRow row;
  for (std::string* field : {&row.id, &row.state, &row.repeat_key, &row.digest})
    *field = take_line(text);
  for (std::optional<std::int64_t>* field : {&row.created, &row.started, &row.ended})
    *field = take_number(text);
  row.kept = text;
  const std::optional<Job> job = job_in(row);
  if (job.has_value() != is_id(row.id)) std::abort();
  if (job) {
    to_json(*job).dump();  // throws if a text is not UTF-8
    const bool damaged = job->error && job->error->code == "corrupt";
    if (job->ended_already() != job->ended.has_value()) std::abort();
    if (!damaged) {
      JobRow again = row;
      again.kept = kept_text(*job);
      const std::optional<Job> back = job_in(again);
      if (kept_text(*back) != again.kept || back->state != job->state) std::abort();
    }
  }
  const auto identity = saved_identity_in({row.id, row.kept, row.created});
  if (identity.has_value() != is_id(row.id)) std::abort();
  if (identity) nlohmann::json(identity->name + time_text(identity->created)).dump();
  return 0;
}
