// Cases of tests/goldens/pipeline: requests for small checkpoints, with the latents and pictures
// that the published InstantID pipeline made of them (tools/oracle/pipeline.py).
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/json.h"
#include "image/canny.h"
#include "image/decode.h"
#include "image/psnr.h"
#include "image/resize.h"
#include "pipeline/models_test.h"
#include "pipeline/pipeline.h"
#include "tests/support/golden.h"
#include "tests/support/npy.h"
#include "weights/safetensors.h"
#include "weights/writer.h"

namespace semblance::testing {

/// A request with the person and the models.
struct GoldenCase {
  std::string name;  // "fp16_published/plain"
  ModelPaths paths;
  Request request;
  People people;
  std::filesystem::path initial = {};  // the picture to start from, if the request has a strength
  std::filesystem::path mask = {};     // of its part that is repainted, if it has one
};

inline std::vector<std::filesystem::path> golden_case_folders() {
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(golden_path("pipeline"))) {
    if (entry.path().filename() == "case.json") folders.push_back(entry.path().parent_path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

/// The UNet's file, whose first convolution has these weights, [c,9,3,3].
inline std::filesystem::path inpainting_unet(const std::filesystem::path& unet,
                                             const std::filesystem::path& weights) {
  const std::filesystem::path made = std::filesystem::temp_directory_path() /
                                     fmt::format("semblance_inpainting_{}.safetensors", getpid());
  if (std::filesystem::exists(made)) return made;
  const Npy<float> first = read_npy<float>(weights);
  const WeightMap stored = read_safetensors(open_file(unet));
  std::vector<std::vector<std::byte>> bytes;
  bytes.reserve(stored.size());
  std::vector<TensorBytes> tensors;
  for (const auto& [name, tensor] : stored) {
    if (name == "conv_in.weight") {
      tensors.push_back({{name, DType::kF32, first.shape}, std::as_bytes(std::span(first.values))});
      continue;
    }
    std::vector<std::byte>& raw = bytes.emplace_back(tensor.bytes());
    tensor.file->read(tensor.offset, raw);
    tensors.push_back({{name, tensor.dtype, tensor.shape}, raw});
  }
  write_safetensors(made, tensors, {});
  return made;
}

/// Of tools/oracle/people.py.
inline void load_people(GoldenCase& loaded, const Json& json, const std::filesystem::path& folder) {
  Request& request = loaded.request;
  People& people = loaded.people;
  request.region_mask = json.get_bool("region_mask", false);
  request.photos.clear();
  for (const Json& person : json.child("embeddings").items()) {
    request.photos.push_back(static_cast<int>(person.value().size()));
    for (const auto& photo : person.value()) {
      for (const auto& value : photo) people.embeddings.push_back(value.get<float>());
    }
  }
  if (json.has("face_boxes")) {
    for (const Json& item : json.child("face_boxes").items()) {
      const auto box = item.value().get<std::array<int, 4>>();
      people.face_boxes.push_back({box[0], box[1], box[2], box[3]});
    }
  }
  if (!json.has("people")) return;
  auto regions = std::make_shared<std::vector<Mask>>();
  for (const Json& item : json.child("people").items()) {
    request.people.push_back(item.value().dump());
    const PersonChoice choice = parse_person(request.people.back());
    people.keypoints.push_back(choice.keypoints.value());
    regions->push_back(choice.box ? mask_of_box(*choice.box, {request.width, request.height})
                                  : grey(decode(folder / choice.mask)));
  }
  people.regions = std::move(regions);
}

inline GoldenCase load_golden_case(const std::filesystem::path& folder) {
  const Json json = Json::load(folder / "case.json");
  GoldenCase loaded;
  const std::filesystem::path checkpoint = folder.parent_path() / "checkpoint";
  loaded.name = folder.parent_path().filename() / folder.filename();
  loaded.paths = models_in(checkpoint);
  Request& request = loaded.request;
  request.prompt = json.get_string("prompt");
  if (json.has("negative")) request.negative = json.get_string("negative");
  const auto size = json.get_int_list("size");
  request.width = static_cast<int>(size[0]);
  request.height = static_cast<int>(size[1]);
  request.steps = static_cast<int>(json.get_int("steps"));
  request.guidance = static_cast<float>(json.get_float("guidance"));
  request.identity_strength = static_cast<float>(json.get_float("identity_strength"));
  request.adapter_strength = static_cast<float>(json.get_float("adapter_strength"));
  request.identity_start = json.get_float("identity_start");
  request.identity_end = json.get_float("identity_end");
  request.encoding = json.get_string("encoding", std::string("plain"));
  request.guidance_end = json.get_float("guidance_end", 1.0);
  request.perturbed_guidance = static_cast<float>(json.get_float("perturbed_guidance", 0.0));
  if (json.has("strength")) {
    request.strength = json.get_float("strength");
    loaded.initial = folder / "initial.png";
    request.has_mask = json.get_bool("mask", false);
    if (request.has_mask) loaded.mask = folder / "mask.png";
    request.masked_content = json.get_string("masked_content", request.masked_content.name);
  }
  if (json.get_bool("inpainting_model", false)) {
    loaded.paths.unet = inpainting_unet(
        checkpoint / "base/unet/diffusion_pytorch_model.fp16.safetensors", folder / "conv_in.npy");
  }
  request.freeu = json.get_bool("freeu", false);
  request.reuse = static_cast<int>(json.get_int("reuse", 1));
  request.seed = static_cast<std::uint64_t>(json.get_int("seed"));
  for (const std::string& lora : json.get_string_list("loras", std::vector<std::string>()))
    request.loras.push_back((folder / lora).string());
  for (const std::string& text : json.get_string_list("controls", std::vector<std::string>())) {
    ControlChoice choice = parse_control(text);
    choice.model = (folder / choice.model).lexically_normal().string();
    choice.image = (folder / choice.image).string();
    request.controls.push_back(text_of(choice));
  }
  if (json.has("embeddings")) {
    load_people(loaded, json, folder);
  } else {
    for (double value : json.get_float_list("embedding"))
      loaded.people.embeddings.push_back(static_cast<float>(value));
  }
  if (json.has("other_embeddings")) {
    for (const Json& other : json.child("other_embeddings").items()) {
      for (const auto& value : other.value())
        loaded.people.embeddings.push_back(value.get<float>());
    }
  }
  if (json.has("keypoints")) {
    Keypoints& keypoints = loaded.people.keypoints.emplace_back();
    const auto points = json.child("keypoints").items();
    for (std::size_t i = 0; i < keypoints.size(); ++i) {
      for (std::size_t j = 0; j < 2; ++j) keypoints[i][j] = points.at(i).value().at(j).get<float>();
    }
  }
  request.adapter_start = json.get_float("adapter_start", 0.0);
  request.adapter_end = json.get_float("adapter_end", 1.0);
  request.no_keypoints = json.get_bool("no_keypoints", false);
  request.identity_noise = static_cast<float>(json.get_float("identity_noise", 0.0));
  request.combine = json.get_string("combine", request.combine.name);
  return loaded;
}

/// The pictures of its ControlNets.
inline ControlPictures control_pictures_of(const Request& request) {
  if (request.controls.empty()) return {};
  auto pictures = std::make_shared<std::vector<Image>>();
  for (const ControlChoice& choice : parse_controls(request.controls)) {
    Image picture = resize(decode(choice.image), {request.width, request.height}, Filter::kLanczos);
    pictures->push_back(choice.prepare == Prepare::kCanny ? canny(picture) : std::move(picture));
  }
  return pictures;
}

struct GoldenResult {
  std::vector<float> latent;
  Image picture;
};

inline GoldenResult run_golden_case(const GoldenCase& wanted, const PipelineOptions& options) {
  Pipeline pipeline(wanted.paths, options);
  StartPicture from;
  if (!wanted.initial.empty()) from.picture = decode(wanted.initial);
  if (!wanted.mask.empty()) from.mask = grey(decode(wanted.mask));
  Generation generation =
      pipeline.start(wanted.request, wanted.people, {}, wanted.initial.empty() ? nullptr : &from,
                     control_pictures_of(wanted.request));
  while (generation.next()) {
  }
  return {generation.latent(), generation.decode()};
}

inline double psnr_to_golden(const Image& picture, const std::filesystem::path& folder) {
  const Image want = decode(folder / "picture.png");
  EXPECT_EQ(picture.size(), want.size());
  return psnr(picture.pixels(), want.pixels());
}

/// Runs the case in each amount of KiB for places, and expects the bits that it has with all
/// memory. Returns in how many it fits.
inline int fits_with_the_same_bits(const GoldenCase& wanted, PipelineOptions options,
                                   std::initializer_list<std::uint64_t> amounts) {
  const GoldenResult all = run_golden_case(wanted, options);
  int fitting = 0;
  for (const std::uint64_t kib : amounts) {
    options.workspace.places_bytes = kib << 10;
    try {
      const GoldenResult result = run_golden_case(wanted, options);
      EXPECT_EQ(result.latent, all.latent) << kib;
      EXPECT_TRUE(std::ranges::equal(result.picture.pixels(), all.picture.pixels())) << kib;
      ++fitting;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kMemory) << kib << ": " << error.what();
    }
  }
  return fitting;
}

}  // namespace semblance::testing
