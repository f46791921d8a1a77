#include "pool/tls_opening.hpp"

#include "net/loop.hpp"
#include "net/tls_stream.hpp"
#include "protocol/startup.hpp"

#include <utility>

namespace pgweir::pool {

namespace {

constexpr std::string_view cannot_connect = "08001";

}  // namespace

tls_answer read_tls_answer(std::string_view received, bool required) noexcept {
    if (received.size() != 1) {
        const bool answered = received.starts_with('S') || received.starts_with('N');
        return answered ? tls_answer::ahead : tls_answer::other;
    }
    switch (received[0]) {
        case 'S':
            return tls_answer::secure;
        case 'N':
            return required ? tls_answer::refused : tls_answer::in_clear;
        default:
            return tls_answer::other;
    }
}

tls_opening::tls_opening(net::loop& owner, int socket, tls_terms terms, int port, callback done)
    : loop_(owner),
      terms_(std::move(terms)),
      port_(port),
      done_(std::move(done)),
      stream_(owner.streams().adopt(socket, *this)) {
    std::string out;
    protocol::put_ssl_request(out);
    stream_->send(out);
}

tls_opening::~tls_opening() = default;

void tls_opening::on_received(std::string_view bytes) {
    switch (read_tls_answer(bytes, terms_.required)) {
        case tls_answer::secure:
            return secure();
        case tls_answer::in_clear:
            return finish({std::move(stream_), nullptr, {}, {}});
        case tls_answer::refused:
            return fail("the server has no TLS, and sslmode demands it", cannot_connect);
        case tls_answer::ahead:
            return fail("received unencrypted data after SSL response", cannot_connect);
        case tls_answer::other:
            return fail("the server's answer to the SSL request is none", cannot_connect);
    }
}

void tls_opening::secure() {
    auto session = net::tls_session::connect(terms_.context, terms_.host, port_);
    net::stream_ptr stream = net::secure(loop_, std::move(stream_), *this, session);
    finish({std::move(stream), std::move(session), {}, {}});
}

void tls_opening::on_closed(std::error_code why) {
    fail(
        why ? "connection lost: " + why.message()
            : "the server closed the connection when it was asked for TLS",
        {}
    );
}

void tls_opening::fail(std::string why, std::string_view sqlstate) {
    finish({nullptr, nullptr, std::move(why), sqlstate});
}

void tls_opening::finish(opened_stream made) {
    const callback done = std::exchange(done_, nullptr);
    if (done) {
        done(std::move(made));
    }
}

}  // namespace pgweir::pool
