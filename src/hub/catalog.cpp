#include "hub/catalog.h"

#include "core/closest.h"
#include "core/error.h"

namespace semblance {

const Repository& instantid_repository() {
  static const Repository repository{"InstantX", "InstantID"};
  return repository;
}

const Repository& sdxl_repository() {
  static const Repository repository{"stabilityai", "stable-diffusion-xl-base-1.0"};
  return repository;
}

std::optional<Repository> find_repository(std::string_view text) {
  if (text == "sdxl") return sdxl_repository();
  if (text == "instantid") return instantid_repository();
  return parse_repository(text);
}

ModelName parse_model_name(const std::string& text) {
  if (text == "antelopev2") return {};
  if (auto repository = find_repository(text)) return {std::move(repository)};
  constexpr std::string_view kNames[] = {"sdxl", "instantid", "antelopev2"};
  fail(ErrorKind::kArgument,
       "unknown model '{}'{}\n  expected sdxl, instantid, antelopev2, or owner/name of an SDXL "
       "model on the hub",
       text, did_you_mean(text, kNames));
}

std::string pull_name(const Repository& repository) {
  if (repository == sdxl_repository()) return "sdxl";
  if (repository == instantid_repository()) return "instantid";
  return repository.text();
}

std::string licence_text(const ModelName& model, const std::string& named,
                         const std::string& page) {
  if (!model.repository) {
    return "antelopev2: insightface's face models\n"
           "  non-commercial research only: https://github.com/deepinsight/insightface";
  }
  const Repository& repository = *model.repository;
  if (repository.id() == instantid_repository().id()) {
    return fmt::format(
        "{}: InstantID's IdentityNet and face adapter\n"
        "  non-commercial research only, since they were trained with insightface's face models; "
        "the\n  published licence of the files is Apache-2.0: {}",
        repository.text(), page);
  }
  if (repository.id() == sdxl_repository().id()) {
    return fmt::format(
        "{}: Stable Diffusion XL 1.0\n"
        "  CreativeML Open RAIL++-M, which prohibits some uses: {}/blob/main/LICENSE.md",
        repository.text(), page);
  }
  return fmt::format("{}: {}: {}", repository.text(),
                     named.empty() ? "its page names no licence" : "licence " + named, page);
}

const FacePack& antelopev2() {
  // reference: docs/models.md
  static const FacePack pack{
      .name = "antelopev2",
      .path = "/deepinsight/insightface/releases/download/v0.7/antelopev2.zip",
      .bytes = 360'662'982,
      .sha256 = "8e182f14fc6e80b3bfa375b33eb6cff7ee05d8ef7633e738d1c89021dcf0c5c5",
      .unpacked_bytes = 290'000'000,
      .members = {
          {"glintr100.onnx", "4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf"},
          {"scrfd_10g_bnkps.onnx",
           "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91"}}};
  return pack;
}

}  // namespace semblance
