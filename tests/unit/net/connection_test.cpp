// Addresses, and connections that are opened and accepted over local sockets of a folder that each
// test has for itself.

#include "base/log.hpp"
#include "net/address.hpp"
#include "net/connector.hpp"
#include "net/listener.hpp"
#include "net/loop.hpp"
#include "net/name_cache.hpp"
#include "net/socket_options.hpp"
#include "unit/net/engines.hpp"

#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace pgweir::net {
namespace {

namespace fs = std::filesystem;

template <typename Raw>
address from(const Raw& raw) {
    return address::from(reinterpret_cast<const ::sockaddr&>(raw));
}

TEST(AddressTest, Ipv4) {
    sockaddr_in raw{};
    raw.sin_family = AF_INET;
    raw.sin_port = htons(5432);
    raw.sin_addr.s_addr = htonl(0x0a000102);
    const address a = from(raw);
    EXPECT_EQ(a.kind, address::family::ipv4);
    EXPECT_EQ(a.port, 5432);
    EXPECT_EQ(a.ip(), std::string_view("\x0a\0\1\2", 4));
    EXPECT_EQ(a.host(), "10.0.1.2");
}

TEST(AddressTest, Ipv6) {
    sockaddr_in6 raw{};
    raw.sin6_family = AF_INET6;
    raw.sin6_port = htons(1);
    raw.sin6_addr = in6addr_loopback;
    const address a = from(raw);
    EXPECT_EQ(a.kind, address::family::ipv6);
    EXPECT_EQ(a.port, 1);
    EXPECT_EQ(a.ip().size(), 16U);
    EXPECT_EQ(a.host(), "::1");
}

TEST(AddressTest, WhatIsNoIpAddressHasNoBytes) {
    std::array<int, 2> both{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, both.data()), 0);
    EXPECT_EQ(address::of_peer(both[0]).kind, address::family::local);
    EXPECT_EQ(address::of_socket(both[0]).host(), "unix");
    EXPECT_EQ(address::of_socket(both[0]).ip(), "");
    ::close(both[0]);
    ::close(both[1]);
    EXPECT_EQ(address::of_peer(-1).kind, address::family::none);
    EXPECT_EQ(address().ip(), "");
}

TEST(TargetTest, IsShownByAddressOrPath) {
    EXPECT_EQ(to_string({"db.example", 5432}), "db.example:5432");
    EXPECT_EQ(to_string({"/run/postgresql", 5433}), "/run/postgresql/.s.PGSQL.5433");
    EXPECT_EQ(to_string({"@pgweir", 1}), "@pgweir/.s.PGSQL.1");
}

class ConnectionTest : public testing::TestWithParam<engine_kind> {
protected:
    ConnectionTest() {
        std::string made = (fs::temp_directory_path() / "pgweir-net-XXXXXX").string();
        if (::mkdtemp(made.data()) == nullptr) {
            throw std::system_error(errno, std::generic_category());
        }
        folder = made;
    }

    ~ConnectionTest() override {
        for (int socket : {accepted, connected.value_or(-1)}) {
            if (socket >= 0) {
                ::close(socket);
            }
        }
        fs::remove_all(folder);
    }

    result<std::unique_ptr<listener>> listen(int mode = 0777) {
        listener::local_options options;
        options.directory = folder;
        options.port = 6432;
        options.mode = mode;
        return listener::local(owner, options, {16}, [this](int socket, const address&) {
            accepted = socket;
        });
    }

    connector::callback done() {
        return [this](int socket, std::error_code error) {
            EXPECT_FALSE(connected) << "told twice";
            connected = socket;
            why = error;
        };
    }

    void until(const std::function<bool()>& condition) {
        while (!condition()) {
            if (owner.context().run_one_for(seconds(30)) == 0) {
                throw std::runtime_error("nothing happens any more");
            }
        }
    }

