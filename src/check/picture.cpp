#include <random>

#include "check/pieces.h"
#include "image/psnr.h"
#include "pipeline/pipeline.h"
#include "runtime/trace.h"

namespace semblance::checking {
namespace {

constexpr double kLeastPsnr = 40;  // dB; in f32 cards reach 50 and more

struct Made {
  Image image;
  double seconds = 0;
};

/// A picture of nobody: the embedding is random, so no photo and no face models are needed.
Made make_picture(const ModelPaths& demo, const std::string& backend, Precision precision,
                  bool is_small, const std::stop_token& stop) {
  const double begin = Trace::now();
  Pipeline pipeline(demo, {.precision = precision, .backend = backend}, stop);
  Request request;
  request.prompt = "a smiling woman in the snow";
  request.steps = is_small ? 2 : 4;
  request.seed = 7;
  request.width = request.height = pipeline.native_side() / (is_small ? 2 : 1);
  request = pipeline.defaults().complete(std::move(request));
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> embedding(512);
  for (float& value : embedding) value = normal(random);
  const auto side = static_cast<float>(request.width);
  const Keypoints keypoints{{{0.35F * side, 0.4F * side},
                             {0.65F * side, 0.4F * side},
                             {0.5F * side, 0.55F * side},
                             {0.38F * side, 0.7F * side},
                             {0.62F * side, 0.7F * side}}};
  Generation generation = pipeline.start(request, embedding, keypoints, stop);
  while (generation.next(stop)) {
  }
  Made made;
  made.image = generation.decode(stop);
  made.seconds = Trace::now() - begin;
  return made;
}

}  // namespace

OrderedJson picture(const CheckedCard& card, const ModelPaths& demo, Precision precision,
                    const std::stop_token& stop) {
  const Made here = make_picture(demo, card.device, precision, card.is_small(), stop);
  const Made there = make_picture(demo, "cpu", Precision::kF32, card.is_small(), stop);
  const double decibels = psnr(here.image.pixels(), there.image.pixels());
  return {{"ok", decibels >= kLeastPsnr},
          {"psnr_db", number(decibels)},
          {"seconds", here.seconds},
          {"processor_seconds", there.seconds}};
}

}  // namespace semblance::checking
