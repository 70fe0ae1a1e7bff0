// The harness itself: it must notice every way in which a kernel can be wrong.
#include <gtest/gtest-spi.h>

#include "core/half.h"
#include "runtime/host_device.h"
#include "tests/support/agreement.h"

namespace semblance {
namespace {

enum class Fault {
  kNone,
  kWrongValue,
  kOtherBitsEachRun,
  kWritesBeforeDst,
  kWritesAfterDst,
  kWritesAfterScratch,
  kReadsScratch,
  kWritesSource,
  kWritesWeight,
  kPacksBeyond,
  kPacksPartly,
  kWrongInPlace,
  kOtherBitsInParts,
  kDeclinesParts,
  kDeclinesAll,
  kDeclinesSilently,
};
Fault fault = Fault::kNone;
std::int64_t whole_outputs = 0;  // of the case under test

/// The reference's kernel with one fault.
class FaultyKernel : public HostKernel {
 public:
  FaultyKernel(const NodeView& node, std::unique_ptr<Kernel> kernel)
      : HostKernel(node),
        kernel_(static_cast<const HostKernel*>(kernel.release())),
        dst_(node.dst()) {}

  std::size_t scratch_bytes() const override { return kernel_->scratch_bytes() + 64; }
  std::int64_t pack_rows(int) const override { return 2; }
  void pack(int src, const PackRows& rows, std::span<std::byte> packed) const override {
    if (fault == Fault::kPacksPartly && rows.first > 0) return;
    kernel_->pack(src, rows, packed);
    if (fault == Fault::kPacksBeyond) packed.data()[packed.size()] = std::byte{0};
  }
  void run(const KernelCall& call) const override {
    std::byte* source = const_cast<std::byte*>(call.src[0]);
    std::byte* weight = const_cast<std::byte*>(call.src[1]);
    const bool in_place = call.src.back() == call.dst;
    kernel_->run(call);
    if (fault == Fault::kWrongValue) nudge(call.dst, 1);
    if (fault == Fault::kOtherBitsEachRun) nudge(call.dst, 1e-5F * static_cast<float>(++runs_));
    if (fault == Fault::kWritesBeforeDst) call.dst[-1] = std::byte{0};
    if (fault == Fault::kWritesAfterDst) call.dst[dst_.bytes()] = std::byte{0};
    if (fault == Fault::kWritesAfterScratch) call.scratch[scratch_bytes()] = std::byte{0};
    if (fault == Fault::kReadsScratch) std::memcpy(call.dst, call.scratch, 2);
    if (fault == Fault::kWritesSource) source[0] ^= std::byte{1};
    if (fault == Fault::kWritesWeight) weight[0] ^= std::byte{1};
    if (fault == Fault::kWrongInPlace && in_place) nudge(call.dst, 1e-5F);
    if (fault == Fault::kOtherBitsInParts && dst_.shape[-1] != whole_outputs)
      nudge(call.dst, 1e-5F);
  }

 private:
  /// Changes the first value by `by`; in bf16 by at least one bit.
  void nudge(std::byte* dst, float by) const {
    if (dst_.dtype == DType::kF32) {
      *reinterpret_cast<float*>(dst) += by;
    } else {
      auto& bits = *reinterpret_cast<std::uint16_t*>(dst);
      bits = by < 1 ? static_cast<std::uint16_t>(bits + runs_ + 1) : f32_to_bf16(100.0F);
    }
  }

  std::unique_ptr<const HostKernel> kernel_;
  TensorType dst_;
  mutable int runs_ = 0;
};

Made make_faulty(const NodeView& node, const Device& device) {
  const bool is_part = node.dst().shape[-1] != whole_outputs;
  if (fault == Fault::kDeclinesAll || (fault == Fault::kDeclinesParts && is_part))
    return decline("for the test");
  if (fault == Fault::kDeclinesSilently) return decline("");
  Made made = testing::reference_entry(Linear::kName).make(node, device);
  return accept(std::make_unique<FaultyKernel>(node, std::move(made.kernel)));
}

class FaultyBackend : public Backend {
 public:
  std::string_view name() const override { return "faulty"; }
  const Device& device() const override { return host_device(); }
  std::span<const KernelEntry> kernels() const override {
    static constexpr KernelEntry kTable[] = {{Linear::kName, "faulty_linear", make_faulty}};
    return kTable;
  }
};

/// The harness's messages about a fault, concatenated.
std::string verdict(Fault one) {
  fault = one;
  whole_outputs = 64;
  const std::filesystem::path shapes =
      std::filesystem::path(::testing::TempDir()) / "agreement_harness_shapes.txt";
  OutputFile file(shapes);
  file.write("linear f32[1,3,5] w:f32[64,5] w:f32[64] f32[1,3,64] has_residual=true\n");
  file.commit();
  ::testing::TestPartResultArray results;
  {
    ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &results);
    testing::expect_agreement(FaultyBackend(), Linear::kName, shapes);
  }
  std::filesystem::remove(shapes);
  std::string text;
  for (int i = 0; i < results.size(); ++i)
    text += std::string(results.GetTestPartResult(i).message()) + "\n";
  return text;
}

TEST(AgreementHarness, AcceptsACorrectKernel) { EXPECT_EQ(verdict(Fault::kNone), ""); }

TEST(AgreementHarness, NoticesEveryFault) {
  const std::pair<Fault, const char*> faults[] = {
      {Fault::kWrongValue, "differ by more than"},
      {Fault::kOtherBitsEachRun, "a second run: 1 of 192 differ, the first at 0"},
      {Fault::kWritesBeforeDst, "run() wrote outside dst"},
      {Fault::kWritesAfterDst, "run() wrote outside dst"},
      {Fault::kWritesAfterScratch, "run() wrote outside scratch_bytes"},
      {Fault::kReadsScratch, "differ by more than"},
      {Fault::kWritesSource, "run() wrote to source 0"},
      {Fault::kWritesWeight, "run() wrote to source 1"},
      {Fault::kPacksBeyond, "pack() wrote beyond packed_bytes"},
      {Fault::kPacksPartly, "weights packed in slices"},
      {Fault::kWrongInPlace, "in place: 1 of 192 differ"},
      {Fault::kOtherBitsInParts, "output channels"},
      {Fault::kDeclinesParts, "declined: for the test"},
      {Fault::kDeclinesAll, "faulty_linear accepts no case of"},
      {Fault::kDeclinesSilently, "declines without a reason"},
  };
  for (const auto& [one, message] : faults) {
    const std::string text = verdict(one);
    EXPECT_NE(text.find(message), std::string::npos) << message << "\nis not in\n" << text;
  }
}

}  // namespace
}  // namespace semblance
