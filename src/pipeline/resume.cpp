#include "pipeline/resume.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.h"
#include "core/json.h"
#include "weights/safetensors.h"
#include "weights/writer.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormatKey = "format";
constexpr const char* kFormat = "semblance run";
constexpr const char* kVersionKey = "version";
constexpr const char* kVersion = "1";
constexpr const char* kRunKey = "run";
// The latent of 8192 x 8192 has 16 MiB, the picture of a ControlNet 192.
constexpr std::uint64_t kLimitBytes = std::uint64_t{2} << 30;
constexpr std::int64_t kFold = 8;
constexpr std::int64_t kMaxChannels = 64;
constexpr std::int64_t kMaxKept = 8;  // latents
constexpr std::size_t kMaxOutputs = 1000;

/// The tensor with a ControlNet's picture: "control_1".
std::string control_tensor(std::size_t i) { return fmt::format("control_{}", i + 1); }
/// That with a person's region: "region_1".
std::string region_tensor(std::size_t i) { return fmt::format("region_{}", i + 1); }

std::int64_t photos_of(const Request& request) {
  return std::accumulate(request.photos.begin(), request.photos.end(), std::int64_t{0});
}

/// Encodes a path as ASCII: '%' and non-ASCII bytes become %XX, because a path need not be UTF-8.
std::string encoded(const fs::path& path) {
  std::string text;
  for (const char c : path.string()) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '%' || byte < 0x20 || byte >= 0x7f) {
      text += fmt::format("%{:02X}", byte);
    } else {
      text += c;
    }
  }
  return text;
}

fs::path decoded(const Json& json, std::string_view key, const std::string& text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
    const int byte = high * 16 + low;
    if (high < 0 || low < 0 || byte == 0) json.refuse(key, "a path with %XX escapes");
    bytes += static_cast<char>(byte);
    i += 2;
  }
  if (bytes.find('\0') != std::string::npos) json.refuse(key, "a path without a zero byte");
  return bytes;
}

/// Seeds are stored as text, because JSON numbers need not hold 64 bits.
nlohmann::json json_of(const Request& request) {
  nlohmann::json json;
  each_parameter(
      [&json](const Parameter& row, const auto& member) {
        using T = std::decay_t<decltype(member)>;
        const std::optional<PlainOf<T>> value = member;
        if (!value) return;
        nlohmann::json& place = json[std::string(row.saved_name())];
        if constexpr (kind_of<T>() == ParameterKind::kSeed) {
          place = std::to_string(*value);
        } else if constexpr (kind_of<T>() == ParameterKind::kList) {
          place = nlohmann::json::array();
          for (const std::string& text : *value) place.push_back(encoded(text));
        } else {
          place = plain(*value);
        }
      },
      request);
  return json;
}

template <typename F>
void each_face_path(auto& run, F&& f) {
  f("face_models", run.face_models);
  f("detector", run.detector);
  f("recogniser", run.recogniser);
}

nlohmann::json json_of(const SavedRun& run) {
  nlohmann::json json = json_of(run.request);
  json.update({
      {"pass", run.pass},
      {"step", run.step},
      {"precision", name_of(run.precision)},
      {"backend", run.backend},
      {"threads", run.threads},
      {"fingerprints", run.fingerprints},
      {"latents", encoded(run.latents)},
      {"metadata", run.metadata},
  });
  each_model_path(
      [&json](const ModelPathRow& row, const fs::path& path) {
        if (row.is_required || !path.empty()) json[std::string(row.name)] = encoded(path);
      },
      run.models);
  std::vector<std::string> outputs;
  for (const fs::path& output : run.outputs) outputs.push_back(encoded(output));
  json["outputs"] = outputs;
  if (!run.lora_dir.empty()) json["lora_dir"] = encoded(run.lora_dir);
  if (!run.init.empty()) json["init"] = encoded(run.init);
  if (!run.mask_file.empty()) json["mask"] = encoded(run.mask_file);
  for (const auto& face : run.mask_faces) {
    for (const float edge : face) json["mask_face"].push_back(edge);
  }
  if (run.request.has_mask) json["has_mask"] = true;
  if (run.request.has_alpha) json["has_alpha"] = true;
  if (run.request.photos.size() > 1) json["photos"] = run.request.photos;
  for (const PixelBox& box : run.people.face_boxes)
    json["face_boxes"].push_back({box.left, box.top, box.right, box.bottom});
  each_face_path(run, [&json](const char* key, const fs::path& path) {
    if (!path.empty()) json[key] = encoded(path);
  });
  if (run.best) {
    json["best"]["seed"] = std::to_string(run.best->seed);
    if (run.best->likeness) json["best"]["likeness"] = *run.best->likeness;
  }
  if (!run.models.embeddings.empty()) {
    nlohmann::json& embeddings = json["embeddings"];
    for (const fs::path& path : run.models.embeddings) embeddings.push_back(encoded(path));
  }
  for (const SavedPrompts& prompts : run.following) {
    nlohmann::json& place = json["following"].emplace_back();
    place["prompt"] = prompts.prompt;
    if (prompts.negative) place["negative"] = *prompts.negative;
    if (!prompts.people.empty()) place["people"] = prompts.people;
  }
  return json;
}

