#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <thread>
#include <vector>

#include "core/ascii.h"
#include "core/convert.h"
#include "core/error.h"
#include "core/half.h"
#include "core/library_call.h"
#include "core/parallel.h"
#include "core/percent.h"
#include "core/refusal.h"
#include "core/shape.h"
#include "core/short_text.h"

namespace semblance {
namespace {

TEST(Ascii, LowerChangesOnlyLetters) { EXPECT_EQ(lower("AZaz@[09 \xc3\x89"), "azaz@[09 \xc3\x89"); }

TEST(Percent, CodesRoundTrip) {
  EXPECT_EQ(percent_encoded("a/b-_.~c d%\xC3\xA9?"), "a/b-_.~c%20d%25%C3%A9%3F");
  EXPECT_EQ(percent_encoded(std::string(1, '\0')), "%00");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(percent_decoded(percent_encoded(all)), all);
  EXPECT_EQ(percent_decoded("%c3%A9+%2525"), "\xC3\xA9+%25") << "decoded once";
  for (const char* bad : {"%", "a%", "%4", "%4g", "%g4", "%-1", "%+1", "% 1", "%%41"})
    EXPECT_FALSE(percent_decoded(bad)) << bad;
}

TEST(Ascii, TrimmedStripsBothEnds) {
  EXPECT_EQ(trimmed(" \t a b\t"), "a b");
  EXPECT_EQ(trimmed("a\r\n"), "a\r\n");
  EXPECT_EQ(trimmed("\na\r\n", "\r\n"), "a");
  for (const char* nothing : {"", " ", "\t \t"}) EXPECT_EQ(trimmed(nothing), "");
}

TEST(ShortText, EndsBetweenCharacters) {
  EXPECT_EQ(short_text("abcdef", 6), "abcdef");
  EXPECT_EQ(short_text("abcdefg", 6), "abc...");
  EXPECT_EQ(short_text("ab\u00e9defg", 6), "ab...");
  EXPECT_EQ(short_text("\U0001f600\U0001f600", 7, "\u2026"), "\U0001f600\u2026");
  EXPECT_EQ(whole_characters("\U0001f600", 3), "");
  EXPECT_EQ(whole_characters("", 3), "");
}

// Found by the fuzzer: there is no character to end before.
TEST(ShortText, CutsBrokenUtf8Anywhere) {
  const std::string broken(20, '\xbf');
  EXPECT_EQ(whole_characters(broken, 2), broken.substr(0, 2));
  EXPECT_EQ(short_text(broken, 10), broken.substr(0, 7) + "...");
}

TEST(Half, EveryF16RoundTripsThroughF32) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = f16_to_f32(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(value))));
    } else {
      ASSERT_EQ(f32_to_f16(value), half);
    }
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(f32_to_f16(1.0F + 0x1p-11F), f32_to_f16(1.0F));  // a tie goes to even
  EXPECT_EQ(f32_to_f16(1.0F + 3 * 0x1p-11F), f32_to_f16(1.0F + 0x1p-9F));
  EXPECT_EQ(f32_to_f16(65520.0F), 0x7c00);  // rounds up to infinity
  EXPECT_EQ(f32_to_f16(0x1p-25F), 0);       // a tie at half the smallest subnormal
  EXPECT_EQ(f32_to_bf16(1.0F + 0x1p-8F), f32_to_bf16(1.0F));
}

TEST(Convert, ArraysAgreeWithSingleValuesAtEveryLength) {
  for (std::size_t count : {0U, 1U, 7U, 16U, 33U, 1000U}) {
    std::vector<std::uint16_t> src(count);
    for (std::size_t i = 0; i < count; ++i)
      src[i] = static_cast<std::uint16_t>(i * 2654435761U >> 7);
    std::vector<float> dst(count);
    const std::span<const std::byte> bytes = std::as_bytes(std::span(src));
    to_f32(DType::kF16, bytes, dst);
    for (std::size_t i = 0; i < count; ++i) {
      if (std::isnan(dst[i])) continue;
      ASSERT_EQ(dst[i], f16_to_f32(src[i])) << i;
    }
    to_f32(DType::kBF16, bytes, dst);
    std::vector<std::uint16_t> back(count);
    from_f32(dst, DType::kBF16, std::as_writable_bytes(std::span(back)));
    for (std::size_t i = 0; i < count; ++i) {
      if (std::isnan(dst[i])) continue;
      ASSERT_EQ(back[i], src[i]) << i;
    }
  }
}

