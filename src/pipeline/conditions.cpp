#include "pipeline/conditions.h"

#include <algorithm>

#include "core/error.h"
#include "image/draw.h"
#include "pipeline/request_plan.h"
#include "pipeline/stage_graphs.h"

namespace semblance {
namespace {

struct Prompts {
  std::vector<std::string> texts;  // those that are encoded, unconditional first
  bool zero_negative = false;      // the unconditional half is zeros instead
};

Prompts prompts_of(const OpenedModels& models, const Request& request) {
  Prompts prompts;
  if (encoded_prompts(models, request) == 2) {
    prompts.texts.push_back(request.negative.value_or(""));
  } else {
    prompts.zero_negative = guidance_halves(request) == 2;
  }
  prompts.texts.push_back(request.prompt);
  return prompts;
}

using Ids = std::vector<std::int32_t>;  // [n,l]

std::array<Ids, 2> tokenize(const OpenedModels& models, const Prompts& prompts,
                            const std::stop_token& stop) {
  std::array<Ids, 2> ids;
  for (std::size_t encoder = 0; encoder < 2; ++encoder) {
    for (const std::string& text : prompts.texts) {
      const EncodedText encoded = models.tokenizers[encoder].encode(
          text, models.prompt_length(static_cast<int>(encoder)), stop);
      ids[encoder].insert(ids[encoder].end(), encoded.ids.begin(), encoded.ids.end());
    }
  }
  return ids;
}

struct EncodedPrompts {
  std::vector<float> hidden;  // [n,l,width]
  std::vector<float> pooled;  // [n,projection]
};

EncodedPrompts run_encoder(const OpenedModels& models, const Workspace& workspace,
                           const Request& request, std::size_t encoder, const Ids& ids,
                           std::stop_token stop) {
  const ClipConfig& config = models.clip[encoder];
  const std::int64_t length = models.prompt_length(static_cast<int>(encoder));
  const std::int64_t n = static_cast<std::int64_t>(ids.size()) / length;
  const bool pooled = encoder == 1;
  Session session(text_encoder_graph(models, encoder, n), workspace.backend(),
                  models.clip_weights[encoder],
                  workspace.once(text_encoder_beside(models, encoder, request)), stop);
  session.set_input("ids", ids);
  if (pooled) {
    std::vector<std::int32_t> ends;
    for (std::int64_t i = 0; i < n; ++i) {
      ends.push_back(
          end_position(config, std::span(ids).subspan(static_cast<std::size_t>(i * length),
                                                      static_cast<std::size_t>(length))));
    }
    session.set_input("ends", ends);
  }
  session.run(stop);
  return {session.output_f32("hidden"),
          pooled ? session.output_f32("pooled") : std::vector<float>{}};
}

void encode_text(Conditions& conditions, const OpenedModels& models, const Workspace& workspace,
                 const Request& request, std::stop_token stop) {
  const Prompts prompts = prompts_of(models, request);
  const std::array<Ids, 2> ids = tokenize(models, prompts, stop);
  const EncodedPrompts first = run_encoder(models, workspace, request, 0, ids[0], stop);
  const EncodedPrompts second = run_encoder(models, workspace, request, 1, ids[1], stop);
  conditions.text_tokens = models.prompt_length(0);
  const auto width_first = static_cast<std::size_t>(models.clip[0].width);
  const auto width_second = static_cast<std::size_t>(models.clip[1].width);
  const std::size_t rows = first.hidden.size() / width_first;
  if (prompts.zero_negative) {
    conditions.text.assign(
        static_cast<std::size_t>(conditions.text_tokens) * (width_first + width_second), 0.0F);
    conditions.pooled.assign(second.pooled.size(), 0.0F);
  }
  for (std::size_t i = 0; i < rows; ++i) {  // joined on the channel axis
    const auto a = first.hidden.begin() + static_cast<std::ptrdiff_t>(i * width_first);
    const auto b = second.hidden.begin() + static_cast<std::ptrdiff_t>(i * width_second);
    conditions.text.insert(conditions.text.end(), a, a + static_cast<std::ptrdiff_t>(width_first));
    conditions.text.insert(conditions.text.end(), b, b + static_cast<std::ptrdiff_t>(width_second));
  }
  conditions.pooled.insert(conditions.pooled.end(), second.pooled.begin(), second.pooled.end());
}

/// The unconditional half is the resampler on zeros, not zeros (reference.md, 3.5).
void encode_face(Conditions& conditions, const OpenedModels& models, const Workspace& workspace,
                 const Request& request, std::span<const float> embedding, std::stop_token stop) {
  Session session(resampler_graph(models), workspace.backend(), models.resampler_weights,
                  workspace.once(resampler_beside(models, request)), stop);
  for (int i = 0; i < conditions.n; ++i) {
    const bool unconditional = i + 1 < conditions.n;
    const std::vector<float> zeros(embedding.size());
    session.set_input("embedding", unconditional ? std::span<const float>(zeros) : embedding);
    session.run(stop);
    const std::vector<float> tokens = session.output_f32("tokens");
    conditions.face.insert(conditions.face.end(), tokens.begin(), tokens.end());
  }
}

}  // namespace

std::vector<float> keypoint_features(const OpenedModels& models, const Workspace& workspace,
                                     const HeldBeside& beside,
                                     const std::function<void(std::span<float>)>& draw, Size size,
                                     DType dtype, std::stop_token stop) {
  Session session(keypoint_graph(models, size, dtype), workspace.backend(), models.denoiser_weights,
                  workspace.once(beside), stop);
  if (session.is_in_file("picture")) {
    std::vector<float> picture(static_cast<std::size_t>(size.w) * static_cast<std::size_t>(size.h) *
                               3);
    draw(picture);
    session.set_input("picture", picture);
  } else {
    const std::span<std::byte> picture = session.input("picture");
    draw({reinterpret_cast<float*>(picture.data()), picture.size() / sizeof(float)});
  }
  session.run(stop);
  return session.output_f32("features");
}

std::vector<float> keypoint_features(const OpenedModels& models, const Workspace& workspace,
                                     const Request& request, const Keypoints& keypoints,
                                     DType dtype, std::stop_token stop) {
  const Size size{request.width, request.height};
  const auto draw = [&](std::span<float> picture) {
    const Image drawn = draw_keypoints(keypoints, size);
    std::transform(drawn.pixels().begin(), drawn.pixels().end(), picture.begin(),
                   [](std::uint8_t value) { return static_cast<float>(value) / 255.0F; });
  };
  return keypoint_features(models, workspace, keypoints_beside(models, request), draw, size, dtype,
                           stop);
}

Conditions encode_conditions(const OpenedModels& models, const Workspace& workspace,
                             const Request& request, std::span<const float> embedding,
                             const Keypoints& keypoints, DType dtype, std::stop_token stop) {
  if (static_cast<std::int64_t>(embedding.size()) != models.resampler.embedding) {
    fail(ErrorKind::kArgument, "the face's embedding must have {} numbers, it has {}",
         models.resampler.embedding, embedding.size());
  }
  check_keypoints(keypoints, "cannot draw the keypoint picture");
  Conditions conditions;
  conditions.n = guidance_halves(request);
  encode_text(conditions, models, workspace, request, stop);
  encode_face(conditions, models, workspace, request, embedding, stop);
  if (request.identity_strength > 0) {
    conditions.keypoints = keypoint_features(models, workspace, request, keypoints, dtype, stop);
  }
  for (int i = 0; i < conditions.n; ++i) {
    for (int value : {request.height, request.width, 0, 0, request.height, request.width}) {
      conditions.time_ids.push_back(static_cast<float>(value));
    }
  }
  return conditions;
}

}  // namespace semblance