/// A missing parameter has its default: an earlier version did not have it.
void read_request(Request& request, const Json& json) {
  each_parameter(
      [&json](const Parameter& row, auto& member) {
        using T = std::decay_t<decltype(member)>;
        constexpr ParameterKind kind = kind_of<T>();
        const std::string_view key = row.saved_name();
        if (!json.has(key) && !row.is_required) return;
        if constexpr (kind == ParameterKind::kText) {
          member = json.get_string(key);
        } else if constexpr (kind == ParameterKind::kList) {
          for (const std::string& text : json.get_string_list(key))
            member.push_back(decoded(json, key, text).string());
        } else if constexpr (kind == ParameterKind::kChoice) {
          read_text(row, json.get_string(key), member);
        } else if constexpr (kind == ParameterKind::kSwitch) {
          member = json.get_bool(key);
        } else if constexpr (kind == ParameterKind::kWhole) {
          member = static_cast<int>(json.get_int(key, {}, {0, 1 << 20}));
        } else if constexpr (kind == ParameterKind::kNumber) {
          member = static_cast<PlainOf<T>>(json.get_float(key));
        } else if (!read_text(row, json.get_string(key), member)) {
          json.refuse(key, "a whole number of 64 bits, as text");
        }
      },
      request);
  // Earlier versions knew no other encoding.
  if (!json.has(parameters::kEncoding.saved_name())) request.encoding = std::string("plain");
  check(request);
}

/// After `outputs`.
void read_following(SavedRun& run, const Json& json) {
  if (!json.has("following")) return;
  for (const Json& item : json.child("following").items()) {
    SavedPrompts prompts{item.expect_object().get_string("prompt"), {}};
    if (item.has("negative")) prompts.negative = item.get_string("negative");
    prompts.people = item.get_string_list("people", std::vector<std::string>());
    if (prompts.people.size() != run.request.people.size())
      item.refuse("people", fmt::format("a list of {} texts", run.request.people.size()));
    Request request = run.request;
    request.prompt = prompts.prompt;
    request.negative = prompts.negative;
    request.people = prompts.people;
    check(request);
    run.following.push_back(std::move(prompts));
    if (run.following.size() >= std::max<std::size_t>(1, run.outputs.size())) break;
  }
  if (run.following.size() + 1 != run.outputs.size())
    json.refuse("following", "a list of the prompts of all outputs but the first");
}

/// How many photos there are of each person, and the boxes of their faces.
void read_people(SavedRun& run, const Json& json) {
  if (json.has("photos")) {
    run.request.photos.clear();
    for (const std::int64_t photos : json.get_int_list("photos", {}, IntRange{1, 1 << 10}))
      run.request.photos.push_back(static_cast<int>(photos));
  }
  if (run.request.photos.size() != people_in(run.request))
    json.refuse("photos", fmt::format("a list of {} numbers", people_in(run.request)));
  if (!json.has("face_boxes")) return;
  for (const Json& item : json.child("face_boxes").items()) {
    const nlohmann::json& box = item.value();
    const bool is_box = box.is_array() && box.size() == 4 &&
                        std::ranges::all_of(box, [](const nlohmann::json& edge) {
                          return edge.is_number_integer() && std::abs(edge.get<double>()) <= 1e6;
                        });
    if (!is_box) json.refuse("face_boxes", "lists of 4 whole numbers");
    run.people.face_boxes.push_back(
        {box[0].get<int>(), box[1].get<int>(), box[2].get<int>(), box[3].get<int>()});
  }
}

