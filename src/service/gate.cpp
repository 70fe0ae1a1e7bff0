#include "service/gate.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

namespace semblance::service {
namespace {

constexpr std::string_view kCookie = "semblance_key";

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// An address in numbers, without brackets: no name server can be made to say it.
bool is_number_address(std::string_view name) {
  if (name.find(':') != std::string_view::npos) {
    return name.find_first_not_of("0123456789abcdef:.") == std::string_view::npos;
  }
  int dots = 0;
  std::size_t digits = 0;
  for (char c : name) {
    if (c == '.') {
      if (digits == 0) return false;
      ++dots;
      digits = 0;
    } else if (c < '0' || c > '9' || ++digits > 3) {
      return false;
    }
  }
  return dots == 3 && digits > 0;
}

/// The name of "name:port", "[::1]:port" or either alone, in lower case; nothing for another text.
std::optional<std::string> name_in(std::string_view authority) {
  std::string name;
  std::string_view rest;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return {};
    name = lower(authority.substr(1, end - 1));
    rest = authority.substr(end + 1);
    if (name.find(':') == std::string::npos || !is_number_address(name)) return {};
  } else {
    const std::size_t colon = std::min(authority.find(':'), authority.size());
    name = lower(authority.substr(0, colon));
    rest = authority.substr(colon);
    if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-_") != std::string::npos) {
      return {};
    }
    if (name.ends_with('.')) name.pop_back();  // the root, as in "localhost."
  }
  if (name.empty()) return {};
  if (!rest.empty() && (rest[0] != ':' || !is_digits(rest.substr(1)) || rest.size() > 6)) return {};
  return name;
}

bool is_loopback_name(std::string_view name) {
  return name == "localhost" || name.ends_with(".localhost") || name == "::1" ||
         (name.starts_with("127.") && is_number_address(name));
}

bool is_any_address(std::string_view address) { return address == "0.0.0.0" || address == "::"; }

/// "scheme://authority" in lower case and without the scheme's own port; nothing for another text.
std::optional<std::pair<std::string, std::string>> split_origin(std::string_view origin) {
  const std::size_t colon = origin.find("://");
  if (colon == std::string_view::npos) return {};
  const std::string scheme = lower(origin.substr(0, colon));
  std::string authority = lower(origin.substr(colon + 3));
  if (!name_in(authority)) return {};
  const std::string_view own_port = scheme == "http" ? ":80" : scheme == "https" ? ":443" : "";
  if (!own_port.empty() && authority.ends_with(own_port)) {
    authority.resize(authority.size() - own_port.size());
  }
  return std::pair{scheme, authority};
}

std::string hex(std::string_view text) {
  std::string result;
  for (char c : text) result += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return result;
}

/// The cookie's value, "" where it is not there.
std::string_view cookie_in(std::string_view header) {
  while (!header.empty()) {
    const std::size_t end = std::min(header.find(';'), header.size());
    std::string_view pair = header.substr(0, end);
    header.remove_prefix(std::min(end + 1, header.size()));
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    if (pair.starts_with(kCookie) && pair.substr(kCookie.size()).starts_with('=')) {
      return pair.substr(kCookie.size() + 1);
    }
  }
  return {};
}

/// The key of "Bearer KEY"; "" for anything else.
std::string_view bearer_in(std::string_view header) {
  constexpr std::string_view kScheme = "bearer ";
  if (lower(header.substr(0, kScheme.size())) != kScheme) return {};
  header.remove_prefix(kScheme.size());
  while (header.starts_with(' ')) header.remove_prefix(1);
  return header;
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

}  // namespace

bool same_secret(std::string_view given, std::string_view secret) {
  // Every byte given is looked at, against the secret taken round and round.
  unsigned differences = given.size() == secret.size() ? 0 : 1;
  if (secret.empty()) return given.empty();
  for (std::size_t i = 0; i < given.size(); ++i) {
    differences |= static_cast<unsigned char>(given[i]) ^
                   static_cast<unsigned char>(secret[i % secret.size()]);
  }
  return differences == 0;
}

Gate::Gate(GateOptions options) : options_(std::move(options)) {
  for (std::string& host : options_.hosts) {
    const auto name = name_in(host);
    if (!name || host.find(':') != std::string::npos) {
      fail(ErrorKind::kArgument,
           "cannot allow the host {}: a host is a name without scheme, port and path, as in "
           "semblance.example",
           host);
    }
    host = *name;
  }
  for (std::string& origin : options_.origins) {
    const auto parts = split_origin(origin);
    if (!parts || (parts->first != "http" && parts->first != "https")) {
      fail(ErrorKind::kArgument,
           "cannot allow the origin {}: an origin is a scheme and a host and nothing behind them, "
           "as in https://app.example:8443",
           origin);
    }
    origin = parts->first + "://" + parts->second;
  }
  const bool is_visible = std::all_of(options_.key.begin(), options_.key.end(),
                                      [](char c) { return c > 0x20 && c < 0x7F; });
  if (options_.key.size() > 512 || !is_visible) {
    fail(ErrorKind::kArgument,
         "cannot take the key: it must be 1 to 512 visible ASCII characters without blanks, got {} "
         "characters",
         options_.key.size());
  }
}

