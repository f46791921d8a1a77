#pragma once

// A stream with TLS on it: stands between another stream, whose handler it is, and its own handler,
// who sees plain bytes and the same promises (net/stream.hpp).
//
// What is sent before the handshake is over waits for it. All streams of a thread share the buffer
// that is decrypted into, and the one in which records are gathered, so an idle stream has neither.
// The session goes with the socket when a connection is released and adopted elsewhere: whoever
// releases it keeps the session and hands it in again.
//
// Thread: the loop's.

#include "net/stream.hpp"
#include "net/tls_session.hpp"

#include <memory>
#include <string_view>

namespace pgweir::net {

class loop;

/// Goes on with TLS on a connection that has begun in clear. `first` are bytes that have come for
/// it already.
stream_ptr secure(
    loop& owner,
    stream_ptr in_clear,
    stream_handler& handler,
    std::shared_ptr<tls_session> session,
    std::string_view first = {}
);

/// Takes over a socket, with the TLS session that belongs to it, or without one.
stream_ptr adopt(
    loop& owner, int socket, stream_handler& handler, std::shared_ptr<tls_session> session
);

}  // namespace pgweir::net