template <typename T>
T one_of(const Json& json, const char* key,
         std::initializer_list<std::pair<const char*, T>> known) {
  const std::string text = json.get_string(key);
  std::string names;
  for (const auto& [name, value] : known) {
    if (text == name) return value;
    names += fmt::format("{}\"{}\"", names.empty() ? "" : " or ", name);
  }
  json.refuse(key, names);
}

void read_json(SavedRun& run, const Json& json) {
  const IntRange small{0, 1 << 20};
  read_request(run.request, json);
  run.pass = static_cast<int>(json.get_int("pass", 0, {0, passes_of(run.request) - 1}));
  run.step = static_cast<int>(json.get_int("step", {}, small));
  run.precision = one_of<Precision>(
      json, "precision",
      {{"f32", Precision::kF32}, {"bf16", Precision::kBF16}, {"f16", Precision::kF16}});
  run.backend = json.get_string("backend");
  run.threads = static_cast<int>(json.get_int("threads", {}, IntRange{1, 1024}));
  each_model_path(
      [&json](const ModelPathRow& row, fs::path& path) {
        const std::string key(row.name);
        if (row.is_required || json.has(key)) path = decoded(json, key, json.get_string(key));
      },
      run.models);
  run.latents = decoded(json, "latents", json.get_string("latents"));
  run.lora_dir = decoded(json, "lora_dir", json.get_string("lora_dir", ""));
  run.request.has_mask = json.get_bool("has_mask", false);
  run.request.has_alpha = json.get_bool("has_alpha", false);
  read_people(run, json);
  run.init = decoded(json, "init", json.get_string("init", ""));
  run.mask_file = decoded(json, "mask", json.get_string("mask", ""));
  if (json.has("mask_face")) {
    const std::vector<double> edges = json.get_float_list("mask_face");
    if (edges.size() % 4 != 0) json.refuse("mask_face", "4 numbers for each face");
    run.mask_faces.resize(edges.size() / 4);
    for (std::size_t i = 0; i < edges.size(); ++i)
      run.mask_faces[i / 4][i % 4] = static_cast<float>(edges[i]);
  }
  each_face_path(run, [&json](const char* key, fs::path& path) {
    path = decoded(json, key, json.get_string(key, ""));
  });
  if (json.has("best")) {
    const Json best = json.child("best").expect_object();
    run.best.emplace();
    if (!read_text(parameters::kSeed, best.get_string("seed"), run.best->seed))
      best.refuse("seed", "a whole number of 64 bits, as text");
    if (best.has("likeness")) run.best->likeness = best.get_float("likeness");
  }
  for (const std::string& text : json.get_string_list("embeddings", std::vector<std::string>()))
    run.models.embeddings.push_back(decoded(json, "embeddings", text));
  const Json fingerprints = json.child("fingerprints");
  for (const std::string& key : fingerprints.expect_object().keys())
    run.fingerprints[key] = fingerprints.get_string(key);
  for (const std::string& text : json.get_string_list("outputs"))
    run.outputs.push_back(decoded(json, "outputs", text));
  if (run.outputs.size() > kMaxOutputs)
    json.refuse("outputs", fmt::format("a list of at most {} paths", kMaxOutputs));
  read_following(run, json);
  run.metadata = json.get_bool("metadata");
}

std::vector<float> read_tensor(const WeightMap& tensors, const fs::path& path,
                               std::string_view name, const Shape& shape) {
  const StoredTensor* tensor = tensors.find(name);
  if (tensor == nullptr || tensor->dtype != DType::kF32 || !(tensor->shape == shape)) {
    fail(ErrorKind::kCorrupt, "cannot resume from {}: its {} must be F32 {}, {}", path.string(),
         name, to_string(shape),
         tensor == nullptr
             ? "it is missing"
             : fmt::format("it is {} {}", name_of(tensor->dtype), to_string(tensor->shape)));
  }
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  tensor->file->read(tensor->offset, std::as_writable_bytes(std::span(values)));
  return values;
}

/// Throws unless this is a saved run of a known version; returns its JSON text.
std::string run_text(const File& file, const fs::path& path) {
  std::array<char, 10> head{};
  const std::size_t count = std::min<std::uint64_t>(head.size(), file.size());
  file.read(0, std::as_writable_bytes(std::span(head).first(count)));
  const bool safetensors = count == head.size() && head[8] == '{';
  SafetensorsMetadata metadata;
  if (safetensors) metadata = read_safetensors_metadata(file);
  if (metadata[kFormatKey] != kFormat) {
    fail(ErrorKind::kArgument,
         "cannot resume from {}: this is not a saved run of semblance\n  --resume takes a file "
         "written by --save-state or by a run that failed",
         path.string());
  }
  if (metadata[kVersionKey] != kVersion) {
    fail(ErrorKind::kCorrupt,
         "cannot resume from {}: expected version {} of the format, got \"{}\"\n  resume with the "
         "version of semblance that saved it",
         path.string(), kVersion, metadata[kVersionKey].substr(0, 20));
  }
  return metadata[kRunKey];
}

}  // namespace

