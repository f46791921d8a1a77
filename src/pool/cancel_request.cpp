#include "pool/cancel_request.hpp"

#include "net/loop.hpp"
#include "protocol/startup.hpp"

namespace pgweir::pool {

cancel_request::cancel_request(
    net::loop& owner,
    const net::target& where,
    const net::socket_options& options,
    std::chrono::microseconds timeout,
    protocol::backend_key key,
    std::function<void()> over
)
    : loop_(owner),
      key_(key),
      over_(std::move(over)),
      connector_(owner, where, options, timeout, [this](int socket, std::error_code) {
          on_connected(socket);
      }) {}

cancel_request::~cancel_request() = default;

void cancel_request::on_connected(int socket) {
    if (socket < 0) {
        return over_();
    }
    stream_ = loop_.streams().adopt(socket, *this);
    std::string out;
    protocol::put_cancel_request(out, key_.process_id, key_.secret_key);
    stream_->send(out);
}

}  // namespace pgweir::pool
