#include "runtime/host_device.h"

#include <algorithm>
#include <cstring>
#include <fstream>

#include "memory/buffer.h"

namespace semblance {
namespace {

class HostExecutor : public Executor {
 public:
  explicit HostExecutor(const RegionBytes& bytes)
      : arena_(bytes.arena, Tag::kActivations), resident_(bytes.resident, Tag::kWeights) {}

  std::size_t prepare(const Kernel& kernel, const KernelPlaces& places) override {
    const auto* const host = dynamic_cast<const HostKernel*>(&kernel);
    SEMBLANCE_ASSERT(host != nullptr);
    Command command{host, {}, bytes_of(places.dst).data(), bytes_of(places.scratch).data()};
    for (const DevicePlace& src : places.src) command.src.push_back(bytes_of(src).data());
    commands_.push_back(std::move(command));
    return commands_.size() - 1;
  }
  void run(std::size_t index) override {
    const Command& command = commands_[index];
    command.kernel->run({command.src, command.dst, command.scratch});
  }

  std::span<std::byte> begin_write(const DevicePlace& place) override { return bytes_of(place); }
  void end_write(const DevicePlace&) override {}
  std::span<const std::byte> begin_read(const DevicePlace& place) override {
    return bytes_of(place);
  }
  void end_read(const DevicePlace&) override {}
  void abandon() noexcept override {}

  bool keep_resident() override {
    arena_ = {};
    commands_.clear();
    return true;
  }
  void restart(const RegionBytes& bytes, std::span<const Move> moves) override {
    if (bytes.resident > resident_.size()) resident_.resize(bytes.resident);
    // The order of the places does not change: those that move down have room if the ones below
    // moved before, those that move up if the ones above did.
    const auto move = [this](const Move& m) {
      std::memmove(bytes_of({Region::kResident, m.to, m.bytes}).data(),
                   bytes_of({Region::kResident, m.from, m.bytes}).data(), m.bytes);
    };
    for (const Move& m : moves) {
      if (m.to < m.from) move(m);
    }
    std::for_each(moves.rbegin(), moves.rend(), [&](const Move& m) {
      if (m.to > m.from) move(m);
    });
    if (bytes.resident < resident_.size()) resident_.resize(bytes.resident);
    arena_ = Buffer(bytes.arena, Tag::kActivations);
  }

 private:
  struct Command {
    const HostKernel* kernel;
    std::vector<const std::byte*> src;
    std::byte* dst;
    std::byte* scratch;
  };

  std::span<std::byte> bytes_of(const DevicePlace& place) const {
    const Buffer& region = place.region == Region::kArena ? arena_ : resident_;
    SEMBLANCE_ASSERT(place.offset <= region.size() && place.bytes <= region.size() - place.offset);
    return region.bytes().subspan(place.offset, place.bytes);
  }

  Buffer arena_, resident_;
  std::vector<Command> commands_;
};

class HostDevice : public Device {
 public:
  std::string name() const override {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
      const auto colon = line.find(": ");
      if (line.starts_with("model name") && colon != line.npos) return line.substr(colon + 2);
    }
    return "unknown";
  }
  std::unique_ptr<Executor> make_executor(const RegionBytes& bytes) const override {
    return std::make_unique<HostExecutor>(bytes);
  }
};

}  // namespace

const Device& host_device() {
  static const HostDevice device;
  return device;
}

}  // namespace semblance
