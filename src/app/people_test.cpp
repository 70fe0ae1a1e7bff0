#include "app/people.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "image/encode.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;

class AppPeople : public ::testing::Test {
 protected:
  AppPeople() : folder_(fs::temp_directory_path() / ("app_people_" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
    request_.width = 64;
    request_.height = 48;
    request_.people = {"{}", "{}"};
  }
  ~AppPeople() override { fs::remove_all(folder_); }

  fs::path write(const std::string& text) const {
    std::ofstream(folder_ / "people.json") << text;
    return folder_ / "people.json";
  }
  void refuses_file(const std::string& text, const std::string& problem) const {
    expect_error(ErrorKind::kArgument,
                 "cannot take --people: " + write(text).string() + ": " + problem,
                 [&] { read_people(folder_ / "people.json", "--people"); });
  }

  /// A face whose nose is here, in a picture of 64 x 48.
  static Identity face_at(float x, float y) {
    Identity face;
    face.embedding[0] = x;
    face.keypoints = {{{x - 4, y - 4}, {x + 4, y - 4}, {x, y}, {x - 3, y + 4}, {x + 3, y + 4}}};
    face.image_size = {64, 48};
    face.box = Box{x - 8, y - 10, x + 8, y + 8};
    return face;
  }
  static PosedFaces pose(std::vector<Identity> faces) {
    return {.photo = "group.jpg", .faces = std::move(faces), .keypoints = [](const Identity& face) {
              return face.keypoints;
            }};
  }
  People place(const std::optional<PosedFaces>& pose,
               const std::shared_ptr<const File>& mask = nullptr) const {
    std::vector<ReadPerson> people(request_.people.size());
    for (ReadPerson& person : people) person.identity = face_at(30, 20);
    people.back().mask = mask;
    return place_people(request_, people, pose);
  }
  void refuses(const std::string& problem, const std::optional<PosedFaces>& pose,
               const std::shared_ptr<const File>& mask = nullptr) const {
    expect_error(ErrorKind::kArgument, "cannot take people: " + problem,
                 [&] { place(pose, mask); });
  }
  std::shared_ptr<const File> mask(Size size, int left, int right) const {
    Image picture(size);
    for (int y = 0; y < size.h; ++y)
      std::fill(picture.row(y) + 3 * left, picture.row(y) + 3 * right, std::uint8_t{255});
    write_image(picture, folder_ / "mask.png", {});
    return open_file(folder_ / "mask.png");
  }

  fs::path folder_;
  Request request_;
};

TEST_F(AppPeople, AreReadFromAFileWithItsPaths) {
  const std::vector<std::string> people = read_people(
      write(R"([{"faces": ["a.jpg", "/b/c.json"], "mask": "m/m.png"}, {"faces": ["../d.png"]}])"),
      "--people");
  ASSERT_EQ(people.size(), 2U);
  const PersonChoice first = parse_person(people[0]);
  EXPECT_EQ(first.faces, (std::vector<std::string>{folder_ / "a.jpg", "/b/c.json"}));
  EXPECT_EQ(first.mask, folder_ / "m/m.png");
  Request request;
  request.people = people;
  EXPECT_EQ(photos_of_people(request).back(), folder_.parent_path() / "d.png");
}

TEST_F(AppPeople, AFileThatIsNoneIsRefused) {
  refuses_file("[{]", "expected a JSON list of people\n  ");
  refuses_file("{\"faces\": []}", "expected a JSON list of people");
  refuses_file("[]", "expected a JSON list of people");
  refuses_file("[1]", "person 1: expected a person as a JSON object, got '1'");
  refuses_file(R"([{"faces": ["a.jpg"]}, {"box": [0, 0, 1, 1]}])", "person 2: faces are missing");
  refuses_file(R"([{"faces": ["a.jpg"], "boxes": 1}])",
               "person 1: expected a person with the keys faces, photos, keypoints, pose_face, "
               "mask, box, prompt, identity_strength, adapter_strength, start, end, got 'boxes', "
               "did you mean box?");
  std::string many = "[";
  for (int i = 0; i < 9; ++i) many += std::string(i > 0 ? "," : "") + R"({"faces": ["a.jpg"]})";
  refuses_file(many + "]", "expected at most 8 people, got 9");
  expect_error(ErrorKind::kMissing, "none.json",
               [&] { read_people(folder_ / "none.json", "--people"); });
}

TEST_F(AppPeople, HaveTheFacesOfThePoseFromTheLeft) {
  const People people = place(pose({face_at(44, 20), face_at(16, 24)}));
  EXPECT_EQ(people.keypoints[0], face_at(16, 24).keypoints);
  EXPECT_EQ(people.keypoints[1], face_at(44, 20).keypoints);
  EXPECT_EQ(people.face_boxes[1], (PixelBox{36, 10, 52, 28}));
  // The columns nearer to each face.
  EXPECT_EQ(bounds((*people.regions)[0]), (PixelBox{0, 0, 30, 48}));
  EXPECT_EQ(bounds((*people.regions)[1]), (PixelBox{30, 0, 64, 48}));
  request_.people = {R"({"pose_face": 2})", R"({"pose_face": 1, "box": [0, 0, 20, 48]})"};
  const People chosen = place(pose({face_at(44, 20), face_at(16, 24)}));
  EXPECT_EQ(chosen.keypoints[0], face_at(44, 20).keypoints);
  EXPECT_EQ(bounds((*chosen.regions)[1]), (PixelBox{0, 0, 20, 48}));
}

TEST_F(AppPeople, WithoutAPlaceAreRefused) {
  refuses("person 1 has no place: expected keypoints or a pose photo", {});
  refuses("expected at least 2 faces in group.jpg, for person 2, got 1", pose({face_at(30, 20)}));
  PosedFaces all = pose({face_at(10, 20), face_at(30, 20), face_at(50, 20)});
  EXPECT_EQ(place(all).keypoints.size(), 2U);
  all.are_all_needed = true;
  refuses("expected as many faces in group.jpg as people, 2, got 3\n  choose faces", all);
  all.faces.resize(1);
  refuses("expected as many faces in group.jpg as people, 2, got 1", all);
}

TEST_F(AppPeople, RegionsMustHaveTheFace) {
  const PosedFaces two = pose({face_at(16, 24), face_at(44, 20)});
  EXPECT_EQ(bounds((*place(two, mask({64, 48}, 32, 60)).regions)[1]), (PixelBox{32, 0, 60, 48}));
  refuses("expected the mask of person 2 to have the new picture's size, 64x48, got 32x48", two,
          mask({32, 48}, 0, 32));
  refuses("the mask of person 2 is black all over", two, mask({64, 48}, 0, 0));
  refuses("the face of person 2, at 44,20, is outside its region", two, mask({64, 48}, 0, 40));
  request_.people = {R"({"box": [20, 0, 40, 48]})", "{}"};
  refuses("the face of person 1, at 16,24, is outside its region", two);
  request_.people = {"{}", "{}"};
  refuses("the face of person 1, at -10,20, is outside the new picture, 64x48",
          pose({face_at(-10, 20), face_at(44, 20)}));
}

TEST_F(AppPeople, BoxesMoveWithTheKeypoints) {
  const Identity face = face_at(30, 20);
  EXPECT_EQ(face_box(face, face.keypoints), (PixelBox{22, 10, 38, 28}));
  Keypoints larger = face.keypoints;
  for (auto& point : larger) point = {2 * point[0] + 1, 2 * point[1]};
  EXPECT_EQ(face_box(face, larger), (PixelBox{45, 20, 77, 56}));
  Identity without = face;
  without.box.reset();
  const PixelBox box = face_box(without, face.keypoints);
  EXPECT_EQ(box, box_around(face.keypoints));
  EXPECT_LT(box.left, 26);
  EXPECT_GT(box.bottom, 24);
}

}  // namespace
}  // namespace semblance
