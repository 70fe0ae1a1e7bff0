#include "service/metrics.h"

#include <fmt/core.h>

#include "app/parameters.h"
#include "memory/meter.h"

namespace semblance::service {
namespace {

/// Metrics, one family after the other.
class Metrics {
 public:
  /// Begins a family. All names start with "semblance_".
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = fmt::format("semblance_{}", name);
    text_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name_, help, type);
  }
  /// A value of the family; `labels`: such as state="done".
  void value(auto number, std::string_view labels = "") {
    text_ += labels.empty() ? fmt::format("{} {}\n", name_, number)
                            : fmt::format("{}{{{}}} {}\n", name_, labels, number);
  }
  void lines(const std::string& lines) { text_ += lines; }
  void counter(std::string_view name, std::string_view help, auto number) {
    family(name, "counter", help);
    value(number);
  }
  void gauge(std::string_view name, std::string_view help, auto number) {
    family(name, "gauge", help);
    value(number);
  }

  const std::string& name() const { return name_; }
  const std::string& text() const { return text_; }

 private:
  std::string name_;
  std::string text_;
};

void add_jobs(Metrics& all, const JobCounts& jobs) {
  all.family("jobs_total", "counter", "Ended jobs by state.");
  all.value(jobs.done, "state=\"done\"");
  all.value(jobs.failed, "state=\"failed\"");
  all.value(jobs.cancelled, "state=\"cancelled\"");
  all.family("job_seconds", "histogram", "Seconds from a job's start to its end, by state.");
  for (const auto& [state, seconds] : jobs.seconds)
    all.lines(seconds.text(all.name(), fmt::format("state=\"{}\"", name_of(state))));
  all.gauge("jobs_queued", "Waiting jobs.", jobs.queued);
  all.gauge("jobs_running", "Running jobs.", jobs.running ? 1 : 0);
  all.counter("pictures_total", "Pictures made.", jobs.pictures);
  all.counter("steps_total", "Steps computed.", jobs.steps);
  all.counter("step_seconds_total", "Seconds spent on steps.", jobs.step_seconds);
}

void add_requests(Metrics& all, const HttpStats& http) {
  all.counter("requests_total", "HTTP requests.", http.requests.load());
  all.family("error_responses_total", "counter", "HTTP responses of 400 and above, by class.");
  all.value(http.responses_4xx.load(), "class=\"4xx\"");
  all.value(http.responses_5xx.load(), "class=\"5xx\"");
  all.family("request_seconds", "histogram",
             "Seconds from a request's headers to the end of its response, by route.");
  all.lines(http.seconds_text(all.name()));
}

void add_memory(Metrics& all, const Context& context) {
  const ProcessMemory process = Meter().process();
  all.gauge("memory_budget_bytes", "The memory budget.", context.engine.budget().bytes);
  all.gauge("memory_planned_bytes", "Planned memory of the running job.",
            context.jobs.planned_bytes().value_or(0));
  all.gauge("memory_resident_bytes", "Resident memory of the process.", process.resident_bytes);
  all.gauge("memory_peak_bytes", "Peak resident memory.", process.peak_resident_bytes);
}

}  // namespace

std::string metrics_text(const Context& context) {
  Metrics all;
  all.family("build_info", "gauge", "The program that runs; always 1.");
  all.value(1, fmt::format("version=\"{}\"", program_version()));
  add_jobs(all, context.jobs.counts());
  add_requests(all, *context.http);
  add_memory(all, context);
  return all.text();
}

}  // namespace semblance::service
