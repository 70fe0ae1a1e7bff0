// The models that have a short name, and their licences.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/digest.h"
#include "hub/repository.h"

namespace semblance {

/// What `semblance models pull` takes: a repository, or the face models.
struct ModelName {
  std::optional<Repository> repository;  // nothing: the face models
  std::string text() const { return repository ? repository->text() : "antelopev2"; }
};

/// "sdxl", "instantid", "antelopev2" or "owner/name[@revision]". Throws Error(kArgument) that lists
/// them.
ModelName parse_model_name(const std::string& text);

/// The repository that a short name stands for, and a repository's own text; nothing for others.
std::optional<Repository> find_repository(std::string_view text);

const Repository& instantid_repository();
const Repository& sdxl_repository();

/// The shortest that `semblance models pull` takes: "sdxl", "owner/name".
std::string pull_name(const Repository& repository);

/// What a person is told of a model's licence before it is downloaded for the first time. `named`:
/// the licence that the hub names, or empty; `page`: where the model's page is.
std::string licence_text(const ModelName& model, const std::string& named, const std::string& page);

/// insightface's pack of face models, published as a zip.
struct FacePack {
  struct Member {
    std::string name;  // in the zip, in whichever folder
    std::string sha256;
  };
  std::string name;
  std::string path;  // on its server
  std::uint64_t bytes = 0;
  std::string sha256;
  std::uint64_t unpacked_bytes = 0;  // of the members, about
  std::vector<Member> members;
};
const FacePack& antelopev2();

}  // namespace semblance
