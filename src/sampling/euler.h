// Euler's method over a discrete noise schedule (Karras et al. 2022, algorithm 2 without churn),
// equal to diffusers' EulerDiscreteScheduler.
#pragma once

#include <memory>

#include "sampling/schedule.h"

namespace semblance {

class Sampler;

std::unique_ptr<Sampler> make_euler(const SchedulerConfig& config, int steps);

}  // namespace semblance
