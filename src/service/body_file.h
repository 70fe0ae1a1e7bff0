// What a client has sent, as a File, without a copy.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "memory/file.h"

namespace semblance::service {

/// `bytes` must outlive the file. `name`: for messages.
std::shared_ptr<const File> file_over(std::string name, std::string_view bytes);

}  // namespace semblance::service
