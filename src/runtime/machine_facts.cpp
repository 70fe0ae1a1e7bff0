#include "runtime/machine_facts.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "core/parallel.h"
#include "memory/file.h"
#include "runtime/device.h"

namespace semblance {
namespace {

/// Version of what is measured and how; facts of another version are measured again.
constexpr std::int64_t kVersion = 2;
/// Most entries in the cache; the newest are kept.
constexpr std::size_t kMachines = 16;

template <typename Facts>
struct Named {
  std::string_view name;
  double Facts::*fact;
};
using RateName = Named<KernelRates>;
using FactName = Named<MachineFacts>;
constexpr std::array kRateNames{
    RateName{"linear", &KernelRates::linear},
    RateName{"narrow_conv", &KernelRates::narrow_conv},
    RateName{"wide_conv", &KernelRates::wide_conv},
    RateName{"attention", &KernelRates::attention},
    RateName{"short_attention", &KernelRates::short_attention},
    RateName{"elementwise", &KernelRates::elementwise},
    RateName{"norm", &KernelRates::norm},
    RateName{"gate", &KernelRates::gate},
    RateName{"pack", &KernelRates::pack},
};
constexpr std::array kFactNames{
    FactName{"call_seconds", &MachineFacts::call_seconds},
    FactName{"cached_read", &MachineFacts::cached_read},
    FactName{"disk_read", &MachineFacts::disk_read},
    FactName{"scratch_write", &MachineFacts::scratch_write},
};
constexpr const char* kMeasuredIn = "measured_in_bytes";
constexpr const char* kUpload = "upload";

/// What the facts depend on.
struct Machine {
  std::string backend;
  std::string processor;  // the backend's device
  std::string driver;     // its driver
  int cores = 0;
  int threads = 0;
  std::string disk;  // the file system that scratch files go to
};

std::string disk_of(const std::filesystem::path& folder) {
  struct stat info = {};
  if (stat(folder.c_str(), &info) != 0) return folder.string();
  return fmt::format("{}:{}", major(info.st_dev), minor(info.st_dev));
}

Machine this_machine(const Backend& backend, const std::filesystem::path& folder) {
  const Device& device = backend.device();
  return {std::string(backend.name()), device.name(), device.driver(),
          available_cores(),           threads(),     disk_of(folder)};
}

bool is_of(const Json& entry, const Machine& machine) {
  return entry.get_int("version", 0) == kVersion &&
         entry.get_string("backend", "") == machine.backend &&
         entry.get_string("processor", "") == machine.processor &&
         entry.get_string("driver", "") == machine.driver &&
         entry.get_int("cores", 0) == machine.cores &&
         entry.get_int("threads", 0) == machine.threads &&
         entry.get_string("disk", "") == machine.disk;
}

double positive(const Json& entry, std::string_view key) {
  const double value = entry.get_float(key);
  if (value <= 0) entry.refuse(key, "positive");
  return value;
}

KernelRates rates_of(const Json& entry) {
  KernelRates rates;
  for (const auto& [name, rate] : kRateNames) rates.*rate = positive(entry, name);
  return rates;
}

MachineFacts facts_of(const Json& entry) {
  MachineFacts facts;
  facts.f32 = rates_of(entry.child("f32"));
  facts.half = rates_of(entry.child("bf16"));
  for (const auto& [name, fact] : kFactNames) facts.*fact = positive(entry, name);
  facts.upload = entry.get_float(kUpload, 0);
  if (facts.upload < 0) entry.refuse(kUpload, "not negative");
  facts.measured_in_bytes = static_cast<std::uint64_t>(
      entry.get_int(kMeasuredIn, 0, {0, std::numeric_limits<std::int64_t>::max()}));
  return facts;
}

/// The cache's entries of other machines, and the facts of this one if it has any. Throws if the
/// cache is corrupt.
struct Cached {
  std::vector<Json> others;
  std::vector<MachineFacts> facts;
};
Cached read_cache(const std::filesystem::path& path, const Machine& machine) {
  Cached cached;
  for (const Json& entry : Json::load(path).child("machines").items()) {
    if (!entry.is_object()) continue;
    is_of(entry, machine) ? cached.facts.push_back(facts_of(entry))
                          : cached.others.push_back(entry);
  }
  return cached;
}

nlohmann::json to_json(const KernelRates& rates) {
  nlohmann::json entry;
  for (const auto& [name, rate] : kRateNames) entry[std::string(name)] = rates.*rate;
  return entry;
}

void write_cache(const std::filesystem::path& path, const Machine& machine,
                 const MachineFacts& facts, const std::vector<Json>& others) {
  nlohmann::json entry = {
      {"version", kVersion},      {"backend", machine.backend}, {"processor", machine.processor},
      {"driver", machine.driver}, {"cores", machine.cores},     {"threads", machine.threads},
      {"disk", machine.disk},     {"f32", to_json(facts.f32)},  {"bf16", to_json(facts.half)}};
  for (const auto& [name, fact] : kFactNames) entry[std::string(name)] = facts.*fact;
  if (facts.measured_in_bytes > 0) entry[kMeasuredIn] = facts.measured_in_bytes;
  if (facts.upload > 0) entry[kUpload] = facts.upload;
  nlohmann::json machines = nlohmann::json::array({std::move(entry)});
  for (const Json& other : others) {
    if (machines.size() < kMachines) machines.push_back(other.value());
  }
  std::filesystem::create_directories(path.parent_path());
  OutputFile file(path);
  file.write(nlohmann::json{{"machines", std::move(machines)}}.dump(1) + "\n");
  file.commit();
}

bool is_half(DType dtype) { return dtype == DType::kBF16 || dtype == DType::kF16; }

std::vector<TensorType> src_types(const NodeView& node) {
  std::vector<TensorType> types;
  types.reserve(static_cast<std::size_t>(node.src_count()));
  for (int i = 0; i < node.src_count(); ++i) types.push_back(node.src(i));
  return types;
}

/// Bytes read and written.
std::uint64_t moved_bytes(const NodeView& node, Types src) {
  return std::visit(
      [&](const auto& op) {
        if constexpr (requires { op.moved_bytes(src, node.dst()); }) {
          return op.moved_bytes(src, node.dst());
        }
        std::uint64_t bytes = node.dst().bytes();
        for (const TensorType& type : src) bytes += type.bytes();
        return bytes;
      },
      node.any_op());
}

Price price_of(const NodeView& node, Types src) {
  return std::visit(
      [&](const auto& op) {
        if constexpr (requires { op.kPrice; }) {
          return op.kPrice;
        } else {
          return op.price(src);
        }
      },
      node.any_op());
}

}  // namespace

std::filesystem::path machine_facts_path() {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    // Relative folders must be ignored: XDG Base Directory Specification 0.8.
    return value != nullptr && value[0] == '/' ? std::filesystem::path(value)
                                               : std::filesystem::path();
  };
  std::filesystem::path folder = set("XDG_CACHE_HOME");
  if (folder.empty() && !set("HOME").empty()) folder = set("HOME") / ".cache";
  return folder.empty() ? folder : folder / "semblance" / "machine.json";
}

