// links: semblance_runtime
// Any names and shapes as a LoRA file give patches that fit the model's tensors and can be applied
// to any of their rows, or an Error.
//
// An input has a tensor on each line: a name, its type and its sizes ("NAME F16 8 4"), and lines
// that begin with '#' have a key and a text of the metadata. The numbers are small and finite.
#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "core/integers.h"
#include "core/parallel.h"
#include "fuzz/weights_fuzz.h"
#include "runtime/row_patcher.h"
#include "weights/lora.h"
#include "weights/lora_model_test.h"
#include "weights/safetensors.h"

namespace semblance {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 18;

std::shared_ptr<const File> file_of(const std::string& text) {
  nlohmann::json header = nlohmann::json::object();
  std::size_t end = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name, type;
    words >> name;
    if (name.starts_with('#')) {
      std::string rest;
      std::getline(words >> std::ws, rest);
      header["__metadata__"][name.substr(1)] = rest;
      continue;
    }
    words >> type;
    std::vector<std::uint64_t> shape;
    std::uint64_t count = 1;
    for (std::uint64_t size = 0; words >> size && shape.size() < 6;) {
      shape.push_back(size);
      count *= std::min<std::uint64_t>(size, kMostBytes);
      if (count > kMostBytes) return nullptr;
    }
    const std::size_t size = type == "F32" ? 4 : (type == "F64" ? 8 : 2);
    header[name] = {{"dtype", type}, {"shape", shape}, {"data_offsets", {end, end + count * size}}};
    end += count * size;
    if (end > kMostBytes) return nullptr;
  }
  const std::string json = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(json.size() >> (8 * i) & 0xff);
  bytes += json;
  bytes.append(end, '\x2c');  // about 0.07 in f16, 2e-12 in f32
  return fuzz::file_of(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

/// Rows [first, first + count) with the patches; their numbers must be finite.
std::vector<float> patched(const RowPatcher& patcher, std::int64_t first, std::int64_t count,
                           std::int64_t columns) {
  std::vector<std::byte> factors(patcher.factor_bytes()), shared(patcher.shared_bytes()),
      scratch(RowPatcher::kScratchBytes * at(threads()));
  patcher.read_factors(factors);
  patcher.expand(factors, shared, scratch);
  std::vector<float> rows(at(count * columns), 0.5F);
  patcher.apply(first, count, factors, shared, scratch, rows);
  return rows;
}

void apply(const std::vector<WeightPatch>& patches, const Shape& shape) {
  for (const WeightPatch& patch : patches) {
    if (patch.norm) patch.norm->ratio.assign(at(patch.norm->wanted.shape.elements()), 0.5F);
  }
  const RowPatcher patcher(patches, shape, {});
  const RowPatcher::Needs needs = RowPatcher::needs(patches, shape, {});
  if (needs.factor_bytes != patcher.factor_bytes() || needs.shared_bytes != patcher.shared_bytes())
    std::abort();
  const std::int64_t columns = shape.elements_from(1);
  const std::vector<float> all = patched(patcher, 0, shape[0], columns);
  if (shape[0] < 2) return;
  const RowPatcher cut(patches, shape, {{1, shape[0] - 1}});
  const std::vector<float> some = patched(cut, 0, shape[0] - 1, columns);
  const auto same_bits = [](float a, float b) { return std::memcmp(&a, &b, sizeof(a)) == 0; };
  if (!std::equal(some.begin(), some.end(), all.begin() + columns, same_bits)) std::abort();
}

}  // namespace
}  // namespace semblance

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  set_threads(1);
  static const LoraNames names = testing::small_model();
  const auto file = file_of(std::string(reinterpret_cast<const char*>(data), size));
  if (!file) return 0;
  LoraPatches patches;
  try {
    const LoraFile lora = read_lora(file);
    check_numbers(lora, {});
    add_lora(lora, names, {.unet = 0.5F, .text = -1}, patches);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInternal) std::abort();
    return 0;
  }
  for (const WeightPatches& of_part : patches) {
    for (const auto& [name, all] : of_part) {
      const Shape shape = testing::small_shape(name);
      apply(all, shape);
    }
  }
  return 0;
}
