#include "pipeline/person_choice.h"

#include <gtest/gtest.h>

#include "pipeline/request.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

TEST(PersonChoice, IsReadFromText) {
  const PersonChoice all = parse_person(
      R"({"faces": ["a.jpg", "b.json"], "keypoints": [[1, 2.5], [3, 4], [5, 6], [7, 8], [9, 10]],
          "box": [0, 1, 20, 30.4], "prompt": "a man", "identity_strength": 1.5,
          "adapter_strength": 0, "start": 0.25, "end": 0.75, "photos": 2})");
  EXPECT_EQ(all.faces, (std::vector<std::string>{"a.jpg", "b.json"}));
  EXPECT_EQ((*all.keypoints)[0][1], 2.5F);
  EXPECT_EQ(all.box, (PixelBox{0, 1, 20, 30}));
  EXPECT_EQ(all.prompt, "a man");
  EXPECT_EQ(all.identity_strength, 1.5F);
  EXPECT_EQ(all.adapter_strength, 0.0F);
  EXPECT_EQ(all.start, 0.25);
  EXPECT_EQ(all.end, 0.75);
  EXPECT_EQ(all.photos, 2);
  EXPECT_TRUE(all.has_region());
  EXPECT_EQ(parse_person(R"({"mask": "m.png", "pose_face": 2})").pose_face, 2);
  EXPECT_TRUE(parse_person(R"({"mask": true})").is_mask_sent);
  EXPECT_FALSE(parse_person(R"({"prompt": null})").prompt);
  EXPECT_FALSE(parse_person("{}").has_region());
}

TEST(PersonChoice, RefusesWhatItCannotRead) {
  const auto problem = [](const std::string& text, Asker asker = Asker::kUser) {
    return person_problem(text, asker).value_or("");
  };
  for (const std::string text : {"", "me.jpg", "[1]", "{\"box\":"})
    EXPECT_EQ(problem(text), "expected a person as a JSON object, got '" + text + "'");
  EXPECT_EQ(
      problem("{\"box\":" + std::string(2000, '[') + std::string(2000, ']') + "}").substr(0, 45),
      "expected a person as a JSON object, got '{\"bo");
  EXPECT_EQ(problem(R"({"face": 1})"),
            "expected a person with the keys faces, photos, keypoints, pose_face, mask, box, "
            "prompt, identity_strength, adapter_strength, start, end, got 'face', did you mean "
            "faces?");
  for (const std::string value : {"\"a.jpg\"", "[]", "[1]", "[\"\"]"})
    EXPECT_EQ(problem("{\"faces\":" + value + "}"),
              "expected faces as a list of 1 to 16 paths, got " + value);
  for (const std::string value :
       {"[[1,2]]", "[[1,2],[1,2],[1,2],[1,2],[1]]", "[[1,2],[1,2],[1,2],[1,2],[1,1e9]]", "1"})
    EXPECT_EQ(problem("{\"keypoints\":" + value + "}").substr(0, 34),
              "expected keypoints as five [x, y],");
  for (const std::string value : {"[1,2,3]", "[5,0,5,9]", "[0,9,9,1]", "\"all\"", "[0,0,1,1e9]"}) {
    EXPECT_EQ(problem("{\"box\":" + value + "}").substr(0, 75),
              "expected box as [left, top, right, bottom], left < right and top < bottom, ");
  }
  EXPECT_EQ(problem(R"({"pose_face": 0})"), "expected pose_face from 1 to 1000, got 0");
  EXPECT_EQ(problem(R"({"photos": 1.5})"), "expected photos from 1 to 16, got 1.5");
  EXPECT_EQ(problem(R"({"mask": 1})"), "expected mask as the path of a picture, got 1");
  EXPECT_EQ(problem(R"({"prompt": 1})"), "expected prompt as text, got 1");
  EXPECT_EQ(problem(R"({"identity_strength": 6})"),
            "expected identity_strength from 0 to 5, got 6");
  EXPECT_EQ(problem(R"({"adapter_strength": "a"})"),
            "expected adapter_strength from 0 to 5, got \"a\"");
  EXPECT_EQ(problem(R"({"end": 1.5})"), "expected end from 0 to 1, got 1.5");
  EXPECT_EQ(problem(R"({"start": 0.5, "end": 0.25})"),
            "expected start to be at most end, 0.25, got 0.5");
  EXPECT_EQ(problem(R"({"keypoints": [[1,2],[1,2],[1,2],[1,2],[1,2]], "pose_face": 1})"),
            "expected either keypoints or pose_face, got both");
  EXPECT_EQ(problem(R"({"mask": "m.png", "box": [0, 0, 1, 1]})"),
            "expected either a box or a mask, got both");
  EXPECT_EQ(problem(R"({"faces": ["/etc/passwd"]})"), "");
  for (const char* text : {R"({"faces": ["/etc/passwd"]})", R"({"mask": "/etc/passwd"})"}) {
    EXPECT_EQ(problem(text, Asker::kService),
              "expected no paths: photos and masks are sent with the request");
  }
  testing::expect_error(ErrorKind::kArgument, "cannot take the person: expected",
                        [] { parse_person("x"); });
}

TEST(PersonChoice, BoxesMustLieInThePicture) {
  Request request;
  request.width = 64;
  request.height = 48;
  request.people = {R"({"box": [0, 0, 32, 48]})", R"({"box": [32, 0, 64, 48]})"};
  check(request);
  EXPECT_FALSE(overlapping_boxes(request));
  request.people[1] = R"({"box": [32, 0, 65, 48]})";
  testing::expect_error(ErrorKind::kArgument,
                        "cannot take people: expected the box of person 2 in the picture, 64x48, "
                        "got [32, 0, 65, 48]",
                        [&] { check(request); });
  request.people[1] = R"({"box": [31, 47, 64, 48]})";
  EXPECT_EQ(overlapping_boxes(request), (std::pair{1, 2}));
  request.people.assign(9, "{}");
  testing::expect_error(ErrorKind::kArgument, "cannot take people: expected a list of at most 8",
                        [&] { check(request); });
}

TEST(PersonChoice, DialsAndPromptsAreTheRequestsUnlessGiven) {
  Request request{.prompt = "two people"};
  request.identity_end = 0.5;
  EXPECT_EQ(prompts_of(request), std::vector<std::string>{"two people"});
  EXPECT_EQ(dials_of(request).size(), 1U);
  request.people = {R"({"start": 0.25, "adapter_strength": 2})", "{}"};
  EXPECT_EQ(prompts_of(request), std::vector<std::string>{"two people"});
  const std::vector<PersonDials> dials = dials_of(request);
  EXPECT_EQ(dials[0].identity_start, 0.25);
  EXPECT_EQ(dials[0].adapter_start, 0.25);
  EXPECT_EQ(dials[0].identity_end, 0.5);
  EXPECT_EQ(dials[0].adapter_strength, 2.0F);
  EXPECT_EQ(dials[1].adapter_strength, request.adapter_strength);
  request.people[1] = with_prompt(request.people[1], "a \"man\"");
  EXPECT_EQ(prompts_of(request), (std::vector<std::string>{"two people", "a \"man\""}));
}

}  // namespace
}  // namespace semblance
