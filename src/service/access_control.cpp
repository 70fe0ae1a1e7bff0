#include "service/access_control.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/ascii.h"
#include "service/base64.h"
#include "service/forwarded.h"
#include "service/log.h"

namespace semblance::service {
namespace {

constexpr std::string_view kCookie = "semblance_session";

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// A numeric address, without brackets: DNS rebinding cannot produce it.
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

/// The host in "name:port" or "[::1]:port", with or without port, in lower case; nothing if
/// malformed.
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
    if (name.ends_with('.')) name.pop_back();  // the DNS root, as in "localhost."
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

/// Scheme and authority of "scheme://authority", in lower case and without the scheme's default
/// port; nothing if malformed.
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

/// The cookie's value, "" if absent.
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

/// Secure if the browser uses TLS: its Origin says so, which a browser sends with every POST, or
/// the proxy does. A client that claims it only makes its own cookie safer.
std::string cookie_text(const HttpRequest& request, std::string_view token,
                        std::chrono::seconds life) {
  const bool is_tls = lower(request.header("origin")).starts_with("https://") ||
                      forwarded_in(request).scheme == "https";
  return fmt::format("{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{}", kCookie, token,
                     life.count(), is_tls ? "; Secure" : "");
}

/// The key of "Bearer KEY", or of "Basic ..." with anyone's name and the key as the password; ""
/// for anything else.
std::string key_in(std::string_view header) {
  const std::string scheme = lower(header.substr(0, header.find(' ')));
  header.remove_prefix(std::min(scheme.size(), header.size()));
  while (header.starts_with(' ')) header.remove_prefix(1);
  if (scheme == "bearer") return std::string(header);
  if (scheme != "basic") return {};
  const std::string login = from_base64(header).value_or("");
  const std::size_t colon = login.find(':');
  return colon == std::string::npos ? "" : login.substr(colon + 1);
}

/// Whether a logout's body asks to end all sessions. Throws HttpError 400.
bool wants_everywhere(const std::string& text) {
  if (text.empty()) return false;
  const auto body = nlohmann::json::parse(text, nullptr, false);
  if (!body.is_object() || (body.contains("everywhere") && !body["everywhere"].is_boolean())) {
    throw HttpError(
        400, "argument",
        "cannot log out: expected no body, or a JSON body such as {\"everywhere\": true}",
        "everywhere");
  }
  return body.value("everywhere", false);
}

/// The URL without a slash at its end, and its host's name. Throws Error(kArgument).
std::pair<std::string, std::string> public_url_of(const std::string& text) {
  const std::size_t scheme_end = text.find("://");
  const std::size_t path = scheme_end == text.npos ? text.npos : text.find('/', scheme_end + 3);
  const auto origin = split_origin(std::string_view(text).substr(0, path));
  std::string_view rest = path == text.npos ? "" : std::string_view(text).substr(path);
  const bool is_path = std::all_of(rest.begin(), rest.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("/-._~").find(c) != std::string_view::npos;
  });
  const auto host = origin ? name_in(origin->second) : std::nullopt;
  // name_in() has removed the brackets of an IPv6 address.
  const bool is_name = host && host->find(':') == host->npos;
  if (!is_name || !is_path || (origin->first != "http" && origin->first != "https")) {
    fail(ErrorKind::kArgument,
         "cannot take the public URL {}: expected http:// or https://, a host name and an optional "
         "path, such as https://semblance.example",
         text);
  }
  while (rest.ends_with('/')) rest.remove_suffix(1);
  return {fmt::format("{}://{}{}", origin->first, origin->second, rest), *host};
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

}  // namespace

void check_key(std::string_view key) {
  const bool is_visible =
      std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (key.size() >= kLeastKey && key.size() <= kMostKey && is_visible) return;
  fail(ErrorKind::kArgument,
       "cannot take the key: expected {} to {} visible ASCII characters without spaces, got {} "
       "{}\n  `head -c 24 /dev/urandom | base64` makes one",
       kLeastKey, kMostKey, key.size(), is_visible ? "characters" : "bytes with other characters");
}

AccessControl::AccessControl(AccessOptions options) : options_(std::move(options)) {
  if (!options_.public_url.empty()) {
    auto [url, host] = public_url_of(options_.public_url);
    options_.public_url = std::move(url);
    options_.hosts.push_back(std::move(host));
  }
  for (std::string& proxy : options_.proxies) {
    const std::string address = plain_address(proxy);
    if (address.empty()) {
      fail(ErrorKind::kArgument,
           "cannot trust the proxy {}: expected a numeric address, such as 127.0.0.1 or "
           "2001:db8::1",
           proxy);
    }
    proxy = address;
  }
  for (std::string& host : options_.hosts) {
    const auto name = name_in(host);
    if (!name || host.find(':') != std::string::npos) {
      fail(ErrorKind::kArgument,
           "cannot allow the host {}: expected a name without scheme, port and path, such as "
           "semblance.example",
           host);
    }
    host = *name;
  }
  for (std::string& origin : options_.origins) {
    const auto parts = split_origin(origin);
    if (!parts || (parts->first != "http" && parts->first != "https")) {
      fail(ErrorKind::kArgument,
           "cannot allow the origin {}: expected only a scheme and a host, such as "
           "https://app.example:8443",
           origin);
    }
    origin = parts->first + "://" + parts->second;
  }
  if (has_key()) check_key(options_.key);
}

bool AccessControl::allows_host(std::string_view host) const {
  const auto name = name_in(host);
  if (!name) return false;
  if (is_loopback_name(*name) || *name == options_.listen_address) return true;
  // When it listens everywhere, clients may use addresses that it does not know.
  if (is_any_address(options_.listen_address) && is_number_address(*name)) return true;
  return std::find(options_.hosts.begin(), options_.hosts.end(), *name) != options_.hosts.end();
}

bool AccessControl::allows_origin(std::string_view origin) const {
  const auto parts = split_origin(origin);
  if (!parts) return false;
  const std::string text = parts->first + "://" + parts->second;
  return std::find(options_.origins.begin(), options_.origins.end(), text) !=
         options_.origins.end();
}

bool AccessControl::has_session(const HttpRequest& request) const {
  const std::string_view token = cookie_in(request.header("cookie"));
  return !token.empty() && sessions_->has(token, options_.now());
}

/// Nothing if the key is right; `wrong` if it is wrong; 429 after too many wrong keys.
std::optional<HttpResponse> AccessControl::refuse_key(const HttpRequest& request,
                                                      std::string_view key,
                                                      HttpResponse wrong) const {
  const std::string& client = request.client;
  const auto [answer, wait] = guesses_->check(key, options_.key, client, options_.now());
  if (answer == Guesses::Answer::kRight) return {};
  if (answer == Guesses::Answer::kTooMany) {
    HttpResponse response = error_response(
        429, "too_many_failures",
        fmt::format(
            "cannot check the key: {} wrong keys within a minute\n  try again in {} seconds",
            Guesses::kMostFailures, wait.count()),
        "key");
    response.headers["Retry-After"] = std::to_string(wait.count());
    return response;
  }
  Log::stderr_log().line(LogLevel::kWarning, "failed login",
                         {{"client", client},
                          {"method", request.method},
                          {"path", printable_path(request.path)},
                          {"status", wrong.status}},
                         "wrong key");
  return wrong;
}

void AccessControl::identify(HttpRequest& request, const std::string& address) const {
  const bool is_proxy = std::ranges::find(options_.proxies, address) != options_.proxies.end();
  const Forwarded said = forwarded_in(request);
  const bool is_believed = (is_proxy || is_loopback_name(address)) && !said.client.empty();
  request.client = is_believed ? said.client : address;
  if (!options_.public_url.empty()) {
    request.origin = options_.public_url;
    return;
  }
  const bool has_host = is_proxy && allows_host(said.host);
  request.origin = fmt::format("{}://{}", is_proxy && !said.scheme.empty() ? said.scheme : "http",
                               has_host ? said.host : request.header("host"));
}

/// Refuses requests from other sites' pages.
std::optional<HttpResponse> AccessControl::refuse_page(const HttpRequest& request,
                                                       bool open) const {
  const std::string_view host = request.header("host");
  const std::string_view origin = request.header("origin");
  if (!origin.empty()) {
    const auto parts = split_origin(origin);
    const std::string scheme = parts ? parts->first : "";
    const auto own = split_origin(scheme + "://" + std::string(host));
    const bool is_own = parts && own && *parts == *own && (scheme == "http" || scheme == "https");
    if (is_own || allows_origin(origin)) return {};
    return error_response(403, "forbidden",
                          fmt::format("cannot answer a page of {}: other origins must be allowed "
                                      "with --cors-origin",
                                      origin.substr(0, 200)));
  }
  // Without an Origin, other sites may only link here, and only to open routes.
  const std::string_view site = request.header("sec-fetch-site");
  const bool is_elsewhere = site == "cross-site" || site == "same-site";
  const bool is_link = open && request.method == "GET" &&
                       request.header("sec-fetch-mode") == "navigate" &&
                       request.header("sec-fetch-dest") == "document";
  if (!is_elsewhere || is_link) return {};
  return error_response(403, "forbidden",
                        "cannot answer a page of another site: open this service's own page, "
                        "or allow the other origin with --cors-origin");
}

std::optional<HttpResponse> AccessControl::refuse(const HttpRequest& request, bool open) const {
  const std::string_view host = request.header("host");
  if (!allows_host(host)) {
    return error_response(403, "forbidden",
                          fmt::format("cannot answer for the host \"{}\": it is not a name of this "
                                      "service; allow it with --host",
                                      host.substr(0, 200)));
  }
  const Links::Right right =
      options_.links == nullptr ? Links::Right::kNone : options_.links->right_of(request);
  if (right == Links::Right::kGiven) return {};
  if (auto refusal = refuse_page(request, open)) return refusal;
  return open ? std::nullopt : refuse_keyless(request, right == Links::Right::kEnded);
}

std::optional<HttpResponse> AccessControl::refuse_keyless(const HttpRequest& request,
                                                          bool has_ended_link) const {
  if (!has_key() || has_session(request)) return {};
  const std::string key = key_in(request.header("authorization"));
  if (key.empty() && has_ended_link) {
    return error_response(
        403, "link_ended",
        fmt::format("cannot open the link: it expired after {} minutes\n  get the picture with the "
                    "key, or make it again",
                    std::chrono::minutes(Links::kLife).count()));
  }
  HttpResponse response = error_response(
      401, "unauthorized",
      "cannot answer without the key: send the header \"Authorization: Bearer KEY\", or log in "
      "on the page");
  response.headers["WWW-Authenticate"] = "Bearer";
  if (key.empty()) return response;  // does not count as a guess
  return refuse_key(request, key, std::move(response));
}

void AccessControl::add_cors_headers(const HttpRequest& request, HttpResponse& response) const {
  if (options_.origins.empty()) return;
  std::string& vary = response.headers["Vary"];
  vary += vary.empty() ? "Origin" : ", Origin";
  const std::string_view origin = request.header("origin");
  if (origin.empty() || !allows_origin(origin)) return;
  response.headers["Access-Control-Allow-Origin"] = origin;
  response.headers["Access-Control-Expose-Headers"] = "Retry-After, Content-Disposition, Location";
}

HttpResponse AccessControl::answer_options(const HttpRequest& request,
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

HttpResponse AccessControl::login(const HttpRequest& request) const {
  HttpResponse response;
  response.status = 204;
  response.type.clear();
  if (!has_key()) return response;
  const auto body = nlohmann::json::parse(request.body, nullptr, false);
  if (!body.is_object() || !body.contains("key") || !body["key"].is_string()) {
    return error_response(400, "argument",
                          "cannot log in: expected a JSON body such as {\"key\": \"...\"}", "key");
  }
  if (auto refusal =
          refuse_key(request, body["key"].get_ref<const std::string&>(),
                     error_response(401, "unauthorized", "cannot log in: wrong key", "key"))) {
    return std::move(*refusal);
  }
  response.headers["Set-Cookie"] =
      cookie_text(request, sessions_->begin(options_.now()), Sessions::kLife);
  return response;
}

HttpResponse AccessControl::logout(const HttpRequest& request) const {
  if (wants_everywhere(request.body)) {
    if (auto refusal = refuse_keyless(request)) return std::move(*refusal);
    sessions_->end_all();
  }
  sessions_->end(cookie_in(request.header("cookie")));
  HttpResponse response;
  response.status = 204;
  response.type.clear();
  response.headers["Set-Cookie"] = cookie_text(request, "", std::chrono::seconds(0));
  return response;
}

}  // namespace semblance::service