void save(const SavedRun& run, const fs::path& path) {
  const auto bytes = [](const auto& values) { return std::as_bytes(std::span(values)); };
  const auto elements = static_cast<std::int64_t>(run.latent.size());
  const Request pass = run.current();
  const Shape latent{1, run.latent_channels, pass.height / kFold, pass.width / kFold};
  SEMBLANCE_ASSERT(latent.elements() == elements);
  const People& people = run.people;
  std::vector<float> keypoints;
  for (const Keypoints& points : people.keypoints) {
    for (const auto& point : points) keypoints.insert(keypoints.end(), point.begin(), point.end());
  }
  const auto points = static_cast<std::int64_t>(keypoints.size() / 2);
  const std::int64_t photos = photos_of(run.request);
  const auto numbers = static_cast<std::int64_t>(people.embeddings.size());
  const Shape embeddings = photos == 1 ? Shape{numbers} : Shape{photos, numbers / photos};
  std::vector<TensorBytes> tensors{
      {{"latent", DType::kF32, latent}, bytes(run.latent)},
      {{"embedding", DType::kF32, embeddings}, bytes(people.embeddings)},
      {{"keypoints", DType::kF32, {points, 2}}, bytes(keypoints)}};
  for (std::size_t i = 0; people.regions && i < people.regions->size(); ++i) {
    const Mask& region = (*people.regions)[i];
    tensors.push_back({{region_tensor(i), DType::kU8, {region.size().h, region.size().w}},
                       std::as_bytes(region.values())});
  }
  if (!run.kept.empty()) {
    const auto latents = static_cast<std::int64_t>(run.kept.size()) / elements;
    const Shape kept{latents, latent[1], latent[2], latent[3]};
    SEMBLANCE_ASSERT(run.kept.size() == static_cast<std::size_t>(kept.elements()));
    tensors.push_back({{"kept", DType::kF32, kept}, bytes(run.kept)});
  }
  if (!run.mask.empty()) {
    const Shape mask{latent[2], latent[3]};
    SEMBLANCE_ASSERT(run.picture.size() == run.latent.size() &&
                     run.mask.size() == static_cast<std::size_t>(mask.elements()));
    tensors.push_back({{"picture", DType::kF32, latent}, bytes(run.picture)});
    tensors.push_back({{"mask", DType::kF32, mask}, bytes(run.mask)});
  }
  for (std::size_t i = 0; run.controls && i < run.controls->size(); ++i) {
    const Image& picture = (*run.controls)[i];
    tensors.push_back({{control_tensor(i), DType::kU8, {picture.height(), picture.width(), 3}},
                       std::as_bytes(picture.pixels())});
  }
  write_safetensors(
      path, tensors,
      {{kFormatKey, kFormat}, {kVersionKey, kVersion}, {kRunKey, json_of(run).dump()}},
      Readers::kOwner);
}

namespace {

/// Reads bytes of a tensor that must have this shape.
void read_bytes(const WeightMap& tensors, const fs::path& path, const std::string& name,
                const Shape& shape, std::span<std::byte> bytes) {
  const StoredTensor* const tensor = tensors.find(name);
  if (tensor == nullptr || tensor->dtype != DType::kU8 || !(tensor->shape == shape)) {
    fail(ErrorKind::kCorrupt, "cannot resume from {}: expected the tensor {} u8{}", path.string(),
         name, to_string(shape));
  }
  tensor->file->read(tensor->offset, bytes);
}

/// The pictures of the request's ControlNets.
ControlPictures read_controls(const WeightMap& tensors, const fs::path& path,
                              const Request& request) {
  if (request.controls.empty()) return {};
  auto pictures = std::make_shared<std::vector<Image>>();
  for (std::size_t i = 0; i < request.controls.size(); ++i) {
    Image& picture = pictures->emplace_back(Size{request.width, request.height});
    read_bytes(tensors, path, control_tensor(i), {request.height, request.width, 3},
               std::as_writable_bytes(picture.pixels()));
  }
  return pictures;
}

/// The regions of its people.
std::shared_ptr<const std::vector<Mask>> read_regions(const WeightMap& tensors,
                                                      const fs::path& path,
                                                      const Request& request) {
  if (request.people.empty()) return nullptr;
  auto regions = std::make_shared<std::vector<Mask>>();
  for (std::size_t i = 0; i < request.people.size(); ++i) {
    Mask& region = regions->emplace_back(Size{request.width, request.height});
    read_bytes(tensors, path, region_tensor(i), {request.height, request.width},
               std::as_writable_bytes(region.values()));
  }
  return regions;
}

}  // namespace

