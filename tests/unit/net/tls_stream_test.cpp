// TLS on real sockets, over each engine: both ends belong to the loop, or one to the test.

#include "net/tls_stream.hpp"

#include "net/loop.hpp"
#include "support/certificates.hpp"
#include "unit/net/engines.hpp"

#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace pgweir::net {
namespace {

using test::serving;
using test::tls_names;

class recorder final : public stream_handler {
public:
    void on_received(std::string_view bytes) override {
        EXPECT_FALSE(over);
        received += bytes;
        if (then) {
            then();
        }
    }

    void on_drained() override { drained++; }

    void on_released(int released) override {
        socket = released;
        over = true;
    }

    void on_closed(std::error_code error) override {
        EXPECT_FALSE(over);
        over = true;
        why = error;
    }

    std::string received;
    int drained = 0;
    int socket = -1;
    bool over = false;
    std::error_code why;
    std::function<void()> then;
};

std::string pattern(std::size_t size) {
    std::string made(size, 0);
    for (std::size_t i = 0; i < size; i++) {
        made[i] = static_cast<char>(i * 31 + i / 251);
    }
    return made;
}

class TlsStreamTest : public testing::TestWithParam<engine_kind> {
protected:
    static std::pair<int, int> sockets() {
        std::array<int, 2> both{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, both.data()) != 0) {
            throw std::runtime_error("socketpair");
        }
        return {both[0], both[1]};
    }

    /// A connection of which both ends are ours.
    void open() {
        const auto [a, b] = sockets();
        open_left(a);
        their_session = tls_session::connect(theirs, "localhost", 1);
        right = secure(owner, owner.streams().adopt(b, hears), hears, their_session);
    }

    void open_left(int socket) {
        our_session = tls_session::accept(ours, tls_session::begin::asked);
        left = secure(owner, owner.streams().adopt(socket, told), told, our_session);
    }

    void until(const std::function<bool()>& condition) {
        while (!condition()) {
            if (owner.context().run_one_for(seconds(30)) == 0) {
                throw std::runtime_error("nothing happens any more");
            }
        }
    }

    void settle() {
        for (int i = 0; i < 5; i++) {
            owner.context().poll();
        }
    }

    test::authority signer;
    tls_context_ptr ours = *tls_context::for_clients(serving(signer.issue("localhost")), tls_names);
    tls_context_ptr theirs = *tls_context::for_servers({}, tls_names);
    loop owner{GetParam()};
    recorder told;   // by the end that accepts
    recorder hears;  // at the end that connects
    std::shared_ptr<tls_session> our_session;
    std::shared_ptr<tls_session> their_session;
    stream_ptr left;
    stream_ptr right;
};

TEST_P(TlsStreamTest, WhatIsSentBeforeTheHandshakeWaitsForIt) {
    open();
    right->send("a question");
    right->send("!");
    EXPECT_EQ(right->queued() != 0, true);
    until([&] { return told.received == "a question!"; });
    left->send("an answer");
    until([&] { return hears.received == "an answer"; });
}

TEST_P(TlsStreamTest, LargeDataGoesBothWaysAtOnce) {
    open();
    const std::string bytes = pattern(3 << 20);
    left->send(bytes);
    right->send(bytes);
    until([&] {
        return told.received.size() == bytes.size() && hears.received.size() == bytes.size();
    });
    EXPECT_TRUE(told.received == bytes && hears.received == bytes);
}

TEST_P(TlsStreamTest, SlowReceiverIsFelt) {
    open();
    right->send("x");
    until([&] { return !told.received.empty(); });
    right->pause();
    EXPECT_TRUE(right->paused());
    const std::string bytes = pattern(4 << 20);
    left->send(bytes);
    settle();
    EXPECT_GT(left->queued(), high_watermark);
    EXPECT_EQ(told.drained, 0);
    right->resume();
    until([&] { return hears.received.size() == bytes.size(); });
    EXPECT_TRUE(hears.received == bytes);
    until([&] { return told.drained == 1; });
}

