// Reads JSON of a known form as a stream of events: the header of a possibly hostile file is
// checked as it is parsed, and no tree of it is built. A reader overrides the events that it
// expects; all others are errors. Depth is counted, so that a handler knows where it is.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/other_content.h"
#include "weights/names.h"

namespace semblance {

class JsonEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  /// Reads all of `text`. Throws Error(kCorrupt), which begins with "cannot read {what}: ".
  void read(std::string_view text);

 protected:
  /// For messages: `what` is the file, `form` the form that the JSON must have.
  JsonEvents(std::string what, std::string form) : what_(std::move(what)), form_(std::move(form)) {}

  /// The number of objects and arrays around the event; 0 for the start of the outermost one.
  int depth() const { return depth_; }
  [[noreturn]] void refuse(std::string_view reason) const {
    fail(ErrorKind::kCorrupt, "cannot read {}: {}\n  expected {}", what_, reason, form_);
  }
  const std::string& what() const { return what_; }

  virtual void on_key(std::string& name) {
    refuse_unexpected("the key \"" + printable(name) + "\"");
  }
  virtual void on_string(std::string&) { refuse_unexpected("a string"); }
  virtual void on_unsigned(std::uint64_t) { refuse_unexpected("a number"); }
  virtual void on_other() { refuse_unexpected("a number, true, false or null"); }
  virtual void on_object() { refuse_unexpected("an object"); }
  virtual void on_object_end() {}
  virtual void on_array() { refuse_unexpected("an array"); }
  virtual void on_array_end() {}
  [[noreturn]] void refuse_unexpected(const std::string& thing) const {
    refuse(thing + " is not expected here");
  }

 private:
  bool null() final { return on_other(), true; }
  bool boolean(bool) final { return on_other(), true; }
  bool number_integer(std::int64_t) final { return on_other(), true; }
  bool number_unsigned(std::uint64_t value) final { return on_unsigned(value), true; }
  bool number_float(double, const std::string&) final { return on_other(), true; }
  bool string(std::string& value) final { return on_string(value), true; }
  bool binary(nlohmann::json::binary_t&) final { return false; }
  bool key(std::string& name) final { return on_key(name), true; }
  bool start_object(std::size_t) final { return on_object(), ++depth_, true; }
  bool end_object() final { return --depth_, on_object_end(), true; }
  bool start_array(std::size_t) final { return on_array(), ++depth_, true; }
  bool end_array() final { return --depth_, on_array_end(), true; }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) final {
    refuse(fmt::format("its JSON is broken at byte {}", position));
  }

  std::string what_;
  std::string form_;
  int depth_ = 0;
};

inline void JsonEvents::read(std::string_view text) {
  refuse_other_content(what_, "JSON", text);
  depth_ = 0;
  nlohmann::json_sax<nlohmann::json>* events = this;
  nlohmann::json::sax_parse(text.begin(), text.end(), events);
}

}  // namespace semblance
