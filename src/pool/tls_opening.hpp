#pragma once

// The first words on a fresh connection to PostgreSQL: asks for TLS, reads the one byte that is the
// answer, and begins with the handshake, or goes on in clear if that will do. What is sent on the
// stream that comes out waits until the server has proved itself.
// PostgreSQL's manual: "Message Flow": "SSL Session Encryption".
//
// Thread: the loop's.

#include "net/stream.hpp"
#include "net/tls_session.hpp"
#include "pool/server_tls.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace pgweir::net {
class loop;
}

namespace pgweir::pool {

/// What the server's answer to an SSLRequest comes to.
enum class tls_answer : std::uint8_t {
    secure,    ///< the handshake begins
    in_clear,  ///< it has no TLS, which will do
    refused,   ///< it has no TLS, which will not
    ahead,     ///< more came than the answer: it may have been put there by somebody on the way
    other,     ///< nothing that an answer could be
};

tls_answer read_tls_answer(std::string_view received, bool required) noexcept;

/// A connection that is ready for the log-in, or why there is none. The stream's handler has to be
/// set.
struct opened_stream {
    net::stream_ptr stream;
    std::shared_ptr<net::tls_session> tls;  // null: in clear
    std::string why;
    std::string_view sqlstate;  // if nobody needs to wait for a better answer
};

class tls_opening final : net::stream_handler {
public:
    /// Called once, from the loop, and may destroy the opening. Destroying it closes what it has.
    using callback = std::function<void(opened_stream)>;

    /// Takes over a connected socket. REQUIRES: terms with a context.
    tls_opening(net::loop& owner, int socket, tls_terms terms, int port, callback done);
    ~tls_opening();
    tls_opening(const tls_opening&) = delete;
    tls_opening& operator=(const tls_opening&) = delete;

private:
    void on_received(std::string_view bytes) override;

    void on_drained() override {}

    void on_closed(std::error_code why) override;

    void secure();
    void fail(std::string why, std::string_view sqlstate);
    void finish(opened_stream made);

    net::loop& loop_;
    tls_terms terms_;
    int port_;
    callback done_;
    net::stream_ptr stream_;
};

}  // namespace pgweir::pool
