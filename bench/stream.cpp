// links: semblance_runtime semblance_weights
// Reads weights ahead through a ring buffer, in each of the stream's modes: GB per second, and core
// seconds per GB.
//
//   stream FILE.safetensors [--ring MIB] [--readers N] [--cold]
//
// --cold drops the file from the page cache before every pass.
#include <sys/resource.h>

#include <cstdio>

#include "bench/options.h"
#include "core/error.h"
#include "runtime/trace.h"
#include "runtime/weight_stream.h"
#include "weights/safetensors.h"

namespace semblance {
namespace {

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int run(const std::string& path, BenchOptions options) {
  const auto number = [&](const char* name, unsigned long long fallback) {
    return options.contains(name) ? std::stoull(options[name]) : fallback;
  };
  const auto file = open_file(path);
  std::vector<WeightStream::Chunk> chunks;
  std::uint64_t total = 0;
  for (const auto& [name, tensor] : read_safetensors(file)) {
    chunks.push_back({name, {{tensor.file, tensor.offset, tensor.bytes()}}});
    total += tensor.bytes();
  }
  const Buffer ring(number("--ring", 128) << 20, Tag::kStaging);
  for (int round = 0; round < 3; ++round) {
    for (const auto cache : {WeightStream::Cache::kPass, WeightStream::Cache::kKeep}) {
      WeightStream::Options stream_options;
      stream_options.cache = cache;
      stream_options.readers = static_cast<int>(number("--readers", 2));
      WeightStream stream(ring.bytes(), chunks, stream_options);
      if (options.contains("--cold")) file->done_with(0, file->size());
      const double cached = file->cached_share();
      const double begin = Trace::now(), processor = processor_seconds();
      stream.start();
      for (std::size_t i = 0; i < chunks.size(); ++i) {
        stream.wait(i);
        stream.release(i);
      }
      const double seconds = Trace::now() - begin;
      const double gigabytes = static_cast<double>(total) / 1e9;
      std::printf("%s  %.2f GB  cached %3.0f -> %3.0f %%  %5.2f GB/s  %.3f core seconds/GB\n",
                  cache == WeightStream::Cache::kKeep ? "through the cache" : "bypassing it     ",
                  gigabytes, 100 * cached, 100 * file->cached_share(), gigabytes / seconds,
                  (processor_seconds() - processor) / gigabytes);
    }
  }
  return 0;
}

}  // namespace
}  // namespace semblance

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: stream FILE.safetensors [--ring MIB] [--readers N] [--cold]\n");
    return 2;
  }
  return semblance::run_bench("stream", [&] {
    return semblance::run(argv[1], semblance::options_of(argc, argv, {"--cold"}, 2));
  });
}
