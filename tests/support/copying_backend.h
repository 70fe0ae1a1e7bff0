// Imitates a GPU's backend on the CPU: its device has separate memory, so every byte passes through
// the seam (runtime/device.h). Kernels of the cpu backend see fresh copies of exactly their
// sources, the result and the scratch, surrounded by poison. Memory read before it is written is
// NaN; breaking the seam's rules fails the test.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <vector>

#include "backend/backends.h"
#include "runtime/host_device.h"

namespace semblance::testing {

/// Bytes aligned to 64, initially poisoned, between guards that must not change.
class GuardedBytes {
 public:
  static constexpr std::byte kPoison{0xff};  // NaN in f32, f16 and bf16

  explicit GuardedBytes(std::size_t size)
      : size_(size), storage_(size + 2 * kGuard + kAlignment, kPoison) {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data()) + kGuard;
    begin_ = storage_.data() + kGuard + (kAlignment - address % kAlignment) % kAlignment;
  }
  GuardedBytes(GuardedBytes&&) = default;

  std::span<std::byte> bytes() const { return {begin_, size_}; }
  bool intact() const {
    const auto poisoned = [](std::byte byte) { return byte == kPoison; };
    return std::all_of(storage_.data(), static_cast<const std::byte*>(begin_), poisoned) &&
           std::all_of(static_cast<const std::byte*>(begin_) + size_,
                       storage_.data() + storage_.size(), poisoned);
  }

 private:
  static constexpr std::size_t kGuard = 256;
  static constexpr std::size_t kAlignment = 64;
  std::size_t size_;
  std::vector<std::byte> storage_;
  std::byte* begin_;
};

class CopyingExecutor : public Executor {
 public:
  explicit CopyingExecutor(const RegionBytes& bytes)
      : arena_(bytes.arena, GuardedBytes::kPoison),
        resident_(bytes.resident, GuardedBytes::kPoison) {}

  std::size_t prepare(const Kernel& kernel, const KernelPlaces& places) override {
    commands_.push_back({dynamic_cast<const HostKernel*>(&kernel), places});
    EXPECT_NE(commands_.back().kernel, nullptr);
    return commands_.size() - 1;
  }

  void run(std::size_t index) override {
    const auto& [kernel, places] = commands_[index];
    std::vector<GuardedBytes> src;
    std::vector<const std::byte*> pointers;
    int overwritten = -1;
    for (const DevicePlace& place : places.src) {
      expect_not_in_a_view(place);
      if (begins_with(place, places.dst)) overwritten = static_cast<int>(src.size());
      EXPECT_TRUE(begins_with(place, places.dst) || !overlap(place, places.dst))
          << "dst overlaps a part of a source";
      EXPECT_FALSE(overlap(place, places.scratch)) << "scratch overlaps a source";
      src.push_back(copy_of(place));
      pointers.push_back(src.back().bytes().data());
    }
    expect_not_in_a_view(places.dst);
    expect_not_in_a_view(places.scratch);
    EXPECT_FALSE(overlap(places.dst, places.scratch)) << "scratch overlaps dst";
    GuardedBytes own_dst(places.dst.bytes);
    GuardedBytes& dst = overwritten >= 0 ? src[static_cast<std::size_t>(overwritten)] : own_dst;
    const GuardedBytes scratch(places.scratch.bytes);
    kernel->run({pointers, dst.bytes().data(), scratch.bytes().data()});

    EXPECT_TRUE(dst.intact() && scratch.intact()) << "a kernel wrote outside dst or scratch";
    for (std::size_t i = 0; i < src.size(); ++i) {
      if (&src[i] == &dst) continue;
      EXPECT_TRUE(src[i].intact() && std::ranges::equal(src[i].bytes(), at(places.src[i])))
          << "a kernel wrote to source " << i;
    }
    std::ranges::fill(at(places.scratch), GuardedBytes::kPoison);
    if (overwritten >= 0) {
      std::ranges::fill(at(places.src[static_cast<std::size_t>(overwritten)]),
                        GuardedBytes::kPoison);
    }
    std::ranges::copy(dst.bytes().first(places.dst.bytes), at(places.dst).begin());
  }

