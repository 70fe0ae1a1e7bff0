// Folders in which LoRAs and ControlNets are looked up by name.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

namespace semblance {

/// `name` beside the base model, and semblance/`name` in XDG_DATA_HOME or ~/.local/share.
std::vector<std::filesystem::path> default_folders(const std::filesystem::path& base,
                                                   std::string_view name);

/// `given`, or if it is the root of an installation of AUTOMATIC1111's web UI the folder `inside`
/// it. Throws Error(kMissing) if it is no folder; `flag` and `files` ("LoRA files") are for the
/// message.
std::filesystem::path given_folder(const std::filesystem::path& given, std::string_view inside,
                                   std::string_view flag, std::string_view files);

/// The files and folders in `folder`, and in folders inside it, that are models, in order. Folders
/// that are models are not searched; nor are very deep ones, and the search ends after very many.
std::vector<std::filesystem::path> models_under(
    const std::filesystem::path& folder,
    const std::function<bool(const std::filesystem::directory_entry&)>& is_model);

/// Whether a name that the service gets can only mean something in its folders.
bool is_plain_name(std::string_view name);

}  // namespace semblance
