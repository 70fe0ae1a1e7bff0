#include "weights/checkpoint.h"

#include "weights/name_table.h"
#include "weights/weights_test.h"
#include "weights/writer.h"

namespace semblance {
namespace {

using testing::golden_path;

std::string golden_bytes(const std::string& name) {
  return read_small_file(golden_path("weights/" + name), 1 << 20);
}

TEST(PublishedComponent, ReadsWhatDiffusersWrites) {
  for (const char* name : {"shards", "fp16", "fp16_shards", "bin"}) {
    SCOPED_TRACE(name);
    testing::expect_golden(open_component(golden_path("weights") / name), name);
  }
}

TEST(PublishedComponent, ReadsWhatTransformersWritesAndRestoresThePrefix) {
  const WeightMap weights = open_component(golden_path("weights/text_encoder"));
  testing::expect_golden(weights, "text_encoder");
  const WeightMap published = renamed(weights, kTextEncoderNames);
  EXPECT_NE(published.find("text_model.encoder.layers.0.self_attn.q_proj.weight"), nullptr);
  EXPECT_NE(published.find("text_model.embeddings.token_embedding.weight"), nullptr);
  EXPECT_NE(published.find("text_model.final_layer_norm.bias"), nullptr);
}

TEST(Weights, ReadsAFileByItsContent) {
  EXPECT_EQ(open_weights(golden_path("weights/types.safetensors")).size(), 40U);
  EXPECT_EQ(open_weights(golden_path("weights/plain.bin")).size(), 1U);
  EXPECT_EQ(open_weights(golden_path("weights/legacy.bin")).size(), 1U);
  EXPECT_EQ(open_weights(golden_path("weights/formats/trainer_legacy.ckpt")).size(), 4U);
  const WeightFile gguf = open_weight_file(golden_path("weights/formats/blocks.gguf"));
  EXPECT_EQ(gguf.weights.size(), 13U);
  EXPECT_EQ(gguf.metadata.at("general.architecture"), "sdxl");
  EXPECT_EQ(open_weight_file(golden_path("weights/types.safetensors")).metadata.at("format"), "pt");
}

TEST(Weights, NamesOtherKindsOfFiles) {
  const auto reading = [](const std::string& bytes) {
    return [bytes] { read_weight_file(testing::file_of(bytes)); };
  };
  EXPECT_ERROR(reading("\x80\x02}q\1."),
               "corrupt: cannot read made.file: expected a safetensors, GGUF or torch file, got a "
               "pickle without torch's magic number\n  load it with a recent torch");
  EXPECT_ERROR(reading(golden_bytes("archive.tar")), "got a tar archive");
  EXPECT_ERROR(reading("version https://git-lfs.github.com/spec/v1\n"),
               "got a Git LFS pointer to it\n  fetch the file itself: git lfs pull");
  EXPECT_ERROR(reading("<!DOCTYPE html>"), "got a web page\n  download the file itself");
  EXPECT_ERROR(reading("\n <html>{"), "got a web page");
  EXPECT_ERROR(reading("<?xml version=\"1.0\"?><Error/>"),
               "got XML text\n  it may say why the download failed");
  EXPECT_ERROR(reading("{\"error\": {\"code\": 401}}"), "got JSON text");
  EXPECT_ERROR(reading("{\"err\": {\"code\": 401}}"), "got JSON text");  // a brace at byte 8
  EXPECT_ERROR(reading(std::string(8, '\x7f') + "{}"),
               "its header claims 9187201950435737471 bytes");
  EXPECT_ERROR(reading(std::string("\0\x05\x16\x07\0\x02\0\0Mac OS X", 16)),
               "got an AppleDouble file, which macOS puts beside the file itself");
  EXPECT_ERROR(reading(""), "got an empty file");
  EXPECT_ERROR(reading("hello"), "got something else");
  EXPECT_ERROR([] { open_weights("/nowhere/a.safetensors"); }, "missing: cannot open");
}

class ComponentFolder : public testing::TemporaryFolder {
 protected:
  /// Writes a safetensors file of one-element tensors with that value.
  void put_weights(const std::string& name, std::vector<std::string> tensors, float value) const {
    std::vector<TensorBytes> content;
    for (std::string& tensor : tensors) {
      content.push_back(
          {{std::move(tensor), DType::kF32, {1}}, std::as_bytes(std::span(&value, 1))});
    }
    write_safetensors(path_ / name, std::move(content));
  }
  auto opening() const {
    return [this] { open_component(path_); };
  }
  float value_of(const std::string& tensor) const {
    return testing::values_of(*open_component(path_).find(tensor)).at(0);
  }
};

TEST_F(ComponentFolder, PrefersFp16ThenSafetensors) {
  put("diffusion_pytorch_model.bin", golden_bytes("plain.bin"));
  EXPECT_EQ(value_of("a"), -3);
  put_weights("diffusion_pytorch_model.safetensors", {"a"}, 32);
  EXPECT_EQ(value_of("a"), 32);
  put_weights("diffusion_pytorch_model.fp16.safetensors", {"a"}, 16);
  EXPECT_EQ(value_of("a"), 16);
}

TEST_F(ComponentFolder, NamesTheFilesItLookedFor) {
  EXPECT_ERROR(opening(), "missing: cannot read weights from");
  EXPECT_ERROR(opening(), "looked for diffusion_pytorch_model.fp16.safetensors, ");
  EXPECT_ERROR([this] { open_component(path_ / "unet"); }, "there is no such folder");
}

TEST_F(ComponentFolder, FindsBothNamesOfAnFp16Index) {
  for (const char* name :
       {"model.safetensors.index.fp16.json", "model.fp16.safetensors.index.json"}) {
    put_weights("one.safetensors", {"a", "b"}, 1);
    put_weights("two.safetensors", {"c"}, 2);
    put(name, R"({"metadata":{"total_size":12,"x":[{}]},"weight_map":)"
              R"({"a":"one.safetensors","c":"two.safetensors","b":"one.safetensors"}})");
    EXPECT_EQ(open_component(path_).size(), 3U);
    EXPECT_EQ(value_of("c"), 2);
    std::filesystem::remove(path_ / name);
  }
}

TEST_F(ComponentFolder, RejectsABrokenIndex) {
  put_weights("one.safetensors", {"a"}, 1);
  const auto with_index = [this](const std::string& text) {
    put("model.safetensors.index.json", text);
    return opening();
  };
  const auto in_shard = [&](const std::string& shard) {
    return with_index(fmt::format(R"({{"weight_map":{{"a":"{}"}}}})", shard));
  };
  EXPECT_ERROR(in_shard("two.safetensors"), "missing: cannot read");
  EXPECT_ERROR(in_shard("two.safetensors"),
               "1 tensors are in " + (path_ / "two.safetensors").string());
  EXPECT_ERROR(in_shard("../one.safetensors"), "which is not a file name in the same folder");
  EXPECT_ERROR(in_shard(".."), "which is not a file name in the same folder");
  EXPECT_ERROR(in_shard(""), "which is not a file name in the same folder");
  EXPECT_ERROR(in_shard("/etc/passwd"), "which is not a file name in the same folder");
  EXPECT_ERROR(in_shard(R"(one\u0000)"), "which is not a file name in the same folder");
  EXPECT_ERROR(with_index(R"({"weight_map":{"b":"one.safetensors"}})"),
               "it says that b is in " + (path_ / "one.safetensors").string());
  EXPECT_ERROR(with_index(R"({"weight_map":{"a":"one.safetensors","a":"one.safetensors"}})"),
               "a occurs twice");
  EXPECT_ERROR(with_index("{}"), "it has no weight_map");
  EXPECT_ERROR(with_index("[]"), "an array is not expected here");
  EXPECT_ERROR(with_index("\"a\""), "it has no weight_map");
  EXPECT_ERROR(with_index(R"({"weight_map":"a"})"), "text instead of weight_map");
  EXPECT_ERROR(with_index(R"({"weight_map":[]})"), "an array is not expected");
  EXPECT_ERROR(with_index(R"({"weight_map":{"a":1}})"),
               "a number, true, false or null in weight_map");
  EXPECT_ERROR(with_index(R"({"weight_map":{"a":{}}})"), "an object in weight_map");
  EXPECT_ERROR(with_index(R"({"weight_map":{},"weight_map":{}})"), "it has weight_map twice");
  EXPECT_ERROR(with_index("version https://git-lfs.github.com/spec/v1\n"),
               "expected JSON, got a Git LFS pointer");
  EXPECT_ERROR(with_index("<html>"), "expected JSON, got a web page");
  EXPECT_ERROR(with_index("{"), "its JSON is broken at byte");
}

}  // namespace
}  // namespace semblance
