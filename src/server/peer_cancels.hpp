#pragma once

// Cancel requests that came here and belong to another process of the same port: they are sent on
// to it ([peers]), each over a connection of its own, no more at once than the peer's pool_size;
// others wait. Of one worker, on its thread.

#include "config/settings.hpp"
#include "net/loop.hpp"
#include "pool/cancel_request.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>

namespace pgweir::server {

class peer_cancels {
public:
    struct counts {
        std::size_t active = 0;
        std::size_t waiting = 0;
    };

    explicit peer_cancels(net::loop& owner) : loop_(owner) {}

    /// `wanted`: whether somebody still waits for it when its turn comes. `done` is called once it
    /// was, whatever became of it.
    void forward(
        const config::peer& to,
        const config::settings& settings,
        const net::socket_options& options,
        std::uint64_t key,
        std::function<bool()> wanted,
        std::function<void()> done
    );

    /// By the numbers of the peers.
    std::map<int, counts> count() const;

private:
    struct request {
        config::peer to;
        net::socket_options options;
        microseconds timeout{0};
        std::size_t at_once = 0;
        std::uint64_t key = 0;
        std::function<bool()> wanted;
        std::function<void()> done;
    };

    struct peer {
        std::list<std::unique_ptr<pool::cancel_request>> active;
        std::deque<request> waiting;
    };

    void start(peer& of, request next);
    void over(int id, std::list<std::unique_ptr<pool::cancel_request>>::iterator which);

    net::loop& loop_;
    std::map<int, peer> peers_;
    std::list<std::unique_ptr<pool::cancel_request>> ended_;  // in whose call we may still be
};

}  // namespace pgweir::server
