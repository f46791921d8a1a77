#include "net/tls_session.hpp"

#include <boost/asio/ip/address.hpp>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace pgweir::net {

namespace {

class tls_error_category final : public std::error_category {
public:
    const char* name() const noexcept override { return "tls"; }

    std::string message(int code) const override {
        if (code == 0) {
            return "TLS: the other side does not keep to the protocol";
        }
        if (code < 0) {
            return fmt::format(
                "TLS: the certificate is refused: {}", X509_verify_cert_error_string(-code)
            );
        }
        const char* words = ERR_reason_error_string(static_cast<unsigned long>(code));
        return fmt::format("TLS: {}", words != nullptr ? words : std::to_string(code));
    }
};

/// What OpenSSL has to say about the call that has just failed.
std::error_code last_error(const SSL* ssl) noexcept {
    const unsigned long code = ERR_peek_last_error();
    ERR_clear_error();
    const long verified = SSL_get_verify_result(ssl);
    if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK) {
        return {-static_cast<int>(verified), tls_category()};
    }
    return {static_cast<int>(code & 0x7fffffff), tls_category()};
}

bool is_address(const std::string& host) {
    boost::system::error_code not_numeric;
    boost::asio::ip::make_address(host, not_numeric);
    return !not_numeric;
}

std::string whole_name(const X509_NAME* name) {
    BIO* text = BIO_new(BIO_s_mem());
    std::string made;
    if (text != nullptr && X509_NAME_print_ex(text, name, 0, XN_FLAG_RFC2253) >= 0) {
        char* bytes = nullptr;
        const long size = BIO_ctrl(text, BIO_CTRL_INFO, 0, &bytes);
        made.assign(bytes, std::size_t(size));
    }
    BIO_free(text);
    return made;
}

/// A name from a certificate. One with a zero byte in it was made to deceive.
std::string text_of(const ASN1_STRING* text) {
    unsigned char* bytes = nullptr;
    const int size = ASN1_STRING_to_UTF8(&bytes, text);
    if (size < 0) {
        ERR_clear_error();
        return {};
    }
    std::string made(reinterpret_cast<const char*>(bytes), std::size_t(size));
    OPENSSL_free(bytes);
    return made.find('\0') == made.npos ? made : std::string();
}

void add_alternative_names(const X509* certificate, std::vector<std::string>& to) {
    auto* all = static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)
    );
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME* one = sk_GENERAL_NAME_value(all, i);
        if (one->type != GEN_DNS) {
            continue;
        }
        if (std::string name = text_of(one->d.dNSName); !name.empty()) {
            to.push_back(std::move(name));
        }
    }
    GENERAL_NAMES_free(all);
}

}  // namespace

const std::error_category& tls_category() noexcept {
    static const tls_error_category only;
    return only;
}

/// Our way of moving bytes, in OpenSSL's terms.
struct tls_session::method {
    static tls_session& of(BIO* bio) noexcept {
        return *static_cast<tls_session*>(BIO_get_data(bio));
    }

    static int read(BIO* bio, char* to, std::size_t size, std::size_t* got) {
        BIO_clear_retry_flags(bio);
        std::string_view* in = of(bio).in_;
        if (in == nullptr || in->empty()) {
            BIO_set_retry_read(bio);
            return 0;
        }
        *got = std::min(size, in->size());
        std::memcpy(to, in->data(), *got);
        in->remove_prefix(*got);
        return 1;
    }

    static int write(BIO* bio, const char* bytes, std::size_t size, std::size_t* put) {
        BIO_clear_retry_flags(bio);
        tls_buffer* out = of(bio).out_;
        if (out == nullptr || out->room() == 0) {
            BIO_set_retry_write(bio);
            return 0;
        }
        *put = std::min(size, out->room());
        std::memcpy(out->data + out->size, bytes, *put);
        out->size += *put;
        return 1;
    }

    static long control(BIO*, int what, long, void*) { return what == BIO_CTRL_FLUSH ? 1 : 0; }

    static const BIO_METHOD* get() {
        static const BIO_METHOD* const only = [] {
            BIO_METHOD* made =
                BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "pgweir's buffers");
            BIO_meth_set_read_ex(made, &read);
            BIO_meth_set_write_ex(made, &write);
            BIO_meth_set_ctrl(made, &control);
            return made;
        }();
        return only;
    }
};

tls_session::tls_session(tls_context_ptr context)
    : context_(std::move(context)), ssl_(SSL_new(context_->get())) {
    BIO* bio = BIO_new(method::get());
    if (ssl_ == nullptr || bio == nullptr) {
        BIO_free(bio);
        throw std::bad_alloc();
    }
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_app_data(ssl_.get(), this);
}

tls_session::~tls_session() = default;

std::shared_ptr<tls_session> tls_session::accept(tls_context_ptr context, begin how) {
    std::shared_ptr<tls_session> made(new tls_session(std::move(context)));
    made->direct_ = how == begin::direct;
    SSL_set_accept_state(made->ssl_.get());
    return made;
}

