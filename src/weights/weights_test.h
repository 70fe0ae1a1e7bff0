// What the tests of this room share: files in memory, temporary folders, files that fail.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.h"
#include "memory/file.h"

namespace semblance::testing {

inline std::vector<std::byte> to_bytes(std::string_view text) {
  std::vector<std::byte> bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

inline std::shared_ptr<const File> file_of(std::string_view text) {
  return memory_file("made.file", to_bytes(text));
}

/// `value` as `bytes` bytes, little endian.
inline std::string little_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

/// A file whose device fails from byte `good_bytes` on.
class FailingFile final : public File {
 public:
  FailingFile(std::shared_ptr<const File> file, std::uint64_t good_bytes)
      : file_(std::move(file)), good_bytes_(good_bytes) {}
  const std::string& name() const override { return file_->name(); }
  std::uint64_t size() const override { return file_->size(); }
  void read(std::uint64_t offset, std::span<std::byte> dst) const override {
    if (offset + dst.size() > good_bytes_) {
      fail(ErrorKind::kDevice, "cannot read {}: Input/output error", name());
    }
    file_->read(offset, dst);
  }

 private:
  std::shared_ptr<const File> file_;
  std::uint64_t good_bytes_;
};

/// The Error's kind and text, "missing: cannot ..."; "no error" when nothing is thrown. Any other
/// exception passes through and fails the test.
std::string error_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return std::string(name_of(error.kind())) + ": " + error.what();
  }
  return "no error";
}

#define EXPECT_ERROR(action, part)                                                     \
  do {                                                                                 \
    const std::string text_of_error = ::semblance::testing::error_of(action);          \
    EXPECT_NE(text_of_error.find(part), std::string::npos) << "got " << text_of_error; \
  } while (false)

class TemporaryFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::temp_directory_path() /
            (std::string("semblance_") + test->name() + "_" + std::to_string(getpid()));
    std::filesystem::create_directories(path_);
  }
  void TearDown() override { std::filesystem::remove_all(path_); }
  void put(const std::string& name, std::string_view text) const {
    OutputFile file(path_ / name);
    file.write(text);
    file.commit();
  }
  std::filesystem::path path_;
};

}  // namespace semblance::testing
