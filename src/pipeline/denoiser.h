// One step's network: latent in, predicted noise out, for both guidance halves.
#pragma once

#include <memory>
#include <stop_token>
#include <vector>

#include "pipeline/conditions.h"
#include "pipeline/opened_models.h"
#include "runtime/workspace.h"

namespace semblance {

class Denoiser {
 public:
  /// The graph of UNet, adapter (unless its strength is 0) and, with_identity, IdentityNet; the
  /// conditions are written into it.
  Denoiser(const OpenedModels& models, const Workspace& workspace, const Request& request,
           const Conditions& conditions, bool with_identity, DType dtype, std::stop_token stop);

  bool with_identity() const { return with_identity_; }
  /// latent f32 [c,h,w], scaled by the scheduler -> noise [n,c,h,w].
  void run(std::span<const float> latent, float timestep, std::vector<float>& noise,
           std::stop_token stop);
  const Session& session() const { return *session_; }

  /// What the plan leaves of what the workspace gave for the places.
  std::uint64_t spare_bytes() const { return spare_bytes_; }

  /// The least budget of the process in which a Denoiser of these arguments could be made now.
  /// Throws Error(kCancelled).
  static std::uint64_t least_budget(const OpenedModels& models, const Workspace& workspace,
                                    const Request& request, bool with_identity, DType dtype,
                                    std::stop_token stop);

 private:
  bool with_identity_;
  std::size_t n_;
  std::size_t channels_;
  std::unique_ptr<Session> session_;
  std::uint64_t spare_bytes_ = 0;
};

}  // namespace semblance
