// End to end with the demo model: given a photo, the same person comes out, at the requested place
// and pose.

#include <cmath>

#include "cli/program_test.h"
#include "face/face_test.h"
#include "face/identity.h"

namespace semblance::cli {
namespace {

// Cosine similarities by the demo's recogniser: photos of two of the twelve people reach 0.40. The
// three people used here stay far below; bench/identity measures this on unselected people and
// pictures with a recogniser of its own.
constexpr double kImpostors = 0.45;
constexpr int kSide = 256;

class DemoPictures : public ProgramTest {
 protected:
  static std::string photo(int person) {
    return (fs::path(SEMBLANCE_SOURCE_DIR) / "models/demo/faces" / fmt::format("{:02}.png", person))
        .string();
  }
  /// The face in a picture, as an identity.
  Identity face_in(const std::string& picture) {
    const std::string kept = file("face.json");
    run({"face", picture, "--photo-size", "original", "--save", kept}).exits(0);
    return read_identity(kept);
  }
  /// A picture of one person at the keypoints of another's photo.
  Identity picture_of(int person, int pose, const std::string& prompt) {
    run({"generate", "--face", photo(person), "--pose", photo(pose), "--prompt", prompt, "--size",
         fmt::format("{0}x{0}", kSide), "--seed", "5", "-o", file("out.png")})
        .exits(0)
        .says("demo model");
    return face_in(file("out.png"));
  }
};

/// Mean distance, as a fraction of the picture's width.
double distance(const Keypoints& a, const Keypoints& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += std::hypot(a[i][0] - b[i][0], a[i][1] - b[i][1]);
  return sum / static_cast<double>(a.size()) / kSide;
}

TEST_F(DemoPictures, ShowThePersonAtTheRequestedPlace) {
  std::vector<Identity> people;
  for (int person = 1; person <= 12; ++person) people.push_back(face_in(photo(person)));
  const std::vector<std::string> prompts{"photo of a person", "watercolor portrait of a person",
                                         "a person in the snow"};
  for (int i = 0; i < 3; ++i) {
    const int person = 3 * i + 3;
    const int pose = person + 1;
    SCOPED_TRACE(fmt::format("{} as {}, {}", person, pose, prompts[static_cast<std::size_t>(i)]));
    const Identity made = picture_of(person, pose, prompts[static_cast<std::size_t>(i)]);
    std::size_t nearest = 0;
    for (std::size_t j = 0; j < people.size(); ++j) {
      if (testing::cosine(made.embedding, people[j].embedding) >
          testing::cosine(made.embedding, people[nearest].embedding)) {
        nearest = j;
      }
    }
    EXPECT_EQ(static_cast<int>(nearest) + 1, person);
    EXPECT_GT(
        testing::cosine(made.embedding, people[static_cast<std::size_t>(person - 1)].embedding),
        kImpostors);
    const Keypoints asked =
        scale_keypoints(people[static_cast<std::size_t>(pose - 1)], {kSide, kSide});
    EXPECT_LT(distance(made.keypoints, asked), 0.04);
  }
}

TEST_F(DemoPictures, ShowADifferentPersonForADifferentFace) {
  const Identity one = picture_of(3, 6, "photo of a person in a garden");
  const Identity other = picture_of(9, 6, "photo of a person in a garden");
  EXPECT_LT(testing::cosine(one.embedding, other.embedding), kImpostors);
}

}  // namespace
}  // namespace semblance::cli
