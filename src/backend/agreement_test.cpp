// Every backend's kernels against the reference, on the shapes of tests/shapes/<op>.txt.
#include "tests/support/agreement.h"

#include "graph/fields.h"
#include "tests/support/copying_backend.h"

namespace semblance {
namespace {

std::vector<std::string_view> ops_that_run() {
  std::vector<std::string_view> names = op_names();
  std::erase(names, Reshape::kName);  // a view
  std::erase(names, Blank::kName);    // of undefined content
  return names;
}

class Agreement : public ::testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Ops, Agreement, ::testing::ValuesIn(ops_that_run()),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(Agreement, OfTheReferenceWithItself) {
  testing::expect_agreement(reference_backend(), GetParam(), testing::shapes_path(GetParam()));
}

TEST_P(Agreement, OfTheCpuInAnotherMemoryWithTheReference) {
  testing::expect_agreement(testing::copying_backend(), GetParam(),
                            testing::shapes_path(GetParam()));
}

TEST_P(Agreement, OfTheCpuWithTheReference) {
  testing::expect_agreement(cpu_backend(), GetParam(), testing::shapes_path(GetParam()));
}

}  // namespace
}  // namespace semblance
