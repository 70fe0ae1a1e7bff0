// A program's nodes as a session runs them: with a backend's kernels, on a device's memory.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "planner/plan.h"
#include "runtime/device.h"
#include "weights/weight_map.h"

namespace semblance {

struct Step {
  enum class Kind : std::uint8_t {
    kNothing,  // a view, or a value of undefined content
    kKernel,
    kSpill,
    kFetch,
    kRows,  // looks up rows of an embedding's table in its file
  };
  Kind kind = Kind::kNothing;
  std::string_view name;           // of the kernel, or of the op
  std::shared_ptr<Kernel> kernel;  // of kKernel; equal nodes share it
  bool first_use = false;          // of the kernel
  bool last_use = false;
  std::size_t command = 0;  // of kKernel: the executor's number
};

/// One step per node. Throws Error(kDevice) for an op without a kernel.
std::vector<Step> make_steps(const Program& program, const Backend& backend);

/// Prepares all kernels, with their places, in the executor.
void prepare_steps(const Program& program, Executor& executor, std::vector<Step>& steps);

/// The place of a value, which must not be in the file.
DevicePlace place_of(const Plan& plan, ValueId value);
/// The place of a packed weight.
DevicePlace place_of(const WeightUse& use);

}  // namespace semblance
