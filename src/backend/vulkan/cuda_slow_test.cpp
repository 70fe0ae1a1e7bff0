// The shaders are CUDA, too (shaders/prelude.cuh): NVIDIA's compiler makes code for its chips of
// all of them. Nothing is run. Skipped where nvcc is not installed.
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "backend/backends.h"
#include "backend/vulkan/sdxl_kernels_test.h"
#include "backend/vulkan/shaders.h"
#include "backend/vulkan/vulkan.h"
#include "device/vulkan_device.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

const fs::path kShaders = fs::path(SEMBLANCE_SOURCE_DIR) / "src/backend/vulkan/shaders";

std::string read(const fs::path& path) { return read_small_file(path, 64 << 20); }

/// A compiled shader, and the constants with which it runs.
struct Pipeline {
  std::string shader;
  std::vector<std::uint32_t> constants;
  auto operator<=>(const Pipeline&) const = default;
};

VulkanFacts facts_of_nvidia() {
  VulkanFacts facts;
  facts.largest_binding_bytes = std::uint64_t{1} << 30;
  facts.most_groups = {65535, 65535, 65535};
  facts.most_group_size = 1024;
  facts.shared_bytes = 49152;
  facts.has_16_bit_storage = true;
  facts.has_f16 = true;
  facts.subgroup_size = 32;
  facts.subgroup_sizes = {32};
  facts.matrices = {{16, 16, 16}};
  return facts;
}

/// Those that SDXL's layers launch on an NVIDIA card, and every other shader with its defaults.
std::set<Pipeline> all_kernels() {
  std::set<Pipeline> kernels;
  std::set<std::string> seen;
  const VulkanDevice device(facts_of_nvidia());
  const std::unique_ptr<const Backend> backend = vulkan_backend(device);
  std::string refusals;
  for (const KernelEntry& entry : backend->kernels()) {
    for (DType dtype : {DType::kF32, DType::kF16}) {
      for (const auto& [line, run] : testing::sdxl_runs(*backend, entry, dtype, refusals)) {
        KernelPlaces places;
        places.src.resize(static_cast<std::size_t>(run->node().src_count()));
        places.scratch.bytes = run->kernel().scratch_bytes();
        const auto& kernel = dynamic_cast<const VulkanKernel&>(run->kernel());
        for (const Dispatch& dispatch : kernel.dispatches(places)) {
          kernels.insert({std::string(dispatch.shader->name), dispatch.constants});
          seen.emplace(dispatch.shader->name);
        }
      }
    }
  }
  for (const Shader& shader : vulkan::shaders()) {
    if (!seen.contains(std::string(shader.name))) kernels.insert({std::string(shader.name), {}});
  }
  return kernels;
}

/// A source's text without what only GLSL needs.
std::string text_of(const std::string& source) {
  std::istringstream lines(read(kShaders / (source + ".comp")));
  std::string text = fmt::format("#line 1 \"{}.comp\"\n", source);
  for (std::string line; std::getline(lines, line);) {
    const bool is_for_glsl = line.starts_with("#version") || line.starts_with("#extension");
    text += (is_for_glsl ? "" : line) + "\n";
  }
  return text;
}

/// The kernel in CUDA. `words` is the shader's line: name, source, macros.
std::string cuda_of(const Pipeline& kernel, std::istringstream& words, std::size_t number) {
  std::string name, source, text;
  words >> name >> source;
  for (const char* macro : {"HALF", "Y_HALF", "CONV", "WORD", "CONSTANTS", "STORED", "STORED4",
                            "Y_STORED", "Y_STORED4", "MOVED"})
    text += fmt::format("#undef {}\n", macro);
  for (std::string macro; words >> macro;) {
    macro.replace(macro.find('='), 1, " ");
    text += "#define " + macro + "\n";
  }
  text += fmt::format("#define CONSTANTS {}\n", fmt::join(kernel.constants, ", "));
  text += fmt::format("struct {0}_{1} {{\nCONSTANT(0, uint, THREADS, 64);\n", name, number);
  text += text_of(source);
  return text + fmt::format(
                    "}};\nextern \"C\" __global__ void __launch_bounds__({0}_{1}::THREADS) "
                    "run_{0}_{1}({0}_{1} kernel) {{ kernel.main(); }}\n",
                    name, number);
}

