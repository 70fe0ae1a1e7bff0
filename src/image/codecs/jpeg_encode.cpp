#include <csetjmp>
#include <cstdio>
#include <cstdlib>

extern "C" {
#include <jpeglib.h>
}

#include "core/error.h"
#include "image/codecs/codecs.h"

namespace semblance::codecs {
namespace {

/// libjpeg reports errors by longjmp, as in guarded_reader.h.
struct JpegWriter {
  JpegWriter() {
    jpeg.err = jpeg_std_error(&errors);
    errors.error_exit = [](j_common_ptr common) {
      auto& self = *static_cast<JpegWriter*>(common->client_data);
      (*common->err->format_message)(common, self.message);
      std::longjmp(self.jump, 1);
    };
    errors.output_message = [](j_common_ptr) {};
    jpeg.client_data = this;
  }
  ~JpegWriter() {
    jpeg_destroy_compress(&jpeg);
    std::free(data);
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;

  bool write(const Image& image, const std::uint8_t* marker, unsigned marker_bytes, int quality) {
    if (setjmp(jump) != 0) return false;
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &data, &bytes);
    jpeg.image_width = static_cast<JDIMENSION>(image.width());
    jpeg.image_height = static_cast<JDIMENSION>(image.height());
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    if (marker_bytes != 0) jpeg_write_marker(&jpeg, JPEG_APP0 + 1, marker, marker_bytes);
    while (jpeg.next_scanline < jpeg.image_height) {
      JSAMPROW row = const_cast<JSAMPROW>(image.row(static_cast<int>(jpeg.next_scanline)));
      jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    return true;
  }

  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  std::jmp_buf jump{};
  char message[JMSG_LENGTH_MAX] = {};
  unsigned char* data = nullptr;
  unsigned long bytes = 0;
};

}  // namespace

std::vector<std::byte> encode_jpeg(const Image& image, std::span<const std::byte> exif,
                                   int quality) {
  std::vector<std::uint8_t> marker;
  if (!exif.empty()) {
    const char prefix[] = {'E', 'x', 'i', 'f', 0, 0};
    marker.assign(std::begin(prefix), std::end(prefix));
    const auto* begin = reinterpret_cast<const std::uint8_t*>(exif.data());
    marker.insert(marker.end(), begin, begin + exif.size());
  }
  JpegWriter writer;
  if (!writer.write(image, marker.data(), static_cast<unsigned>(marker.size()), quality)) {
    fail(ErrorKind::kMemory, "cannot make a JPEG of {}x{} pixels: {}", image.width(),
         image.height(), writer.message);
  }
  const auto* begin = reinterpret_cast<const std::byte*>(writer.data);
  return {begin, begin + writer.bytes};
}

}  // namespace semblance::codecs