  std::span<std::byte> begin_write(const DevicePlace& place) override {
    for (const View& view : writes_) EXPECT_FALSE(overlap(view.place, place)) << "two views";
    for (const View& view : reads_) EXPECT_FALSE(overlap(view.place, place)) << "two views";
    std::ranges::fill(at(place), GuardedBytes::kPoison);
    return writes_.emplace_back(place, GuardedBytes(place.bytes)).bytes.bytes();
  }
  void end_write(const DevicePlace& place) override {
    const View view = take(writes_, place);
    EXPECT_TRUE(view.bytes.intact()) << "the host wrote outside its view";
    std::ranges::copy(view.bytes.bytes(), at(place).begin());
  }
  std::span<const std::byte> begin_read(const DevicePlace& place) override {
    for (const View& view : writes_) EXPECT_FALSE(overlap(view.place, place)) << "two views";
    return reads_.emplace_back(place, copy_of(place)).bytes.bytes();
  }
  void end_read(const DevicePlace& place) override {
    const View view = take(reads_, place);
    EXPECT_TRUE(view.bytes.intact() && std::ranges::equal(view.bytes.bytes(), at(place)))
        << "a place changed while the host read it";
  }
  void abandon() noexcept override {
    writes_.clear();
    reads_.clear();
  }

 private:
  struct Command {
    const HostKernel* kernel;
    KernelPlaces places;
  };
  struct View {
    View(const DevicePlace& where, GuardedBytes content)
        : place(where), bytes(std::move(content)) {}
    DevicePlace place;
    GuardedBytes bytes;
  };
  using Views = std::list<View>;

  static bool overlap(const DevicePlace& a, const DevicePlace& b) {
    return a.region == b.region && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
  }
  /// Whether `b` is `a` or its first part.
  static bool begins_with(const DevicePlace& a, const DevicePlace& b) {
    return a.region == b.region && a.offset == b.offset && b.bytes > 0 && b.bytes <= a.bytes;
  }
  void expect_not_in_a_view(const DevicePlace& place) const {
    for (const View& view : writes_)
      EXPECT_FALSE(overlap(view.place, place)) << "a kernel uses a place that the host is writing";
  }
  static View take(Views& views, const DevicePlace& place) {
    const auto found = std::find_if(views.begin(), views.end(),
                                    [&](const View& view) { return view.place == place; });
    SEMBLANCE_ASSERT(found != views.end());
    View view = std::move(*found);
    views.erase(found);
    return view;
  }
  std::span<std::byte> at(const DevicePlace& place) {
    std::vector<std::byte>& region = place.region == Region::kArena ? arena_ : resident_;
    SEMBLANCE_ASSERT(place.offset <= region.size() && place.bytes <= region.size() - place.offset);
    return std::span(region).subspan(place.offset, place.bytes);
  }
  GuardedBytes copy_of(const DevicePlace& place) {
    GuardedBytes copy(place.bytes);
    std::ranges::copy(at(place), copy.bytes().begin());
    return copy;
  }

  std::vector<std::byte> arena_, resident_;
  std::vector<Command> commands_;
  Views writes_, reads_;
};

class CopyingBackend : public Backend {
 public:
  std::string_view name() const override { return "copying"; }
  const Device& device() const override { return device_; }
  std::optional<DType> half() const override { return cpu_backend().half(); }
  std::span<const KernelEntry> kernels() const override { return cpu_backend().kernels(); }

 private:
  class CopyingDevice : public Device {
   public:
    std::string name() const override { return "copying processor"; }
    std::unique_ptr<Executor> make_executor(const RegionBytes& bytes) const override {
      return std::make_unique<CopyingExecutor>(bytes);
    }
  };
  CopyingDevice device_;
};

/// The first call registers it with backend_by_name().
inline const Backend& copying_backend() {
  static const CopyingBackend backend;
  static const bool is_known = (add_backend(backend), true);
  SEMBLANCE_ASSERT(is_known);
  return backend;
}

}  // namespace semblance::testing