    loop owner{GetParam()};
    std::string folder;
    int accepted = -1;
    std::optional<int> connected;
    std::error_code why;
};

TEST_P(ConnectionTest, ConnectorReachesAListener) {
    const auto listening = listen();
    ASSERT_TRUE(listening) << listening.error().message;
    const connector attempt(owner, {folder, 6432}, {}, seconds(30), done());
    EXPECT_FALSE(connected) << "only from the loop";
    until([&] { return connected && accepted >= 0; });
    ASSERT_GE(*connected, 0) << why.message();
    ASSERT_EQ(::send(*connected, "x", 1, 0), 1);
    char byte = 0;
    until([&] { return ::recv(accepted, &byte, 1, MSG_DONTWAIT) == 1; });
    EXPECT_EQ(byte, 'x');
}

TEST_P(ConnectionTest, MissingSocketIsAnError) {
    const connector attempt(owner, {folder, 6432}, {}, seconds(30), done());
    until([&] { return connected.has_value(); });
    EXPECT_EQ(*connected, -1);
    EXPECT_EQ(why, std::errc::no_such_file_or_directory);
}

TEST_P(ConnectionTest, AbandonedAttemptIsNeverReported) {
    const auto listening = listen();
    ASSERT_TRUE(listening);
    { const connector attempt(owner, {folder, 6432}, {}, seconds(30), done()); }
    while (owner.context().poll() > 0) {
    }
    EXPECT_FALSE(connected);
}

TEST_P(ConnectionTest, ListenersPathHasItsRightsAndGoesWithIt) {
    const std::string path = local_path({folder, 6432});
    {
        const auto listening = listen(0600);
        ASSERT_TRUE(listening);
        EXPECT_EQ((*listening)->name(), path);

        struct stat seen {};

        ASSERT_EQ(::stat(path.c_str(), &seen), 0);
        EXPECT_TRUE(S_ISSOCK(seen.st_mode));
        EXPECT_EQ(seen.st_mode & 0777U, 0600U);
    }
    EXPECT_FALSE(fs::exists(path));
}

TEST_P(ConnectionTest, ManyThatComeAtOnceAreAllAccepted) {
    listener::local_options options;
    options.directory = folder;
    options.port = 6432;
    std::vector<int> sockets;
    const auto listening =
        listener::local(owner, options, {64}, [&](int socket, const address& peer) {
            EXPECT_EQ(peer.kind, address::family::local);
            sockets.push_back(socket);
        });
    ASSERT_TRUE(listening);
    std::vector<std::unique_ptr<connector>> attempts;
    std::size_t there = 0;
    for (std::size_t i = 0; i < 40; i++) {
        attempts.push_back(std::make_unique<connector>(
            owner,
            target{folder, 6432},
            socket_options{},
            seconds(30),
            [&](int socket, std::error_code) {
                sockets.push_back(socket);
                there++;
            }
        ));
    }
    until([&] { return there == attempts.size() && sockets.size() == 2 * attempts.size(); });
    for (int socket : sockets) {
        EXPECT_GE(socket, 0);
        ::close(socket);
    }
}

TEST_P(ConnectionTest, NameThatMovesMeanwhileIsFollowed) {
    const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in here{};
    here.sin_family = AF_INET;
    socklen_t size = sizeof here;
    ASSERT_EQ(::bind(listening, reinterpret_cast<sockaddr*>(&here), size), 0);
    ASSERT_EQ(::listen(listening, 16), 0);
    ASSERT_EQ(::getsockname(listening, reinterpret_cast<sockaddr*>(&here), &size), 0);

    const auto mean = [&](const char* address) {
        owner.names().learn("db", {{address}, {}}, loop::now());
    };
    mean("127.0.0.1");
    const connector attempt(owner, {"db", ntohs(here.sin_port)}, {}, seconds(30), done());
    mean("127.0.0.2");
    until([&] { return connected.has_value(); });
    ASSERT_GE(*connected, 0) << why.message();
    EXPECT_EQ(address::of_peer(*connected).host(), "127.0.0.2");
    ::close(*connected);
    ::close(listening);
}

