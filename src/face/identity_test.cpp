#include "face/identity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <random>
#include <span>

#include "face/face_test.h"
#include "tests/support/sanitized.h"

namespace semblance::testing {
namespace {

Identity example() {
  Identity identity;
  std::mt19937 random(1);
  for (float& value : identity.embedding) {
    do {
      value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));  // all of float's range
    } while (!std::isfinite(value));
  }
  using Limits = std::numeric_limits<float>;
  const float special[] = {0.0F,
                           -0.0F,
                           1.0F,
                           Limits::max(),
                           Limits::lowest(),
                           Limits::min(),
                           Limits::denorm_min(),
                           16777216.0F,
                           0.1F};
  std::copy(std::begin(special), std::end(special), identity.embedding.begin());
  identity.keypoints = {
      {{1.5F, 2.0F}, {30.25F, 2.1F}, {15.0F, 14.0F}, {5.0F, 25.0F}, {24.0F, 26.0F}}};
  identity.image_size = {32, 48};
  identity.score = 0.82100946F;
  identity.box = Box{-3.5F, 0.0F, 31.0F, 40.0F};
  identity.others = {identity.embedding, identity.embedding};
  std::ranges::reverse(identity.others.back());
  return identity;
}

template <std::size_t kCount>
void expect_same_bits(const std::array<float, kCount>& a, const std::array<float, kCount>& b) {
  for (std::size_t i = 0; i < kCount; ++i)
    EXPECT_EQ(std::bit_cast<std::uint32_t>(a[i]), std::bit_cast<std::uint32_t>(b[i])) << i;
}

TEST(Identity, RoundTripsToTheSameBits) {
  const Identity identity = example();
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "me.json";
  write_identity(identity, path);
  EXPECT_TRUE(looks_like_identity(*open_file(path)));
  const Identity read = read_identity(path);
  expect_same_bits(read.embedding, identity.embedding);
  for (std::size_t i = 0; i < 5; ++i) expect_same_bits(read.keypoints[i], identity.keypoints[i]);
  EXPECT_EQ(read.image_size, identity.image_size);
  expect_same_bits(std::array{*read.score}, std::array{*identity.score});
  expect_same_bits(*read.box, *identity.box);
  ASSERT_EQ(read.photos(), 3);
  for (std::size_t i = 0; i < 2; ++i) expect_same_bits(read.others[i], identity.others[i]);
}

TEST(Identity, AMillionFloatsKeepTheirBits) {
  std::mt19937 random(2);
  for (unsigned i = 0; i < testing::sweep(1'000'000 / kEmbeddingSize); ++i) {
    Identity identity = example();
    for (float& value : identity.embedding) {
      do {
        value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
      } while (!std::isfinite(value));
    }
    const Identity read = parse_identity("me.json", to_json(identity));
    ASSERT_EQ(std::memcmp(read.embedding.data(), identity.embedding.data(), sizeof(FaceEmbedding)),
              0);
  }
}

TEST(Identity, ScoreBoxAndFurtherPhotosMayBeAbsent) {
  nlohmann::json json = nlohmann::json::parse(to_json(example()));
  json.erase("score");
  json.erase("box");
  json.erase("other_embeddings");
  const Identity identity = parse_identity("me.json", json.dump());
  EXPECT_FALSE(identity.score);
  EXPECT_FALSE(identity.box);
  EXPECT_EQ(identity.photos(), 1);
}

