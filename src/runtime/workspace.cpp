#include "runtime/workspace.h"

#include <algorithm>

#include "core/parallel.h"
#include "memory/base_memory.h"
#include "memory/buffer.h"
#include "memory/heap.h"
#include "runtime/weight_stream.h"

namespace semblance {
namespace {

/// What a session adds beside its places: kernels' code and tables of nodes.
constexpr RunCounts kSessionCounts{.generated_kernels = 160, .nodes = 12000, .threads = 4};

}  // namespace

Workspace::Workspace(const Backend& backend) : Workspace(backend, Options{}) {}
Workspace::Workspace(const Backend& backend, Options options)
    : backend_(&backend), options_(std::move(options)) {}

Workspace Workspace::with_budget(std::uint64_t budget_bytes) const {
  Workspace other = *this;
  other.options_.budget_bytes = budget_bytes;
  return other;
}

std::uint64_t Workspace::left_bytes() const {
  if (options_.places_bytes) return *options_.places_bytes;
  if (!options_.budget_bytes) return ~std::uint64_t{0};
  trim_heap();
  RunCounts counts = kSessionCounts;
  counts.threads += threads();
  std::uint64_t held = WeightStream::staging_bytes({.cache = WeightStream::Cache::kPass});
  held += predict_base(measure_base(), counts).total();
  for (int tag = 0; tag < kTagCount; ++tag) held += count_of(static_cast<Tag>(tag)).bytes;
  return *options_.budget_bytes - std::min(*options_.budget_bytes, held);
}

std::optional<MemoryRoom> Workspace::room() const {
  if (!options_.meter) return std::nullopt;
  return memory_room(options_.meter->machine(), options_.meter->process());
}

SessionOptions Workspace::once() const { return session(false); }
SessionOptions Workspace::many() const { return session(true); }

SessionOptions Workspace::session(bool keep_weights) const {
  SessionOptions session;
  session.fit.memory_bytes = left_bytes();
  const bool limited = options_.budget_bytes || options_.places_bytes;
  session.fit.may_spill = limited && options_.may_spill;
  session.fit.keep_weights = keep_weights;
  session.fit.rates = options_.rates;
  session.seconds = options_.seconds;
  session.trace = options_.trace;
  if (session.fit.may_spill) {
    session.scratch = [folder = options_.scratch_folder](std::uint64_t bytes) {
      return std::unique_ptr<Scratch>(std::make_unique<ScratchFile>(
          folder.empty() ? choose_scratch_folder({}) : folder, bytes));
    };
  }
  return session;
}

}  // namespace semblance
