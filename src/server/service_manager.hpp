#pragma once

// The program that has started us, as systemd does: it hands over sockets that listen already
// (LISTEN_FDS), and wants to know when we are ready (NOTIFY_SOCKET). Without one of them nothing
// happens. systemd's manuals: sd_listen_fds(3), sd_notify(3). Any thread.

#include <string>
#include <string_view>
#include <vector>

namespace pgweir::server {

/// The sockets that were handed over, each ours from now on. Once: the second call has none.
std::vector<int> take_passed_sockets();

/// Says what we are doing: "READY=1". Several lines are several words.
void tell_service_manager(std::string_view state) noexcept;

/// The same of a reload that begins, with the time that systemd wants to know.
void tell_of_reload() noexcept;

/// And of being ready, with the process that is.
void tell_of_readiness() noexcept;

/// Where it hears what is said; empty: there is none.
std::string service_manager_address();

/// The same for a process that it has not started. REQUIRES: there is one thread.
void use_service_manager(const std::string& address);

/// Another process is the one that it has to watch. Nothing is said any more.
void leave_service_manager(int to) noexcept;

}  // namespace pgweir::server
