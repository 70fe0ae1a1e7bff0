#include "runtime/workspace.h"

#include <algorithm>

#include "core/parallel.h"
#include "memory/base_memory.h"
#include "memory/buffer.h"
#include "memory/heap.h"
#include "runtime/host_device.h"

namespace semblance {
namespace {

/// What a session adds to what its plan counts: kernels' code.
constexpr RunCounts kSessionCounts{.generated_kernels = 160, .threads = 4};

/// Bytes per second to a device's own memory, if nothing is known about it.
constexpr double kGuessedUpload = 6e9;

/// How much the base varies from one measurement to the next: pages are counted in batches, and
/// code becomes resident again as it is used. A plan reserves this, so that the run gets what was
/// planned.
constexpr std::uint64_t kBaseSpread = 1 << 20;

Rates rates_of(const MachineFacts& facts, DType dtype, double cached_share) {
  Rates rates;
  rates.read = 1 / (cached_share / facts.cached_read + (1 - cached_share) / facts.disk_read);
  // Facts count stored bytes (fp16), a plan counts packed bytes.
  const double stored = dtype == DType::kF32 ? 0.5 : 1.0;
  rates.pack = 1 / pack_seconds(facts, 1, dtype) / stored;
  rates.add = facts.f32.linear;
  rates.upload = facts.upload;
  rates.file_write = facts.scratch_write;
  rates.file_read = facts.disk_read;
  return rates;
}

std::uint64_t base_now() {
  trim_heap();
  drop_unmodified_code();
  RunCounts counts = kSessionCounts;
  counts.threads += threads();
  std::uint64_t held = predict_base(measure_base(), counts).total();
  for (int tag = 0; tag < kTagCount; ++tag) {
    if (static_cast<Tag>(tag) != Tag::kClients) held += count_of(static_cast<Tag>(tag)).bytes;
  }
  return held;
}

std::uint64_t less(std::uint64_t a, std::uint64_t b) { return a - std::min(a, b); }

}  // namespace

Workspace::Workspace(const Backend& backend) : Workspace(backend, Options{}) {}
Workspace::Workspace(const Backend& backend, Options options)
    : backend_(&backend), options_(std::move(options)) {}

Workspace Workspace::with_budget(std::uint64_t budget_bytes) const {
  Workspace other = *this;
  other.options_.budget_bytes = budget_bytes;
  return other;
}

Workspace Workspace::with_device_room(std::uint64_t bytes) const {
  Workspace other = *this;
  other.options_.device_room->bytes = bytes;
  return other;
}

Workspace Workspace::on(const Backend& backend) const {
  Workspace other(backend, options_);
  if (&backend.device() == &backend_->device()) return other;
  other.options_.device_room.reset();
  other.options_.facts.reset();
  return other;
}

Workspace Workspace::with_base(std::uint64_t base_bytes) const {
  Workspace other = *this;
  other.options_.base_bytes = base_bytes;
  return other;
}

Workspace Workspace::with_prices(DType dtype, double cached_share) const {
  Workspace other = *this;
  other.options_.dtype = dtype;
  other.options_.cached_share = cached_share;
  return other;
}

std::uint64_t Workspace::left_bytes(const OtherMemory& beside) const {
  if (options_.places_bytes) return *options_.places_bytes;
  if (!options_.budget_bytes) return ~std::uint64_t{0};
  std::uint64_t held = base_now();
  held = less(held, beside.released_bytes);
  held = std::max(held, options_.base_bytes.value_or(0) + beside.kept_bytes);
  return less(*options_.budget_bytes, held + beside.added_bytes);
}

std::optional<MemoryRoom> Workspace::room() const {
  if (!options_.meter) return std::nullopt;
  return memory_room(options_.meter->machine(), options_.meter->process());
}

SessionOptions Workspace::for_one_run(const OtherMemory& beside) const {
  return session(false, left_bytes(beside));
}
SessionOptions Workspace::for_many_runs(const OtherMemory& beside) const {
  return session(true, left_bytes(beside));
}

SessionOptions Workspace::planned(bool keep_weights, const OtherMemory& beside) const {
  std::uint64_t left = ~std::uint64_t{0};
  if (options_.places_bytes) {
    left = *options_.places_bytes;
  } else if (options_.budget_bytes) {
    left = less(*options_.budget_bytes,
                options_.base_bytes.value_or(0) + beside.kept_bytes + beside.added_bytes);
  }
  return session(keep_weights, left);
}

SessionOptions Workspace::session(bool keep_weights, std::uint64_t left_bytes) const {
  SessionOptions session;
  if (options_.budget_bytes && !options_.places_bytes)
    left_bytes = less(left_bytes, backend_->device().copy_bytes());
  session.fit.memory_bytes = left_bytes;
  if (const auto& room = options_.device_room) {
    session.fit.memory_bytes = room->is_separate ? room->bytes : std::min(left_bytes, room->bytes);
    if (room->is_separate) session.fit.host_bytes = left_bytes;
  }
  const bool limited = options_.budget_bytes || options_.places_bytes || options_.device_room;
  session.fit.may_spill = limited && options_.may_spill;
  session.fit.keep_weights = keep_weights;
  session.fit.slab_bytes = backend_->device().slab_bytes();
  if (const auto& facts = options_.facts) {
    session.fit.rates = rates_of(*facts, options_.dtype, options_.cached_share);
    session.seconds = [facts](const NodeView& node, const KernelEntry& kernel) {
      return seconds_of(*facts, node, kernel);
    };
  }
  if (&backend_->device() != &host_device() && session.fit.rates.upload == 0)
    session.fit.rates.upload = kGuessedUpload;
  session.trace = options_.trace;
  session.release_kernels = !keep_weights && session.fit.may_spill;
  if (session.fit.may_spill) {
    session.scratch = [folder = options_.scratch_folder](std::uint64_t bytes) {
      return std::unique_ptr<Scratch>(std::make_unique<ScratchFile>(
          folder.empty() ? choose_scratch_folder({}) : folder, bytes));
    };
  }
  return session;
}

std::uint64_t spare_base(int generated_kernels) {
  constexpr std::uint64_t kUnsure = 2 << 20;
  const RunCounts counts{.generated_kernels = generated_kernels, .threads = kSessionCounts.threads};
  return less(added_bytes(kSessionCounts), added_bytes(counts) + kUnsure);
}

std::uint64_t planned_base() { return base_now() + kBaseSpread; }

std::uint64_t room_in(std::uint64_t budget_bytes) { return less(budget_bytes, planned_base()); }

}  // namespace semblance
