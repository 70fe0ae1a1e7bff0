// Kernels against the reference, on the shapes of tests/shapes/<op>.txt.
#include "tests/support/agreement.h"

#include "graph/fields.h"

namespace semblance {
namespace {

std::vector<std::string_view> ops_that_run() {
  std::vector<std::string_view> names = op_names();
  std::erase(names, Reshape::kName);
  return names;
}

class Agreement : public ::testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Ops, Agreement, ::testing::ValuesIn(ops_that_run()),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(Agreement, OfTheReferenceWithItself) {
  testing::expect_agreement(reference_backend(), GetParam(), testing::shapes_path(GetParam()));
}

}  // namespace
}  // namespace semblance
