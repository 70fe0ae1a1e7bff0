// The flags that make a run's prompts: styles, wildcards, a file of prompts.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "app/picture_prompts.h"
#include "cli/flags.h"

namespace semblance::cli {

class PromptFlags {
 public:
  /// Declares --styles, --wildcards and --prompts.
  void declare(Flags& flags);
  /// Declares --styles and --wildcards.
  void declare_sources(Flags& flags);
  /// Their names, which a saved run makes needless.
  static std::vector<std::string> names();

  bool has_file() const { return !file_.empty(); }
  /// Reads the file of prompts, if there is one. Throws what read_prompts() throws.
  void read_file();
  /// Prompts of which pictures are made; 1 without a file.
  int count() const { return lines_.empty() ? 1 : static_cast<int>(lines_.size()); }

  /// Throws what open_prompt_sources() throws.
  PromptSources sources() const { return open_prompt_sources(styles_, wildcards_); }
  /// The requests of `images` pictures for each prompt. Throws what picture_requests() throws.
  std::vector<Request> requests(const Request& request, int images) const;

 private:
  std::filesystem::path styles_;
  std::filesystem::path wildcards_;
  std::filesystem::path file_;
  std::vector<std::string> lines_;
};

}  // namespace semblance::cli
