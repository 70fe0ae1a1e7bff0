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

/// An argument of `semblance models pull`: a repository, or the face models.
struct ModelName {
  std::optional<Repository> repository;  // nullopt: the face models
  std::string text() const { return repository ? repository->text() : "antelopev2"; }
};

/// Parses "sdxl", "instantid", "antelopev2" or "owner/name[@revision]". Throws Error(kArgument)
/// that lists them.
ModelName parse_model_name(const std::string& text);

/// The repository for a short name or for "owner/name[@revision]"; otherwise nullopt.
std::optional<Repository> find_repository(std::string_view text);

const Repository& instantid_repository();
const Repository& sdxl_repository();

/// The shortest name for `semblance models pull`: "sdxl", "owner/name".
std::string pull_name(const Repository& repository);

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
