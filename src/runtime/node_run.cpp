#include "runtime/node_run.h"

#include <algorithm>

#include "core/convert.h"
#include "core/integers.h"
#include "planner/plan.h"

namespace semblance {

NodeRun::NodeRun(const Backend& backend, Op op, const std::vector<Source>& sources)
    : device_(backend.device()) {
  add_node(std::move(op), sources);
  chosen_ = choose_kernel(backend, node(), &declined_);
}

NodeRun::NodeRun(const Backend& backend, const KernelEntry& entry, Op op,
                 const std::vector<Source>& sources)
    : device_(backend.device()) {
  add_node(std::move(op), sources);
  Made made = entry.make(node(), device_);
  if (!made.kernel) declined_.push_back(std::move(made.why_not));
  chosen_ = {std::move(made.kernel), &entry};
}

void NodeRun::add_node(Op op, const std::vector<Source>& sources) {
  std::vector<ValueId> ids;
  for (const Source& source : sources) {
    const std::string name = fmt::format("src{}", ids.size());
    ids.push_back(source.is_weight ? graph_.add_weight(name, source.type)
                                   : graph_.add_input(name, source.type));
  }
  graph_.add(std::move(op), std::move(ids));
}

/// Gives every place its offset; returns the total bytes.
std::uint64_t NodeRun::arrange(KernelPlaces& places, std::uint64_t guard_bytes) const {
  std::uint64_t end = 0;
  const auto place = [&](std::uint64_t bytes) {
    const DevicePlace result{Region::kArena, round_up(end + guard_bytes, kPlaceAlignment), bytes};
    end = result.offset + bytes + guard_bytes;
    return result;
  };
  for (int i = 0; i < node().src_count(); ++i)
    places.src.push_back(
        place(node().src_is_weight(i) ? kernel().packed_bytes(i) : node().src(i).bytes()));
  places.dst = place(node().dst().bytes());
  places.scratch = place(kernel().scratch_bytes());
  return end;
}

std::uint64_t NodeRun::bytes() const {
  KernelPlaces places;
  return arrange(places, 0);
}

void NodeRun::take_memory(std::uint64_t guard_bytes) {
  if (executor_) return;
  chosen_.kernel->compile();
  whole_.bytes = arrange(places_, guard_bytes);
  executor_ = device_.make_executor({.arena = whole_.bytes});
}

void NodeRun::set_bytes(std::size_t i, std::span<const std::byte> bytes) {
  take_memory();
  const std::span<std::byte> view = executor_->begin_write(places_.src[i]);
  SEMBLANCE_ASSERT(bytes.size() == view.size());
  std::copy(bytes.begin(), bytes.end(), view.begin());
  executor_->end_write(places_.src[i]);
}

void NodeRun::set(std::size_t i, std::span<const float> values) {
  take_memory();
  const auto src = static_cast<int>(i);
  const TensorType& type = node().src(src);
  const std::span<std::byte> view = executor_->begin_write(places_.src[i]);
  if (node().src_is_weight(src)) {
    const std::int64_t rows = type.shape.rank() == 0 ? 1 : type.shape[0];
    kernel().pack(src, PackRows::of(0, rows, values), view);
  } else if (type.dtype == DType::kI32) {
    std::transform(values.begin(), values.end(), reinterpret_cast<std::int32_t*>(view.data()),
                   [](float value) { return static_cast<std::int32_t>(value); });
  } else {
    from_f32(values, type.dtype, view);
  }
  executor_->end_write(places_.src[i]);
}

void NodeRun::run(int overwritten) {
  take_memory();
  overwritten_ = overwritten;
  auto command = commands_.find(overwritten);
  if (command == commands_.end()) {
    KernelPlaces places = places_;
    if (overwritten >= 0) places.dst = places.src[at(overwritten)];
    command = commands_.emplace(overwritten, executor_->prepare(kernel(), places)).first;
  }
  executor_->run(command->second);
}

std::vector<std::byte> NodeRun::result_bytes() const {
  const DevicePlace& place = overwritten_ >= 0 ? places_.src[at(overwritten_)] : places_.dst;
  const std::span<const std::byte> view = executor_->begin_read(place);
  std::vector<std::byte> bytes(view.begin(), view.end());
  executor_->end_read(place);
  return bytes;
}

std::vector<float> NodeRun::result() const {
  const DType dtype = node().dst().dtype;
  const std::vector<std::byte> bytes = result_bytes();
  std::vector<float> values(bytes.size() / size_of(dtype));
  to_f32(dtype, bytes, values);
  return values;
}

}  // namespace semblance
