// The engine through real sockets: one end of a pair belongs to the loop, the other one to the
// test. The loop is turned until something has happened, never for a time.

#include "net/stream.hpp"

#include "net/loop.hpp"
#include "unit/net/engines.hpp"

#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace pgweir::net {
namespace {

/// The test's end of a pair: a plain socket.
class peer {
public:
    explicit peer(int socket) : socket_(socket) {}

    peer(peer&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}

    peer& operator=(peer&&) = delete;

    ~peer() { close(); }

    void close() {
        if (socket_ >= 0) {
            ::close(std::exchange(socket_, -1));
        }
    }

    void end_sending() const { ::shutdown(socket_, SHUT_WR); }

    /// REQUIRES: fits into the socket.
    void write(std::string_view bytes) const {
        ASSERT_EQ(
            ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT),
            static_cast<ssize_t>(bytes.size())
        );
    }

    /// Adds what is there to `received`. False at the end of the stream.
    bool read(std::string& received) const {
        std::array<char, 65536> buffer{};
        for (;;) {
            const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (got <= 0) {
                return got < 0 && (errno == EAGAIN || errno == EINTR);
            }
            received.append(buffer.data(), static_cast<std::size_t>(got));
        }
    }

private:
    int socket_;
};

/// A handler that writes down what it is told, and does what a test wants then.
class recorder final : public stream_handler {
public:
    void on_received(std::string_view bytes) override {
        EXPECT_FALSE(over) << "told after the end";
        received += bytes;
        if (then) {
            then();
        }
    }

    void on_drained() override {
        EXPECT_FALSE(over) << "told after the end";
        drained++;
    }

    void on_released(int released) override {
        EXPECT_FALSE(over) << "told after the end";
        socket = released;
        over = true;
    }

    void on_closed(std::error_code error) override {
        EXPECT_FALSE(over) << "told after the end";
        closed++;
        why = error;
        over = true;
        if (at_end) {
            at_end();
        }
    }

    std::string received;
    int drained = 0;
    int closed = 0;
    std::error_code why;
    int socket = -1;    // after a release
    bool over = false;  // nothing may come any more
    std::function<void()> then;
    std::function<void()> at_end;
};

std::string pattern(std::size_t size) {
    std::string made(size, 0);
    for (std::size_t i = 0; i < size; i++) {
        made[i] = static_cast<char>(i * 31 + i / 251);
    }
    return made;
}

class StreamTest : public testing::TestWithParam<engine_kind> {
protected:
    static std::pair<int, int> sockets() {
        std::array<int, 2> both{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, both.data()) != 0) {
            throw std::system_error(errno, std::generic_category());
        }
        return {both[0], both[1]};
    }

    std::pair<stream_ptr, peer> open(stream_handler& handler) {
        const auto [ours, theirs] = sockets();
        return {owner.streams().adopt(ours, handler), peer(theirs)};
    }

    /// Turns the loop until the condition holds.
    void until(const std::function<bool()>& condition) {
        while (!condition()) {
            if (owner.context().run_one_for(seconds(30)) == 0) {
                throw std::runtime_error("nothing happens any more");
            }
        }
    }

    /// Turns the loop as long as there is something to do at once.
    void settle() {
        for (int i = 0; i < 5; i++) {
            owner.context().poll();
        }
    }

    loop owner{GetParam()};
    recorder told;
};

TEST_P(StreamTest, BytesOfAllSizesArriveInOrder) {
    recorder other;
    const auto [a, b] = sockets();
    stream_ptr from = owner.streams().adopt(a, other);
    stream_ptr to = owner.streams().adopt(b, told);
    std::string expected;
    for (const std::size_t size : {1U, 0U, 100U, 4096U, 65536U, 65537U, 7U, 1U << 20, 3U << 20}) {
        const std::string bytes = pattern(size);
        from->send(bytes);
        expected += bytes;
    }
    until([&] { return told.received.size() == expected.size(); });
    EXPECT_TRUE(told.received == expected);
    EXPECT_EQ(from->queued(), 0U);
}