TEST(Shape, RejectsInvalidSizes) {
  EXPECT_THROW(Shape({-1}), Error);
  EXPECT_THROW(Shape({1, 1, 1, 1, 1, 1, 1}), Error);
  EXPECT_THROW(Shape({std::int64_t{1} << 40, std::int64_t{1} << 40}), Error);
  EXPECT_EQ(Shape({2, 3, 4}).elements_from(1), 12);
  EXPECT_EQ(Shape({2, 3, 4}).elements_before(2), 6);
  EXPECT_EQ(Shape({2, 3, 4}).elements_before(-2), 2);
  EXPECT_EQ(Shape().elements_before(-1), 1);
  EXPECT_EQ(Shape({2, 3, 4}).place_of(-1), 2);
  EXPECT_EQ(Shape().elements(), 1);
  EXPECT_EQ(to_string(Shape({2, 3})), "[2,3]");
}

TEST(Parallel, CoversEveryIndexOnce) {
  for (std::int64_t count : {0, 1, 2, 3, 17, 1000}) {
    for (std::int64_t grain : {1, 4, 64}) {
      std::vector<int> hits(static_cast<std::size_t>(count));
      parallel_ranges(count, grain, [&](std::int64_t begin, std::int64_t end, int worker) {
        EXPECT_EQ(begin % grain, 0);
        EXPECT_LT(worker, threads());
        for (std::int64_t i = begin; i < end; ++i) ++hits[static_cast<std::size_t>(i)];
      });
      for (int hit : hits) ASSERT_EQ(hit, 1);
    }
  }
}

TEST(Error, MapsEachKindToItsOwnExitCode) {
  EXPECT_EQ(exit_code(ErrorKind::kArgument), 2);
  EXPECT_EQ(exit_code(ErrorKind::kCancelled), 130);
  EXPECT_EQ(name_of(ErrorKind::kCorrupt), "corrupt");
}

TEST(Parallel, RethrowsARangesErrorAfterAllHaveFinished) {
  const int before = threads();
  set_threads(4);
  std::atomic<int> finished = 0;
  EXPECT_THROW(parallel_for(4,
                            [&](std::int64_t i) {
                              ++finished;
                              if (i == 2) fail(ErrorKind::kDevice, "the third");
                            }),
               Error);
  EXPECT_EQ(finished, 4);
  std::atomic<int> again = 0;
  parallel_for(4, [&](std::int64_t) { ++again; });
  EXPECT_EQ(again, 4);
  set_threads(before);
}

TEST(Parallel, ThreadLimitAppliesToItsThreadAndScope) {
  const int before = threads();
  set_threads(3);
  {
    const ThreadLimit limit(2);
    EXPECT_EQ(threads(), 2);
    std::thread([] { EXPECT_EQ(threads(), 3); }).join();
  }
  EXPECT_EQ(threads(), 3);
  set_threads(before);
}

TEST(LibraryCall, FailsAfterTheReserveServedARefusal) {
  EXPECT_EQ(library_call([] { return 5; }), 5);
  bool finished = false;
  const auto refused = [&] {
    ++library_call_detail::refusals;  // as src/reserve.cpp does
    library_call([] {});              // a nested call without a refusal
    finished = true;
  };
  try {
    library_call(refused);
    ADD_FAILURE() << "no exception";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kMemory);
    EXPECT_STREQ(error.what(),
                 "the system is out of memory\n  try a smaller --size, or close other programs");
  }
  EXPECT_TRUE(finished);
  EXPECT_EQ(library_call([] { return 6; }), 6);
}

TEST(Refusal, OfAThreadNamesTheLimits) {
  struct Refused {
    explicit Refused(int) { throw std::system_error(EAGAIN, std::generic_category()); }
  };
  try {
    start_thread<Refused>("that does nothing", 0);
    ADD_FAILURE() << "no exception";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kDevice);
    const std::string text = error.what();
    EXPECT_TRUE(text.starts_with(
        "cannot start a thread that does nothing: Resource temporarily unavailable\n  raise one "
        "of the limits: "))
        << text;
    EXPECT_TRUE(text.ends_with("threads of the control group (pids.max)")) << text;
  }
  EXPECT_EQ(kind_of(ENOMEM), ErrorKind::kMemory);
  EXPECT_EQ(kind_of(EIO), ErrorKind::kDevice);
}

}  // namespace
}  // namespace semblance
