#include "pipeline/control_choice.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/errors.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

TEST(ControlChoice, IsReadFromText) {
  const ControlChoice all = parse_control(
      "model=nets/edges,image=a, b=c.png,strength=1.25,start=0.1,end=0.75,prepare=canny,type=tile");
  EXPECT_EQ(all.model, "nets/edges");
  EXPECT_EQ(all.image, "a, b=c.png");  // " b" is no key
  EXPECT_EQ(all.strength, 1.25F);
  EXPECT_EQ(all.start, 0.1);
  EXPECT_EQ(all.end, 0.75);
  EXPECT_EQ(all.prepare, Prepare::kCanny);
  EXPECT_EQ(kControlTypes[static_cast<std::size_t>(all.type.value())], "tile");
  EXPECT_EQ(parse_control(text_of(all)), all);
  const ControlChoice least = parse_control("model=depth.safetensors");
  EXPECT_EQ(least, ControlChoice{.model = "depth.safetensors"});
  EXPECT_EQ(text_of(least), "model=depth.safetensors");
  EXPECT_EQ(least.short_name(), "depth");
  EXPECT_EQ(parse_control("model=/nets/edges/").short_name(), "edges");
}

TEST(ControlChoice, RefusesWhatItCannotRead) {
  const auto problem = [](std::string_view text, Asker asker = Asker::kUser) {
    return control_problem(text, asker).value_or("");
  };
  const std::string form = "expected a ControlNet as model=FILE|DIR|NAME,image=FILE,...";
  EXPECT_EQ(problem(""), form +
                             " with the keys model, image, strength, start, end, prepare, type, "
                             "got ''");
  EXPECT_EQ(problem("model="), form + ", got 'model='");
  EXPECT_EQ(problem("image=a.png"), form + ", got 'image=a.png'");
  EXPECT_EQ(problem("model=a,strenght=1"),
            form +
                " with the keys model, image, strength, start, end, prepare, type, got "
                "'strenght=1', did you mean strength?");
  EXPECT_EQ(problem("model=a,model=b"), "expected one model, got 'model=b'");
  for (const char* strength : {"-1", "5.1", "nan", "much", ""}) {
    EXPECT_EQ(problem(std::string("model=a,strength=") + strength),
              "expected strength from 0 to 5, got '" + std::string(strength) + "'");
  }
  EXPECT_EQ(problem("model=a,end=2"), "expected end from 0 to 1, got '2'");
  EXPECT_EQ(problem("model=a,start=0.5,end=0.25"),
            "expected start to be at most end, 0.25, got 0.5");
  EXPECT_EQ(problem("model=a,prepare=sobel"),
            "expected prepare to be one of none, canny, got 'sobel'");
  EXPECT_EQ(problem("model=a,type=cat"),
            "expected type to be one of pose, depth, scribble, canny, normal, segment, tile, "
            "repaint, got 'cat'");
  EXPECT_EQ(problem("model=\x1b[2J"), form + ", got 'model=?[2J'");
  EXPECT_EQ(problem("model=canny,strength=2", Asker::kService), "");
  for (const char* path : {"/etc/passwd", "..", ".hidden", "a\\b"}) {
    EXPECT_EQ(problem(std::string("model=") + path, Asker::kService),
              "expected the name of a ControlNet in the service's ControlNet folder, got '" +
                  std::string(path) + "'");
  }
  EXPECT_EQ(problem("model=canny,image=/etc/passwd", Asker::kService),
            "expected no image: the picture is sent with the request, got '/etc/passwd'");
  testing::expect_error(ErrorKind::kArgument, "cannot take the ControlNet: expected strength",
                        [] { parse_control("model=a,strength=9"); });
}

class FindControl : public ::testing::Test {
 protected:
  ~FindControl() override { fs::remove_all(folder_); }
  void put(const std::string& name) const {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "x";
  }
  std::string find(const std::string& name) const {
    const std::vector<fs::path> folders{folder_ / "nowhere", folder_};
    return find_control({.model = name}, folders).lexically_relative(folder_).string();
  }

  fs::path folder_ = fs::temp_directory_path() / ("semblance_controls_" + std::to_string(getpid()));
};

TEST_F(FindControl, FindsFilesAndFolders) {
  put("depth.safetensors");
  put("sdxl/canny/config.json");
  put("sdxl/canny/diffusion_pytorch_model.safetensors");
  put("notes.txt");
  EXPECT_EQ(find("depth"), "depth.safetensors");
  EXPECT_EQ(find("depth.safetensors"), "depth.safetensors");
  EXPECT_EQ(find("canny"), "sdxl/canny");
  std::ofstream(folder_ / "sdxl/canny/config.json") << R"({"_class_name": "ControlNetModel"})";
  put("vae/config.json");
  EXPECT_EQ(control_names(std::vector{folder_ / "nowhere", folder_, folder_ / "sdxl"}),
            (std::vector<std::string>{"canny", "depth"}));
  testing::expect_error(ErrorKind::kMissing, "have none of that name, did you mean canny?",
                        [&] { find("cany"); });
  testing::expect_error(ErrorKind::kMissing, "have none of that name",
                        [&] { find("diffusion_pytorch_model"); });
  put("more/depth.ckpt");
  testing::expect_error(ErrorKind::kArgument,
                        "two have that name, depth.safetensors and more/depth.ckpt",
                        [&] { find("depth"); });
  testing::expect_error(ErrorKind::kMissing, "cannot open the ControlNet ./none: it does not exist",
                        [&] { find("./none"); });
  testing::expect_error(ErrorKind::kMissing, "--control-dir none: it is no folder",
                        [] { control_folders("none", {}, "--control-dir"); });
}

}  // namespace
}  // namespace semblance