std::shared_ptr<tls_session> tls_session::connect(
    tls_context_ptr context, const std::string& host, int port
) {
    std::shared_ptr<tls_session> made(new tls_session(std::move(context)));
    SSL* ssl = made->ssl_.get();
    made->server_ = true;
    made->host_ = host;
    made->kept_as_ = fmt::format("{}:{}", host, port);
    const bool address = is_address(host);
    if (!address) {
        // As the macro for it does, less its cast.
        SSL_ctrl(
            ssl,
            SSL_CTRL_SET_TLSEXT_HOSTNAME,
            TLSEXT_NAMETYPE_host_name,
            const_cast<char*>(host.c_str())
        );
    }
    if (made->context_->check() == tls_check::chain_and_name) {
        X509_VERIFY_PARAM* expected = SSL_get0_param(ssl);
        X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (address) {
            X509_VERIFY_PARAM_set1_ip_asc(expected, host.c_str());
        } else {
            X509_VERIFY_PARAM_set1_host(expected, host.data(), host.size());
        }
    }
    if (const auto earlier = made->context_->take_session(made->kept_as_)) {
        SSL_set_session(ssl, earlier.get());
    }
    SSL_set_connect_state(ssl);
    return made;
}

int tls_session::keep(SSL* ssl, SSL_SESSION* session) {
    const auto& self = *static_cast<tls_session*>(SSL_get_app_data(ssl));
    self.context_->keep_session(self.kept_as_, session);
    return 1;  // it is ours now
}

tls_session::step tls_session::fail(std::error_code why) noexcept {
    error_ = why;
    return step::failed;
}

/// What a call that did not succeed has come to.
tls_session::step tls_session::over(int result) {
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ:
            return step::wants_input;
        case SSL_ERROR_WANT_WRITE:
            return step::again;
        case SSL_ERROR_ZERO_RETURN:
            return step::closed;
        default:
            return fail(last_error(ssl_.get()));
    }
}

/// Whether the session may be used.
bool tls_session::on_established() {
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &chosen, &size);
    established_ = !direct_ || size != 0;
    return established_;
}

tls_session::step tls_session::read(std::string_view& in, tls_buffer& plain, tls_buffer& out) {
    if (error_) {
        return step::failed;
    }
    ERR_clear_error();
    in_ = &in;
    out_ = &out;
    step result = step::again;
    while (result == step::again && plain.room() != 0) {
        std::size_t got = 0;
        const int done = SSL_read_ex(ssl_.get(), plain.data + plain.size, plain.room(), &got);
        if (!established_ && SSL_is_init_finished(ssl_.get()) == 1 && !on_established()) {
            result = fail({SSL_R_NO_APPLICATION_PROTOCOL, tls_category()});
        } else if (done == 1) {
            plain.size += got;
        } else {
            result = over(done);
            if (result == step::again) {
                break;  // `out` is full
            }
        }
    }
    in_ = nullptr;
    out_ = nullptr;
    return result;
}

bool tls_session::write(std::string_view& bytes, tls_buffer& out) {
    if (error_) {
        return false;
    }
    ERR_clear_error();
    out_ = &out;
    bool good = true;
    while (good && !bytes.empty() && out.room() >= record_limit) {
        std::size_t put = 0;
        const int done = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &put);
        if (done == 1) {
            bytes.remove_prefix(put);
        } else {
            fail(last_error(ssl_.get()));
            good = false;
        }
    }
    out_ = nullptr;
    return good;
}

void tls_session::shut_down(tls_buffer& out) {
    if (!established_ || error_) {
        return;
    }
    ERR_clear_error();
    out_ = &out;
    SSL_shutdown(ssl_.get());
    out_ = nullptr;
    ERR_clear_error();
}

std::string tls_session::description() const {
    return established_ ? fmt::format(
                              "{}/{}",
                              SSL_get_version(ssl_.get()),
                              SSL_CIPHER_get_name(SSL_get_current_cipher(ssl_.get()))
                          )
                        : std::string();
}

bool tls_session::resumed() const noexcept {
    return SSL_session_reused(ssl_.get()) == 1;
}

bool tls_session::certified() const noexcept {
    return context_->check() != tls_check::none &&
           SSL_get0_peer_certificate(ssl_.get()) != nullptr &&
           SSL_get_verify_result(ssl_.get()) == X509_V_OK;
}

tls_identity tls_session::peer() const {
    tls_identity is;
    if (!certified()) {
        return is;
    }
    const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
    const X509_NAME* subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at >= 0) {
        is.common_name = text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    }
    add_alternative_names(certificate, is.names);
    is.distinguished_name = whole_name(subject);
    return is;
}

std::string tls_session::end_point() const {
    return server_ ? tls_end_point(SSL_get0_peer_certificate(ssl_.get())) : context_->end_point();
}

}  // namespace pgweir::net
