#include "pipeline/person_choice.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/closest.h"
#include "core/error.h"
#include "core/json.h"
#include "core/short_text.h"
#include "pipeline/request.h"
#include "weights/names.h"

namespace semblance {
namespace {

using nlohmann::json;

constexpr std::string_view kPersonRule = "a person as a JSON object";
constexpr std::array<std::string_view, 11> kPersonKeys{
    "faces", "photos", "keypoints",         "pose_face",        "mask",
    "box",   "prompt", "identity_strength", "adapter_strength", "start",
    "end"};
constexpr int kMostPhotosSent = 16;

/// A choice, or what is wrong with the text.
struct ReadPerson {
  PersonChoice choice = {};
  std::optional<std::string> problem = {};

  void refuse(std::string_view rule, std::string_view got) {
    if (!problem) problem = expected(rule, got);
  }
  void refuse_json(std::string_view rule, const json& got) {
    refuse(rule, short_text(got.dump(-1, ' ', false, json::error_handler_t::replace), 60));
  }
};

bool is_number_in(const json& value, double least, double most) {
  return value.is_number() && value.get<double>() >= least && value.get<double>() <= most;
}

template <typename Number>
void read_dial(ReadPerson& read, const std::string& key, const json& value, double most,
               std::optional<Number>& member) {
  if (is_number_in(value, 0, most)) {
    member = value.get<Number>();
  } else {
    read.refuse_json(fmt::format("{} from 0 to {}", key, most), value);
  }
}

void read_whole(ReadPerson& read, const std::string& key, const json& value, int most,
                auto& member) {
  if (value.is_number_integer() && is_number_in(value, 1, most)) {
    member = value.get<int>();
  } else {
    read.refuse_json(fmt::format("{} from 1 to {}", key, most), value);
  }
}

void read_faces(ReadPerson& read, const json& value) {
  const bool is_right =
      value.is_array() && !value.empty() && std::ranges::all_of(value, [](const json& path) {
        return path.is_string() && !path.get_ref<const std::string&>().empty();
      });
  if (is_right && value.size() <= kMostPhotosSent) {
    read.choice.faces = value.get<std::vector<std::string>>();
  } else {
    read.refuse_json(fmt::format("faces as a list of 1 to {} paths", kMostPhotosSent), value);
  }
}

void read_keypoints(ReadPerson& read, const json& value) {
  const auto limit = static_cast<double>(kKeypointLimit);
  Keypoints points{};
  bool is_right = value.is_array() && value.size() == points.size();
  for (std::size_t i = 0; is_right && i < points.size(); ++i) {
    const json& point = value[i];
    is_right = point.is_array() && point.size() == 2 && is_number_in(point[0], -limit, limit) &&
               is_number_in(point[1], -limit, limit);
    if (is_right) points[i] = {point[0].get<float>(), point[1].get<float>()};
  }
  if (is_right) {
    read.choice.keypoints = points;
  } else {
    read.refuse_json("keypoints as five [x, y]", value);
  }
}

void read_box(ReadPerson& read, const json& value) {
  constexpr double kMost = 1e6;
  bool is_right = value.is_array() && value.size() == 4;
  std::array<int, 4> edges{};
  for (std::size_t i = 0; is_right && i < edges.size(); ++i) {
    is_right = is_number_in(value[i], -kMost, kMost);
    if (is_right) edges[i] = static_cast<int>(std::lround(value[i].get<double>()));
  }
  if (is_right && edges[0] < edges[2] && edges[1] < edges[3]) {
    read.choice.box = PixelBox{edges[0], edges[1], edges[2], edges[3]};
  } else {
    read.refuse_json("box as [left, top, right, bottom], left < right and top < bottom", value);
  }
}

void read_member(ReadPerson& read, const std::string& key, const json& value) {
  PersonChoice& choice = read.choice;
  if (key == "faces") {
    read_faces(read, value);
  } else if (key == "photos") {
    read_whole(read, key, value, kMostPhotosSent, choice.photos);
  } else if (key == "keypoints") {
    read_keypoints(read, value);
  } else if (key == "pose_face") {
    read_whole(read, key, value, 1000, choice.pose_face);
  } else if (key == "mask") {
    if (value.is_string() && !value.get_ref<const std::string&>().empty()) {
      choice.mask = value.get<std::string>();
    } else if (value.is_boolean()) {
      choice.is_mask_sent = value.get<bool>();
    } else {
      read.refuse_json("mask as the path of a picture", value);
    }
  } else if (key == "box") {
    read_box(read, value);
  } else if (key == "prompt") {
    if (value.is_string()) {
      choice.prompt = value.get<std::string>();
      if (const auto problem = text_problem(parameters::kPrompt, *choice.prompt))
        read.problem = *problem;
    } else {
      read.refuse_json("prompt as text", value);
    }
  } else if (key == "identity_strength") {
    read_dial(read, key, value, parameters::kIdentityStrength.most, choice.identity_strength);
  } else if (key == "adapter_strength") {
    read_dial(read, key, value, parameters::kAdapterStrength.most, choice.adapter_strength);
  } else if (key == "start") {
    read_dial(read, key, value, 1, choice.start);
  } else if (key == "end") {
    read_dial(read, key, value, 1, choice.end);
  } else {
    read.refuse(
        fmt::format("a person with the keys {}", fmt::join(kPersonKeys, ", ")),
        fmt::format("'{}'{}", printable(key.substr(0, 60)), did_you_mean(key, kPersonKeys)));
  }
}

/// The object in the text; nullopt if it is none, or nested too deep.
std::optional<json> object_in(std::string_view text) {
  try {
    const Json parsed = Json::parse("the person", text);
    if (parsed.is_object()) return parsed.value();
  } catch (const Error&) {
    // The rule says it all.
  }
  return std::nullopt;
}

ReadPerson read_person(std::string_view text) {
  ReadPerson read;
  const std::optional<json> value = object_in(text);
  if (!value) {
    read.refuse(kPersonRule, '\'' + printable(text.substr(0, 60)) + '\'');
    return read;
  }
  for (const auto& [key, member] : value->items()) {
    if (!member.is_null()) read_member(read, key, member);
  }
  const PersonChoice& choice = read.choice;
  if (choice.keypoints && choice.pose_face) read.refuse("either keypoints or pose_face", "both");
  if (choice.box && (!choice.mask.empty() || choice.is_mask_sent))
    read.refuse("either a box or a mask", "both");
  if (choice.start.value_or(0) > choice.end.value_or(1)) {
    read.refuse(fmt::format("start to be at most end, {}", choice.end.value_or(1)),
                fmt::format("{}", *choice.start));
  }
  return read;
}

}  // namespace

PersonChoice parse_person(std::string_view text) {
  ReadPerson read = read_person(text);
  if (read.problem) fail(ErrorKind::kArgument, "cannot take the person: {}", *read.problem);
  return std::move(read.choice);
}

std::optional<std::string> person_problem(std::string_view text, Asker asker) {
  const ReadPerson read = read_person(text);
  if (read.problem) return read.problem;
  const PersonChoice& choice = read.choice;
  if (asker == Asker::kService && (!choice.faces.empty() || !choice.mask.empty()))
    return "expected no paths: photos and masks are sent with the request";
  return std::nullopt;
}

std::string with_prompt(std::string_view text, const std::string& prompt) {
  json value = json::parse(text);
  value["prompt"] = prompt;
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<std::string> boxes_problem(const Request& request) {
  for (std::size_t i = 0; i < request.people.size(); ++i) {
    const std::optional<PixelBox> box = parse_person(request.people[i]).box;
    if (!box || (box->left >= 0 && box->top >= 0 && box->right <= request.width &&
                 box->bottom <= request.height))
      continue;
    return expected(fmt::format("the box of person {} in the picture, {}x{}", i + 1, request.width,
                                request.height),
                    fmt::format("[{}, {}, {}, {}]", box->left, box->top, box->right, box->bottom));
  }
  return std::nullopt;
}

std::optional<std::pair<int, int>> overlapping_boxes(const Request& request) {
  std::vector<std::pair<int, PixelBox>> boxes;
  int number = 0;
  for (const std::string& text : request.people) {
    ++number;
    const std::optional<PixelBox> box = parse_person(text).box;
    if (!box) continue;
    for (const auto& [other, before] : boxes) {
      if (box->left < before.right && before.left < box->right && box->top < before.bottom &&
          before.top < box->bottom)
        return std::pair(other, number);
    }
    boxes.emplace_back(number, *box);
  }
  return std::nullopt;
}

std::size_t people_in(const Request& request) {
  return std::max<std::size_t>(1, request.people.size());
}

std::vector<PersonDials> dials_of(const Request& request) {
  const PersonDials usual{request.identity_strength, request.adapter_strength,
                          request.identity_start,    request.identity_end,
                          request.adapter_start,     request.adapter_end};
  std::vector<PersonDials> all(people_in(request), usual);
  for (std::size_t i = 0; i < request.people.size(); ++i) {
    const PersonChoice choice = parse_person(request.people[i]);
    PersonDials& dials = all[i];
    dials.identity_strength = choice.identity_strength.value_or(usual.identity_strength);
    dials.adapter_strength = choice.adapter_strength.value_or(usual.adapter_strength);
    dials.identity_start = choice.start.value_or(usual.identity_start);
    dials.identity_end = choice.end.value_or(usual.identity_end);
    dials.adapter_start = choice.start.value_or(usual.adapter_start);
    dials.adapter_end = choice.end.value_or(usual.adapter_end);
  }
  return all;
}

std::vector<std::string> prompts_of(const Request& request) {
  std::vector<std::string> prompts;
  bool has_own = false;
  for (const std::string& text : request.people) {
    const std::optional<std::string> own = parse_person(text).prompt;
    has_own = has_own || own.has_value();
    prompts.push_back(own.value_or(request.prompt));
  }
  return has_own ? prompts : std::vector{request.prompt};
}

}  // namespace semblance