TEST_P(StreamTest, BothDirectionsAtOnce) {
    recorder other;
    const auto [a, b] = sockets();
    stream_ptr left = owner.streams().adopt(a, other);
    stream_ptr right = owner.streams().adopt(b, told);
    const std::string bytes = pattern(2 << 20);
    left->send(bytes);
    right->send(bytes);
    until([&] {
        return told.received.size() == bytes.size() && other.received.size() == bytes.size();
    });
    EXPECT_TRUE(told.received == bytes && other.received == bytes);
}

TEST_P(StreamTest, MoreStreamsThanOneCallReportsAllGetTheirBytes) {
    std::vector<std::unique_ptr<recorder>> handlers;
    std::vector<std::pair<stream_ptr, peer>> all;
    for (int i = 0; i < 300; i++) {
        handlers.push_back(std::make_unique<recorder>());
        all.push_back(open(*handlers.back()));
        all.back().second.write(std::to_string(i));
    }
    until([&] { return !handlers.back()->received.empty(); });
    settle();
    for (std::size_t i = 0; i < all.size(); i++) {
        EXPECT_EQ(handlers[i]->received, std::to_string(i));
    }
}

TEST_P(StreamTest, BytesThatWereThereBeforeAdoptionArrive) {
    const auto [ours, theirs] = sockets();
    const peer other(theirs);
    other.write("early");
    stream_ptr s = owner.streams().adopt(ours, told);
    EXPECT_EQ(told.received, "") << "only from the loop";
    until([&] { return told.received == "early"; });
}

// Back-pressure

TEST_P(StreamTest, WhatTheSocketDoesNotTakeIsQueuedAndItsEndIsTold) {
    auto [s, other] = open(told);
    const std::string bytes = pattern(4 << 20);
    s->send(bytes);
    EXPECT_GT(s->queued(), high_watermark);
    settle();
    EXPECT_EQ(told.drained, 0);
    std::string received;
    until([&, &from = other] {
        from.read(received);
        return told.drained > 0;
    });
    EXPECT_LE(s->queued(), low_watermark);
    until([&, &from = other] {
        from.read(received);
        return received.size() == bytes.size();
    });
    EXPECT_TRUE(received == bytes);
    EXPECT_EQ(told.drained, 1);
}

TEST_P(StreamTest, QueueBelowTheHighMarkIsNotAnnounced) {
    auto [s, other] = open(told);
    const std::string bytes(1000, 'x');
    std::size_t sent = 0;
    while (s->queued() == 0) {
        s->send(bytes);
        sent += bytes.size();
    }
    std::string received;
    until([&, &from = other] {
        from.read(received);
        return received.size() == sent;
    });
    settle();
    EXPECT_EQ(told.drained, 0);
}

TEST_P(StreamTest, SentBehindAQueueStaysBehindIt) {
    auto [s, other] = open(told);
    std::string expected;
    for (int i = 0; i < 2'000; i++) {
        const std::string bytes = pattern(static_cast<std::size_t>(i));
        s->send(bytes);
        expected += bytes;
        if (i % 100 == 0) {
            settle();
        }
    }
    std::string received;
    until([&, &from = other] {
        from.read(received);
        return received.size() == expected.size();
    });
    EXPECT_TRUE(received == expected);
}

// Pause

TEST_P(StreamTest, PausedStreamDeliversNothingAndLosesNothing) {
    auto [s, other] = open(told);
    s->pause();
    EXPECT_TRUE(s->paused());
    other.write("a");
    settle();
    other.write("b");
    settle();
    EXPECT_EQ(told.received, "");
    s->resume();
    until([&] { return told.received == "ab"; });
    EXPECT_FALSE(s->paused());
}

