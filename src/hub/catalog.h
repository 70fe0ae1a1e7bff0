// Models with a short name, and licences.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/digest.h"
#include "hub/repository.h"

namespace semblance {

/// An argument of `semblance models pull`: a repository, a file in one, or the face models.
struct ModelName {
  std::optional<Repository> repository = {};  // nullopt: the face models
  std::string file = {};                      // in the repository; empty: the model's own files

  /// "owner/name[@revision][/FILE]" or "antelopev2".
  std::string text() const;
};

/// Parses "sdxl", "instantid", "antelopev2", "lcm", "owner/name[@revision][/FILE]", or the URL of a
/// model or file on the hub, whose address is `endpoint`. Throws Error(kArgument) that lists them.
ModelName parse_model_name(const std::string& text, std::string_view endpoint = {});

/// The same without URLs and the face models; nullopt for other text. FILE must end like a weight
/// file.
std::optional<ModelName> find_model(std::string_view text);

const Repository& instantid_repository();
const Repository& sdxl_repository();
/// "lcm": the LCM-LoRA for SDXL.
const ModelName& lcm_lora();

/// The shortest name for `semblance models pull`: "sdxl", "owner/name".
std::string pull_name(const ModelName& model);

/// The licence text shown before a model's first download. `named`: the licence named by the hub,
/// or empty; `page`: URL of the model's page.
std::string licence_text(const ModelName& model, const std::string& named, const std::string& page);

/// insightface's pack of face models, published as a zip.
struct FacePack {
  struct Member {
    std::string name;  // in any folder of the zip
    std::string sha256;
  };
  std::string name;
  std::string path;  // on its server
  std::uint64_t bytes = 0;
  std::string sha256;
  std::uint64_t unpacked_bytes = 0;  // of all members, approximately
  std::vector<Member> members;
};
const FacePack& antelopev2();

}  // namespace semblance
