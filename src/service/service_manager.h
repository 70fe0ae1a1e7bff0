// What a service manager such as systemd passes to the program and wants to hear from it: the
// environment of sd_listen_fds(3) and the datagrams of sd_notify(3). Not libsystemd: that is all
// there is to it.
#pragma once

#include <optional>
#include <string_view>

#include "service/server.h"

namespace semblance::service {

/// The listening socket that was passed to this process; none without LISTEN_PID and LISTEN_FDS.
/// Removes these variables, so call it before there are threads. Throws Error(kArgument) unless it
/// is exactly one listening TCP socket.
std::optional<Listen> passed_socket();

/// Sends "READY=1" and the like to NOTIFY_SOCKET, if there is one. Never blocks and never fails.
void tell_service_manager(std::string_view state) noexcept;

}  // namespace semblance::service
