#include <algorithm>
#include <set>
#include <utility>

#include "service/http.h"

namespace semblance::service {
namespace {

/// "/a/b" is {"a", "b"}, "/" is {""}.
std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  std::size_t begin = 1;
  while (true) {
    const std::size_t slash = path.find('/', begin);
    if (slash == std::string_view::npos) break;
    parts.emplace_back(path.substr(begin, slash - begin));
    begin = slash + 1;
  }
  parts.emplace_back(path.substr(begin));
  return parts;
}

bool is_capture(std::string_view part) { return part.starts_with('{'); }
bool is_rest(std::string_view part) { return part.ends_with("...}"); }

/// 0 for a literal, 1 for {name}, 2 for {name...}: lower is more specific.
int rank(std::string_view part) { return is_rest(part) ? 2 : is_capture(part) ? 1 : 0; }

std::vector<int> ranks(const Router::Route& route) {
  std::vector<int> all;
  for (const std::string& part : route.parts) all.push_back(rank(part));
  return all;
}

bool matches(const Router::Route& route, const std::vector<std::string>& path,
             Router::Captures& captures) {
  captures.clear();
  for (std::size_t i = 0; i < route.parts.size(); ++i) {
    if (i == path.size()) return false;
    const std::string& part = route.parts[i];
    if (is_rest(part)) {
      std::string rest = path[i];
      for (std::size_t j = i + 1; j < path.size(); ++j) rest += "/" + path[j];
      if (rest.empty()) return false;
      captures.push_back(std::move(rest));
      return true;
    }
    if (!is_capture(part)) {
      if (part != path[i]) return false;
      continue;
    }
    if (path[i].empty()) return false;
    captures.push_back(path[i]);
  }
  return route.parts.size() == path.size();
}

}  // namespace

std::string Router::Route::pattern() const {
  std::string pattern;
  for (const std::string& part : parts) pattern += "/" + part;
  return pattern;
}

void Router::add(std::string method, std::string_view pattern, Handler handler,
                 RouteOptions options) {
  SEMBLANCE_ASSERT(pattern.starts_with('/') && handler != nullptr);
  SEMBLANCE_ASSERT(method != "HEAD" && method != "OPTIONS");  // the server answers these
  Route route{split(pattern), std::move(method), std::move(handler), options};
  for (std::size_t i = 0; i < route.parts.size(); ++i) {
    const std::string& part = route.parts[i];
    SEMBLANCE_ASSERT(is_capture(part) == part.ends_with('}'));
    SEMBLANCE_ASSERT(!is_rest(part) || i + 1 == route.parts.size());
  }
  for (const Route& other : routes_) {
    const bool same = other.method == route.method && other.pattern() == route.pattern();
    SEMBLANCE_ASSERT(!same);
  }
  routes_.push_back(std::move(route));
}

Router::Match Router::find(std::string_view method, std::string_view path) const {
  Match match;
  if (!path.starts_with('/')) return match;
  const std::vector<std::string> parts = split(path);
  std::set<std::string> methods;
  Captures captures;
  for (const Route& route : routes_) {
    if (!matches(route, parts, captures)) continue;
    methods.insert(route.method);
    if (route.method == "GET") methods.insert("HEAD");
    if (route.method != (method == "HEAD" ? "GET" : method)) continue;
    if (match.route != nullptr && ranks(*match.route) <= ranks(route)) continue;
    match.route = &route;
    match.captures = captures;
  }
  if (!methods.empty()) methods.insert("OPTIONS");
  match.methods.assign(methods.begin(), methods.end());
  return match;
}

std::vector<std::string> Router::list() const {
  std::vector<std::string> all;
  for (const Route& route : routes_) all.push_back(route.method + " " + route.pattern());
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace semblance::service
