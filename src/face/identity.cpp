#include "face/identity.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json.h"

namespace semblance {
namespace {

constexpr std::uint64_t kMostBytes = 1 << 20;
constexpr std::int64_t kMostSide = 1'000'000;

// The shortest text that parses to the same float; with a point, so that -0 stays a float.
std::string number(float value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

template <std::size_t kCount>
std::string list(const std::array<float, kCount>& values) {
  std::string text;
  for (const float value : values) text += (text.empty() ? "" : ", ") + number(value);
  return "[" + text + "]";
}

std::string list(const Keypoints& keypoints) {
  std::string text;
  for (const auto& point : keypoints) text += (text.empty() ? "" : ", ") + list(point);
  return "[" + text + "]";
}

// Reads a list of exactly that many finite floats.
template <std::size_t kCount>
std::optional<std::array<float, kCount>> floats_of(const nlohmann::json& value) {
  if (!value.is_array() || value.size() != kCount) return std::nullopt;
  std::array<float, kCount> result{};
  for (std::size_t i = 0; i < kCount; ++i) {
    if (!value[i].is_number()) return std::nullopt;
    result[i] = static_cast<float>(value[i].get<double>());
    if (!std::isfinite(result[i])) return std::nullopt;
  }
  return result;
}

/// Throws Error(kCorrupt) for another length than kEmbeddingSize or numbers that are no floats.
FaceEmbedding embedding_in(const Json& json, const std::string& key, const nlohmann::json& value) {
  const auto embedding = floats_of<kEmbeddingSize>(value);
  if (!embedding) json.refuse(key, fmt::format("a list of {} finite numbers", kEmbeddingSize));
  return *embedding;
}

std::vector<FaceEmbedding> others_in(const Json& json) {
  constexpr const char* kKey = "other_embeddings";
  std::vector<FaceEmbedding> others;
  if (!json.has(kKey)) return others;
  const nlohmann::json& list = json.child(kKey).value();
  if (!list.is_array() || list.size() >= kMostPhotos)
    json.refuse(kKey, fmt::format("a list of at most {} embeddings", kMostPhotos - 1));
  for (const nlohmann::json& each : list) others.push_back(embedding_in(json, kKey, each));
  return others;
}

}  // namespace

std::vector<float> Identity::embeddings() const {
  std::vector<float> all(embedding.begin(), embedding.end());
  for (const FaceEmbedding& other : others) all.insert(all.end(), other.begin(), other.end());
  return all;
}

Identity identity_of(const Face& face, Size image_size) {
  return {face.embedding, face.detection.keypoints, image_size, face.detection.score,
          face.detection.box};
}

std::string to_json(const Identity& identity) {
  std::string text =
      fmt::format("{{\"embedding\": {},\n \"keypoints\": {},\n \"image_size\": [{}, {}]",
                  list(identity.embedding), list(identity.keypoints), identity.image_size.w,
                  identity.image_size.h);
  if (identity.score) text += ",\n \"score\": " + number(*identity.score);
  if (identity.box) text += fmt::format(",\n \"box\": {}", list(*identity.box));
  for (const FaceEmbedding& other : identity.others) {
    text += &other == &identity.others.front() ? ",\n \"other_embeddings\": [" : ",\n  ";
    text += list(other);
  }
  if (!identity.others.empty()) text += ']';
  return text + "}\n";
}

std::string to_json(const Face& face) {
  return fmt::format("{{\"score\": {}, \"box\": {}, \"keypoints\": {}, \"embedding\": {}}}",
                     number(face.detection.score), list(face.detection.box),
                     list(face.detection.keypoints), list(face.embedding));
}

void write_identity(const Identity& identity, const std::filesystem::path& path) {
  OutputFile file(path, Readers::kOwner);
  file.write(to_json(identity));
  file.commit();
}

Identity parse_identity(std::string name, std::string_view text) {
  const Json json = Json::parse(std::move(name), text);
  json.expect_object();
  Identity identity;
  if (!json.has("embedding")) {
    fail(
        ErrorKind::kMissing,
        "cannot read {} as an identity: \"embedding\" is missing{}\n  `semblance face PHOTO --save "
        "FILE.json` writes one",
        json.file(), json.has("faces") ? ", this is the list that --json prints" : "");
  }
  identity.embedding = embedding_in(json, "embedding", json.child("embedding").value());
  identity.others = others_in(json);

  const nlohmann::json& points = json.child("keypoints").value();
  bool points_fit = points.is_array() && points.size() == identity.keypoints.size();
  for (std::size_t i = 0; points_fit && i < identity.keypoints.size(); ++i) {
    const auto point = floats_of<2>(points[i]);
    points_fit = point && std::fabs((*point)[0]) <= kKeypointLimit &&
                 std::fabs((*point)[1]) <= kKeypointLimit;
    if (points_fit) identity.keypoints[i] = *point;
  }
  if (!points_fit) {
    json.refuse("keypoints",
                fmt::format("five points [x, y] within {} of the origin", kKeypointLimit));
  }

  const std::vector<std::int64_t> size =
      json.get_int_list("image_size", std::nullopt, {1, kMostSide});
  if (size.size() != 2) json.refuse("image_size", "[width, height]");
  identity.image_size = {static_cast<int>(size[0]), static_cast<int>(size[1])};

  if (json.has("score")) {
    const double score = json.get_float("score");
    if (!(score >= 0.0 && score <= 1.0)) json.refuse("score", "a number from 0 to 1");
    identity.score = static_cast<float>(score);
  }
  if (json.has("box")) {
    identity.box = floats_of<4>(json.child("box").value());
    if (!identity.box) json.refuse("box", "[left, top, right, bottom], four finite numbers");
  }
  return identity;
}

Identity read_identity(const std::filesystem::path& path) {
  return parse_identity(path.string(), read_small_file(path, kMostBytes));
}

bool looks_like_identity(const File& file) {
  std::array<std::byte, 64> head{};
  const std::size_t size = std::min<std::uint64_t>(head.size(), file.size());
  file.read(0, std::span(head).first(size));
  constexpr std::string_view kMark = "\xef\xbb\xbf";  // some editors write this before the text
  const bool marked = size >= kMark.size() && std::memcmp(head.data(), kMark.data(), 3) == 0;
  for (std::size_t i = marked ? kMark.size() : 0; i < size; ++i) {
    const auto letter = static_cast<char>(head[i]);
    if (letter != ' ' && letter != '\t' && letter != '\r' && letter != '\n') return letter == '{';
  }
  return false;
}

Keypoints scale_keypoints(const Identity& identity, Size size) {
  if (size == identity.image_size) return identity.keypoints;
  const double w = size.w;
  const double h = size.h;
  const double scale = std::min(w / identity.image_size.w, h / identity.image_size.h);
  const double left = (w - scale * identity.image_size.w) / 2;
  const double top = (h - scale * identity.image_size.h) / 2;
  Keypoints scaled;
  for (std::size_t i = 0; i < scaled.size(); ++i) {
    const auto& [x, y] = identity.keypoints[i];
    scaled[i] = {static_cast<float>(left + scale * static_cast<double>(x)),
                 static_cast<float>(top + scale * static_cast<double>(y))};
  }
  return scaled;
}

}  // namespace semblance
