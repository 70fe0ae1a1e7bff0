// What the tests of this room share.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "tests/support/golden.h"
#include "text/tokenizer.h"

namespace semblance {

using Files = std::map<std::string, std::string>;

/// A folder that lives as long as the object.
class Folder {
 public:
  Folder() {
    static int number = 0;
    path_ = std::filesystem::path(::testing::TempDir()) /
            fmt::format("semblance_text_{}_{}", getpid(), number++);
    std::filesystem::create_directories(path_);
  }
  explicit Folder(const Files& files) : Folder() {
    for (const auto& [name, text] : files) {
      std::filesystem::create_directories((path_ / name).parent_path());
      std::ofstream(path_ / name, std::ios::binary) << text;
    }
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// The goldens' vocabulary with one of their sets of settings.
inline Tokenizer golden_tokenizer(const std::string& settings) {
  const Folder folder;
  const std::filesystem::path goldens = testing::golden_path("text");
  for (const std::filesystem::path& source : {goldens, goldens / settings}) {
    for (const auto& entry : std::filesystem::directory_iterator(source)) {
      if (entry.is_regular_file())
        std::filesystem::copy(entry.path(), folder.path() / entry.path().filename());
    }
  }
  return Tokenizer::load(folder.path());
}

}  // namespace semblance
