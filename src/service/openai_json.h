// Converts a JSON body of POST /v1/images/... to the equivalent form. Pictures are
// `images: [{"image_url": "data:image/png;base64,..."}]`; other URLs are not fetched.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "service/long_strings.h"
#include "service/multipart.h"

namespace semblance::service {

class JsonForm {
 public:
  /// The JSON name of the pictures' field, for errors.
  static constexpr std::string_view kImages = "images";

  /// Throws HttpError 400 naming the field, and what LongStringJson throws. `body` need not outlive
  /// the constructor.
  explicit JsonForm(std::string_view body);
  JsonForm(const JsonForm&) = delete;
  JsonForm& operator=(const JsonForm&) = delete;

  /// A part `image` for each picture, and one for each other field that is not null.
  const std::vector<Part>& parts() const { return parts_; }
  /// Moves the bytes out of one of parts().
  std::string take(const Part& part);

 private:
  void add(const LongStringJson& json, const std::string& name, const nlohmann::json& value);
  void add_pictures(const LongStringJson& json, const std::string& path,
                    const nlohmann::json& value);
  void add_picture(const LongStringJson& json, const std::string& path, std::string_view name,
                   const nlohmann::json& value);
  void put(std::string_view name, std::string data);

  std::deque<std::string> values_;  // the parts' data
  std::vector<Part> parts_;
};

}  // namespace semblance::service
