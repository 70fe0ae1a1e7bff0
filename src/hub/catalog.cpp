#include "hub/catalog.h"

#include "core/closest.h"
#include "core/error.h"
#include "core/percent.h"
#include "weights/checkpoint.h"

namespace semblance {

const Repository& instantid_repository() {
  static const Repository repository{"InstantX", "InstantID"};
  return repository;
}

const Repository& sdxl_repository() {
  static const Repository repository{"stabilityai", "stable-diffusion-xl-base-1.0"};
  return repository;
}

const ModelName& lcm_lora() {
  static const ModelName name{Repository{"latent-consistency", "lcm-lora-sdxl"},
                              "pytorch_lora_weights.safetensors"};
  return name;
}

std::string ModelName::text() const {
  if (!repository) return "antelopev2";
  return repository->text() + (file.empty() ? "" : '/' + file);
}

namespace {

std::optional<Repository> find_repository(std::string_view text) {
  if (text == "sdxl") return sdxl_repository();
  if (text == "instantid") return instantid_repository();
  return parse_repository(text);
}

/// What follows `count` parts of a path.
std::string_view after_parts(std::string_view path, int count) {
  std::size_t at = 0;
  for (int i = 0; i < count; ++i) {
    at = path.find('/', at);
    if (at == std::string_view::npos) return {};
    ++at;
  }
  return path.substr(at);
}

/// A page of the hub: owner/name, owner/name/resolve/REVISION/FILE, owner/name/blob/REVISION/FILE.
std::optional<ModelName> find_page(std::string_view path) {
  path = path.substr(0, path.find_first_of("?#"));
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::string_view route = after_parts(path, 2);
  const std::string_view id = route.empty() ? path : path.substr(0, path.size() - route.size() - 1);
  ModelName name{.repository = parse_repository(id)};
  if (!name.repository || name.repository->revision != "main") return std::nullopt;
  if (route.empty()) return name;
  const std::string_view kind = route.substr(0, route.find('/'));
  const std::string_view rest = after_parts(route, 1);
  if (kind != "resolve" && kind != "blob" && kind != "tree") return std::nullopt;
  const std::optional<std::string> file = percent_decoded(after_parts(rest, 1));
  if (!file) return std::nullopt;
  name.file = *file;
  name.repository = parse_repository(fmt::format("{}@{}", id, rest.substr(0, rest.find('/'))));
  const bool is_file = is_safe_path(name.file) && has_weight_extension(name.file);
  return name.repository && (is_file || name.file.empty()) ? std::optional(name) : std::nullopt;
}

}  // namespace

std::optional<ModelName> find_model(std::string_view text) {
  if (text == "lcm") return lcm_lora();
  const std::string_view file = after_parts(text, 2);
  if (file.empty()) {
    auto repository = find_repository(text);
    return repository ? std::optional(ModelName{std::move(repository), {}}) : std::nullopt;
  }
  auto repository = parse_repository(text.substr(0, text.size() - file.size() - 1));
  if (!repository || !is_safe_path(file) || !has_weight_extension(file)) return std::nullopt;
  return ModelName{std::move(repository), std::string(file)};
}

ModelName parse_model_name(const std::string& text, std::string_view endpoint) {
  constexpr std::string_view kHubs[] = {"https://huggingface.co/", "https://hf.co/"};
  if (text == "antelopev2") return {};
  if (auto model = find_model(text)) return std::move(*model);
  const std::string own = fmt::format("{}/", endpoint);
  for (const std::string_view hub : {kHubs[0], kHubs[1], std::string_view(own)}) {
    if (hub.size() == 1 || !text.starts_with(hub)) continue;
    if (auto model = find_page(std::string_view(text).substr(hub.size()))) return std::move(*model);
  }
  constexpr std::string_view kNames[] = {"sdxl", "instantid", "antelopev2", "lcm"};
  fail(ErrorKind::kArgument,
       "unknown model '{}'{}\n  expected sdxl, instantid, antelopev2, lcm, owner/name of an SDXL "
       "model on the hub, owner/name/FILE.safetensors, or the URL of one of these",
       text, did_you_mean(text, kNames));
}

std::string pull_name(const ModelName& model) {
  if (model.text() == lcm_lora().text()) return "lcm";
  if (!model.repository || !model.file.empty()) return model.text();
  if (*model.repository == sdxl_repository()) return "sdxl";
  if (*model.repository == instantid_repository()) return "instantid";
  return model.text();
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
