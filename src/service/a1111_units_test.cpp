// Units of AUTOMATIC1111's ControlNet extension that are no part of InstantID.
#include "service/a1111_test.h"

namespace semblance::service {
namespace {

using namespace testing;
using nlohmann::json;

json control_unit(json more = json::object()) {
  json unit{{"module", "none"}, {"model", "depth-sdxl [0123abcd]"}, {"image", kPose}};
  unit.update(more);
  return unit;
}

TEST(OtherUnits, AreControlNets) {
  const Txt2Img wanted = parsed(units_json({
      face_unit(),
      control_unit(),
      points_unit(),
      control_unit({{"module", "canny"},
                    {"weight", 0.5},
                    {"guidance_start", 0.25},
                    {"guidance", 0.75},
                    {"resize_mode", "Just Resize"},
                    {"threshold_a", 100},
                    {"union_control_type", "Tile"}}),
  }));
  EXPECT_EQ(wanted.request.controls,
            (std::vector<std::string>{
                "model=depth-sdxl,strength=1",
                "model=depth-sdxl,strength=0.5,start=0.25,end=0.75,prepare=canny,type=tile"}));
  ASSERT_EQ(wanted.request.control_pictures.size(), 2U);
  EXPECT_EQ(wanted.request.control_pictures[0].bytes, "POSE");
  EXPECT_EQ(wanted.warnings, std::vector<std::string>{});
  const Txt2Img warned = parsed(units_json({face_unit(), points_unit(),
                                            control_unit({{"module", "canny"},
                                                          {"threshold_b", 150},
                                                          {"resize_mode", 1},
                                                          {"inpaint_crop_input_image", false}})}));
  EXPECT_EQ(warned.warnings,
            (std::vector<std::string>{
                std::string(kArgs) + "[2].threshold_b has no effect: edges are found with 200",
                std::string(kArgs) + "[2].resize_mode has no effect: the picture is always "
                                     "stretched as Just Resize does",
                std::string(kArgs) + "[2].inpaint_crop_input_image has no effect: the picture is "
                                     "cut like the one that is repainted"}));
}

TEST(OtherUnits, AreRefusedByName) {
  const std::vector<std::tuple<json, std::string, std::string>> table = {
      {{{"model", "None"}, {"module", "canny"}},
       "model",
       "expected the name of a ControlNet in the service's ControlNet folder, got \"None\""},
      {{{"model", "../secret"}},
       "model",
       "expected the name of a ControlNet in the service's ControlNet folder, got "
       "\"../secret\""},
      {{{"model", "canny,strength=2"}, {"weight", 0.4}},
       "model",
       "expected the name of a ControlNet in the service's ControlNet folder, got "
       "\"canny,strength=2\""},
      {{{"module", "depth_midas"}},
       "module",
       "expected none or canny; prepare the picture yourself and send it with none, got "
       "\"depth_midas\""},
      {{{"image", nullptr}}, "image", "it is missing: the ControlNet's picture, got null"},
      {{{"weight", 6}}, "weight", "expected a number from 0 to 5, got 6"},
      {{{"control_mode", 2}}, "control_mode", "expected Balanced, got 2"},
      {{{"union_control_type", "cat"}},
       "union_control_type",
       "expected one of openpose, depth, hed/pidi/scribble/ted, canny/lineart/anime_lineart/mlsd, "
       "normal, segment, tile, inpaint, got \"cat\""},
  };
  for (const auto& [more, name, rule] : table) {
    const std::string path = std::string(kArgs) + "[1]." + name;
    EXPECT_EQ(refusal(units_json({face_unit(), control_unit(more)})),
              path + ": cannot take " + path + ": " + rule);
  }
  const json unit = control_unit();
  EXPECT_NE(refusal(units_json({face_unit(), unit, unit, unit, unit, unit}))
                .find("expected a list of at most 4 texts, got 5"),
            std::string::npos);
}

}  // namespace
}  // namespace semblance::service
