#include "pipeline/controls.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "models/control_union.h"
#include "models/unet.h"
#include "weights/audit.h"
#include "weights/checkpoint.h"
#include "weights/name_table.h"
#include "weights/names.h"
#include "weights/single_file.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFirstOfControl = "controlnet_cond_embedding.conv_in.weight";
constexpr std::string_view kTypeEmbedding = "task_embedding";

/// A ControlNet's files.
struct ControlFiles {
  std::string place;  // for messages
  Json config;
  WeightMap weights;
  std::vector<fs::path> settings = {};
};

[[noreturn]] void refuse_control(const std::string& place, std::string_view reason,
                                 ErrorKind kind = ErrorKind::kArgument) {
  fail(kind, "cannot use the ControlNet {}: {}\n  InstantID needs ControlNets for SDXL", place,
       reason);
}

/// The config of a file, which has none: what no tensor determines is as in the UNet.
Json config_of_file(const SingleFile& file, const UNetConfig& unet) {
  const Json inferred = file.config("controlnet", unet.pooled_channels());
  nlohmann::json all = inferred.value();
  const auto levels = static_cast<std::int64_t>(all["block_out_channels"].size());
  if (levels == unet.levels()) all["attention_head_dim"] = unet.heads;
  all["norm_num_groups"] = unet.groups;
  all["norm_eps"] = unet.eps;
  all["downsample_padding"] = unet.downsample_padding;
  all["flip_sin_to_cos"] = unet.flip_sin_to_cos;
  all["freq_shift"] = unet.freq_shift;
  all["use_linear_projection"] = unet.linear_projection;
  return Json::parse(file.name(), all.dump());
}

ControlFiles open_control_file(const fs::path& path, const UNetConfig& unet) {
  const SingleFile file = SingleFile::open(path);
  const FileIdentity& identity = file.identity();
  const bool is_other =
      identity.family != ModelFamily::kSdxl && identity.family != ModelFamily::kUnknown;
  if (identity.kind != FileKind::kControlNet || is_other)
    refuse_control(path.string(), "it is " + identity.name);
  return {path.string(), config_of_file(file, unet), file.weights("controlnet")};
}

/// By the text that it reads, a ControlNet of Stable Diffusion 1 or 2.
void check_control_family(const std::string& place, const Json& config) {
  if (config.get_string("addition_embed_type", "none") == "text_time") return;
  const nlohmann::json& all = config.value();
  const auto text = all.find("cross_attention_dim");
  const bool is_number = text != all.end() && text->is_number_integer();
  const std::int64_t channels = is_number ? text->get<std::int64_t>() : 0;
  if (channels == 768 || channels == 1024) {
    refuse_control(place, fmt::format("it is a ControlNet of Stable Diffusion {}, whose text has "
                                      "{} channels",
                                      channels == 768 ? 1 : 2, channels));
  }
}

ControlFiles open_control_folder(const fs::path& folder) {
  const std::string place = folder.string();
  const fs::path config = folder / "config.json";
  std::error_code ignored;
  if (!fs::exists(config, ignored)) {
    fail(ErrorKind::kMissing,
         "cannot open the ControlNet {}: it has no config.json\n  expected a diffusers folder of a "
         "ControlNet, or one file",
         place);
  }
  Json json = Json::load(config).expect_object();
  check_control_family(place, json);
  WeightMap weights = open_component(folder);
  if (weights.find(kFirstOfControl) == nullptr)
    refuse_control(place, fmt::format("it has no tensor {}", kFirstOfControl));
  return {place, std::move(json), renamed(weights, kControlNetNames), {config}};
}

/// The number of its types and layers, if it is a Union net.
void take_union(UNetConfig& config, const ControlFiles& files) {
  const StoredTensor* const types = files.weights.find(kTypeEmbedding);
  if (types == nullptr) return;
  constexpr std::int64_t kMostTypes = 64, kMostLayers = 64;
  if (types->shape.rank() != 2 || types->shape[0] < 1 || types->shape[0] > kMostTypes ||
      types->shape[1] != config.channels[0]) {
    fail(ErrorKind::kShape, "cannot use the ControlNet {}: {} must be [types,{}], got {}",
         files.place, kTypeEmbedding, config.channels[0], to_string(types->shape));
  }
  config.control_types = types->shape[0];
  config.union_layers = 0;
  while (config.union_layers < kMostLayers &&
         files.weights.has_under(fmt::format("transformer_layes.{}.", config.union_layers)))
    ++config.union_layers;
}