TEST(Identity, RejectsHostileText) {
  const auto changed = [](const char* key, const nlohmann::json& value) {
    nlohmann::json json = nlohmann::json::parse(to_json(example()));
    if (value.is_null()) {
      json.erase(key);
    } else {
      json[key] = value;
    }
    return json.dump();
  };
  const auto refused = [](ErrorKind kind, const std::string& part, const std::string& text) {
    expect_error(kind, part, [&] { parse_identity("me.json", text); });
  };
  const ErrorKind corrupt = ErrorKind::kCorrupt;
  refused(corrupt, "me.json", "");
  refused(corrupt, "me.json", "[1, 2]");
  refused(corrupt, "me.json", to_json(example()).substr(0, 1000));
  refused(corrupt, "me.json", std::string(100'000, '['));
  refused(ErrorKind::kMissing, "embedding", changed("embedding", nullptr));
  refused(ErrorKind::kMissing, "keypoints", changed("keypoints", nullptr));
  refused(ErrorKind::kMissing, "image_size", changed("image_size", nullptr));
  const std::string embedding = "\"embedding\" must be a list of 512 finite numbers";
  refused(corrupt, embedding + ", got a list of 511",
          changed("embedding", std::vector<float>(511, 1.0F)));
  refused(ErrorKind::kMissing, "\"embedding\" is missing, this is the list that --json prints",
          R"({"image_size": [8, 8], "faces": []})");
  refused(corrupt, embedding, changed("embedding", std::vector<std::string>(512, "1")));
  refused(corrupt, embedding, changed("embedding", std::vector<double>(512, 1e39)));
  refused(corrupt, embedding, changed("embedding", "face"));
  const std::string points = "\"keypoints\" must be five points";
  refused(corrupt, points, changed("keypoints", {1, 2, 3, 4, 5}));
  refused(corrupt, points, changed("keypoints", std::vector<std::vector<double>>(5, {1, 2, 3})));
  refused(corrupt, points, changed("keypoints", std::vector<std::vector<double>>(5, {1, 2e6})));
  refused(corrupt, points, changed("keypoints", std::vector<std::vector<double>>(4, {1, 2})));
  refused(corrupt, "image_size", changed("image_size", {0, 10}));
  refused(corrupt, "image_size", changed("image_size", {10, 1'000'001}));
  refused(corrupt, "image_size", changed("image_size", {10.5, 10}));
  refused(corrupt, "image_size", changed("image_size", {10, 10, 10}));
  refused(corrupt, "score", changed("score", 1.5));
  refused(corrupt, "score", changed("score", "high"));
  refused(corrupt, "box", changed("box", {1, 2, 3}));
  const std::vector<float> ones(512, 1.0F);
  refused(corrupt, "\"other_embeddings\" must be a list of at most 15 embeddings",
          changed("other_embeddings", std::vector<std::vector<float>>(16, ones)));
  refused(corrupt, "\"other_embeddings\" must be a list of 512 finite numbers",
          changed("other_embeddings", {ones, {1.0F}}));
  std::string nan = to_json(example());
  nan.replace(nan.find("[") + 1, 3, "NaN");
  refused(corrupt, "me.json", nan);
}

TEST(Identity, APhotoIsNotAnIdentity) {
  const auto is_identity = [](std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return looks_like_identity(*memory_file("x", {bytes.begin(), bytes.end()}));
  };
  EXPECT_TRUE(is_identity(" \n\t{"));
  EXPECT_FALSE(is_identity(""));
  EXPECT_FALSE(is_identity("   "));
  EXPECT_FALSE(is_identity("\xff\xd8\xff{"));
}

TEST(Identity, KeypointsFitAnotherPictureCentred) {
  Identity identity = example();
  expect_same_bits(scale_keypoints(identity, {32, 48})[0], identity.keypoints[0]);
  // 32 x 48 fits 128 x 96 at scale 2, with 32 pixels on each side.
  const Keypoints wide = scale_keypoints(identity, {128, 96});
  EXPECT_FLOAT_EQ(wide[2][0], 32.0F + 2.0F * 15.0F);
  EXPECT_FLOAT_EQ(wide[2][1], 2.0F * 14.0F);
  const Keypoints high = scale_keypoints(identity, {16, 100});
  EXPECT_FLOAT_EQ(high[2][0], 7.5F);
  EXPECT_FLOAT_EQ(high[2][1], 38.0F + 7.0F);
}

}  // namespace
}  // namespace semblance::testing
