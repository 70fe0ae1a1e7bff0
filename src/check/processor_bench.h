// What `semblance bench` measures on the processor: a guided denoiser step of SDXL with
// IdentityNet, and the decoder, with random weights of the published shapes. Needs no files.
//
// Pieces, each a JSON object (times in seconds, sizes in bytes):
//
//   rates    of the kernels on all threads: "linear_gflops", "conv_gflops", "attention_gflops",
//            "pack_gb_s" (of stored weights), "cached_read_gb_s", "disk_read_gb_s"
//   step     in an amount of memory: "memory_bytes" (of the session's places), "threads",
//            "resident_bytes", "streamed_bytes" (read in each step), "first_seconds", "seconds",
//            "predicted_seconds"; "fits" false in place of these if it does not
//   decode   "seconds", with preparing
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stop_token>
#include <vector>

#include "check/card_check.h"
#include "image/image.h"
#include "pipeline/model_paths.h"
#include "pipeline/request.h"

namespace semblance {

struct BenchOptions {
  Size size;
  Precision precision = Precision::kF32;  // not auto
  /// Of the sessions' places; absent: as much as is of use.
  std::vector<std::optional<std::uint64_t>> memory;
  /// The step in the first amount of memory is also measured with these; the others run on as many
  /// threads as are set.
  std::vector<int> threads = {};
  /// The sizes of these models in place of the published ones.
  std::optional<ModelPaths> models = {};
};

/// In the order they run. They set the number of threads, and leave it as it was.
std::vector<CheckPiece> processor_bench(const BenchOptions& options);

}  // namespace semblance
