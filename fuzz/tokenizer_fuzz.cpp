// links: semblance_text
// Feeds the tokenizer. If the first byte is even, the rest is a prompt for a small vocabulary. If
// it is odd, the rest is vocab.json, merges.txt, tokenizer_config.json and a prompt, separated by
// 0xff bytes.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "core/error.h"
#include "text/prompt.h"
#include "text/tokenizer.h"

namespace {

namespace fs = std::filesystem;
using semblance::Tokenizer;

const fs::path& folder() {
  static const fs::path kFolder = [] {
    const fs::path path =
        fs::temp_directory_path() / ("semblance_tokenizer_fuzz_" + std::to_string(getpid()));
    fs::create_directories(path);
    return path;
  }();
  return kFolder;
}

void write(const char* name, std::string_view text) {
  std::ofstream(folder() / name, std::ios::binary | std::ios::trunc) << text;
}

void use(const Tokenizer& tokenizer, std::string_view prompt) {
  static_cast<void>(semblance::uses_prompt_weights(prompt));
  const auto encoded = tokenizer.encode(prompt, 77);
  if (encoded.ids.size() != 77) __builtin_trap();
  for (const std::int32_t id : encoded.ids) {
    if (id < 0 || id >= tokenizer.size()) __builtin_trap();
  }
}

const Tokenizer& golden_tokenizer() {
  static const Tokenizer kTokenizer = [] {
    const fs::path goldens = fs::path(SEMBLANCE_SOURCE_DIR) / "tests" / "goldens" / "text";
    const fs::path copy = folder() / "golden";
    fs::create_directories(copy);
    for (const fs::path& source : {goldens / "vocab.json", goldens / "merges.txt",
                                   goldens / "second" / "tokenizer_config.json"}) {
      fs::copy_file(source, copy / source.filename(), fs::copy_options::overwrite_existing);
    }
    return Tokenizer::load(copy);
  }();
  return kTokenizer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    if (data[0] % 2 == 0) {
      use(golden_tokenizer(), rest);
      return 0;
    }
    for (const char* name : {"vocab.json", "merges.txt", "tokenizer_config.json"}) {
      const std::size_t end = std::min(rest.find('\xff'), rest.size());
      write(name, rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    use(Tokenizer::load(folder()), rest);
  } catch (const semblance::Error& error) {
    if (error.kind() == semblance::ErrorKind::kInternal) __builtin_trap();
  }
  return 0;
}
