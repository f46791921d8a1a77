// A client that replicates: greeted when its own server is ready, and from then on the bytes of
// both go through as they are (see replication.hpp).

#include "base/log.hpp"
#include "net/loop.hpp"
#include "protocol/message.hpp"
#include "session/client.hpp"

namespace pgweir::session {

void client::begin_replication() {
    state_ = state::replicating;
    replicates_ = login_->replicates();
    replicating_client& self = *this;
    replication_ =
        std::make_unique<replication>(self, host_.servers(), *wanted, login_->take_startup());
    pending_.insert(0, login_->take_rest());
    login_.reset();
    lookup_.reset();
    watch();
    const microseconds patience = wanted->terms.query_wait_timeout;
    replication_->open(patience.count() > 0 ? net::loop::now() + patience : steady_time::max());
}

void client::on_replication(std::string_view parameters) {
    replicates_now_ = true;
    std::string out;
    protocol::put_authentication_ok(out);
    out += parameters;
    cancel_key_ = host_.new_cancel_key(*this);
    protocol::put_cancel_key(out, cancel_key_);
    protocol::put_ready_for_query(out, protocol::transaction_status::idle);
    stream_->send(out);
    stats().sent.add(out.size());
    if (host_.current_runtime()->configuration->global.log_connections) {
        log::info(
            "client {} {}/{}@{}:{}: replicates", id_, database(), user(), peer_.host(), peer_.port
        );
    }
    if (stream_->paused()) {
        stream_->resume();
    }
    if (!pending_.empty()) {
        const std::string first = std::exchange(pending_, {});
        replicate(first);
    }
}

void client::replicate(std::string_view bytes) {
    stats().received.add(bytes.size());
    if (!replicates_now_) {
        return keep(bytes);
    }
    replication_->send(bytes);
    if (replication_->queued() > net::high_watermark) {
        stream_->pause();
    }
}

void client::on_replicated(std::string_view bytes) {
    stream_->send(bytes);
    stats().sent.add(bytes.size());
    if (stream_->queued() > net::high_watermark) {
        replication_->pause();
    }
}

void client::on_replication_drained() {
    if (stream_->paused()) {
        stream_->resume();
    }
}

void client::on_replication_over(std::string_view sqlstate, std::string_view message) {
    if (message.empty()) {
        return end("the server has ended the replication");
    }
    refuse(sqlstate, message);
}

}  // namespace pgweir::session
