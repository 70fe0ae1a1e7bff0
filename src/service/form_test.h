// A form as browsers send it. For tests only.
#pragma once

#include <string>

namespace semblance::service::testing {

/// A body of multipart/form-data and its Content-Type.
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
