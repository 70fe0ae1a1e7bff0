// GET /metrics, in Prometheus' text format.
#pragma once

#include <string>

#include "service/routes.h"

namespace semblance::service {

std::string metrics_text(const Context& context);

}  // namespace semblance::service
