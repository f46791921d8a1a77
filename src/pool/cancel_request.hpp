#pragma once

// A cancel request on its way to PostgreSQL: a connection of its own that says which process is to
// stop, and is over when the server closes it, for by then the signal has been sent.
// PostgreSQL's manual: "Message Flow": "Canceling Requests in Progress".
// Thread: the loop's.

#include "net/connector.hpp"
#include "net/stream.hpp"
#include "net/timer_wheel.hpp"
#include "pool/tls_opening.hpp"
#include "protocol/message.hpp"

#include <chrono>
#include <functional>
#include <memory>

namespace pgweir::pool {

class cancel_request final : net::stream_handler, net::deadline {
public:
    /// With TLS if the terms have a context, and then not without it.
    ///
    /// `over` is called once, from the loop, and may not destroy this object within the call; with
    /// false if the request went out and the server has not closed the connection within `timeout`,
    /// so that what it asks for may still happen. Destroying the object ends the request; `over` is
    /// then not called.
    cancel_request(
        net::loop& owner,
        const net::target& where,
        tls_terms tls,
        const net::socket_options& options,
        std::chrono::microseconds timeout,
        protocol::backend_key key,
        std::function<void(bool known)> over
    );
    ~cancel_request();

private:
    void on_connected(int socket);
    void on_opened(opened_stream opened);

    void on_received(std::string_view) override {}

    void on_drained() override {}

    void on_closed(std::error_code) override { finish(true); }

    void on_deadline(steady_time) override { finish(stream_ == nullptr); }

    void finish(bool known);

    net::loop& loop_;
    protocol::backend_key key_;
    std::function<void(bool known)> over_;  // empty once it was called
    std::chrono::microseconds timeout_;
    int port_;
    tls_terms tls_;
    net::stream_ptr stream_;
    std::unique_ptr<tls_opening> opening_;
    net::connector connector_;
};

}  // namespace pgweir::pool
