#include "pipeline/decoder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "core/convert.h"
#include "core/error.h"
#include "pipeline/layout.h"
#include "pipeline/stage_graphs.h"
#include "pipeline/stages.h"
#include "runtime/session.h"

namespace semblance {
namespace {

/// The VAE's decoder for latents of one size; rebuilt when the size changes.
class TileDecoder {
 public:
  TileDecoder(const OpenedModels& models, const Workspace& workspace, DType dtype,
              const OtherMemory& beside, std::stop_token stop)
      : models_(models),
        workspace_(workspace),
        dtype_(dtype),
        beside_(beside),
        stop_(std::move(stop)) {}

  /// latent f32 [h,w,c], divided by the scaling factor -> picture f32 [8h,8w,3].
  std::vector<float> run(std::span<const float> latent, Size size) {
    if (!session_ || !(size == size_)) {
      session_.reset();
      const auto fold = static_cast<int>(models_.vae.fold());
      Stage stage = decoder_stage(models_, {size.w * fold, size.h * fold}, dtype_);
      stage.beside = beside_;
      session_.emplace(stage.open(workspace_.backend(), stage.options(workspace_), stop_));
      size_ = size;
    }
    session_->set_input("latent", latent);
    session_->run(stop_);
    return session_->output_f32("picture");
  }

 private:
  const OpenedModels& models_;
  const Workspace& workspace_;
  DType dtype_;
  OtherMemory beside_;
  std::stop_token stop_;
  std::optional<Session> session_;
  Size size_;
};

/// Blends overlapping tiles as diffusers' tiled_decode does: tiles are three quarters of a tile
/// apart, and the first quarter of each is blended with the last quarter of the previous one,
/// vertically first, then horizontally. The neighbour is used after its own blending.
class TiledPicture {
 public:
  TiledPicture(Size size, std::int64_t tile) : size_(size), tile_(tile), fade_(tile / 4) {
    picture_.resize(static_cast<std::size_t>(size.w) * static_cast<std::size_t>(size.h) * 3);
    below_.resize(static_cast<std::size_t>((size.w + step() - 1) / step()));
  }

  std::int64_t step() const { return tile_ - fade_; }

  /// `tile` f32 [h,w,3] starts at pixel (x, y), multiples of step(). Tiles are added row by row.
  void add(std::int64_t x, std::int64_t y, std::vector<float> tile, std::int64_t h,
           std::int64_t w) {
    Strip& above = below_[static_cast<std::size_t>(x / step())];
    if (y > 0) fade_down(above, tile, h, w);
    if (x > 0) fade_across(beside_, tile, h, w);
    const std::int64_t rows = std::min(h, fade_);
    above = {rows, w, {tile.end() - rows * w * 3, tile.end()}};
    const std::int64_t columns = std::min(w, fade_);
    beside_ = {h, columns, {}};
    for (std::int64_t i = 0; i < h; ++i) {
      const auto end = tile.begin() + (i + 1) * w * 3;
      beside_.values.insert(beside_.values.end(), end - columns * 3, end);
    }
    const std::int64_t kept_w = std::min({w, step(), size_.w - x});
    for (std::int64_t i = 0; i < std::min({h, step(), size_.h - y}); ++i) {
      std::copy_n(tile.begin() + i * w * 3, kept_w * 3,
                  picture_.begin() + ((y + i) * size_.w + x) * 3);
    }
  }

  std::vector<float> take() { return std::move(picture_); }

 private:
  struct Strip {  // [h,w,3]
    std::int64_t h = 0;
    std::int64_t w = 0;
    std::vector<float> values = {};
  };

  static void fade(float from, float& to, std::int64_t i, std::int64_t extent) {
    const double share = static_cast<double>(i) / static_cast<double>(extent);
    to = from * static_cast<float>(1 - share) + to * static_cast<float>(share);
  }

  void fade_down(const Strip& above, std::vector<float>& tile, std::int64_t h, std::int64_t w) {
    const std::int64_t extent = std::min(above.h, h);
    const float* from = above.values.data() + (above.h - extent) * w * 3;
    for (std::int64_t i = 0; i < extent; ++i) {
      for (std::int64_t j = 0; j < w * 3; ++j)
        fade(from[i * w * 3 + j], tile[static_cast<std::size_t>(i * w * 3 + j)], i, extent);
    }
  }

  void fade_across(const Strip& beside, std::vector<float>& tile, std::int64_t h, std::int64_t w) {
    const std::int64_t extent = std::min(beside.w, w);
    for (std::int64_t i = 0; i < h; ++i) {
      const float* from = beside.values.data() + ((i + 1) * beside.w - extent) * 3;
      for (std::int64_t j = 0; j < extent * 3; ++j)
        fade(from[j], tile[static_cast<std::size_t>(i * w * 3 + j)], j / 3, extent);
    }
  }

