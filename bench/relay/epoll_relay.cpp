// The relay on epoll. Sockets are registered once, edge-triggered in both directions: a message
// costs one recv and one send, and a socket that takes no more costs no system call until it does.

#include "relay.hpp"
#include "sockets.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace relay {

namespace {

/// Receives in a row from one socket, after which the others have their turn.
constexpr int receives_at_once = 8;

/// One end of a pair of connections.
struct side {
    descriptor socket;
    side* peer = nullptr;
    bool readable = false;
    bool hung_up = false;  // the end was announced: a short read has not emptied the socket
    bool queued = false;   // is in the list of sides to read again
    bool closed = false;
    std::string unsent;  // of what the peer has read; the peer is not read while there is any
};

class epoll_relay {
public:
    explicit epoll_relay(const options& wanted)
        : server_port_(wanted.server_port), buffer_(wanted.buffer_bytes) {
        if (!epoll_) {
            throw_error(errno, "epoll_create1");
        }
        if (!wanted.check) {
            listener_ = listen_on(wanted.listen_port);
            watch(listener_.get(), nullptr, EPOLLIN);
        }
    }

    void run() {
        for (;;) {
            const int timeout = again_.empty() ? -1 : 0;
            const int count = ::epoll_wait(
                epoll_.get(), events_.data(), static_cast<int>(events_.size()), timeout
            );
            if (count < 0 && errno != EINTR) {
                throw_error(errno, "epoll_wait");
            }
            for (int i = 0; i < count; ++i) {
                const epoll_event& event = events_[static_cast<std::size_t>(i)];
                if (event.data.ptr == nullptr) {
                    accept_all();
                } else {
                    on_events(*static_cast<side*>(event.data.ptr), event.events);
                }
            }
            read_again();
            dead_.clear();
        }
    }

private:
    bool watch(int socket, side* whose, std::uint32_t what) {
        epoll_event event{};
        event.events = what;
        event.data.ptr = whose;
        return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket, &event) == 0;
    }

    void accept_all() {
        for (;;) {
            descriptor client(
                ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)
            );
            if (!client) {
                return;
            }
            descriptor server = connect_to(server_port_);
            if (server) {
                set_non_blocking(server.get());
                join(std::move(client), std::move(server));
            }
        }
    }

    void join(descriptor client, descriptor server) {
        auto near = std::make_unique<side>();
        auto far = std::make_unique<side>();
        near->socket = std::move(client);
        far->socket = std::move(server);
        near->peer = far.get();
        far->peer = near.get();
        constexpr std::uint32_t all = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        for (side* each : {near.get(), far.get()}) {
            set_no_delay(each->socket.get());
            if (!watch(each->socket.get(), each, all)) {
                return;
            }
        }
        near.release();  // from here on they belong to epoll's events, until end()
        far.release();
    }

    void on_events(side& s, std::uint32_t events) {
        if (s.closed) {
            return;
        }
        if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
            s.hung_up = true;
        }
        if ((events & EPOLLOUT) != 0 && !s.unsent.empty() && !flush(s)) {
            return end(s);
        }
        if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
            s.readable = true;
            pump(s);
        }
    }

    /// Copies from this side to its peer what there is, as long as the peer takes it.
    void pump(side& from) {
        side& to = *from.peer;
        for (int count = 0; from.readable && to.unsent.empty(); ++count) {
            if (count == receives_at_once) {
                return queue(from);
            }
            const ssize_t got = ::recv(from.socket.get(), buffer_.data(), buffer_.size(), 0);
            if (got < 0 && errno == EINTR) {
                continue;
            }
            if (got < 0 && errno == EAGAIN) {
                from.readable = false;
                return;
            }
            const auto bytes = static_cast<std::size_t>(got);
            if (got <= 0 || !send(to, std::string_view(buffer_.data(), bytes))) {
                return end(from);
            }
            if (bytes < buffer_.size() && !from.hung_up) {
                from.readable = false;  // a short read has emptied it
            }
        }
    }

    /// False if the connection is broken.
    static bool send(side& to, std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t taken = ::send(to.socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (taken >= 0) {
                bytes.remove_prefix(static_cast<std::size_t>(taken));
            } else if (errno == EAGAIN) {
                to.unsent = bytes;
                return true;
            } else if (errno != EINTR) {
                return false;
            }
        }
        return true;
    }

    bool flush(side& to) {
        const std::string waiting = std::move(to.unsent);
        to.unsent.clear();
        if (!send(to, waiting)) {
            return false;
        }
        if (to.unsent.empty()) {
            queue(*to.peer);
        }
        return true;
    }

    void queue(side& s) {
        if (s.readable && !s.queued) {
            s.queued = true;
            again_.push_back(&s);
        }
    }

    void read_again() {
        std::vector<side*> now;
        now.swap(again_);
        for (side* each : now) {
            each->queued = false;
            if (!each->closed) {
                pump(*each);
            }
        }
    }

    /// Closes both; freed at the end of the turn, when no event of this turn can name them.
    void end(side& s) {
        for (side* each : {&s, s.peer}) {
            each->closed = true;
            each->socket = descriptor();
            std::erase(again_, each);
            dead_.emplace_back(each);
        }
    }

    std::uint16_t server_port_;
    descriptor listener_;
    descriptor epoll_{::epoll_create1(EPOLL_CLOEXEC)};
    std::vector<char> buffer_;
    std::array<epoll_event, 512> events_{};
    std::vector<side*> again_;
    std::vector<std::unique_ptr<side>> dead_;
};

}  // namespace

void run_on_epoll(const options& wanted) {
    epoll_relay all(wanted);
    if (!wanted.check) {
        all.run();
    }
}

}  // namespace relay
