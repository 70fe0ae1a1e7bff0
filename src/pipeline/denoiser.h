// The network of one step: predicts the noise of a latent, for both guidance halves.
#pragma once

#include <span>
#include <stop_token>

#include "pipeline/stage.h"

namespace semblance {

class Denoiser {
 public:
  /// `stage` is kDenoiser or kDenoiserAlone: UNet, adapter (unless its strength is 0) and
  /// IdentityNet. Writes the values that are the same in all its steps into the session. `kept`:
  /// of an earlier denoiser of the same picture.
  Denoiser(const Stage& stage, const Workspace& workspace, const Values& values,
           std::stop_token stop, KeptWeights kept = {});

  const StepKind& kind() const { return kind_; }
  /// latent f32 [c,h,w], scaled by the scheduler -> noise [n,c,h,w], n as pictures_of() says.
  void run(std::span<const float> latent, float timestep, std::span<float> noise,
           const std::stop_token& stop);
  const Session& session() const { return session_; }
  /// Bytes of the process that the workspace allows and the plan does not use.
  std::uint64_t spare_bytes() const { return spare_bytes_; }
  KeptWeights end() && { return std::move(session_).end(); }

 private:
  Denoiser(const Stage& stage, const Backend& backend, const SessionOptions& options,
           const Values& values, std::stop_token stop, KeptWeights kept);

  StepKind kind_;
  Session session_;
  std::uint64_t spare_bytes_ = 0;
};

}  // namespace semblance
