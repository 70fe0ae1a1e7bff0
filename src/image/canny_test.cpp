#include "image/canny.h"

#include "image/decode.h"
#include "image/resize.h"
#include "image/testing.h"

namespace semblance {
namespace {

using namespace semblance::testing;

TEST(Canny, IsOpenCvs) {
  const Image photo = decode(golden_path("image/astronaut.jpg"));
  const auto golden = golden_json("canny.json");
  ASSERT_EQ(golden.size(), 7U);
  for (const auto& entry : golden) {
    const Size size{entry["size"][0], entry["size"][1]};
    const bool is_photo = entry["photo"];
    const Image edges =
        canny(is_photo ? resize(photo, size, Filter::kLanczos) : synthetic(size.w, size.h));
    EXPECT_EQ(crc32_of(edges.pixels()), entry["crc"].get<std::uint32_t>()) << entry.dump();
  }
}

TEST(Canny, RefusesAnEmptyPicture) {
  expect_error(ErrorKind::kArgument, "cannot find a picture's edges: it is empty",
               [] { canny(Image()); });
}

}  // namespace
}  // namespace semblance
