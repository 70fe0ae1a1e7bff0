#include "face/likeness.h"

#include <numeric>
#include <random>

#include "face/face_test.h"

namespace semblance::testing {
namespace {

/// A person's face: their own direction and some of the photo's.
Identity photo_of(unsigned person, unsigned photo, float own = 1) {
  const auto drawn = [](unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    FaceEmbedding values;
    for (float& value : values) value = normal(random);
    return values;
  };
  Identity identity{.embedding = drawn(person), .image_size = {32, 48}};
  const FaceEmbedding other = drawn(1000 + photo);
  for (std::size_t i = 0; i < other.size(); ++i)
    identity.embedding[i] = own * identity.embedding[i] + other[i];
  identity.keypoints[2] = {static_cast<float>(photo), 1};
  return identity;
}

Identity join(const std::vector<Identity>& photos, std::vector<std::string> names = {}) {
  while (names.size() < photos.size()) names.push_back(fmt::format("{}.jpg", names.size() + 1));
  return join_identities(photos, names);
}

TEST(Likeness, IsTheCosine) {
  const std::vector<float> a{3, 4}, b{8, -6}, c{6, 8}, zero{0, 0};
  EXPECT_DOUBLE_EQ(likeness(a, b), 0);
  EXPECT_DOUBLE_EQ(likeness(a, c), 1);
  EXPECT_DOUBLE_EQ(likeness(a, zero), 0);
  const Identity one = photo_of(1, 1), other = photo_of(1, 2);
  EXPECT_NEAR(likeness(one, other), cosine(one.embedding, other.embedding), 1e-6);
}

TEST(Likeness, OfSeveralPhotosIsToTheirMeanDirection) {
  Identity person = photo_of(1, 1);
  const Identity second = photo_of(1, 2);
  person.others = {second.embedding};
  for (float& value : person.others.front()) value *= 1000;  // lengths do not matter
  FaceEmbedding mean;
  const auto length = [](const FaceEmbedding& x) {
    return static_cast<float>(std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0)));
  };
  for (std::size_t i = 0; i < mean.size(); ++i) {
    mean[i] = person.embedding[i] / length(person.embedding) +
              second.embedding[i] / length(second.embedding);
  }
  const Identity face = photo_of(1, 3);
  EXPECT_NEAR(likeness(face, person), cosine(face.embedding, mean), 1e-6);
}

TEST(JoinIdentities, KeepsEveryEmbeddingAndTheFirstPosition) {
  Identity both = photo_of(1, 1);
  both.others = {photo_of(1, 2).embedding};
  const Identity third = photo_of(1, 3);
  const Identity joined = join({both, third});
  EXPECT_EQ(joined.photos(), 3);
  EXPECT_EQ(joined.keypoints, both.keypoints);
  std::vector<float> all = both.embeddings();
  all.insert(all.end(), third.embedding.begin(), third.embedding.end());
  EXPECT_EQ(joined.embeddings(), all);
  const Spread spread = spread_of(joined);
  EXPECT_GT(spread.least, 0.3);
  EXPECT_LT(spread.least, spread.most);
  EXPECT_LT(spread.most, 0.7);
  EXPECT_EQ(spread_of(third).least, 1);
}

TEST(JoinIdentities, NamesAPhotoOfSomebodyElse) {
  expect_error(ErrorKind::kArgument,
               "cannot combine the photos: b.jpg shows somebody else than a.jpg: expected a "
               "likeness of at least 0.2, got ",
               [] {
                 join({photo_of(1, 1), photo_of(2, 2)}, {"a.jpg", "b.jpg"});
               });
  // The one that is alone is named, wherever it is.
  expect_error(ErrorKind::kArgument, "1.jpg shows somebody else than 2.jpg", [] {
    join({photo_of(1, 1), photo_of(2, 2), photo_of(2, 3)});
  });
}

TEST(JoinIdentities, TakesAPhotoThatIsAlikeToOneOther) {
  // A chain: the ends are not alike, as profiles from both sides may not be.
  Identity middle = photo_of(1, 1);
  const Identity left = photo_of(2, 2), right = photo_of(3, 3);
  for (std::size_t i = 0; i < middle.embedding.size(); ++i)
    middle.embedding[i] = left.embedding[i] + right.embedding[i];
  EXPECT_LT(likeness(left, right), kAnotherPerson);
  EXPECT_EQ(join({left, middle, right}).photos(), 3);
}

TEST(JoinIdentities, RefusesTooMany) {
  std::vector<Identity> photos;
  for (unsigned i = 0; i < kMostPhotos; ++i) photos.push_back(photo_of(1, i));
  EXPECT_EQ(join(photos).photos(), 16);
  photos.push_back(photo_of(1, 99));
  expect_error(ErrorKind::kArgument, "cannot combine the photos: expected at most 16, got 17",
               [&] { join(photos); });
}

}  // namespace
}  // namespace semblance::testing
