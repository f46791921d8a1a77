#pragma once

// SCRAM-SHA-256 in both roles: the exchange as pure state machines over the payloads of SASL
// messages, the stored secret, and the keys that let a pooler log in to a server with what a client
// has proved. RFC 5802, RFC 7677; PostgreSQL's manual: "SASL Authentication", "SCRAM-SHA-256
// Authentication".
//
// Over TLS the exchange may be bound to the connection (SCRAM-SHA-256-PLUS, tls-server-end-point):
// both sides then prove that they see the same certificate of the server's, so that nobody can sit
// between two TLS connections. Who offers that does not believe that the other side thought
// otherwise (gs2 flag `y`): somebody has taken the offer away. The user name in a client's first
// message is ignored, as PostgreSQL does: the one of the startup packet counts.
// Passwords are taken as the bytes they are. PostgreSQL prepares them with SASLprep, which leaves
// every password of printable ASCII as it is, and takes one that cannot be prepared as it is, too.
// They differ for a password of other characters that SASLprep would change (a no-break space,
// letters of compatibility forms, letters that are not composed): such a password works only in its
// prepared form here.
//
// Not thread-safe. One object is one log-in; messages out of order fail, and a failed exchange
// stays failed.

#include "auth/crypto.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace pgweir::auth {

inline constexpr std::string_view scram_mechanism = "SCRAM-SHA-256";
inline constexpr std::string_view scram_plus_mechanism = "SCRAM-SHA-256-PLUS";

/// What an exchange is bound to.
struct channel_binding {
    enum class use : unsigned char {
        impossible,  ///< the connection has nothing to be bound to
        possible,    ///< it has; a server has offered it, a client would like to have it
        chosen,      ///< the exchange is SCRAM-SHA-256-PLUS
    };
    use how = use::impossible;
    std::string data;  // of the server's certificate; empty if impossible
};

/// What a pooler needs to log in somewhere else as the client that proved itself: works where the
/// server stores the same secret (salt and iterations too). As sensitive as the password; wiped on
/// destruction.
struct scram_keys {
    sha256_digest client_key{};
    sha256_digest server_key{};

    scram_keys() = default;
    scram_keys(const scram_keys&) = default;
    scram_keys& operator=(const scram_keys&) = default;
    ~scram_keys();
};

/// What is stored of a password: proves that a client knows it, and is no use for logging in.
struct scram_secret {
    int iterations = 0;
    std::string salt;  // raw bytes
    sha256_digest stored_key{};
    sha256_digest server_key{};
};

/// Iterations outside of 1 to this are refused, in stored secrets and from servers: a server must
/// not be able to keep a worker busy for minutes. PostgreSQL's default is 4096.
inline constexpr int scram_iterations_limit = 10'000'000;
inline constexpr int scram_iterations_default = 4096;

/// `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`, as in pg_authid.
std::optional<scram_secret> parse_scram_secret(std::string_view text);
std::string format_scram_secret(const scram_secret& stored);

/// Takes `iterations` of PBKDF2. REQUIRES: iterations between 1 and the limit.
scram_keys derive_scram_keys(std::string_view password, std::string_view salt, int iterations);
scram_secret make_scram_secret(std::string_view password, int iterations, std::string_view salt);

/// With a random salt of 16 bytes, as PostgreSQL makes it.
scram_secret make_scram_secret(std::string_view password, int iterations);

/// True if this is the password that the secret was made of. Takes its iterations of PBKDF2.
bool password_matches(const scram_secret& stored, std::string_view password);

/// The salt shown for a user that has no secret of its own: always the same for one user and
/// process key, so that asking twice does not tell that the user does not exist.
std::string mock_salt(std::string_view user, std::string_view process_key);

/// A secret that no password fits, for users that do not exist.
scram_secret mock_secret(std::string_view user, std::string_view process_key, int iterations);

/// Random text for a nonce, as PostgreSQL makes it: 18 bytes in base64.
std::string make_scram_nonce();

/// Verifies a client.
class scram_server {
public:
    enum class mode : unsigned char {
        real,
        mock,  ///< the same messages and the same work, but nobody gets in
    };

    scram_server(scram_secret stored, mode how, std::string nonce = make_scram_nonce());

    /// What the client has chosen, or was offered. Before first().
    void bind(channel_binding channel) { channel_ = std::move(channel); }

    /// Takes client-first-message, gives server-first-message.
    result<std::string> first(std::string_view client_first);

    struct success {
        std::string server_final;
        scram_keys keys;
    };

    /// Takes client-final-message. A failure is a wrong password or a message that is wrong in
    /// itself.
    result<success> finish(std::string_view client_final);

private:
    enum class state : unsigned char { wants_first, wants_final, over };

    scram_secret stored_;
    mode mode_;
    channel_binding channel_;
    std::string nonce_;         // ours; client's and ours from `first` on
    std::string gs2_header_;    // as the client sent it
    std::string auth_message_;  // what both sides have said so far
    state state_ = state::wants_first;
};

class scram_client_cache;
struct derive_keys;

/// Logs in to a server.
class scram_client {
public:
    /// With the password. Its keys come from the cache if there is one, which needs the user's
    /// name.
    scram_client(
        secret password,
        std::string user,
        scram_client_cache* cache,
        std::string nonce = make_scram_nonce()
    );

    /// With the keys of a client that proved itself.
    explicit scram_client(scram_keys keys, std::string nonce = make_scram_nonce());

    /// What was chosen, or would have been. Before first().
    void bind(channel_binding channel) { channel_ = std::move(channel); }

    /// client-first-message.
    result<std::string> first();

    /// What must be derived before next(), if nothing has it at hand: next() would do it itself,
    /// but takes its time.
    std::optional<derive_keys> wanted_keys(std::string_view server_first) const;

    void use_keys(scram_keys keys) { keys_ = std::move(keys); }

    /// Takes server-first-message, gives client-final-message.
    result<std::string> next(std::string_view server_first);

    /// Takes server-final-message: an error unless the server has proved that it knows the secret.
    result<void> verify(std::string_view server_final);

    /// True once `verify` was successful.
    bool verified() const noexcept { return state_ == state::verified; }

private:
    enum class state : unsigned char { wants_start, wants_first, wants_final, verified, failed };

    result<std::string> answer(std::string_view server_first);

    secret password_;
    std::string user_;
    scram_client_cache* cache_ = nullptr;
    std::optional<scram_keys> keys_;
    channel_binding channel_;
    std::string nonce_;
    std::string auth_message_;
    state state_ = state::wants_start;
};

}  // namespace pgweir::auth