  Size size_;
  std::int64_t tile_;
  std::int64_t fade_;
  std::vector<float> picture_;
  std::vector<Strip> below_;  // bottom of each column's last tile
  Strip beside_;              // right side of the previous tile
};

/// Decodes in tiles. latent [c,h,w] as the sampler leaves it.
std::vector<float> decode_tiles(const OpenedModels& models, const Workspace& workspace,
                                std::span<const float> sampled, Size size, DType dtype,
                                const OtherMemory& beside, std::stop_token stop) {
  const VaeConfig& vae = models.vae;
  std::vector<float> latent(sampled.size());
  channels_last(sampled, static_cast<std::size_t>(vae.latent_channels), latent);
  for (float& value : latent) value /= vae.scaling_factor;
  TileDecoder decoder(models, workspace, dtype, beside, std::move(stop));
  const std::int64_t fold = vae.fold();
  const std::int64_t tile = vae.sample_size / fold;  // in latent pixels, like everything below
  const std::int64_t h = size.h / fold;
  const std::int64_t w = size.w / fold;
  const std::int64_t c = vae.latent_channels;
  TiledPicture picture(size, vae.sample_size);
  const std::int64_t step = picture.step() / fold;
  std::vector<float> piece;
  for (std::int64_t y = 0; y < h; y += step) {
    for (std::int64_t x = 0; x < w; x += step) {
      const std::int64_t tile_h = std::min(tile, h - y);
      const std::int64_t tile_w = std::min(tile, w - x);
      piece.clear();
      for (std::int64_t i = y; i < y + tile_h; ++i) {
        const auto begin = latent.begin() + (i * w + x) * c;
        piece.insert(piece.end(), begin, begin + tile_w * c);
      }
      const Size piece_size{static_cast<int>(tile_w), static_cast<int>(tile_h)};
      picture.add(x * fold, y * fold, decoder.run(piece, piece_size), tile_h * fold, tile_w * fold);
    }
  }
  return picture.take();
}

}  // namespace

OtherMemory tile_memory(const VaeConfig& vae, Size size) {
  const auto tile = static_cast<std::uint64_t>(vae.sample_size);
  const auto w = static_cast<std::uint64_t>(size.w);
  const std::uint64_t strips = (w + 2 * tile) * tile / 4;
  return {.kept_bytes = sizeof(float) * 3 * w * static_cast<std::uint64_t>(size.h),
          .added_bytes = sizeof(float) * 3 * (2 * tile * tile + strips)};
}

void check_tiling(const VaeConfig& vae) {
  if (vae.sample_size != 0 && vae.sample_size % 32 == 0) return;
  fail(ErrorKind::kCorrupt,
       "cannot decode in tiles: the VAE's sample_size (the side of a tile) must be a multiple of "
       "32, {}\n  decode without tiles",
       vae.sample_size == 0 ? std::string("it is a list")
                            : fmt::format("it is {}", vae.sample_size));
}

namespace {

/// Returns a session that has computed "picture".
Session decoded(const OpenedModels& models, const Workspace& workspace,
                std::span<const float> latent, Size size, DType dtype, const OtherMemory& beside,
                const std::stop_token& stop) {
  const VaeConfig& vae = models.vae;
  Stage stage = decoder_stage(models, size, dtype);
  stage.beside = beside;
  Session session = stage.open(workspace.backend(), stage.options(workspace), stop);
  const std::span<std::byte> bytes = session.input("latent");
  const std::span<float> unscaled{reinterpret_cast<float*>(bytes.data()), latent.size()};
  channels_last(latent, static_cast<std::size_t>(vae.latent_channels), unscaled);
  for (float& value : unscaled) value /= vae.scaling_factor;
  session.run(stop);
  return session;
}

}  // namespace

std::vector<float> decode_latent(const OpenedModels& models, const Workspace& workspace,
                                 std::span<const float> latent, Size size, DType dtype,
                                 std::stop_token stop, const DecodeOptions& options) {
  if (decodes_in_tiles(models.vae, size, options.tiling))
    return decode_tiles(models, workspace, latent, size, dtype, options.beside, std::move(stop));
  return decoded(models, workspace, latent, size, dtype, options.beside, stop)
      .output_f32("picture");
}

Image decode_picture(const OpenedModels& models, const Workspace& workspace,
                     std::span<const float> latent, Size size, DType dtype, std::stop_token stop,
                     const DecodeOptions& options) {
  if (decodes_in_tiles(models.vae, size, options.tiling)) {
    const auto picture =
        decode_tiles(models, workspace, latent, size, dtype, options.beside, std::move(stop));
    return to_image(DType::kF32, std::as_bytes(std::span(picture)), size);
  }
  const Session session = decoded(models, workspace, latent, size, dtype, options.beside, stop);
  const Graph& graph = session.graph();
  return to_image(graph.type(graph.find_output("picture")).dtype, session.output("picture"), size);
}

Image to_image(DType dtype, std::span<const std::byte> picture, Size size) {
  Image image(size);
  const std::span<std::uint8_t> pixels = image.pixels();
  SEMBLANCE_ASSERT(picture.size() == pixels.size() * size_of(dtype));
  std::array<float, 4096> part;
  for (std::size_t begin = 0; begin < pixels.size(); begin += part.size()) {
    const std::span<float> values =
        std::span(part).first(std::min(part.size(), pixels.size() - begin));
    to_f32(dtype, picture.subspan(begin * size_of(dtype), values.size() * size_of(dtype)), values);
    std::transform(values.begin(), values.end(), pixels.subspan(begin).begin(), [](float value) {
      // NaN passes through and becomes black.
      const float unit = std::clamp(value * 0.5F + 0.5F, 0.0F, 1.0F);
      return static_cast<std::uint8_t>(std::isnan(unit) ? 0.0F : std::nearbyint(unit * 255.0F));
    });
  }
  return image;
}

}  // namespace semblance
