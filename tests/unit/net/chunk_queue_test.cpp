// The queue against a plain string that takes and gives the same bytes, and the pool of buffers
// that it holds pieces of.

#include "net/chunk_queue.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <vector>

namespace pgweir::net {
namespace {

class ChunkQueueTest : public testing::Test {
protected:
    void SetUp() override {
        if (const int error = io_uring_queue_init(8, &ring_, 0); error < 0) {
            GTEST_SKIP() << "no io_uring here: "
                         << std::error_code(-error, std::generic_category()).message();
        }
        made_ = true;
        buffers_.emplace(ring_);
    }

    void TearDown() override {
        if (made_) {
            io_uring_queue_exit(&ring_);
            buffers_.reset();
        }
    }

    /// Bytes in a buffer of the ring, as if the kernel had received them.
    std::string_view receive(buffer_id buffer, std::string_view bytes) {
        buffers_->taken(buffer, bytes.size());
        char* to = const_cast<char*>(buffers_->data(buffer));
        bytes.copy(to, bytes.size());
        return {to, bytes.size()};
    }

    static std::string taken(chunk_queue& queue) {
        std::array<iovec, chunk_queue::gathered> pieces{};
        const std::size_t count = queue.gather(pieces);
        std::string all;
        for (std::size_t i = 0; i < count; i++) {
            all.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
        }
        return all;
    }

    io_uring ring_{};
    bool made_ = false;
    std::optional<ring_buffers> buffers_;
    chunk_queue queue_;
};

TEST_F(ChunkQueueTest, PieceOfABufferIsNotCopied) {
    const std::string_view bytes = receive(3, "select 1");
    queue_.push(*buffers_, bytes);
    buffers_->let_go(3);
    EXPECT_EQ(queue_.peek().data(), bytes.data());
    EXPECT_EQ(queue_.peek(), "select 1");
    queue_.consume(*buffers_, 8);
    EXPECT_TRUE(queue_.empty());
}

TEST_F(ChunkQueueTest, NeighboursInABufferAreOnePiece) {
    const std::string_view bytes = receive(0, "parse bind execute");
    queue_.push(*buffers_, bytes.substr(0, 6));
    queue_.push(*buffers_, bytes.substr(6));
    buffers_->let_go(0);
    std::array<iovec, chunk_queue::gathered> pieces{};
    EXPECT_EQ(queue_.gather(pieces), 1U);
    EXPECT_EQ(pieces[0].iov_len, bytes.size());
    queue_.clear(*buffers_);
}

TEST_F(ChunkQueueTest, WhatWasShownDoesNotGrow) {
    const std::string_view bytes = receive(0, "first second");
    queue_.push(*buffers_, bytes.substr(0, 5));
    std::array<iovec, chunk_queue::gathered> pieces{};
    ASSERT_EQ(queue_.gather(pieces), 1U);
    queue_.push(*buffers_, bytes.substr(5));
    buffers_->let_go(0);
    EXPECT_EQ(pieces[0].iov_len, 5U);
    queue_.consume(*buffers_, 5);
    EXPECT_EQ(queue_.peek(), " second");
    queue_.clear(*buffers_);
}

TEST_F(ChunkQueueTest, FewBuffersAreHeldAndTheRestIsCopied) {
    std::string expected;
    for (buffer_id buffer = 0; buffer < 20; buffer++) {
        const std::string text = "message " + std::to_string(buffer) + ";";
        const std::string_view bytes = receive(buffer, text);
        queue_.push(*buffers_, bytes);
        buffers_->let_go(buffer);
        expected += text;
    }
    // The buffers beyond the first few are free: what they hold now is no part of the queue.
    for (buffer_id buffer = chunk_queue::pieces; buffer < 20; buffer++) {
        receive(buffer, std::string(100, '?'));
        buffers_->let_go(buffer);
    }
    EXPECT_EQ(taken(queue_), expected);
    queue_.clear(*buffers_);
}

TEST_F(ChunkQueueTest, ShownBytesOfTheHeapStayWhereTheyAre) {
    queue_.push(*buffers_, std::string(100'000, 'a'));  // too long for a buffer
    const std::string_view shown = queue_.peek();
    queue_.push(*buffers_, std::string(1'000'000, 'b'));
    EXPECT_EQ(queue_.peek().data(), shown.data());
    EXPECT_EQ(shown, std::string(100'000, 'a'));
    queue_.consume(*buffers_, 100'000);
    EXPECT_EQ(queue_.peek(), std::string(1'000'000, 'b'));
    queue_.clear(*buffers_);
    EXPECT_TRUE(queue_.empty());
}

TEST_F(ChunkQueueTest, AnyOrderOfPushAndConsumeGivesTheBytesBack) {
    for (unsigned seed = 0; seed < 200; seed++) {
        std::mt19937 random(seed);
        std::string expected;
        buffer_id next = 0;
        for (int step = 0; step < 200; step++) {
            if (random() % 2 == 0) {
                std::string text(1 + random() % 70'000 / (1 + random() % 100), 0);
                for (char& c : text) {
                    c = static_cast<char>(random());
                }
                expected += text;
                if (text.size() <= ring_buffers::size && random() % 3 != 0) {
                    next = (next + 1) % 64;
                    if (buffers_->held(next)) {
                        queue_.push(*buffers_, text);
                    } else {
                        queue_.push(*buffers_, receive(next, text));
                        buffers_->let_go(next);
                    }
                } else {
                    queue_.push(*buffers_, text);
                }
            } else if (!queue_.empty()) {
                ASSERT_EQ(queue_.size(), expected.size());
                const std::size_t part = 1 + random() % queue_.size();
                const std::string shown =
                    random() % 2 == 0 ? taken(queue_) : std::string(queue_.peek());
                ASSERT_FALSE(shown.empty());
                ASSERT_TRUE(expected.compare(0, shown.size(), shown) == 0) << "seed " << seed;
                queue_.consume(*buffers_, part);
                expected.erase(0, part);
            }
        }
        queue_.clear(*buffers_);
    }
}

TEST_F(ChunkQueueTest, ScarcePoolIsNotHeld) {
    std::vector<buffer_id> held;
    while (!buffers_->scarce()) {
        held.push_back(buffer_id(held.size()));
        receive(held.back(), "x");
    }
    const std::string_view bytes = receive(1000, "copied");
    queue_.push(*buffers_, bytes);
    buffers_->let_go(1000);
    EXPECT_NE(queue_.peek().data(), bytes.data());
    EXPECT_EQ(queue_.peek(), "copied");
    queue_.clear(*buffers_);
    for (const buffer_id buffer : held) {
        buffers_->let_go(buffer);
    }
    EXPECT_FALSE(buffers_->scarce());
}

TEST_F(ChunkQueueTest, MemoryOfAPeakGoesBackToTheSystem) {
    const std::string much(ring_buffers::size, 'x');
    for (buffer_id buffer = 0; buffer < 64; buffer++) {
        receive(buffer, much);
    }
    buffers_->ran_out();
    buffers_->publish();
    for (buffer_id buffer = 0; buffer < 64; buffer++) {
        buffers_->let_go(buffer);
    }
    EXPECT_TRUE(buffers_->worth_shrinking());
    for (int period = 0; period < 8 && buffers_->worth_shrinking(); period++) {
        buffers_->shrink();
    }
    EXPECT_FALSE(buffers_->worth_shrinking());
    EXPECT_EQ(buffers_->data(0)[100], 0) << "the page is a new one";
}

}  // namespace
}  // namespace pgweir::net