TEST_P(TlsStreamTest, PauseInsideOfADeliveryHoldsTheRest) {
    open();
    stream& self = *right;
    hears.then = [&] { self.pause(); };
    const std::string bytes = pattern(1 << 20);
    left->send(bytes);
    until([&] { return !hears.received.empty(); });
    settle();
    EXPECT_LT(hears.received.size(), bytes.size());
    while (hears.received.size() < bytes.size()) {
        right->resume();
        owner.context().run_one_for(seconds(30));
    }
    EXPECT_TRUE(hears.received == bytes);
}

TEST_P(TlsStreamTest, ClosingSendsWhatIsQueuedAndSaysGoodbye) {
    open();
    const std::string bytes = pattern(2 << 20);
    left->send(bytes);
    until([&] { return our_session->established(); });
    left->send("end");
    left.reset();
    until([&] { return hears.over; });
    EXPECT_TRUE(hears.received == bytes + "end");
    EXPECT_FALSE(hears.why);
}

TEST_P(TlsStreamTest, HandlerMayCloseInsideOfADelivery) {
    open();
    told.then = [&] { left.reset(); };
    right->send(pattern(300'000));
    until([&] { return hears.over; });
    EXPECT_FALSE(told.received.empty());
}

TEST_P(TlsStreamTest, ClosedDuringTheHandshakeNobodyIsTold) {
    open();
    right->send("never sent");
    left.reset();
    until([&] { return hears.over; });
    EXPECT_FALSE(told.over);
    EXPECT_EQ(told.received, "");
}

TEST_P(TlsStreamTest, PeerThatVanishesDuringTheHandshakeIsTold) {
    const auto [a, b] = sockets();
    open_left(a);
    ASSERT_EQ(::send(b, "\x16\x03\x01", 3, MSG_NOSIGNAL), 3);
    ::close(b);
    until([&] { return told.over; });
}

TEST_P(TlsStreamTest, GarbageIsToldAsAnErrorOfTls) {
    const auto [a, b] = sockets();
    open_left(a);
    ASSERT_EQ(::send(b, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL), 18);
    until([&] { return told.over; });
    EXPECT_EQ(told.why.category(), tls_category());
    left->send("of no use");
    left.reset();
    settle();
    ::close(b);
}

TEST_P(TlsStreamTest, FirstBytesThatAreNoneFailFromTheLoop) {
    const auto [a, b] = sockets();
    our_session = tls_session::accept(ours, tls_session::begin::direct);
    left = secure(owner, owner.streams().adopt(a, told), told, our_session, "\x16garbage");
    EXPECT_FALSE(told.over);
    until([&] { return told.over; });
    EXPECT_EQ(told.why.category(), tls_category());
    ::close(b);
}

TEST_P(TlsStreamTest, ReleasedConnectionGoesOnElsewhereWithItsSession) {
    open();
    right->send("before");
    until([&] { return told.received == "before"; });
    until([&] { return left->queued() == 0; });
    left->release();
    right->send(" and meanwhile");
    until([&] { return told.over; });
    ASSERT_GE(told.socket, 0);
    left.reset();
    loop other{GetParam()};
    recorder there;
    stream_ptr moved = adopt(other, told.socket, there, our_session);
    right->send(" and after");
    const std::string before = told.received;
    while (before + there.received != "before and meanwhile and after") {
        owner.context().poll();
        other.context().run_one_for(milliseconds(50));
    }
    moved->send("still here");
    while (hears.received != "still here") {
        other.context().poll();
        owner.context().run_one_for(milliseconds(50));
    }
}

TEST_P(TlsStreamTest, WithoutASessionItIsAStreamInClear) {
    const auto [a, b] = sockets();
    left = adopt(owner, a, told, nullptr);
    left->send("clear");
    settle();
    std::array<char, 10> bytes{};
    EXPECT_EQ(::recv(b, bytes.data(), bytes.size(), 0), 5);
    ::close(b);
}

INSTANTIATE_TEST_SUITE_P(
    Engines, TlsStreamTest, testing::ValuesIn(usable_engines()), name_of_engine
);

}  // namespace
}  // namespace pgweir::net
