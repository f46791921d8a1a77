#include "pool/cancel_request.hpp"

#include "net/loop.hpp"
#include "protocol/startup.hpp"

#include <utility>

namespace pgweir::pool {

cancel_request::cancel_request(
    net::loop& owner,
    const net::target& where,
    tls_terms tls,
    const net::socket_options& options,
    std::chrono::microseconds timeout,
    protocol::backend_key key,
    std::function<void(bool known)> over
)
    : loop_(owner),
      key_(key),
      over_(std::move(over)),
      timeout_(timeout),
      port_(where.port),
      tls_(std::move(tls)),
      connector_(owner, where, options, timeout, [this](int socket, std::error_code) {
          on_connected(socket);
      }) {}

cancel_request::~cancel_request() = default;

void cancel_request::on_connected(int socket) {
    if (socket < 0) {
        return finish(true);
    }
    if (timeout_.count() > 0) {
        loop_.set(*this, net::loop::now() + timeout_);  // who has taken it may be stopped
    }
    if (tls_.context == nullptr) {
        return on_opened({loop_.streams().adopt(socket, *this), nullptr, {}, {}});
    }
    opening_ = std::make_unique<tls_opening>(
        loop_, socket, tls_, port_, [this](opened_stream opened) { on_opened(std::move(opened)); }
    );
}

void cancel_request::on_opened(opened_stream opened) {
    opening_.reset();
    if (opened.stream == nullptr) {
        return finish(true);
    }
    stream_ = std::move(opened.stream);
    stream_->set_handler(*this);
    std::string out;
    protocol::put_cancel_request(out, key_.process_id, key_.secret_key);
    stream_->send(out);
}

void cancel_request::finish(bool known) {
    clear();
    if (const auto over = std::exchange(over_, nullptr)) {
        over(known);
    }
}

}  // namespace pgweir::pool
