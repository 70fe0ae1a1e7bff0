#include "cli/demo_model.h"

#include "cli/program_test.h"

namespace semblance::cli {
namespace {

class DemoModelPlaces : public ProgramTest {
 protected:
  fs::path put(const std::string& where) {
    fs::create_directories(folder() / where);
    write_bytes(folder() / where / "ip-adapter.bin", "");
    return folder() / where;
  }
};

TEST_F(DemoModelPlaces, AreTheSourceTreeAndTheInstallFolder) {
  const fs::path program = folder() / "build/release/semblance";
  EXPECT_FALSE(find_demo_model(program).has_value());
  const fs::path tree = put("models/demo");
  ASSERT_TRUE(find_demo_model(program).has_value());
  EXPECT_EQ(find_demo_model(program)->models.base, tree / "base");
  EXPECT_EQ(find_demo_model(program)->models.identitynet, tree / "ControlNetModel");
  EXPECT_EQ(find_demo_model(program)->face_models, tree / "face-models");

  const fs::path installed = put("usr/share/semblance/demo");
  ASSERT_TRUE(find_demo_model(folder() / "usr/bin/semblance").has_value());
  EXPECT_EQ(find_demo_model(folder() / "usr/bin/semblance")->models.adapter,
            installed / "ip-adapter.bin");
  EXPECT_FALSE(find_demo_model(folder() / "opt/local/bin/semblance").has_value());
}

}  // namespace
}  // namespace semblance::cli
