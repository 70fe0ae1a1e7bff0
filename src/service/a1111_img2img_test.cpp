// /sdapi/v1/img2img: what it adds to txt2img.
#include "service/a1111_test.h"

namespace semblance::service {
namespace {

using namespace testing;

json from_picture(json more = json::object()) {
  json whole = body({{"init_images", {kPhoto}}});
  whole.update(more);
  return whole;
}

Txt2Img img2img(const json& whole) { return parse_img2img(whole.dump(), "semblance-demo", 1024); }

std::string refusal_of(const json& whole) {
  try {
    img2img(whole);
  } catch (const HttpError& error) {
    const auto answer = json::parse(error.response().body.whole())["error"];
    return answer["param"].get<std::string>() + ": " + answer["message"].get<std::string>();
  }
  return "no error";
}

TEST(Img2Img, DefaultsAreTheWebUis) {
  const JobRequest redrawn = img2img(from_picture()).request;
  EXPECT_EQ(redrawn.initial.bytes, "PHOTO");
  EXPECT_TRUE(redrawn.mask.bytes.empty());
  EXPECT_EQ(redrawn.strength, 0.75);
  EXPECT_EQ(redrawn.width, 0);
  EXPECT_EQ(redrawn.steps, 50);
  const Txt2Img part = img2img(from_picture({{"mask", kPose}}));
  EXPECT_EQ(part.request.mask.bytes, "POSE");
  EXPECT_EQ(part.request.mask_blur, 4);
  EXPECT_EQ(part.request.inpaint_area.name, "masked");
  EXPECT_EQ(part.request.inpaint_padding, 0);
  EXPECT_EQ(part.request.masked_content.name, "fill");
  EXPECT_EQ(part.warnings, std::vector<std::string>{});
}

TEST(Img2Img, ReadsTheRequest) {
  const Txt2Img wanted = img2img(from_picture({{"mask", "data:image/png;base64," + kPose},
                                               {"denoising_strength", 0.5},
                                               {"width", 640},
                                               {"height", 832},
                                               {"mask_blur", 9},
                                               {"inpaint_full_res", 0},
                                               {"inpaint_full_res_padding", 16},
                                               {"inpainting_fill", 2},
                                               {"resize_mode", 0}}));
  const JobRequest& s = wanted.request;
  EXPECT_EQ(s.mask.bytes, "POSE");
  EXPECT_EQ(s.strength, 0.5);
  EXPECT_EQ(s.width, 640);
  EXPECT_EQ(s.height, 832);
  EXPECT_EQ(s.mask_blur, 9);
  EXPECT_EQ(s.inpaint_area.name, "whole");
  EXPECT_EQ(s.inpaint_padding, 16);
  EXPECT_EQ(s.masked_content.name, "noise");
  EXPECT_EQ(wanted.warnings, std::vector<std::string>{});
}

TEST(Img2Img, GivesItsPictureToUnitsWithoutOne) {
  json whole = units_json({face_unit(), points_unit(), {{"module", "canny"}, {"model", "edges"}}});
  whole["init_images"] = {kPose};
  const JobRequest request = img2img(whole).request;
  ASSERT_EQ(request.control_pictures.size(), 1U);
  EXPECT_EQ(request.control_pictures[0].bytes, "POSE");
}

TEST(Img2Img, RefusesWhatItDoesNotSupport) {
  const std::string one = "expected a list of one image in base64";
  const std::vector<std::tuple<std::string, json, std::string>> table{
      {"init_images", nullptr, one + ", got null"},
      {"init_images", json::array(), one + ", got []"},
      {"init_images", {kPhoto, kPhoto}, one + ", got a list"},
      {"init_images", {"?"}, "expected an image in base64, got a list"},
      {"mask", 5, "expected an image in base64, got 5"},
      {"denoising_strength", 1.5, "expected a number from 0 to 1, got 1.5"},
      {"mask_blur", 65, "expected a whole number from 0 to 64, got 65"},
      {"inpaint_full_res_padding", 1000, "expected a whole number from 0 to 256, got 1000"},
      {"inpainting_fill", 3, "expected 0 (fill), 1 (original) or 2 (latent noise), got 3"},
      {"inpainting_mask_invert", 1,
       "send a mask that is white where the picture is repainted, got 1"},
      {"resize_mode", 1, "only 0 is supported: a picture of another shape is stretched, got 1"},
      {"enable_hr", true,
       "a second pass is of txt2img alone; width and height are the final size, got true"},
  };
  for (const auto& [name, value, rule] : table) {
    json whole = from_picture({{"mask", kPose}});
    whole[name] = value;
    EXPECT_EQ(refusal_of(whole), name + ": cannot take " + name + ": " + rule);
  }
}

}  // namespace
}  // namespace semblance::service
