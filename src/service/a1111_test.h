// Bodies of /sdapi/v1/txt2img, for tests only.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "service/a1111.h"
#include "service/base64.h"

namespace semblance::service::testing {

using nlohmann::json;

inline constexpr const char* kArgs = "alwayson_scripts.controlnet.args";
inline const std::string kPhoto = base64("PHOTO"), kPose = base64("POSE");

inline json units_json(json units) {
  return {{"alwayson_scripts", {{"controlnet", {{"args", std::move(units)}}}}}};
}

inline json face_unit(json more = json::object()) {
  json unit{{"module", "instant_id_face_embedding"},
            {"model", "ip-adapter_instant_id_sdxl"},
            {"image", kPhoto}};
  unit.update(more);
  return unit;
}

inline json points_unit(json more = json::object()) {
  json unit{{"module", "instant_id_face_keypoints"}, {"model", "control_instant_id_sdxl"}};
  unit.update(more);
  return unit;
}

/// The smallest body, with more or other fields.
inline json body(json more = json::object()) {
  json whole = units_json({face_unit(), points_unit()});
  whole.update(more);
  return whole;
}

inline Txt2Img parsed(const json& whole, int side = 1024) {
  return parse_txt2img(whole.dump(), "semblance-demo", side);
}

/// The refusal's "param: message", or "no error".
inline std::string refusal(const json& whole) {
  try {
    parsed(whole);
  } catch (const HttpError& error) {
    EXPECT_EQ(error.response().status, 400);
    const auto answer = json::parse(error.response().body.whole())["error"];
    return answer["param"].get<std::string>() + ": " + answer["message"].get<std::string>();
  }
  return "no error";
}

}  // namespace semblance::service::testing