void check_control_type(const Control& control, const std::string& place) {
  const std::int64_t types = control.config.control_types;
  const auto known = std::min<std::size_t>(static_cast<std::size_t>(types), kControlTypes.size());
  const auto names = std::span(kControlTypes).first(known);
  const std::optional<int>& type = control.choice.type;
  if (type && types == 0) {
    fail(ErrorKind::kArgument,
         "cannot use the ControlNet {} with type={}: it is no Union net\n  leave out type", place,
         kControlTypes[static_cast<std::size_t>(*type)]);
  }
  if (types > 0 && (!type || *type >= types)) {
    fail(ErrorKind::kArgument,
         "cannot use the ControlNet {} {}: it is a Union net\n  add type=, one of {}", place,
         type ? fmt::format("with type={}", kControlTypes[static_cast<std::size_t>(*type)])
              : "without a type",
         fmt::join(names, ", "));
  }
}

/// Checks that it fits the UNet, before a mere tensor shape error would be reported.
void check_control_fit(const OpenedModels& models, const UNetConfig& config,
                       const std::string& place) {
  const UNetConfig& unet = models.unet;
  const auto differ = [&](std::string_view what, auto its, auto wanted) {
    if (its == wanted) return;
    refuse_control(place, fmt::format("{} {}, the UNet's {}", what, its, wanted),
                   ErrorKind::kShape);
  };
  differ("its text has channels", fmt::format("{}", config.cross_channels[0]),
         fmt::format("{}", unet.cross_channels[0]));
  differ("its levels have channels", fmt::format("{}", fmt::join(config.channels, ",")),
         fmt::format("{}", fmt::join(unet.channels, ",")));
  differ("its levels have layers", fmt::format("{}", fmt::join(config.layers, ",")),
         fmt::format("{}", fmt::join(unet.layers, ",")));
  differ("its latent has channels", config.in_channels, models.vae.latent_channels);
  differ("its added embedding has channels", config.added_channels, unet.added_channels);
}

/// The ControlNet at a small size; only the names and shapes of its weights matter.
Graph control_for_audit(const OpenedModels& models, const UNetConfig& config) {
  Graph graph;
  const Scope root(&graph, "");
  const std::int64_t side = std::int64_t{1} << config.channels.size();
  const StepInputs inputs{root.input("latent", DType::kF32, {1, side, side, config.in_channels}),
                          root.input("timestep", DType::kF32, {1}),
                          root.input("pooled", DType::kF32, {1, config.pooled_channels()}),
                          root.input("time_ids", DType::kF32, {6})};
  const Value text = root.input("text", DType::kF32, {1, 2, models.unet.cross_channels[0]});
  const Value picture = root.input("picture", DType::kF32, {1, 8 * side, 8 * side, 3});
  const Value features = conditioning_embedding(root, config, picture, DType::kF32);
  control_residuals({root, &config, features, text, 1.0F}, inputs, DType::kF32);
  return graph;
}

void audit_control(const OpenedModels& models, const UNetConfig& config,
                   const ControlFiles& files) {
  const std::vector<std::string> unread = union_unread();
  std::vector<std::string_view> ignorable(std::begin(kComputedBuffers), std::end(kComputedBuffers));
  if (config.control_types > 0) ignorable.insert(ignorable.end(), unread.begin(), unread.end());
  audit("the ControlNet " + files.place, declared_weights(control_for_audit(models, config), ""),
        files.weights, ignorable);
}

/// Opens the choices one after the other.
class ControlOpener {
 public:
  ControlOpener(const OpenedModels& models, std::span<const fs::path> folders,
                MissingControl missing)
      : models_(models), folders_(folders), missing_(missing) {
    made_.weights.merge("", models.denoiser_weights);
  }

  void open(ControlChoice choice) {
    const std::optional<fs::path> path = path_of(choice);
    const fs::path key = path ? fs::absolute(*path).lexically_normal() : fs::path(choice.model);
    const auto known = std::ranges::find(keys_, key);
    const auto number = static_cast<std::size_t>(known - keys_.begin());
    Control control{.choice = choice,
                    .config = {},
                    .prefix = fmt::format("control.{}.", number),
                    .value = fmt::format("control_{}", made_.controls.size() + 1)};
    if (known == keys_.end()) {
      configs_.push_back(path ? open_new(control, *path) : assume(choice));
      keys_.push_back(key);
    }
    control.config = configs_[number];
    if (path) {
      check_control_type(control, path->string());
      choice.model = key.string();
    }
    made_.paths.push_back(text_of(choice));
    made_.controls.push_back(std::move(control));
  }

