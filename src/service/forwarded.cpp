#include "service/forwarded.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "core/ascii.h"

namespace semblance::service {
namespace {

std::string_view last_in(std::string_view list) {
  return trimmed(list.substr(list.rfind(',') + 1));  // the whole list if there is no comma
}

/// The value of `name` in "for=1.2.3.4;proto=https;host=\"a:80\""; "" if absent.
std::string_view value_in(std::string_view pairs, std::string_view name) {
  while (!pairs.empty()) {
    const std::size_t end = std::min(pairs.find(';'), pairs.size());
    const std::string_view pair = trimmed(pairs.substr(0, end));
    pairs.remove_prefix(std::min(end + 1, pairs.size()));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || lower(pair.substr(0, equals)) != name) continue;
    std::string_view value = pair.substr(equals + 1);
    if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"'))
      value = value.substr(1, value.size() - 2);
    return value;
  }
  return {};
}

}  // namespace

std::string plain_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  std::array<char, INET6_ADDRSTRLEN> plain{};
  for (const int family : {AF_INET, AF_INET6}) {
    if (::inet_pton(family, text.c_str(), bytes.data()) == 1)
      return ::inet_ntop(family, bytes.data(), plain.data(), plain.size());
  }
  return {};
}

Forwarded forwarded_in(const HttpRequest& request) {
  Forwarded said{.client = plain_address(std::string(last_in(request.header("x-forwarded-for")))),
                 .scheme = lower(last_in(request.header("x-forwarded-proto"))),
                 .host = std::string(last_in(request.header("x-forwarded-host")))};
  if (said.scheme.empty() && said.host.empty()) {
    const std::string_view pairs = last_in(request.header("forwarded"));
    said.scheme = lower(value_in(pairs, "proto"));
    said.host = value_in(pairs, "host");
  }
  if (said.scheme != "http" && said.scheme != "https") said.scheme.clear();
  return said;
}

}  // namespace semblance::service
