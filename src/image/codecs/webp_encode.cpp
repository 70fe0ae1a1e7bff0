#include <webp/encode.h>
#include <webp/mux.h>

#include <memory>

#include "core/error.h"
#include "image/codecs/codecs.h"

namespace semblance::codecs {
namespace {

std::vector<std::byte> copied(const std::uint8_t* data, std::size_t bytes) {
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  return {begin, begin + bytes};
}

}  // namespace

std::vector<std::byte> encode_webp(const Image& image, std::span<const std::byte> exif,
                                   int quality) {
  std::uint8_t* encoded = nullptr;
  const std::size_t bytes =
      WebPEncodeRGB(image.pixels().data(), image.width(), image.height(),
                    static_cast<int>(image.row_bytes()), static_cast<float>(quality), &encoded);
  const std::unique_ptr<std::uint8_t, decltype(&WebPFree)> release(encoded, &WebPFree);
  if (bytes == 0) {
    fail(ErrorKind::kMemory, "cannot make a WebP of {}x{} pixels: libwebp is out of memory",
         image.width(), image.height());
  }
  if (exif.empty()) return copied(encoded, bytes);

  const WebPData picture{encoded, bytes};
  const WebPData metadata{reinterpret_cast<const std::uint8_t*>(exif.data()), exif.size()};
  const std::unique_ptr<WebPMux, decltype(&WebPMuxDelete)> mux(WebPMuxCreate(&picture, 0),
                                                               &WebPMuxDelete);
  WebPData file{};
  if (mux == nullptr || WebPMuxSetChunk(mux.get(), "EXIF", &metadata, 0) != WEBP_MUX_OK ||
      WebPMuxAssemble(mux.get(), &file) != WEBP_MUX_OK) {
    fail(ErrorKind::kMemory, "cannot make a WebP of {}x{} pixels: its text could not be added",
         image.width(), image.height());
  }
  const std::unique_ptr<const std::uint8_t, void (*)(const std::uint8_t*)> release_file(
      file.bytes, [](const std::uint8_t* data) { WebPFree(const_cast<std::uint8_t*>(data)); });
  return copied(file.bytes, file.size);
}

}  // namespace semblance::codecs