namespace {

Cached cached_facts(const Machine& machine) {
  const std::filesystem::path path = machine_facts_path();
  try {
    if (!path.empty()) return read_cache(path, machine);
  } catch (const Error&) {
    // A corrupt cache is ignored.
  }
  return {};
}

}  // namespace

std::optional<MachineFacts> known_machine_facts(const Backend& backend,
                                                const std::filesystem::path& folder) {
  const Cached cached = cached_facts(this_machine(backend, folder));
  if (cached.facts.empty()) return std::nullopt;
  return cached.facts.front();
}

MachineFacts machine_facts(const Backend& backend, const std::filesystem::path& folder,
                           const Measuring& measuring) {
  const Machine machine = this_machine(backend, folder);
  const std::filesystem::path path = machine_facts_path();
  const Cached cached = cached_facts(machine);
  if (!cached.facts.empty() && !measuring.refresh) {
    const std::uint64_t measured_in = cached.facts.front().measured_in_bytes;
    if (measured_in == 0 || measuring.room_bytes / 2 < measured_in) return cached.facts.front();
  }
  const MachineFacts facts = measure_machine(backend, folder, measuring.room_bytes);
  if (!path.empty()) {
    try {
      write_cache(path, machine, facts, cached.others);
    } catch (const Error&) {
    } catch (const std::filesystem::filesystem_error&) {
    }
  }
  return facts;
}

double seconds_of(const MachineFacts& facts, const NodeView& node, const KernelEntry& kernel) {
  const std::vector<TensorType> src = src_types(node);
  const KernelRates& rates = !src.empty() && is_half(src[0].dtype) ? facts.half : facts.f32;
  const auto bytes = static_cast<double>(moved_bytes(node, src));
  const auto compute = [&](double rate) {
    if (kernel.is_reference) rate = kReferenceRate * threads();
    const Operations operations =
        std::visit([&](const auto& op) { return op.cost(src, node.dst()); }, node.any_op());
    return facts.call_seconds + std::max(operations / rate, bytes / rates.elementwise);
  };
  const auto move = [&](double rate) { return facts.call_seconds + bytes / rate; };
  switch (price_of(node, src)) {
    case Price::kNothing:
      return 0;
    case Price::kLinear:
      return compute(rates.linear);
    case Price::kNarrowConvolution:
      return compute(rates.narrow_conv);
    case Price::kWideConvolution:
      return compute(rates.wide_conv);
    case Price::kAttention:
      return compute(rates.attention);
    case Price::kShortAttention:
      return compute(rates.short_attention);
    case Price::kElementwise:
      return move(rates.elementwise);
    case Price::kNorm:
      return move(rates.norm);
    case Price::kGate:
      return move(rates.gate);
  }
  SEMBLANCE_ASSERT(false);
  return 0;
}

double pack_seconds(const MachineFacts& facts, std::uint64_t stored_bytes, DType dtype) {
  return static_cast<double>(stored_bytes) / (is_half(dtype) ? facts.half.pack : facts.f32.pack);
}

}  // namespace semblance
