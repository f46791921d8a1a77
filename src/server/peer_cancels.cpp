#include "server/peer_cancels.hpp"

#include <utility>

namespace pgweir::server {

void peer_cancels::forward(
    const config::peer& to,
    const config::settings& settings,
    const net::socket_options& options,
    std::uint64_t key,
    std::function<bool()> wanted,
    std::function<void()> done
) {
    ended_.clear();
    const int size = to.pool_size.value_or(settings.default_pool_size);
    request next{
        to,
        options,
        settings.server_connect_timeout,
        size > 0 ? static_cast<std::size_t>(size) : SIZE_MAX,
        key,
        std::move(wanted),
        std::move(done)};
    peer& of = peers_[to.id];
    if (of.active.size() >= next.at_once) {
        std::erase_if(of.waiting, [](const request& one) { return !one.wanted(); });
        of.waiting.push_back(std::move(next));
        return;
    }
    start(of, std::move(next));
}

void peer_cancels::start(peer& of, request next) {
    const auto which = of.active.insert(of.active.end(), nullptr);
    *which = std::make_unique<pool::cancel_request>(
        loop_,
        net::target{next.to.host, next.to.port},
        pool::tls_terms{},
        next.options,
        next.timeout,
        protocol::backend_key{
            static_cast<std::int32_t>(next.key >> 32),
            static_cast<std::int32_t>(next.key & 0xffffffff)},
        [this, id = next.to.id, which, done = std::move(next.done)](bool /*known*/) {
            done();
            over(id, which);
        }
    );
}

void peer_cancels::over(int id, std::list<std::unique_ptr<pool::cancel_request>>::iterator which) {
    peer& of = peers_[id];
    ended_.splice(ended_.end(), of.active, which);
    while (!of.waiting.empty() && of.active.size() < of.waiting.front().at_once) {
        request next = std::move(of.waiting.front());
        of.waiting.pop_front();
        if (next.wanted()) {
            start(of, std::move(next));
        }
    }
}

std::map<int, peer_cancels::counts> peer_cancels::count() const {
    std::map<int, counts> all;
    for (const auto& [id, of] : peers_) {
        all[id] = {of.active.size(), of.waiting.size()};
    }
    return all;
}

}  // namespace pgweir::server
