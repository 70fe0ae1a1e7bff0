// A model whose base is one file, or some of whose parts come from files or folders of their own
// (--unet, --vae, --text-encoders).
//
// A file has no config: sizes come from its tensors. What no tensor determines (the number of
// heads, say) comes from the config of the base's part if the base is a folder; else it is SDXL's.
// A file has no tokenizer either: CLIP's vocabulary is built in.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "pipeline/model_source.h"
#include "weights/single_file.h"

namespace semblance {

class AssembledModel : public ModelSource {
 public:
  /// `others` provides what no file or folder here has. Reads the files' headers. Throws
  /// Error(kMissing) for a path that does not exist; Error(kArgument) for a file that is something
  /// else, saying what it is and which flag takes it; Error(kMissing) for a base of one file
  /// without VAE or text encoders, unless they are given or assumed; and what SingleFile::open()
  /// throws.
  AssembledModel(const ModelPaths& paths, std::unique_ptr<const ModelSource> others);

  Json config(std::string_view component) const override;
  WeightMap weights(std::string_view component) const override;
  std::optional<Tokenizer> tokenizer(int encoder) const override;
  std::filesystem::path place(std::string_view component) const override;
  std::vector<std::filesystem::path> settings(std::string_view component) const override;
  bool is_whole() const override { return others_->is_whole(); }

  /// Of the parts that only a checkpoint of one file can lack, the flags that give those which it
  /// lacks: "--vae", "--text-encoders".
  std::vector<std::string> lacking() const;

 private:
  /// Of a component: in a file, or a folder with config.json.
  struct Part {
    std::shared_ptr<const SingleFile> file;
    std::filesystem::path folder;
  };

  const Part* find(std::string_view component) const;
  void take(const std::shared_ptr<const SingleFile>& file, std::string_view component);
  void take_vae(const std::filesystem::path& path);
  void take_text_encoders(const std::filesystem::path& path);
  void check_complete() const;
  std::optional<std::int64_t> pooled_channels() const;
  Json scheduler() const;

  std::unique_ptr<const ModelSource> others_;
  std::shared_ptr<const SingleFile> base_;  // nullptr: a folder, or assumed
  bool borrows_settings_ = false;           // from a base that is a folder
  std::map<std::string, Part, std::less<>> parts_;
  std::filesystem::path text_folder_;  // may have tokenizers
};

/// The source of these models: a DiffusersFolder, or an AssembledModel over one. Throws what
/// DiffusersFolder::check() and the constructor above throw.
std::unique_ptr<const ModelSource> open_source(const ModelPaths& paths);
}  // namespace semblance