TEST_P(ConnectionTest, NobodyIsAcceptedBehindTheEnd) {
    {
        const auto listening = listen();
        ASSERT_TRUE(listening);
        const connector attempt(owner, {folder, 6432}, {}, seconds(30), done());
        until([&] { return connected && accepted >= 0; });
    }
    ::close(*connected);
    connected.reset();
    const connector attempt(owner, {folder, 6432}, {}, seconds(30), done());
    until([&] { return connected.has_value(); });
    EXPECT_EQ(*connected, -1);
}

/// Lowers the limit of this process's descriptors to what is open now.
class no_more_descriptors {
public:
    no_more_descriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        ::close(next);
        const rlimit now{static_cast<rlim_t>(next), before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &now);
    }

    ~no_more_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

class captured_log final : public log::sink {
public:
    captured_log() : before_(log::install(this)) {}

    ~captured_log() override { log::install(before_); }

    void write(log::level, std::string_view line) noexcept override { text += line; }

    std::string text;

private:
    log::sink* before_;
};

TEST_P(ConnectionTest, WhoComesWhileThereIsNoDescriptorIsAcceptedLater) {
#if defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "the sanitizer's own checks need descriptors";
#endif
    const auto listening = listen();
    ASSERT_TRUE(listening);
    const connector attempt(owner, {folder, 6432}, {}, seconds(30), done());
    captured_log told;
    {
        const no_more_descriptors limit;
        until([&] { return connected && !told.text.empty(); });
        EXPECT_NE(told.text.find("cannot accept a connection on " + folder), std::string::npos)
            << told.text;
        EXPECT_EQ(accepted, -1);
    }
    until([&] { return accepted >= 0; });
}

/// A connected pair over TCP; the second end is accepted from a prepared listener.
std::array<int, 2> tcp_pair() {
    const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
    apply_to_listener(listening);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof where;
    auto* raw = reinterpret_cast<::sockaddr*>(&where);
    if (::bind(listening, raw, size) != 0 || ::listen(listening, 1) != 0 ||
        ::getsockname(listening, raw, &size) != 0) {
        throw std::system_error(errno, std::generic_category());
    }
    const int connecting = ::socket(AF_INET, SOCK_STREAM, 0);
    ::connect(connecting, raw, size);
    const int accepted = ::accept(listening, nullptr, nullptr);
    ::close(listening);
    return {connecting, accepted};
}

int option_of(int socket, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    ::getsockopt(socket, level, name, &value, &size);
    return value;
}

TEST(AcceptedSocketTest, AcceptedConnectionsHaveThem) {
    socket_options options;
    for (const auto& [keepalive, idle] : {std::pair{true, 0}, {true, 77}, {false, 77}}) {
        const auto both = tcp_pair();
        options.keepalive = keepalive;
        options.keepidle = idle;
        apply_to_accepted(options, both[1]);
        EXPECT_EQ(option_of(both[1], IPPROTO_TCP, TCP_NODELAY), 1);
        EXPECT_EQ(option_of(both[1], SOL_SOCKET, SO_KEEPALIVE), keepalive ? 1 : 0);
        EXPECT_EQ(option_of(both[1], IPPROTO_TCP, TCP_KEEPIDLE) == 77, keepalive && idle == 77);
        ::close(both[0]);
        ::close(both[1]);
    }
}

TEST_P(ConnectionTest, FolderThatDoesNotExistIsRefusedByName) {
    fs::remove_all(folder);
    const auto listening = listen();
    ASSERT_FALSE(listening);
    EXPECT_NE(listening.error().message.find(folder), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Engines, ConnectionTest, testing::ValuesIn(usable_engines()), name_of_engine
);

}  // namespace
}  // namespace pgweir::net
