#include "memory/budget.h"

#include <gtest/gtest.h>

#include "memory/mib_test.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

using testing::expect_error;

constexpr MachineMemory kMachine{.total_bytes = 16'000, .available_bytes = 10'000};

std::uint64_t bytes_of(std::string_view text) {
  return budget_bytes_of(parse_memory(text), kMachine);
}

TEST(Budget, ReadsBinaryAndDecimalUnits) {
  EXPECT_EQ(bytes_of("256MiB"), 256 * kMib);
  EXPECT_EQ(bytes_of("2GiB"), 2048 * kMib);
  EXPECT_EQ(bytes_of("300MB"), 300'000'000U);
  EXPECT_EQ(bytes_of("1.5GB"), 1'500'000'000U);
  EXPECT_EQ(bytes_of("1.5GiB"), 1536 * kMib);
  EXPECT_EQ(bytes_of("4096B"), 4096U);
  EXPECT_EQ(bytes_of("7kB"), 7'000U);
  EXPECT_EQ(bytes_of("7KiB"), 7'168U);
  EXPECT_EQ(bytes_of("1TiB"), kMib * kMib);
  EXPECT_EQ(bytes_of("1TB"), 1'000'000'000'000U);
  EXPECT_EQ(bytes_of("256 mib"), 256 * kMib);
  EXPECT_EQ(bytes_of("18446744073709551615B"), ~std::uint64_t{0});
}

TEST(Budget, ReadsSharesOfAvailableMemory) {
  EXPECT_EQ(bytes_of("60%"), 6'000U);
  EXPECT_EQ(bytes_of("12.5 %"), 1'250U);
  EXPECT_EQ(bytes_of("100%"), 10'000U);
  EXPECT_EQ(bytes_of("auto"), 8'000U);
  EXPECT_EQ(bytes_of("Auto"), 8'000U);
  EXPECT_EQ(budget_bytes_of({}, kMachine), 8'000U);
}

TEST(Budget, AGroupsRoomCountsIfItIsLess) {
  MachineMemory machine = kMachine;
  machine.group = GroupMemory{.limit_bytes = 5'000, .room_bytes = 1'000};
  EXPECT_EQ(budget_bytes_of(parse_memory("auto"), machine), 800U);
  EXPECT_EQ(budget_bytes_of(parse_memory("1GiB"), machine), 1024 * kMib);
  machine.group->room_bytes = 50'000;
  EXPECT_EQ(budget_bytes_of(parse_memory("auto"), machine), 8'000U);
}

TEST(Budget, RejectsInvalidAmounts) {
  const auto refuses = [](const std::string& text, const std::string& part) {
    const std::string got =
        expect_error(ErrorKind::kArgument, part, [&] { parse_memory(text, "--memory"); });
    EXPECT_NE(got.find("--memory: "), std::string::npos) << got;
    EXPECT_NE(got.find("units are B, KiB, MiB"), std::string::npos) << got;
  };
  refuses("", "expected an amount of memory such as 256MiB, 2GiB, 1.5GB, 60% or auto, got ''");
  refuses("0", "expected more than 0, got '0'");
  refuses("0MiB", "expected more than 0, got '0MiB'");
  refuses("0.1B", "expected more than 0");
  refuses("-1", "an amount of memory such as 256MiB");
  refuses("-1GiB", "got '-1GiB'");
  refuses("5 bananas", "an amount of memory such as 256MiB, 2GiB, 1.5GB, 60% or auto, got '5 ban");
  refuses("200%", "a share above 0% and at most 100% of the available memory, got '200%'");
  refuses("0%", "a share above 0%");
  refuses("-5%", "got '-5%'");
  refuses("256", "expected a unit after the number, as in 256MiB, got '256'");
  refuses("20000000TiB", "less than 16 EiB");
  refuses("18446744073709551616B", "less than 16 EiB");
  refuses("99999999999999999999.5GB", "less than 16 EiB");
  refuses("1.2.3GB", "an amount of memory");
  refuses("1,5GB", "an amount of memory");
  refuses("1e3MiB", "an amount of memory");
  refuses(".", "an amount of memory");
  refuses("nan%", "an amount of memory");
  refuses("MiB", "an amount of memory");
  refuses("2GiB2", "an amount of memory");
  refuses("all", "an amount of memory");
  refuses(std::string(5000, '9') + "GiB", "9...'\n");
}

TEST(Budget, PrintsWholeMebibytesRoundedUp) {
  EXPECT_EQ(bytes_text(256 * kMib), "256 MiB");
  EXPECT_EQ(bytes_text(256 * kMib + 1), "257 MiB");
  EXPECT_EQ(bytes_text(0), "0 MiB");
  EXPECT_EQ(bytes_text(~std::uint64_t{0}), "17592186044416 MiB");
  EXPECT_EQ(gib_text(1536 * kMib), "1.50 GiB");
  const std::uint64_t odd = 230 * kMib + 17;
  EXPECT_GE(bytes_of(bytes_flag(odd)), odd);
}

}  // namespace
}  // namespace semblance
