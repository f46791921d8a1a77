#include "net/tls_context.hpp"

#include "base/secret.hpp"
#include "net/tls_session.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

namespace pgweir::net {

namespace {

constexpr unsigned tls_1_0 = 1;
constexpr unsigned tls_1_1 = 2;
constexpr unsigned tls_1_2 = 4;
constexpr unsigned tls_1_3 = 8;
constexpr unsigned every_protocol = tls_1_0 | tls_1_1 | tls_1_2 | tls_1_3;
constexpr unsigned secure_protocols = tls_1_2 | tls_1_3;

/// Servers to which we keep a session.
constexpr std::size_t sessions_kept = 256;

std::string lower(std::string_view text) {
    std::string made(text);
    std::transform(made.begin(), made.end(), made.begin(), [](unsigned char c) {
        return static_cast<char>(std::tolower(c));
    });
    return made;
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t";
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    return text.substr(0, text.find_last_not_of(blanks) + 1);
}

/// PgBouncer's short words for lists of ciphers. All of the first few are one list, as in
/// PgBouncer.
std::string cipher_list(const std::string& text) {
    constexpr std::string_view good = "HIGH:!aNULL:!eNULL";
    constexpr std::string_view old = "ALL:!aNULL:!eNULL";
    constexpr std::array<std::pair<std::string_view, std::string_view>, 9> words{{
        {"", good},
        {"default", good},
        {"secure", good},
        {"fast", good},
        {"normal", good},
        {"compat", good},
        {"legacy", old},
        {"all", old},
        {"insecure", old},
    }};
    const std::string word = lower(text);
    for (const auto& [name, list] : words) {
        if (name == word) {
            return std::string(list);
        }
    }
    return text;
}

/// What identifies the contents of a file: their hash. The file may hold a key, so they are wiped.
result<std::string> digest_of_file(const std::string& path) {
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    if (error) {
        return failure{error.message()};
    }
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::string text(size, 0);
    if (!file.read(text.data(), std::streamsize(size))) {
        return failure{std::generic_category().message(errno != 0 ? errno : EIO)};
    }
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned hash_size = 0;
    EVP_Digest(text.data(), text.size(), hash.data(), &hash_size, EVP_sha256(), nullptr);
    wipe(text);
    return result<std::string>(
        boost::system::in_place_value, reinterpret_cast<const char*>(hash.data()), hash_size
    );
}

constexpr unsigned char protocol_name[] = "\x0apostgresql";

/// The one protocol that is spoken here. A client that names others only is at the wrong door.
int select_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered, unsigned offered_size, void*) {
    unsigned char* found = nullptr;
    const int how = SSL_select_next_proto(
        &found, out_size, protocol_name, sizeof protocol_name - 1, offered, offered_size
    );
    *out = found;
    return how == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/// A key that is locked by a passphrase must not make a pooler ask at a terminal.
int no_passphrase(char*, int, int, void*) {
    return -1;
}

}  // namespace

std::string take_openssl_error() {
    const unsigned long code = ERR_peek_error();
    const char* words = ERR_reason_error_string(code);
    const bool of_system = ERR_SYSTEM_ERROR(code) != 0;
    std::string text = of_system          ? std::generic_category().message(ERR_GET_REASON(code))
                       : words != nullptr ? std::string(words)
                                          : fmt::format("OpenSSL's error {:#x}", code);
    ERR_clear_error();
    return text;
}

result<unsigned> parse_tls_protocols(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, unsigned>, 8> words{{
        {"tlsv1", every_protocol},
        {"tlsv1.0", tls_1_0},
        {"tlsv1.1", tls_1_1},
        {"tlsv1.2", tls_1_2},
        {"tlsv1.3", tls_1_3},
        {"all", every_protocol},
        {"secure", secure_protocols},
        {"default", secure_protocols},
    }};
    unsigned chosen = 0;
    std::string_view rest = text;
    for (bool first = true; first || !rest.empty(); first = false) {
        const std::size_t length = std::min(rest.find_first_of(",:"), rest.size());
        std::string_view item = trimmed(rest.substr(0, length));
        rest.remove_prefix(std::min(length + 1, rest.size()));
        const bool without = item.starts_with('!');
        item.remove_prefix(without ? 1 : 0);
        const std::string word = lower(item);
        const auto* found = std::find_if(words.begin(), words.end(), [&](const auto& known) {
            return known.first == word;
        });
        if (found == words.end()) {
            return failure{fmt::format(
                "bad value \"{}\", expected a list of tlsv1.0, tlsv1.1, tlsv1.2, tlsv1.3, tlsv1, "
                "all or secure, with ! before what is to be left out",
                text.substr(0, 60)
            )};
        }
        if (without && chosen == 0 && first) {
            chosen = every_protocol;
        }
        chosen = without ? chosen & ~found->second : chosen | found->second;
    }
    if (chosen == 0) {
        return failure{fmt::format("\"{}\" leaves no protocol", text.substr(0, 60))};
    }
    if (const unsigned from_lowest = chosen / (chosen & ~(chosen - 1));
        (from_lowest & (from_lowest + 1)) != 0) {
        return failure{fmt::format(
            "\"{}\" leaves a gap between the versions, which TLS does not know", text.substr(0, 60)
        )};
    }
    return chosen;
}

std::string tls_end_point(const X509* certificate) {
    int digest = NID_undef;
    if (certificate == nullptr ||
        X509_get_signature_info(
            const_cast<X509*>(certificate), &digest, nullptr, nullptr, nullptr
        ) != 1) {
        ERR_clear_error();
        return {};
    }
    if (digest == NID_md5 || digest == NID_sha1) {
        digest = NID_sha256;  // says the RFC
    }
    const EVP_MD* method = EVP_get_digestbynid(digest);
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned size = 0;
    if (method == nullptr || X509_digest(certificate, method, hash.data(), &size) != 1) {
        ERR_clear_error();
        return {};
    }
    return {reinterpret_cast<const char*>(hash.data()), size};
}

// Sessions to be resumed.

struct tls_context::kept_sessions {
    std::mutex mutex;
    std::map<std::string, session_ptr> by_server;
};

tls_context::tls_context() : kept_(std::make_unique<kept_sessions>()) {}

tls_context::~tls_context() = default;

void tls_context::keep_session(const std::string& server, SSL_SESSION* session) const {
    session_ptr taken(session);
    const std::scoped_lock lock(kept_->mutex);
    if (kept_->by_server.size() < sessions_kept || kept_->by_server.contains(server)) {
        kept_->by_server.insert_or_assign(server, std::move(taken));
    }
}

tls_context::session_ptr tls_context::take_session(const std::string& server) const {
    const std::scoped_lock lock(kept_->mutex);
    const auto found = kept_->by_server.find(server);
    return found == kept_->by_server.end() ? nullptr : std::exchange(found->second, nullptr);
}

/// Puts one context together, setting by setting, until one of them fails.
class tls_context_maker {
public:
    tls_context_maker(
        const tls_settings& from, const tls_setting_names& names, const SSL_METHOD* method
    )
        : from_(from), names_(names), made_(new tls_context) {
        made_->context_.reset(SSL_CTX_new(method));
        made_->check_ = from.check;
    }

