#include "runtime/spill_feed.h"

#include <algorithm>
#include <limits>

#include "core/integers.h"
#include "runtime/steps.h"

namespace semblance {
namespace {

constexpr int kAfterAll = std::numeric_limits<int>::max();
constexpr std::size_t kMostPending = 256;
/// Spills hold about this much host memory for copies; from there on they wait for the file.
constexpr std::uint64_t kMostCopiedBytes = std::uint64_t{64} << 20;

}  // namespace

SpillFeed::SpillFeed(const Program& program, Executor& executor, std::unique_ptr<Scratch> scratch,
                     Trace* trace)
    : program_(program),
      executor_(executor),
      scratch_(std::move(scratch)),
      mover_(*scratch_, kMostPending, trace),
      fetches_(program.graph.nodes().size()),
      coming_(program.graph.nodes().size()) {
  SEMBLANCE_ASSERT(scratch_->size() >= program.plan.file_bytes);
  pending_.reserve(kMostPending);
  find_fetches();
}

/// Results of a Fetch may also be read through views.
void SpillFeed::find_fetches() {
  const Graph& graph = program_.graph;
  std::vector<int> fetch(graph.values().size(), -1);
  for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    if (std::holds_alternative<Fetch>(node.op)) {
      fetch[at(node.dst)] = static_cast<int>(n);
      continue;
    }
    std::vector<int>& sources = fetches_[n];
    for (ValueId src : node.src) {
      const int from = fetch[at(src)];
      if (from < 0) continue;
      if (program_.plan.is_view[n]) {
        fetch[at(node.dst)] = std::max(fetch[at(node.dst)], from);
      } else if (std::find(sources.begin(), sources.end(), from) == sources.end()) {
        sources.push_back(from);
      }
    }
  }
}

void SpillFeed::start(std::stop_token stop) {
  mover_.start(std::move(stop));
  pending_.clear();
  leaving_.clear();
  copied_bytes_ = 0;
  std::fill(coming_.begin(), coming_.end(), Coming{});
}

void SpillFeed::free_places(int node) {
  take_from_device(false);
  ScratchMover::Ticket last = 0;
  for (const Pending& spill : pending_) {
    if (spill.before <= node) last = std::max(last, spill.ticket);
  }
  close_written(last);
}

void SpillFeed::close_written(ScratchMover::Ticket last) {
  if (last == 0) return;
  mover_.wait(last);
  std::erase_if(pending_, [&](const Pending& spill) {
    if (spill.ticket > last) return false;
    executor_.end_read(spill.place);
    if (spill.is_copy) copied_bytes_ -= spill.place.bytes;
    return true;
  });
}

/// Writes to the file what the device has copied, in order; all of it if `waits`.
void SpillFeed::take_from_device(bool waits) {
  while (!leaving_.empty() && (waits || executor_.is_read(leaving_.front().place))) {
    const Leaving value = leaving_.front();
    leaving_.pop_front();
    const auto ticket = mover_.enqueue_write(value.offset, executor_.begin_read(value.place));
    pending_.push_back({kAfterAll, ticket, value.place, true});  // its place is free already
  }
}

void SpillFeed::wait_for_sources(std::size_t node) {
  for (int fetch : fetches_[node]) {
    Coming& coming = coming_[at(fetch)];
    mover_.wait(coming.ticket);
    if (!coming.is_open) continue;
    executor_.end_write(place_of(program_.plan, program_.graph.nodes()[at(fetch)].dst));
    coming.is_open = false;
  }
}

void SpillFeed::spill(std::size_t node) {
  if (pending_.size() + leaving_.size() >= pending_.capacity()) finish();
  const Node& spill = program_.graph.nodes()[node];
  const DevicePlace src = place_of(program_.plan, spill.src[0]);
  const std::uint64_t offset = program_.plan.values[at(spill.dst)].offset;
  if (copied_bytes_ > 0 && copied_bytes_ + src.bytes > kMostCopiedBytes) finish();
  if (executor_.start_read(src)) {
    leaving_.push_back({offset, src});
    copied_bytes_ += src.bytes;
    return;
  }
  const auto ticket = mover_.enqueue_write(offset, executor_.begin_read(src));
  pending_.push_back({program_.plan.spilled_before[node], ticket, src, false});
}

void SpillFeed::fetch(std::size_t node) {
  take_from_device(true);  // it may be among what is fetched
  const Node& fetch = program_.graph.nodes()[node];
  const std::uint64_t offset = program_.plan.values[at(fetch.src[0])].offset;
  const DevicePlace dst = place_of(program_.plan, fetch.dst);
  coming_[node] = {mover_.enqueue_read(offset, executor_.begin_write(dst)), true};
}

void SpillFeed::finish() {
  take_from_device(true);
  free_places(kAfterAll);
}

void SpillFeed::stop() { mover_.stop(); }

void SpillFeed::write(ValueId value, std::uint64_t offset, std::span<const std::byte> bytes) {
  SEMBLANCE_ASSERT(program_.plan.in_file[at(value)]);
  scratch_->write(program_.plan.values[at(value)].offset + offset, bytes);
}

}  // namespace semblance
