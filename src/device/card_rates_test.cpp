#include "device/card_rates.h"

#include <gtest/gtest.h>

namespace semblance {
namespace {

VulkanFacts facts_of(CardType type, bool has_matrices = false) {
  VulkanFacts facts;
  facts.type = type;
  if (has_matrices) facts.matrices = {{16, 16, 16}};
  return facts;
}

TEST(CardRates, AreAssumedByKindAndMatrices) {
  const CardRates discrete = assumed_rates(facts_of(CardType::kDiscrete));
  const CardRates integrated = assumed_rates(facts_of(CardType::kIntegrated));
  const CardRates software = assumed_rates(facts_of(CardType::kSoftware));
  EXPECT_GT(discrete.half_operations, integrated.half_operations);
  EXPECT_GT(discrete.memory, integrated.memory);
  EXPECT_GT(integrated.half_operations, software.half_operations);
  for (const CardType type : {CardType::kDiscrete, CardType::kVirtual, CardType::kIntegrated}) {
    const CardRates plain = assumed_rates(facts_of(type));
    const CardRates with_matrices = assumed_rates(facts_of(type, true));
    EXPECT_GT(with_matrices.half_operations, plain.half_operations);
    EXPECT_EQ(with_matrices.operations, plain.operations) << "matrices are of f16";
    EXPECT_EQ(with_matrices.upload, plain.upload);
  }
}

TEST(CardRates, AreThePricesOfAPlanWithTheHostsOwn) {
  MachineFacts host;
  host.f32.pack = 3e9;
  host.cached_read = 5e9;
  host.disk_read = 7e8;
  host.scratch_write = 6e8;
  host.measured_in_bytes = 9;
  const CardRates rates{
      .half_operations = 2e13, .operations = 4e12, .memory = 3e11, .upload = 1e10};
  const MachineFacts facts = assumed_facts(rates, host);
  EXPECT_TRUE(facts.is_assumed);
  EXPECT_EQ(facts.half.linear, rates.half_operations);
  EXPECT_EQ(facts.half.wide_conv, rates.half_operations);
  EXPECT_EQ(facts.f32.linear, rates.operations);
  EXPECT_LT(facts.half.short_attention, facts.half.attention);
  EXPECT_LT(facts.half.attention, facts.half.linear);
  EXPECT_LT(facts.f32.norm, rates.memory);
  EXPECT_EQ(facts.upload, rates.upload);
  EXPECT_EQ(facts.f32.pack, host.f32.pack);
  EXPECT_EQ(facts.half.pack, host.cached_read) << "f16 is copied as it lies";
  EXPECT_EQ(facts.disk_read, host.disk_read);
  EXPECT_EQ(facts.scratch_write, host.scratch_write);
  EXPECT_EQ(facts.measured_in_bytes, 0U);
}

}  // namespace
}  // namespace semblance