TEST_P(StreamTest, PauseInsideOfADeliveryHoldsTheRest) {
    auto [s, other] = open(told);
    stream& self = *s;
    const std::string bytes = pattern(150'000);
    told.then = [&] { self.pause(); };
    other.write(bytes);
    until([&] { return !told.received.empty(); });
    settle();
    EXPECT_LT(told.received.size(), bytes.size());
    while (told.received.size() < bytes.size()) {
        const std::size_t before = told.received.size();
        s->resume();
        until([&] { return told.received.size() > before; });
    }
    EXPECT_TRUE(told.received == bytes);
}

TEST_P(StreamTest, EndDuringAPauseIsToldBehindTheBytes) {
    auto [s, other] = open(told);
    s->pause();
    other.write("last words");
    other.end_sending();
    settle();
    EXPECT_EQ(told.closed, 0);
    s->resume();
    until([&] { return told.closed > 0; });
    EXPECT_EQ(told.received, "last words");
    EXPECT_FALSE(told.why);
}

// The end

TEST_P(StreamTest, PeersCloseIsToldOnceWithoutAnError) {
    auto [s, other] = open(told);
    other.write(pattern(100'000));
    other.close();
    until([&] { return told.closed > 0; });
    EXPECT_EQ(told.received.size(), 100'000U);
    EXPECT_FALSE(told.why);
    s->send("into the void");
    s->resume();
    settle();
    EXPECT_EQ(told.closed, 1);
}

TEST_P(StreamTest, ResetIsToldOnceWithItsError) {
    auto [s, other] = open(told);
    s->send("never read");
    settle();
    other.close();
    until([&] { return told.closed > 0; });
    EXPECT_EQ(told.why, std::errc::connection_reset);
    settle();
    EXPECT_EQ(told.closed, 1);
}

TEST_P(StreamTest, FailedSendIsToldFromTheLoop) {
    auto [s, other] = open(told);
    s->pause();  // so that it is the sending that finds out
    settle();
    other.close();
    s->send("x");
    EXPECT_EQ(told.closed, 0) << "not inside of the call";
    s->send("y");
    until([&] { return told.closed > 0; });
    EXPECT_EQ(told.why, std::errc::broken_pipe);
    settle();
    EXPECT_EQ(told.closed, 1);
}

TEST_P(StreamTest, LastWordsComeBeforeTheEndThatASendHasFound) {
    auto [s, other] = open(told);
    settle();
    other.write("FATAL: going down");
    other.close();
    s->send(pattern(100'000));
    until([&] { return told.closed > 0; });
    EXPECT_EQ(told.received, "FATAL: going down");
}

TEST_P(StreamTest, ManyLastWordsComeBeforeTheEndThatASendHasFound) {
    auto [s, other] = open(told);
    other.write(pattern(100'000));  // so that more is expected to come in bulk
    until([&] { return told.received.size() == 100'000; });
    told.received.clear();
    const std::string bytes = pattern(150'000);
    other.write(bytes);
    other.close();
    s->send(pattern(100'000));
    until([&] { return told.closed > 0; });
    EXPECT_TRUE(told.received == bytes) << told.received.size();
}

TEST_P(StreamTest, HandlerMayCloseTheStreamInsideOfADelivery) {
    auto [s, other] = open(told);
    stream_ptr& self = s;
    told.then = [&] {
        self.reset();
        told.over = true;
    };
    other.write(pattern(150'000));
    std::string nothing;
    until([&, &from = other] { return !from.read(nothing); });
    EXPECT_EQ(told.closed, 0);
}

TEST_P(StreamTest, HandlerMayCloseTheStreamWhenToldOfItsEnd) {
    auto [s, other] = open(told);
    stream_ptr& self = s;
    told.at_end = [&] { self.reset(); };
    other.close();
    until([&] { return told.closed > 0; });
    settle();
    EXPECT_EQ(s, nullptr);
}

TEST_P(StreamTest, HandlerMayCloseAnotherStreamThatIsReadyToo) {
    recorder first;
    recorder second;
    auto a = open(first);
    auto b = open(second);
    // Whoever is told first closes the other one.
    first.then = [&] {
        b.first.reset();
        second.over = true;
    };
    second.then = [&] {
        a.first.reset();
        first.over = true;
    };
    a.second.write("a");
    b.second.write("b");
    until([&] { return !first.received.empty() || !second.received.empty(); });
    settle();
    EXPECT_NE(first.received.empty(), second.received.empty());
}

TEST_P(StreamTest, HandlerMayCloseAStreamThatHasMoreToDeliver) {
    recorder first;
    recorder second;
    auto a = open(first);
    auto b = open(second);
    a.second.write(pattern(150'000));
    b.second.write(pattern(150'000));
    int deliveries = 0;
    first.then = [&] {
        if (++deliveries == 2) {
            b.first.reset();
            second.over = true;
        }
    };
    until([&] { return first.received.size() == 150'000; });
    settle();
    EXPECT_EQ(second.closed, 0);
}

TEST_P(StreamTest, CloseSendsWhatIsQueuedFirst) {
    auto [s, other] = open(told);
    const std::string bytes = pattern(2 << 20);
    s->send(bytes);
    told.over = true;
    s.reset();
    std::string received;
    until([&, &from = other] { return !from.read(received); });
    EXPECT_TRUE(received == bytes);
}

TEST_P(StreamTest, CloseWithUnreadBytesDoesNotTakeBackWhatWasSent) {
    auto [s, other] = open(told);
    s->pause();
    other.write("nobody reads this");
    s->send("goodbye");
    s.reset();
    std::string received;
    until([&, &from = other] { return !from.read(received); });
    EXPECT_EQ(received, "goodbye");
}

TEST_P(StreamTest, PeerThatVanishesEndsTheLinger) {
    recorder after;
    auto [s, other] = open(told);
    s->send(pattern(2 << 20));
    told.over = true;
    s.reset();
    other.close();
    settle();
    auto next = open(after);
    next.second.write("the loop goes on");
    until([&] { return !after.received.empty(); });
}

TEST_P(StreamTest, LoopMayEndBeforeALingeringStream) {
    auto short_lived = std::make_unique<loop>(GetParam());
    const auto [ours, theirs] = sockets();
    const peer other(theirs);
    stream_ptr s = short_lived->streams().adopt(ours, told);
    s->send(pattern(2 << 20));
    s.reset();
    short_lived.reset();
    std::string received;
    EXPECT_FALSE(other.read(received)) << "the socket is closed";
}

// Changes of hands

TEST_P(StreamTest, NewHandlerIsToldTheRest) {
    recorder next;
    auto [s, other] = open(told);
    stream& self = *s;
    told.then = [&] {
        self.set_handler(next);
        told.over = true;
    };
    const std::string bytes = pattern(150'000);
    other.write(bytes);
    until([&] { return told.received.size() + next.received.size() == bytes.size(); });
    EXPECT_FALSE(told.received.empty());
    EXPECT_FALSE(next.received.empty());
    EXPECT_TRUE(told.received + next.received == bytes);
}

TEST_P(StreamTest, ReleasedConnectionGoesOnInAnotherLoopWithItsUnreadBytes) {
    auto [s, other] = open(told);
    s->send("from the first");
    s->pause();
    other.write("unread ");
    settle();
    s->release();
    EXPECT_EQ(told.socket, -1) << "only from the loop";
    until([&] { return told.socket >= 0; });
    s.reset();
    settle();

    loop second(GetParam());
    recorder there;
    stream_ptr moved = second.streams().adopt(told.socket, there);
    other.write("and new");
    // What the kernel had handed to the first loop was delivered there.
    while (told.received.size() + there.received.size() < 14) {
        ASSERT_NE(second.context().run_one_for(seconds(30)), 0U);
    }
    EXPECT_EQ(told.received + there.received, "unread and new");
    moved->send(", from the second");
    second.context().poll();
    std::string received;
    other.read(received);
    EXPECT_EQ(received, "from the first, from the second");
}

TEST_P(StreamTest, NothingIsLostWhenAConnectionGoesToAndFroUnderWay) {
    // A receive that stayed armed in the loop that it has left would take bytes away.
    loop second(GetParam());
    std::array<loop*, 2> loops{&owner, &second};
    auto [s, other] = open(told);
    std::string expected;
    std::string received;
    for (std::size_t i = 0; i < 200; i++) {
        recorder here;
        s->set_handler(here);
        const std::string before = pattern(i);
        other.write(before);
        if (i % 3 == 0) {
            loops[i % 2]->context().poll();
        }
        s->release();
        const std::string after = pattern(3 * i + 1);
        other.write(after);
        while (here.socket < 0) {
            ASSERT_NE(loops[i % 2]->context().run_one_for(seconds(30)), 0U);
        }
        expected += before + after;
        received += here.received;
        s = loops[(i + 1) % 2]->streams().adopt(here.socket, told);
        loops[i % 2]->context().poll();
    }
    told.received.insert(0, received);
    while (told.received.size() < expected.size()) {
        ASSERT_NE(owner.context().run_one_for(seconds(30)), 0U);
    }
    EXPECT_TRUE(told.received == expected);
}

TEST_P(StreamTest, CloseInsteadOfARelease) {
    auto [s, other] = open(told);
    settle();
    s->release();
    s.reset();
    told.over = true;
    std::string nothing;
    until([&, &from = other] { return !from.read(nothing); });
    EXPECT_EQ(told.socket, -1);
}

TEST_P(StreamTest, NothingIsHeardOfASocketThatSomebodyElseHasToo) {
    const auto [ours, theirs] = sockets();
    const peer other(theirs);
    const peer inherited(::dup(ours));  // as a process has it that was forked a moment ago
    stream_ptr s = owner.streams().adopt(ours, told);
    settle();
    s.reset();
    settle();
    const std::uint64_t before = owner.streams().counts().events;
    other.write("late");
    settle();
    EXPECT_EQ(owner.streams().counts().events, before);
}

TEST_P(StreamTest, EndDuringAReleaseIsToldInsteadOfIt) {
    auto [s, other] = open(told);
    settle();
    other.write("last words");
    other.close();
    settle();
    if (told.closed == 0) {
        s->release();
    }
    until([&] { return told.over; });
    EXPECT_EQ(told.closed, 1);
    EXPECT_EQ(told.received, "last words");
}

// Many at once

/// Sends on what comes, from the buffer that it came in.
class forwarder final : public stream_handler {
public:
    void on_received(std::string_view bytes) override {
        to->send(bytes);
        forwarded += bytes.size();
    }

    void on_drained() override {}

    void on_closed(std::error_code) override {}

    stream* to = nullptr;
    std::size_t forwarded = 0;
};

TEST_P(StreamTest, ReceiversThatDoNotReadLeaveRoomForTheOthers) {
    // More of them than there are buffers, each owed more than its socket takes.
    constexpr std::size_t slow = 1'500;
    constexpr std::size_t pieces = 3;
    forwarder source;
    auto [from, feeder] = open(source);
    std::vector<std::unique_ptr<recorder>> handlers;
    std::vector<std::pair<stream_ptr, peer>> receivers;
    const std::string full(300'000, 'x');
    const std::string bytes = pattern(5'000);
    for (std::size_t i = 0; i < slow; i++) {
        handlers.push_back(std::make_unique<recorder>());
        receivers.push_back(open(*handlers.back()));
        source.to = receivers.back().first.get();
        source.to->send(full);
        for (std::size_t piece = 0; piece < pieces; piece++) {
            const std::size_t wanted = source.forwarded + bytes.size();
            feeder.write(bytes);
            until([&] { return source.forwarded == wanted; });
        }
    }
    auto [s, other] = open(told);
    for (std::size_t i = 0; i < 1'000; i++) {
        other.write("ping");
        until([&] { return told.received.size() == (i + 1) * 4; });
    }
    for (auto& [receiver, reader] : receivers) {
        std::string received;
        until([&, &receiver = receiver, &reader = reader] {
            reader.read(received);
            return receiver->queued() == 0;
        });
        reader.read(received);
        ASSERT_EQ(received.size(), full.size() + pieces * bytes.size());
        EXPECT_TRUE(received.substr(full.size()) == bytes + bytes + bytes);
    }
}

TEST_P(StreamTest, WhatCannotBeWatchedEndsWithAnErrorFromTheLoop) {
    const int file = ::open("/dev/null", O_RDWR | O_CLOEXEC);  // no engine takes such a file
    stream_ptr s = owner.streams().adopt(file, told);
    EXPECT_EQ(told.closed, 0);
    s->send("nobody reads this");
    until([&] { return told.closed > 0; });
    const bool epoll = GetParam() == engine_kind::epoll;
    EXPECT_EQ(told.why, epoll ? std::errc::operation_not_permitted : std::errc::not_a_socket);
}

INSTANTIATE_TEST_SUITE_P(Engines, StreamTest, testing::ValuesIn(usable_engines()), name_of_engine);

TEST(EngineTest, IoUringCanBeHad) {
    if (const std::error_code why = io_uring_refusal()) {
        GTEST_SKIP() << "the engine on io_uring is not tested here: " << why.message();
    }
    loop owner(engine_kind::io_uring);
    EXPECT_EQ(owner.streams().name(), "io_uring");
}

// The loop

TEST(LoopTest, TasksOfOtherThreadsRunInOrderUntilItIsStopped) {
    loop owner;
    std::vector<int> seen;
    std::thread::id ran_in;
    std::thread other([&] {
        for (int i = 0; i < 100; i++) {
            owner.post([&seen, &ran_in, i] {
                seen.push_back(i);
                ran_in = std::this_thread::get_id();
            });
        }
        owner.post([&] { owner.stop(); });
    });
    owner.run();
    other.join();
    ASSERT_EQ(seen.size(), 100U);
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
    EXPECT_EQ(ran_in, std::this_thread::get_id());
}

TEST(LoopTest, MayBeMadeByOneThreadAndRunByAnother) {
    // A ring belongs to one thread for good, which must be the one that runs the loop.
    for (const engine_kind kind : usable_engines()) {
        std::array<int, 2> both{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, both.data()), 0);
        const peer other(both[1]);
        loop owner(kind);
        recorder told;
        stream_ptr s;
        told.then = [&] { owner.stop(); };
        owner.post([&] { s = owner.streams().adopt(both[0], told); });
        std::thread runs([&] {
            owner.run();
            s.reset();
        });
        other.write("hello");
        runs.join();
        EXPECT_EQ(told.received, "hello");
    }
}

class stopper final : public deadline {
public:
    explicit stopper(loop& owner) : owner_(owner) {}

    void on_deadline(steady_time now) override {
        fired_at = now;
        owner_.stop();
    }

    steady_time fired_at{};

private:
    loop& owner_;
};

TEST(LoopTest, DeadlineFiresInItsTime) {
    loop owner;
    stopper far(owner);
    stopper near(owner);
    const steady_time wanted = loop::now() + milliseconds(25);
    owner.set(far, wanted + seconds(3600));
    owner.set(near, wanted);
    owner.run();
    EXPECT_GE(near.fired_at, wanted);
    EXPECT_EQ(far.fired_at, steady_time{});
}

}  // namespace
}  // namespace pgweir::net