    /// libpq's asynchronous calls take no more than 8 KiB out of a record at once, and then wait
    /// for a socket that has nothing more to say: PostgreSQL sends no longer ones, so nobody
    /// noticed.
    static constexpr long longest_record_for_clients = 8192;

    result<tls_context_ptr> for_clients() {
        if (from_.key_file.empty() || from_.cert_file.empty()) {
            return failure{fmt::format(
                "TLS for clients needs a certificate and its key: set {} and {}",
                names_.cert_file,
                names_.key_file
            )};
        }
        if (from_.check >= tls_check::chain && from_.ca_file.empty()) {
            return failure{fmt::format(
                "certificates of clients can be checked only against one that has signed them: set "
                "{}",
                names_.ca_file
            )};
        }
        prepare();
        SSL_CTX* c = get();
        SSL_CTX_set_options(c, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
        SSL_CTX_set_max_send_fragment(c, longest_record_for_clients);
        SSL_CTX_set_alpn_select_cb(c, &select_protocol, nullptr);
        // Sessions are resumed by tickets, which cost no memory here.
        constexpr std::string_view id = "pgweir";
        SSL_CTX_set_session_id_context(
            c, reinterpret_cast<const unsigned char*>(id.data()), unsigned(id.size())
        );
        SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_num_tickets(c, 1);
        const bool good = set_protocols() && set_ciphers() && set_exchange() &&
                          load_certificate() && load_authorities() && list_authorities();
        if (good && from_.check != tls_check::none) {
            const bool always = from_.check >= tls_check::chain;
            SSL_CTX_set_verify(
                c, SSL_VERIFY_PEER | (always ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr
            );
        }
        return finish();
    }

    result<tls_context_ptr> for_servers() {
        if (from_.key_file.empty() != from_.cert_file.empty()) {
            return failure{fmt::format(
                "a certificate and its key belong together: set {} too",
                from_.key_file.empty() ? names_.key_file : names_.cert_file
            )};
        }
        prepare();
        SSL_CTX* c = get();
        SSL_CTX_set_alpn_protos(c, protocol_name, sizeof protocol_name - 1);
        SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
        SSL_CTX_sess_set_new_cb(c, &tls_session::keep);
        const bool good =
            set_protocols() && set_ciphers() && load_certificate() && load_authorities();
        if (good && from_.check >= tls_check::chain) {
            SSL_CTX_set_verify(c, SSL_VERIFY_PEER, nullptr);
        }
        return finish();
    }

private:
    SSL_CTX* get() noexcept { return made_->context_.get(); }

    void prepare() {
        ERR_clear_error();
        SSL_CTX_set_options(get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
        SSL_CTX_set_mode(
            get(),
            SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
        );
        SSL_CTX_set_default_passwd_cb(get(), &no_passphrase);
    }

    bool fail(std::string_view name, std::string_view what) {
        problem_ = fmt::format("{}: {}", name, what);
        return false;
    }

    bool fail_file(std::string_view name, const std::string& file, std::string_view what) {
        return fail(name, fmt::format("{}: {} ({})", file, what, take_openssl_error()));
    }

    bool set_protocols() {
        const auto chosen = parse_tls_protocols(from_.protocols);
        if (!chosen) {
            return fail(names_.protocols, chosen.error().message);
        }
        constexpr std::array<std::pair<unsigned, std::uint64_t>, 4> off{{
            {tls_1_0, SSL_OP_NO_TLSv1},
            {tls_1_1, SSL_OP_NO_TLSv1_1},
            {tls_1_2, SSL_OP_NO_TLSv1_2},
            {tls_1_3, SSL_OP_NO_TLSv1_3},
        }};
        SSL_CTX_set_min_proto_version(get(), 0);  // whatever the system's default is
        for (const auto& [version, option] : off) {
            if ((*chosen & version) == 0) {
                SSL_CTX_set_options(get(), option);
            }
        }
        return true;
    }

    bool set_ciphers() {
        if (SSL_CTX_set_cipher_list(get(), cipher_list(from_.ciphers).c_str()) != 1) {
            return fail(
                names_.ciphers,
                fmt::format(
                    "bad value \"{}\" ({}), expected default or a list as `openssl ciphers` takes "
                    "it",
                    from_.ciphers.substr(0, 60),
                    take_openssl_error()
                )
            );
        }
        if (!from_.tls13_ciphers.empty() &&
            SSL_CTX_set_ciphersuites(get(), from_.tls13_ciphers.c_str()) != 1) {
            return fail(
                names_.tls13_ciphers,
                fmt::format(
                    "bad value \"{}\" ({}), expected names such as TLS_AES_256_GCM_SHA384 with "
                    "colons between them",
                    from_.tls13_ciphers.substr(0, 60),
                    take_openssl_error()
                )
            );
        }
        return true;
    }

    /// The curve, and Diffie-Hellman without one (TLS 1.2 only).
    bool set_exchange() {
        const std::string curve = lower(from_.ecdhcurve);
        if (curve != "auto" && !curve.empty() &&
            SSL_CTX_set1_groups_list(get(), from_.ecdhcurve.c_str()) != 1) {
            return fail(
                names_.ecdhcurve,
                fmt::format(
                    "bad value \"{}\" ({}), expected auto or a curve's name such as prime256v1",
                    from_.ecdhcurve.substr(0, 60),
                    take_openssl_error()
                )
            );
        }
        const std::string parameters = lower(from_.dheparams);
        if (parameters == "auto" || parameters.empty()) {
            SSL_CTX_set_dh_auto(get(), 1);
        } else if (parameters == "legacy") {
            SSL_CTX_set_dh_auto(get(), 2);
        } else if (parameters != "none") {
            return fail(
                names_.dheparams,
                fmt::format(
                    "bad value \"{}\", expected auto, legacy or none", from_.dheparams.substr(0, 60)
                )
            );
        }
        return true;
    }

    /// Reads a file for the fingerprint, and for an error that says what the system thinks of it.
    bool note_file(std::string_view name, const std::string& file) {
        const auto digest = digest_of_file(file);
        if (!digest) {
            return fail(
                name,
                fmt::format(
                    "{}: cannot be read ({}); the user that runs pgweir needs to read it",
                    file,
                    digest.error().message
                )
            );
        }
        noted_.append(file).append("\n").append(*digest);
        return true;
    }

    bool load_certificate() {
        if (from_.cert_file.empty()) {
            return true;
        }
        if (!note_file(names_.cert_file, from_.cert_file) ||
            !note_file(names_.key_file, from_.key_file)) {
            return false;
        }
        if (SSL_CTX_use_certificate_chain_file(get(), from_.cert_file.c_str()) != 1) {
            return fail_file(
                names_.cert_file,
                from_.cert_file,
                "no certificate that can be used: expected PEM, with intermediate ones behind it"
            );
        }
        if (SSL_CTX_use_PrivateKey_file(get(), from_.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
            return fail_file(
                names_.key_file,
                from_.key_file,
                fmt::format(
                    "no key that can be used: expected PEM, without a passphrase, of the "
                    "certificate in {}",
                    from_.cert_file
                )
            );
        }
        if (SSL_CTX_check_private_key(get()) != 1) {
            return fail_file(
                names_.key_file,
                from_.key_file,
                fmt::format("not the key of the certificate in {}", from_.cert_file)
            );
        }
        made_->end_point_ = tls_end_point(SSL_CTX_get0_certificate(get()));
        return true;
    }

    bool load_authorities() {
        if (from_.ca_file.empty()) {
            if (from_.check >= tls_check::chain && SSL_CTX_set_default_verify_paths(get()) != 1) {
                return fail(names_.ca_file, "the system has no certificate authorities: name some");
            }
            return true;
        }
        if (!note_file(names_.ca_file, from_.ca_file)) {
            return false;
        }
        if (SSL_CTX_load_verify_file(get(), from_.ca_file.c_str()) != 1) {
            return fail_file(
                names_.ca_file, from_.ca_file, "no certificates that can be used: expected PEM"
            );
        }
        return true;
    }

    /// Tells clients whose certificates are believed here, so that they can choose.
    bool list_authorities() {
        if (from_.ca_file.empty()) {
            return true;
        }
        STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(from_.ca_file.c_str());
        if (names == nullptr) {
            return fail_file(names_.ca_file, from_.ca_file, "no certificates with names");
        }
        SSL_CTX_set_client_CA_list(get(), names);  // which takes it over
        return true;
    }

    result<tls_context_ptr> finish() {
        if (!problem_.empty()) {
            return failure{std::move(problem_)};
        }
        made_->fingerprint_ = fmt::format(
            "{}\n{}\n{}\n{}\n{}\n{}\n{}",
            int(from_.check),
            from_.protocols,
            from_.ciphers,
            from_.tls13_ciphers,
            from_.ecdhcurve,
            from_.dheparams,
            noted_
        );
        return tls_context_ptr(std::move(made_));
    }

    const tls_settings& from_;
    const tls_setting_names& names_;
    std::unique_ptr<tls_context> made_;
    std::string noted_;  // the files, and hashes of what they say
    std::string problem_;
};

result<tls_context_ptr> tls_context::for_clients(
    const tls_settings& from, const tls_setting_names& names
) {
    return tls_context_maker(from, names, TLS_server_method()).for_clients();
}

result<tls_context_ptr> tls_context::for_servers(
    const tls_settings& from, const tls_setting_names& names
) {
    return tls_context_maker(from, names, TLS_client_method()).for_servers();
}

}  // namespace pgweir::net
