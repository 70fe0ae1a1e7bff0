// A program's nodes as a session runs them: with kernels of a backend, in places of a device.
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
    kNothing,  // a view, or a value of no known content
    kKernel,
    kSpill,
    kFetch,
    kRows,  // of an embedding's table, from its file
  };
  Kind kind = Kind::kNothing;
  std::string_view name;           // of the kernel, or of what else is done
  std::shared_ptr<Kernel> kernel;  // of kKernel; equal nodes share it
  bool first_use = false;          // of the kernel
  bool last_use = false;
  std::size_t command = 0;  // of kKernel: the executor's number
};

/// One step a node. Throws Error(kDevice) for an op without a kernel.
std::vector<Step> make_steps(const Program& program, const Backend& backend);

/// Gives the executor all kernels and their places.
void prepare_steps(const Program& program, Executor& executor, std::vector<Step>& steps);

/// Where a value lies that is not in the file.
DevicePlace place_of(const Plan& plan, ValueId value);
/// Where a weight lies as its kernels want it.
DevicePlace place_of(const WeightUse& use);

}  // namespace semblance
