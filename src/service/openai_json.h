// The body of POST /v1/images/edits as JSON, read as the form that says the same. Pictures come as
// `images: [{"image_url": "data:image/png;base64,..."}]`; nothing is fetched from anywhere.
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
  /// What the parts of pictures are called here, for errors.
  static constexpr std::string_view kImages = "images";

  /// Throws HttpError 400 naming the field, and what LongStringJson throws. `body` may go once this
  /// is made.
  explicit JsonForm(std::string_view body);
  JsonForm(const JsonForm&) = delete;
  JsonForm& operator=(const JsonForm&) = delete;

  /// `image` for each picture, and a part for each other field that is not null.
  const std::vector<Part>& parts() const { return parts_; }
  /// The bytes of one of parts(), taken out of it.
  std::string take(const Part& part);

 private:
  void add(const LongStringJson& json, const std::string& name, const nlohmann::json& value);
  void add_pictures(const LongStringJson& json, const std::string& path,
                    const nlohmann::json& value);
  void add_picture(const LongStringJson& json, const std::string& path, std::string_view name,
                   const nlohmann::json& value);
  void put(std::string_view name, std::string data);

  std::deque<std::string> values_;  // what the parts look at
  std::vector<Part> parts_;
};

}  // namespace semblance::service
