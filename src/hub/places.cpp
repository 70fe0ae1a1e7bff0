#include "hub/places.h"

#include <algorithm>
#include <cstdlib>

#include "core/error.h"
#include "memory/file.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

std::string set(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_true(const char* name) {
  std::string value = set(name);
  std::transform(value.begin(), value.end(), value.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

fs::path home() {
  const std::string home = set("HOME");
  if (home.empty()) {
    fail(ErrorKind::kMissing,
         "cannot find the models' folder: HOME is not set\n  set HOME or HF_HOME");
  }
  return home;
}

/// Expands "~/x" and "$NAME/x", as the Python tools do.
fs::path expanded(std::string path) {
  if (path == "~" || path.starts_with("~/")) path = home().string() + path.substr(1);
  for (std::size_t at = path.find('$'); at != std::string::npos; at = path.find('$', at)) {
    const bool braces = at + 1 < path.size() && path[at + 1] == '{';
    const std::size_t begin = at + (braces ? 2 : 1);
    std::size_t end = begin;
    while (end < path.size() &&
           (std::isalnum(static_cast<unsigned char>(path[end])) != 0 || path[end] == '_'))
      ++end;
    const std::string name = path.substr(begin, end - begin);
    const bool whole = !name.empty() && (!braces || (end < path.size() && path[end] == '}'));
    if (!whole || std::getenv(name.c_str()) == nullptr) {
      ++at;
      continue;
    }
    const std::string value = set(name.c_str());
    path.replace(at, end + (braces ? 1 : 0) - at, value);
    at += value.size();
  }
  return path;
}

fs::path hub_home() {
  if (const std::string named = set("HF_HOME"); !named.empty()) return expanded(named);
  const std::string caches = set("XDG_CACHE_HOME");
  return (caches.empty() ? home() / ".cache" : expanded(caches)) / "huggingface";
}

fs::path hub_cache() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const std::string named = set(name); !named.empty()) return expanded(named);
  }
  return hub_home() / "hub";
}

/// The token, checked because it becomes a request header.
std::string clean_token(std::string token, const std::string& from) {
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!token.empty() && is_space(token.back())) token.pop_back();
  while (!token.empty() && is_space(token.front())) token.erase(0, 1);
  if (std::any_of(token.begin(), token.end(), [](char c) { return c <= ' ' || c > '~'; })) {
    fail(ErrorKind::kArgument, "cannot use the token in {}: expected one word of printable ASCII",
         from);
  }
  return token;
}

std::string token_of_environment() {
  if (is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return {};
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (const std::string token = clean_token(set(name), name); !token.empty()) return token;
  }
  const std::string named = set("HF_TOKEN_PATH");
  const fs::path file = named.empty() ? hub_home() / "token" : expanded(named);
  std::error_code none;
  if (!fs::is_regular_file(file, none)) return {};
  return clean_token(read_small_file(file, 4096), file.string());
}

std::string endpoint_of_environment() {
  std::string endpoint = set("HF_ENDPOINT");
  if (endpoint.empty()) return Places().endpoint;
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const std::size_t host = endpoint.find("://");
  const std::string scheme = endpoint.substr(0, host);
  const bool plain = std::all_of(endpoint.begin(), endpoint.end(), [](char c) {
    return c > ' ' && c <= '~' && c != '?' && c != '#' && c != '@';
  });
  if ((scheme != "http" && scheme != "https") || host + 3 >= endpoint.size() || !plain) {
    fail(ErrorKind::kArgument, "HF_ENDPOINT: expected http://HOST or https://HOST, got '{}'",
         endpoint);
  }
  return endpoint;
}

}  // namespace

Places places_of_environment() {
  Places places;
  places.cache = hub_cache();
  places.face_models =
      (set("HOME").empty() ? places.cache / "insightface" : home() / ".insightface") / "models";
  places.endpoint = endpoint_of_environment();
  places.token = token_of_environment();
  places.offline = is_true("HF_HUB_OFFLINE");
  return places;
}

}  // namespace semblance
