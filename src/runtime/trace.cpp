#include "runtime/trace.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "core/error.h"
#include "memory/file.h"

namespace semblance {
namespace {

constexpr std::array<std::string_view, kTraceRows> kRowNames = {"compute", "weight reader",
                                                                "spill mover", "memory"};

/// Appends a name for use between quotes; control and non-ASCII characters become '?'.
void append_name(std::string& json, const std::array<char, Trace::kNameBytes>& name) {
  const auto end = std::find(name.begin(), name.end(), '\0');
  for (auto c = name.begin(); c != end; ++c) {
    if (*c == '"' || *c == '\\') json += '\\';
    json +=
        static_cast<unsigned char>(*c) < 0x20 || static_cast<unsigned char>(*c) > 0x7e ? '?' : *c;
  }
}

}  // namespace

Trace::Trace(std::size_t events_per_row) : start_(now()), capacity_(events_per_row) {
  for (Row& row : rows_) row.events = Buffer(capacity_ * sizeof(Event), Tag::kOther);
}

double Trace::now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Trace::add(TraceRow which, std::string_view name, double begin, double end,
                std::uint64_t bytes, int lane) {
  SEMBLANCE_ASSERT(lane >= 0 && lane < kTraceLanes);
  Row& row = rows_[static_cast<std::size_t>(which)];
  const std::size_t place = row.used.fetch_add(1, std::memory_order_relaxed);
  if (place >= capacity_) return;
  Event& event = row.events.as<Event>()[place];
  event.begin = begin;
  event.end = end;
  event.lane = static_cast<std::uint32_t>(lane);
  event.value = bytes;
  if (name.size() > kNameBytes) name.remove_prefix(name.size() - kNameBytes);
  const auto rest = std::copy(name.begin(), name.end(), event.name.begin());
  std::fill(rest, event.name.end(), '\0');
}

void Trace::count(std::string_view name, std::uint64_t value) {
  const double time = now();
  add(TraceRow::kMemory, name, time, time, value);
}

std::uint64_t Trace::dropped() const {
  std::uint64_t dropped = 0;
  for (const Row& row : rows_) {
    const std::size_t used = row.used.load();
    dropped += used - std::min(used, capacity_);
  }
  return dropped;
}

std::string Trace::to_json() const {
  constexpr double kMicroseconds = 1e6;
  std::string json = "[";
  const auto events_of = [&](std::size_t r) {
    return rows_[r].events.as<const Event>().first(std::min(rows_[r].used.load(), capacity_));
  };
  const auto number_of = [](std::size_t r, std::uint32_t lane) { return r * kTraceLanes + lane; };
  bool first = true;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    std::uint32_t lanes = 1;
    for (const Event& event : events_of(r)) lanes = std::max(lanes, event.lane + 1);
    for (std::uint32_t lane = 0; lane < lanes; ++lane) {
      json += fmt::format(
          "{}{{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":{},\"args\":"
          "{{\"name\":\"{}\"}}}}",
          std::exchange(first, false) ? "\n" : ",\n", number_of(r, lane), kRowNames[r]);
    }
  }
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    for (const Event& event : events_of(r)) {
      json += ",\n{\"name\":\"";
      append_name(json, event.name);
      const double begin = (event.begin - start_) * kMicroseconds;
      if (static_cast<TraceRow>(r) == TraceRow::kMemory) {
        json += fmt::format("\",\"ph\":\"C\",\"pid\":1,\"ts\":{:.3f},\"args\":{{\"bytes\":{}}}}}",
                            begin, event.value);
      } else {
        json += fmt::format(
            "\",\"ph\":\"X\",\"pid\":1,\"tid\":{},\"ts\":{:.3f},\"dur\":{:.3f},\"args\":"
            "{{\"bytes\":{}}}}}",
            number_of(r, event.lane), begin, (event.end - event.begin) * kMicroseconds,
            event.value);
      }
    }
  }
  if (dropped() > 0) {
    json += fmt::format(
        ",\n{{\"name\":\"{} events did not fit\",\"ph\":\"M\",\"pid\":1,\"args\":{{}}}}",
        dropped());
  }
  json += "\n]\n";
  return json;
}

void Trace::write(const std::filesystem::path& path) const {
  OutputFile file(path);
  file.write(to_json());
  file.commit();
}

}  // namespace semblance