std::string cuda_of(const std::set<Pipeline>& kernels) {
  std::map<std::string, std::string> lines;  // by the shader's name
  for (const char* list : {"variants.txt", "prebuilt.txt"}) {
    for (const std::string& line : case_lines(read(kShaders / list)))
      lines[line.substr(0, line.find(' '))] = line;
  }
  std::string text = "#include \"prelude.cuh\"\n";
  std::size_t number = 0;
  for (const Pipeline& kernel : kernels) {
    std::istringstream words(lines.at(kernel.shader));
    text += cuda_of(kernel, words, number++);
  }
  return text;
}

/// What nvcc makes of a text.
struct Compiled {
  bool succeeded = false;
  std::string messages;
  std::string assembly;  // PTX
  int entries = 0;
  int spilling = 0;  // entries with numbers in memory that have no room in registers
};

bool is_there(const std::string& command) {
  return std::system(("(" + command + ") >/dev/null 2>&1").c_str()) == 0;
}

/// Compiles once for the oldest chip's instructions, from which code for all chips is made.
Compiled compile(const std::string& text, const std::vector<std::string>& chips) {
  const fs::path folder =
      fs::path(::testing::TempDir()) / fmt::format("semblance_cuda_{}", ::getpid());
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::ofstream(folder / "all.cu") << text;
  Compiled compiled;
  // 128: constants leave some loops without turns.
  compiled.succeeded = is_there(fmt::format(
      "cd '{}' && nvcc -std=c++20 -fatbin -gencode 'arch=compute_{},code=[sm_{}]' -I '{}' "
      "-Xptxas -v -Werror all-warnings -diag-suppress 128 --keep all.cu >log 2>&1",
      folder.string(), chips.front(), fmt::join(chips, ",sm_"), kShaders.string()));
  compiled.messages = read(folder / "log");
  if (compiled.succeeded) compiled.assembly = read(folder / "all.ptx");
  const std::regex entry(R"((\d+) bytes stack frame, (\d+) bytes spill stores)");
  for (std::sregex_iterator i(compiled.messages.begin(), compiled.messages.end(), entry), end;
       i != end; ++i) {
    ++compiled.entries;
    if ((*i)[1] != "0" || (*i)[2] != "0") ++compiled.spilling;
  }
  fs::remove_all(folder);
  return compiled;
}

bool uses_doubles(const Compiled& compiled) {
  return compiled.assembly.find(".f64") != std::string::npos;
}

class CudaKernels : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!is_there("nvcc --version")) GTEST_SKIP() << "nvcc, NVIDIA's compiler, is not installed";
    for (const char* chip : {"75", "80", "86", "89", "90", "120"}) {
      if (is_there(fmt::format("nvcc --list-gpu-arch | grep -qx compute_{}", chip)))
        chips_.emplace_back(chip);
    }
    ASSERT_FALSE(chips_.empty());
  }

  std::vector<std::string> chips_;  // that nvcc knows
};

TEST_F(CudaKernels, AreCompiled) {
  const std::set<Pipeline> kernels = all_kernels();
  const Compiled compiled = compile(cuda_of(kernels), chips_);
  ASSERT_TRUE(compiled.succeeded) << compiled.messages;
  EXPECT_EQ(compiled.entries, static_cast<int>(kernels.size() * chips_.size()));
  EXPECT_EQ(compiled.spilling, 0) << compiled.messages;
  EXPECT_FALSE(uses_doubles(compiled)) << "a number without f is a double in CUDA";
  EXPECT_NE(compiled.assembly.find("wmma.mma"), std::string::npos);
}

TEST_F(CudaKernels, AreCheckedForDoublesAndSpills) {
  const std::vector<std::string> chip{chips_.front()};
  const Compiled doubles = compile(
      "extern \"C\" __global__ void half_of(float* x) { *x = float(0.5 * *x + 0.1); }", chip);
  ASSERT_TRUE(doubles.succeeded) << doubles.messages;
  EXPECT_TRUE(uses_doubles(doubles));
  const Compiled spills = compile(
      // 200 numbers at once, of an invocation that may have 64 registers
      "extern \"C\" __global__ void __launch_bounds__(1024) reverse(volatile float* x) {\n"
      "  float values[200];\n"
      "  _Pragma(\"unroll\") for (int i = 0; i < 200; ++i) values[i] = x[i];\n"
      "  _Pragma(\"unroll\") for (int i = 0; i < 200; ++i) x[199 - i] = values[i];\n"
      "}\n",
      chip);
  ASSERT_TRUE(spills.succeeded) << spills.messages;
  EXPECT_EQ(spills.entries, 1);
  EXPECT_EQ(spills.spilling, 1) << spills.messages;
}

}  // namespace
}  // namespace semblance