  AppliedControls take() && {
    constexpr std::uint64_t kTensorBytes = 320;
    made_.held_bytes = kTensorBytes * made_.weights.size();
    return std::move(made_);
  }

 private:
  std::optional<fs::path> path_of(const ControlChoice& choice) const {
    try {
      return find_control(choice, folders_);
    } catch (const Error& error) {
      if (missing_ == MissingControl::kRefuse || error.kind() != ErrorKind::kMissing) throw;
      return std::nullopt;
    }
  }

  UNetConfig assume(const ControlChoice& choice) {
    made_.assumed.push_back(choice.model);
    UNetConfig config = models_.identitynet;
    if (choice.type) config.control_types = std::ssize(kControlTypes);
    return config;
  }

  UNetConfig open_new(const Control& control, const fs::path& path) {
    std::error_code ignored;
    const ControlFiles files = fs::is_directory(path, ignored)
                                   ? open_control_folder(path)
                                   : open_control_file(path, models_.unet);
    UNetConfig config = controlnet_config(files.config);
    take_union(config, files);
    check_control_fit(models_, config, files.place);
    audit_control(models_, config, files);
    made_.weights.merge(control.prefix, files.weights);
    made_.fingerprints["the ControlNet " + printable(control.choice.short_name())] =
        fingerprint_of(files.weights, files.settings);
    return config;
  }

  const OpenedModels& models_;
  std::span<const fs::path> folders_;
  MissingControl missing_;
  AppliedControls made_;
  std::vector<fs::path> keys_;  // of different models
  std::vector<UNetConfig> configs_;
};

/// Tells choices apart, and files that were replaced.
std::vector<std::string> key_of_controls(const std::vector<std::string>& choices,
                                         std::span<const fs::path> folders,
                                         MissingControl missing) {
  std::vector<std::string> key;
  for (const std::string& text : choices) {
    ControlChoice choice = parse_control(text);
    choice.image.clear();
    fs::path path;
    try {
      path = find_control(choice, folders);
    } catch (const Error&) {
      if (missing == MissingControl::kRefuse) throw;
    }
    std::error_code ignored;
    const bool is_folder = fs::is_directory(path, ignored);
    const fs::path told = is_folder ? path / "config.json" : path;
    const auto size = fs::file_size(told, ignored);
    const auto time = fs::last_write_time(path, ignored).time_since_epoch().count();
    key.push_back(fmt::format("{} {} {} {}", text_of(choice), path.string(), size, time));
  }
  return key;
}

}  // namespace

AppliedControls open_controls(const OpenedModels& models, std::span<const std::string> choices,
                              std::span<const fs::path> folders, MissingControl missing) {
  ControlOpener opener(models, folders, missing);
  for (const std::string& text : choices) opener.open(parse_control(text));
  return std::move(opener).take();
}

void check_control_pictures(const Request& request, const ControlPictures& pictures) {
  const std::size_t count = pictures ? pictures->size() : 0;
  if (count != request.controls.size()) {
    fail(ErrorKind::kArgument, "cannot take {}: expected {} pictures, one for each, got {}",
         parameters::kControls.name, request.controls.size(), count);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Image& picture = (*pictures)[i];
    if (picture.size() == Size{request.width, request.height}) continue;
    fail(ErrorKind::kArgument,
         "cannot take {}: expected pictures of {}x{}, as the new picture, got {}x{}",
         parameters::kControls.name, request.width, request.height, picture.width(),
         picture.height());
  }
}

std::shared_ptr<const AppliedControls> ControlShelf::get(const OpenedModels& models,
                                                         const std::vector<std::string>& choices,
                                                         MissingControl missing) {
  if (choices.empty()) return nullptr;
  const std::lock_guard guard(mutex_);
  const std::vector<std::string> key = key_of_controls(choices, folders_, missing);
  if (kept_ && key == key_) return kept_;
  auto made =
      std::make_shared<const AppliedControls>(open_controls(models, choices, folders_, missing));
  key_ = key;
  kept_ = made;
  return kept_;
}

}  // namespace semblance
