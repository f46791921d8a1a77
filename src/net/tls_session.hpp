#pragma once

// One TLS connection without its socket: records in, bytes out, and the other way round. OpenSSL
// reads from the view that is handed in and writes into the buffer that is handed in, so an idle
// session holds neither. Begins with the handshake; never renegotiates.
//
// It belongs to no thread, but is used by one at a time: with its socket it may go from one loop to
// another. Errors are codes of tls_category(), whose words are OpenSSL's.
// PostgreSQL's manual: "Message Flow": "SSL Session Encryption".

#include "net/tls_context.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace pgweir::net {

/// Room that somebody else owns, and how much of it is filled.
struct tls_buffer {
    char* data;
    std::size_t capacity;
    std::size_t size = 0;

    std::size_t room() const noexcept { return capacity - size; }

    std::string_view view() const noexcept { return {data, size}; }
};

/// Codes are OpenSSL's, or X509_V_ERR_* of a certificate that was refused, negated.
const std::error_category& tls_category() noexcept;

/// Whom a certificate was issued to.
struct tls_identity {
    std::string common_name;         // empty if it has none that can be used
    std::vector<std::string> names;  // the alternative DNS names
    std::string distinguished_name;  // all of it, as RFC 2253 writes it: "CN=app,O=us"
};

class tls_session {
public:
    /// Whether a client that begins with the handshake, without asking in clear first, has said
    /// that it means PostgreSQL (ALPN): it has to, or it could be a browser that was lured here.
    enum class begin : unsigned char { asked, direct };

    /// Of a client that has connected to us.
    static std::shared_ptr<tls_session> accept(tls_context_ptr context, begin how);

    /// To a server. The name is what its certificate is checked for, and what it is asked for
    /// (SNI); `port` tells servers on one host apart.
    static std::shared_ptr<tls_session> connect(
        tls_context_ptr context, const std::string& host, int port
    );

    ~tls_session();
    tls_session(const tls_session&) = delete;
    tls_session& operator=(const tls_session&) = delete;

    enum class step : unsigned char {
        wants_input,  ///< all that came is used
        again,        ///< a buffer is full: use it, empty it, and call again
        closed,       ///< the other side has said that it sends nothing more
        failed,       ///< see error(); `out` may hold an alert for the other side
    };

    /// Takes records off the front of `in`, puts what they say into `plain`, and what is to be sent
    /// (the handshake, answers to it) into `out`. With nothing in `in`, a session to a server
    /// begins.
    step read(std::string_view& in, tls_buffer& plain, tls_buffer& out);

    /// Takes bytes off the front and puts records of them into `out`, as many as fit. False if that
    /// failed. REQUIRES: established(); room for a record in `out`.
    bool write(std::string_view& bytes, tls_buffer& out);

    /// Room that `out` has for every 16 kB and less of bytes.
    static constexpr std::size_t record_limit = 16384 + 512;

    /// Says that nothing more is sent.
    void shut_down(tls_buffer& out);

    /// The handshake is over: the other side is who it has to be.
    bool established() const noexcept { return established_; }

    std::error_code error() const noexcept { return error_; }

    const tls_context& context() const noexcept { return *context_; }

    const tls_context_ptr& shared_context() const noexcept { return context_; }

    /// The host name that it was opened for; empty for a client's.
    const std::string& host() const noexcept { return host_; }

    /// For tls_context: a server has given this connection a session to be resumed later.
    static int keep(SSL* ssl, SSL_SESSION* session);

    /// "TLSv1.3/TLS_AES_256_GCM_SHA384".
    std::string description() const;

    /// True if this session goes on from an earlier one.
    bool resumed() const noexcept;

    /// The other side has shown a certificate, and it was checked.
    bool certified() const noexcept;

    /// From the other side's certificate, if it has one that was checked; else without names.
    tls_identity peer() const;

    /// For a log-in that is bound to this connection: of the server's certificate. Empty if there
    /// is none.
    std::string end_point() const;

private:
    struct method;
    friend struct method;

    struct ssl_deleter {
        void operator()(SSL* s) const noexcept { SSL_free(s); }
    };

    explicit tls_session(tls_context_ptr context);

    step over(int result);
    bool on_established();
    step fail(std::error_code why) noexcept;

    tls_context_ptr context_;
    std::unique_ptr<SSL, ssl_deleter> ssl_;
    std::string_view* in_ = nullptr;  // while a call runs
    tls_buffer* out_ = nullptr;
    bool established_ = false;
    bool direct_ = false;
    bool server_ = false;  // the other side is one
    std::error_code error_;
    std::string host_;
    std::string kept_as_;  // under this name sessions are kept to be resumed
};

}  // namespace pgweir::net
