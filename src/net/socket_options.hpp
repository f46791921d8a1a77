#pragma once

// What is set on every connection, on both sides.

namespace pgweir::net {

/// PgBouncer's settings tcp_*; 0 leaves the system's default. Times in seconds, but
/// tcp_user_timeout in ms.
struct socket_options {
    bool keepalive = true;
    int keepcnt = 0;
    int keepidle = 0;
    int keepintvl = 0;
    int socket_buffer = 0;
    int user_timeout = 0;
};

/// Applies them, and TCP_NODELAY, to a TCP socket; does nothing to a local one. An option that the
/// system refuses is left out: a connection without keepalive is better than none.
void apply(const socket_options& options, int socket) noexcept;

/// Prepares a listening TCP socket: TCP_NODELAY and keepalive, as nearly everybody has them, are
/// inherited by its connections.
void apply_to_listener(int socket) noexcept;

/// Whether a listening TCP socket tells of a connection only when its first bytes have come.
void set_defer_accept(int socket, bool value) noexcept;

/// The rest, on a TCP connection that such a listener has accepted: with the defaults, nothing.
void apply_to_accepted(const socket_options& options, int socket) noexcept;

/// A ring waits for a socket by itself, but not for one that is told not to block.
void make_blocking(int socket) noexcept;

}  // namespace pgweir::net
