// An optional value in JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

namespace semblance::service {

template <typename T>
nlohmann::json or_null(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
}

}  // namespace semblance::service
