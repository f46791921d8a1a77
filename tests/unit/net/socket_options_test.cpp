// What the kernel says of a socket after the settings tcp_* have been applied to it.

#include "net/socket_options.hpp"

#include <gtest/gtest.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace pgweir::net {
namespace {

class SocketOptionsTest : public testing::Test {
protected:
    ~SocketOptionsTest() override { ::close(socket_); }

    int read(int level, int name) const {
        int value = -1;
        socklen_t size = sizeof value;
        EXPECT_EQ(::getsockopt(socket_, level, name, &value, &size), 0);
        return value;
    }

    int socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

TEST_F(SocketOptionsTest, EverySettingReachesTheKernel) {
    socket_options options;
    options.keepcnt = 7;
    options.keepidle = 61;
    options.keepintvl = 13;
    options.user_timeout = 4321;
    options.socket_buffer = 50'000;
    apply(options, socket_);
    EXPECT_EQ(read(SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(read(IPPROTO_TCP, TCP_KEEPCNT), 7);
    EXPECT_EQ(read(IPPROTO_TCP, TCP_KEEPIDLE), 61);
    EXPECT_EQ(read(IPPROTO_TCP, TCP_KEEPINTVL), 13);
    EXPECT_EQ(read(IPPROTO_TCP, TCP_USER_TIMEOUT), 4321);
    // Linux doubles the size, for its own bookkeeping (socket(7)).
    EXPECT_EQ(read(SOL_SOCKET, SO_SNDBUF), 100'000);
    EXPECT_EQ(read(SOL_SOCKET, SO_RCVBUF), 100'000);
    EXPECT_NE(read(IPPROTO_TCP, TCP_NODELAY), 0);
}

TEST_F(SocketOptionsTest, ZeroLeavesTheDefaultOfTheSystem) {
    const auto all = [this] {
        return std::array{
            read(IPPROTO_TCP, TCP_KEEPCNT),
            read(IPPROTO_TCP, TCP_KEEPIDLE),
            read(IPPROTO_TCP, TCP_KEEPINTVL),
            read(IPPROTO_TCP, TCP_USER_TIMEOUT),
            read(SOL_SOCKET, SO_SNDBUF),
            read(SOL_SOCKET, SO_RCVBUF),
        };
    };
    const auto before = all();
    apply({}, socket_);
    EXPECT_EQ(all(), before);
    EXPECT_EQ(read(SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_NE(read(IPPROTO_TCP, TCP_NODELAY), 0);
}

TEST_F(SocketOptionsTest, WithoutKeepaliveItsNumbersDoNotMatter) {
    socket_options options;
    options.keepalive = false;
    options.keepidle = 61;
    const int before = read(IPPROTO_TCP, TCP_KEEPIDLE);
    apply(options, socket_);
    EXPECT_EQ(read(SOL_SOCKET, SO_KEEPALIVE), 0);
    EXPECT_EQ(read(IPPROTO_TCP, TCP_KEEPIDLE), before);
}

TEST_F(SocketOptionsTest, RefusedOptionDoesNotKeepTheOthersAway) {
    socket_options options;
    options.keepcnt = 1'000'000;
    options.keepintvl = 13;
    apply(options, socket_);
    EXPECT_EQ(read(IPPROTO_TCP, TCP_KEEPINTVL), 13);
}

TEST_F(SocketOptionsTest, LocalSocketsAreLeftAlone) {
    ::close(socket_);
    socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int before = read(SOL_SOCKET, SO_SNDBUF);
    socket_options options;
    options.socket_buffer = 50'000;
    apply(options, socket_);
    EXPECT_EQ(read(SOL_SOCKET, SO_SNDBUF), before);
    EXPECT_EQ(read(SOL_SOCKET, SO_KEEPALIVE), 0);
}

}  // namespace
}  // namespace pgweir::net