bool Gate::allows_host(std::string_view host) const {
  const auto name = name_in(host);
  if (!name) return false;
  if (is_loopback_name(*name) || *name == options_.listen_address) return true;
  // Listening everywhere, it is reached by addresses that it does not know.
  if (is_any_address(options_.listen_address) && is_number_address(*name)) return true;
  return std::find(options_.hosts.begin(), options_.hosts.end(), *name) != options_.hosts.end();
}

bool Gate::allows_origin(std::string_view origin) const {
  const auto parts = split_origin(origin);
  if (!parts) return false;
  const std::string text = parts->first + "://" + parts->second;
  return std::find(options_.origins.begin(), options_.origins.end(), text) !=
         options_.origins.end();
}

bool Gate::has_valid_key(const HttpRequest& request) const {
  const std::string_view bearer = bearer_in(request.header("authorization"));
  if (!bearer.empty() && same_secret(bearer, options_.key)) return true;
  const std::string_view cookie = cookie_in(request.header("cookie"));
  return !cookie.empty() && same_secret(cookie, hex(options_.key));
}

std::optional<HttpResponse> Gate::refuse(const HttpRequest& request, bool open) const {
  const std::string_view host = request.header("host");
  if (!allows_host(host)) {
    return error_response(403, "forbidden",
                          fmt::format("cannot answer for the host \"{}\": it is not a name of this "
                                      "service; name it with --host to allow it",
                                      host.substr(0, 200)));
  }
  const std::string_view origin = request.header("origin");
  if (!origin.empty()) {
    const auto parts = split_origin(origin);
    const std::string scheme = parts ? parts->first : "";
    const auto own = split_origin(scheme + "://" + std::string(host));
    const bool is_own = parts && own && *parts == *own && (scheme == "http" || scheme == "https");
    if (!is_own && !allows_origin(origin)) {
      return error_response(403, "forbidden",
                            fmt::format("cannot answer a page of {}: other origins may ask only "
                                        "where they were named with --cors-origin",
                                        origin.substr(0, 200)));
    }
  } else {
    // Without an Origin only a link may come from elsewhere, and only to what anyone may see.
    const std::string_view site = request.header("sec-fetch-site");
    const bool is_elsewhere = site == "cross-site" || site == "same-site";
    const bool is_link = open && request.method == "GET" &&
                         request.header("sec-fetch-mode") == "navigate" &&
                         request.header("sec-fetch-dest") == "document";
    if (is_elsewhere && !is_link) {
      return error_response(403, "forbidden",
                            "cannot answer a page of another site: open this service's own page, "
                            "or name the other's origin with --cors-origin");
    }
  }
  if (!open && has_key() && !has_valid_key(request)) {
    HttpResponse response = error_response(
        401, "unauthorized",
        "cannot answer without the key: send the header \"Authorization: Bearer KEY\", or log in "
        "on the page");
    response.headers["WWW-Authenticate"] = "Bearer";
    return response;
  }
  return {};
}

void Gate::add_cors_headers(const HttpRequest& request, HttpResponse& response) const {
  if (options_.origins.empty()) return;
  response.headers["Vary"] = "Origin";
  const std::string_view origin = request.header("origin");
  if (origin.empty() || !allows_origin(origin)) return;
  response.headers["Access-Control-Allow-Origin"] = origin;
  response.headers["Access-Control-Expose-Headers"] = "Retry-After, Content-Disposition, Location";
}

HttpResponse Gate::answer_options(const HttpRequest& request,
                                  const std::vector<std::string>& methods) const {
  HttpResponse response;
  response.status = 204;
  response.type.clear();
  response.headers["Allow"] = joined(methods);
  if (request.header("access-control-request-method").empty() ||
      !allows_origin(request.header("origin"))) {
    return response;
  }
  response.headers["Access-Control-Allow-Methods"] = joined(methods);
  const std::string_view names = request.header("access-control-request-headers");
  if (!names.empty()) response.headers["Access-Control-Allow-Headers"] = names;
  if (request.header("access-control-request-private-network") == "true") {
    response.headers["Access-Control-Allow-Private-Network"] = "true";
  }
  response.headers["Access-Control-Max-Age"] = "600";
  return response;
}

HttpResponse Gate::login(const HttpRequest& request) const {
  HttpResponse response;
  response.status = 204;
  response.type.clear();
  if (!has_key()) return response;
  const auto body = nlohmann::json::parse(request.body, nullptr, false);
  if (!body.is_object() || !body.contains("key") || !body["key"].is_string()) {
    return error_response(400, "argument",
                          "cannot log in: the body must be JSON as in {\"key\": \"...\"}", "key");
  }
  if (!same_secret(body["key"].get_ref<const std::string&>(), options_.key)) {
    return error_response(401, "unauthorized", "cannot log in: this is not the key", "key");
  }
  response.headers["Set-Cookie"] = fmt::format(
      "{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000", kCookie, hex(options_.key));
  return response;
}

}  // namespace semblance::service
