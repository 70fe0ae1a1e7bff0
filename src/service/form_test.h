// A form as sent by browsers, for tests only.
#pragma once

#include <string>

namespace semblance::service::testing {

/// A multipart/form-data body and its Content-Type.
struct Form {
  std::string type = "multipart/form-data; boundary=BouNdary";
  std::string body = {};

  Form& add(const std::string& name, const std::string& data, const std::string& filename = "") {
    if (body.empty()) body = "--BouNdary--\r\n";
    body.erase(body.size() - 14);
    body += "--BouNdary\r\nContent-Disposition: form-data; name=\"" + name + "\"";
    if (!filename.empty()) body += "; filename=\"" + filename + "\"";
    body += "\r\n\r\n" + data + "\r\n--BouNdary--\r\n";
    return *this;
  }
};

}  // namespace semblance::service::testing
