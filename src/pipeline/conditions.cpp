#include "pipeline/conditions.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/convert.h"
#include "core/error.h"
#include "image/draw.h"
#include "pipeline/stage_graphs.h"

namespace semblance {
namespace {

/// The prompts to encode, unconditional first.
std::vector<std::string> prompts_of(const OpenedModels& models, const Request& request) {
  if (encoded_prompts(models, request) == 1) return {request.prompt};
  return {request.negative.value_or(""), request.prompt};
}

}  // namespace

ValueTypes value_types(const OpenedModels& models, const Request& request) {
  const auto f32 = [](std::string name, const Shape& shape) {
    return NamedType{std::move(name), {DType::kF32, shape}};
  };
  const std::int64_t n = guidance_halves(request);
  const std::int64_t h = request.height / models.vae.fold();
  const std::int64_t w = request.width / models.vae.fold();
  const std::int64_t c = models.unet.in_channels;
  const std::int64_t cross = models.resampler.output;
  const auto ids = [&](std::string name, int encoder) {
    return NamedType{
        std::move(name),
        {DType::kI32, {encoded_prompts(models, request), models.prompt_length(encoder)}}};
  };
  return {.ids = {ids("ids_1", 0), ids("ids_2", 1)},
          .embedding = f32("embedding", {1, models.resampler.embedding}),
          .face_points = f32("face_points", {5, 2}),
          .text = f32("text", {n, models.prompt_length(0), cross}),
          .pooled = f32("pooled", {n, models.unet.pooled_channels()}),
          .face = f32("face", {n, models.resampler.tokens, cross}),
          .keypoints = f32("keypoints", {1, h, w, models.identitynet.channels[0]}),
          .time_ids = f32("time_ids", {n * 6}),
          .latent = f32("latent", {c, h, w}),
          .scaled = f32("scaled", {c, h, w}),
          .noise = f32("noise", {n, c, h, w})};
}

void make_inputs(Values& values, const OpenedModels& models, const Request& request,
                 std::span<const float> embedding, const Keypoints& keypoints,
                 const std::stop_token& stop) {
  if (static_cast<std::int64_t>(embedding.size()) != models.resampler.embedding) {
    fail(ErrorKind::kArgument, "cannot take the face's embedding: expected {} numbers, got {}",
         models.resampler.embedding, embedding.size());
  }
  check_keypoints(keypoints, "cannot draw the keypoint picture");
  const ValueTypes types = value_types(models, request);
  values.make(types.embedding, embedding);
  values.make(types.face_points, std::span(keypoints.front().data(), 10));
  for (std::size_t encoder = 0; encoder < 2; ++encoder) {
    std::vector<std::int32_t> ids;
    for (const std::string& text : prompts_of(models, request)) {
      const EncodedText encoded = models.tokenizers[encoder].encode(
          text, models.prompt_length(static_cast<int>(encoder)), stop);
      ids.insert(ids.end(), encoded.ids.begin(), encoded.ids.end());
    }
    values.make(types.ids[encoder], std::span<const std::int32_t>(ids));
  }
  const std::span<float> sizes = values.make(types.time_ids).f32();
  const std::array<int, 6> of_one{request.height, request.width, 0, 0,
                                  request.height, request.width};
  for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = static_cast<float>(of_one[i % 6]);
}

void run_text_encoder(const OpenedModels& models, std::size_t encoder, const ValueTypes& types,
                      Session& session, Values& values, const std::stop_token& stop) {
  const Tensor& ids = values.at(types.ids[encoder].name);
  const bool pooled = encoder == 1;
  set_input(session, "ids", ids);
  if (pooled) {
    std::vector<std::int32_t> ends;
    const auto length = static_cast<std::size_t>(ids.type.shape[1]);
    for (std::size_t begin = 0; begin < ids.i32().size(); begin += length)
      ends.push_back(end_position(models.clip[encoder], ids.i32().subspan(begin, length)));
    session.set_input("ends", ends);
  }
  session.run(stop);
  // If only one half is encoded, the unconditional one stays zero.
  const Tensor& text = pooled ? values.at(types.text.name) : values.make(types.text);
  const Graph& graph = session.graph();
  const TensorType& hidden = graph.type(graph.find_output("hidden"));
  const auto width = static_cast<std::size_t>(hidden.shape[-1]);
  const auto cross = static_cast<std::size_t>(text.type.shape[-1]);
  const std::size_t column = pooled ? cross - width : 0;
  const auto rows = static_cast<std::size_t>(hidden.shape.elements()) / width;
  const std::span<const std::byte> bytes = session.output("hidden");
  const std::size_t row_bytes = width * size_of(hidden.dtype);
  const std::span<float> made = text.f32().last(rows * cross);
  for (std::size_t row = 0; row < rows; ++row) {
    to_f32(hidden.dtype, bytes.subspan(row * row_bytes, row_bytes),
           made.subspan(row * cross + column, width));
  }
  if (!pooled) return;
  const std::span<float> all = values.make(types.pooled).f32();
  const auto count = graph.type(graph.find_output("pooled")).shape.elements();
  copy_output(session, "pooled", all.last(static_cast<std::size_t>(count)));
}

void run_resampler(const ValueTypes& types, Session& session, Values& values,
                   const std::stop_token& stop) {
  const std::span<float> embedding = values.at(types.embedding.name).f32();
  const std::vector<float> zeros(embedding.size());
  const std::span<float> face = values.make(types.face).f32();
  const auto n = static_cast<std::size_t>(types.face.type.shape[0]);
  const std::size_t half = face.size() / n;
  for (std::size_t i = 0; i < n; ++i) {
    const bool unconditional = i + 1 < n;
    session.set_input("embedding", unconditional ? std::span<const float>(zeros) : embedding);
    session.run(stop);
    copy_output(session, "tokens", face.subspan(i * half, half));
  }
}

void run_keypoints(const ValueTypes& types, Size size, Session& session, Values& values,
                   const std::stop_token& stop) {
  Keypoints points;
  const std::span<float> stored = values.at(types.face_points.name).f32();
  std::copy(stored.begin(), stored.end(), points.front().data());
  const auto draw = [&](std::span<float> picture) {
    const Image drawn = draw_keypoints(points, size);
    std::transform(drawn.pixels().begin(), drawn.pixels().end(), picture.begin(),
                   [](std::uint8_t value) { return static_cast<float>(value) / 255.0F; });
  };
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
  copy_output(session, "features", values.make(types.keypoints).f32());
}

}  // namespace semblance