SavedRun load_saved_run(const fs::path& path) {
  const auto file = open_file(path);
  if (file->size() > kLimitBytes) {
    fail(ErrorKind::kArgument, "cannot resume from {}: expected at most {} bytes, got {}",
         path.string(), kLimitBytes, file->size());
  }
  SavedRun run;
  const std::string text = run_text(*file, path);
  const WeightMap tensors = read_safetensors(file);
  try {
    read_json(run, Json::parse("the saved run", text).expect_object());
  } catch (const Error& error) {
    fail(ErrorKind::kCorrupt, "cannot resume from {}: {}", path.string(), error.what());
  }
  // No sampler evaluates the model more often; resuming checks the exact number.
  if (run.step > 2 * run.request.step_count() + 1) {
    fail(ErrorKind::kCorrupt, "cannot resume from {}: it has {} steps done of {}", path.string(),
         run.step, run.request.step_count());
  }
  const auto sizes = [&](std::string_view name) {
    const StoredTensor* tensor = tensors.find(name);
    return tensor == nullptr ? Shape{} : tensor->shape;
  };
  const Shape latent = sizes("latent");
  run.latent_channels =
      latent.rank() == 4 ? std::clamp<std::int64_t>(latent[1], 1, kMaxChannels) : 4;
  const Request pass = run.current();
  const Shape whole{1, run.latent_channels, pass.height / kFold, pass.width / kFold};
  run.latent = read_tensor(tensors, path, "latent", whole);
  const Shape kept = sizes("kept");
  if (tensors.find("kept") != nullptr) {
    const std::int64_t latents =
        kept.rank() == 4 ? std::clamp<std::int64_t>(kept[0], 1, kMaxKept) : 1;
    run.kept = read_tensor(tensors, path, "kept", {latents, whole[1], whole[2], whole[3]});
  }
  if (run.request.has_mask && tensors.find("mask") != nullptr) {
    run.picture = read_tensor(tensors, path, "picture", whole);
    run.mask = read_tensor(tensors, path, "mask", {whole[2], whole[3]});
  }
  const Shape embedding = sizes("embedding");
  const std::int64_t numbers =
      embedding.rank() > 0 ? std::clamp<std::int64_t>(embedding[-1], 1, 1 << 16) : 512;
  if (embedding.rank() == 2 && run.request.people.empty())
    run.request.photos = {static_cast<int>(std::clamp<std::int64_t>(embedding[0], 1, 1 << 10))};
  People& people = run.people;
  const std::int64_t photos = photos_of(run.request);
  people.embeddings = read_tensor(tensors, path, "embedding",
                                  embedding.rank() == 2 ? Shape{photos, numbers} : Shape{numbers});
  run.controls = read_controls(tensors, path, pass);
  people.regions = read_regions(tensors, path, run.request);
  people.keypoints.resize(people_in(run.request));
  const std::vector<float> keypoints = read_tensor(
      tensors, path, "keypoints", {5 * static_cast<std::int64_t>(people.keypoints.size()), 2});
  for (std::size_t i = 0; i < keypoints.size(); ++i)
    people.keypoints[i / 10][i / 2 % 5][i % 2] = keypoints[i];
  if (!std::all_of(people.embeddings.begin(), people.embeddings.end(),
                   [](float number) { return std::isfinite(number); })) {
    fail(ErrorKind::kCorrupt,
         "cannot resume from {}: the face's embedding has a number that is not finite",
         path.string());
  }
  try {
    for (const Keypoints& points : people.keypoints) check_keypoints(points, "its keypoints");
  } catch (const Error& error) {
    fail(ErrorKind::kCorrupt, "cannot resume from {}: {}", path.string(), error.what());
  }
  return run;
}

}  // namespace semblance
