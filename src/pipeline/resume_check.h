// Whether a saved run can go on here, to the picture that it would have made: the checks of
// Pipeline::resume().
#pragma once

#include <string>
#include <vector>

#include "pipeline/resume.h"
#include "sampling/sampler.h"

namespace semblance {

/// A saved run has the paths of its LoRAs and ControlNets. One that is no longer there is looked up
/// by its name.
std::vector<std::string> moved_loras(std::vector<std::string> loras);
std::vector<std::string> moved_controls(std::vector<std::string> controls);

// They throw Error(kArgument), saying what to do, where the picture would be another.

/// The models, now at `paths`, are those that the run was started with.
void check_models(const SavedRun& run, const ModelPaths& paths, const Fingerprints& now);
/// So are these LoRAs or ControlNets.
void check_parts(const SavedRun& run, const Fingerprints& now);
/// The precision, backend and number of threads are the same.
void check_settings(const SavedRun& run, Precision precision, const std::string& backend);

/// Throws Error(kCorrupt) for a step or latent that does not match the run's request.
void check_state(const SavedRun& run, const OpenedModels& models);

}  // namespace semblance
