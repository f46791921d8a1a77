#pragma once

// What TLS connections of one kind have in common: protocols, ciphers, our certificate, and whom we
// believe. Made whole from settings and never changed: a reload makes another one, and connections
// keep theirs. Any thread may use it; what it keeps to resume sessions with is guarded inside.
//
// A failure says which setting it is about, which file, OpenSSL's reason, and what to do.
// PostgreSQL's manual: "Secure TCP/IP Connections with SSL", "SSL Support" (libpq).

#include "base/result.hpp"

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace pgweir::net {

/// How far the other side's certificate is looked at.
enum class tls_check : std::uint8_t {
    none,            ///< it is not asked for (of clients), or whatever it is (of servers)
    if_presented,    ///< of clients: they may have one, which must then be good
    chain,           ///< there must be one, and somebody whom we believe has signed it
    chain_and_name,  ///< and it must name the host that we have connected to
};

/// PgBouncer's words in its syntax. Empty means that nothing was said.
struct tls_settings {
    std::string key_file;
    std::string cert_file;
    std::string ca_file;
    std::string protocols = "secure";
    std::string ciphers = "default";
    std::string tls13_ciphers;
    std::string ecdhcurve = "auto";
    std::string dheparams = "auto";
    tls_check check = tls_check::none;

    friend bool operator==(const tls_settings&, const tls_settings&) = default;
};

/// What the settings are called where they were written, for messages.
struct tls_setting_names {
    std::string_view key_file;
    std::string_view cert_file;
    std::string_view ca_file;
    std::string_view protocols;
    std::string_view ciphers;
    std::string_view tls13_ciphers;
    std::string_view ecdhcurve;
    std::string_view dheparams;
};

class tls_context;
using tls_context_ptr = std::shared_ptr<const tls_context>;

class tls_context {
public:
    /// For connections that come in. Key and certificate are needed.
    static result<tls_context_ptr> for_clients(
        const tls_settings& from, const tls_setting_names& names
    );

    /// For connections that we open. Without ca_file the system's authorities are believed.
    static result<tls_context_ptr> for_servers(
        const tls_settings& from, const tls_setting_names& names
    );

    ~tls_context();
    tls_context(const tls_context&) = delete;
    tls_context& operator=(const tls_context&) = delete;

    SSL_CTX* get() const noexcept { return context_.get(); }

    tls_check check() const noexcept { return check_; }

    /// Of our certificate, what a client binds its log-in to: see tls_end_point().
    const std::string& end_point() const noexcept { return end_point_; }

    /// True if the other one was made of the same settings and of files that say the same.
    bool same_as(const tls_context& other) const noexcept {
        return fingerprint_ == other.fingerprint_;
    }

    // Towards servers: the sessions that they have given us, to be resumed once each.

    void keep_session(const std::string& server, SSL_SESSION* session) const;

    struct session_deleter {
        void operator()(SSL_SESSION* s) const noexcept { SSL_SESSION_free(s); }
    };

    using session_ptr = std::unique_ptr<SSL_SESSION, session_deleter>;

    /// Nothing if there is none.
    session_ptr take_session(const std::string& server) const;

private:
    struct context_deleter {
        void operator()(SSL_CTX* c) const noexcept { SSL_CTX_free(c); }
    };

    struct kept_sessions;
    friend class tls_context_maker;

    tls_context();

    std::unique_ptr<SSL_CTX, context_deleter> context_;
    tls_check check_ = tls_check::none;
    std::string end_point_;
    std::string fingerprint_;
    std::unique_ptr<kept_sessions> kept_;
};

/// The channel binding of a server's certificate (RFC 5929, tls-server-end-point): its hash. Empty
/// if there is none for the way in which it is signed.
std::string tls_end_point(const X509* certificate);

/// Versions of TLS that a list such as "tlsv1.2,tlsv1.3", "secure" or "all,!tlsv1.0" names, as
/// bits: 1 is TLS 1.0, 2 is 1.1, 4 is 1.2, 8 is 1.3.
result<unsigned> parse_tls_protocols(std::string_view text);

/// The words of the oldest error that OpenSSL has for this thread; clears all of them.
std::string take_openssl_error();

}  // namespace pgweir::net
