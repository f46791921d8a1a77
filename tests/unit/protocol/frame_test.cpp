#include "protocol/frame.hpp"

#include "protocol/message.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace pgweir::protocol {
namespace {

using event = frame_scanner::event;

constexpr type_set whole_types("ZECS");
constexpr std::uint32_t whole_limit = 1000;
constexpr std::uint32_t length_limit = 1 << 20;

std::string frame(char type, std::string_view body) {
    std::string out;
    message_writer(out, type).bytes(body);
    return out;
}

std::string header(char type, std::uint32_t length) {
    std::string out(1, type);
    for (int shift = 24; shift >= 0; shift -= 8) {
        out.push_back(static_cast<char>(length >> shift));
    }
    return out;
}

/// Runs a scanner over chunks and records what a relay would see and forward.
struct run {
    frame_scanner scanner{whole_types, whole_limit, length_limit};
    std::vector<std::string> seen;  // "D 12" for a header, "Z=body" for a whole message
    std::string forwarded;
    bool malformed = false;

    void chunk(std::string_view bytes) {
        scanner.feed(bytes);
        std::size_t done = 0;  // forwarded up to here
        for (;;) {
            const event what = scanner.next();
            if (what == event::header || what == event::message) {
                record(what, bytes, done);
                continue;
            }
            forwarded += bytes.substr(done, scanner.position() - done);
            malformed = what == event::malformed;
            return;
        }
    }

private:
    void record(event what, std::string_view bytes, std::size_t& done) {
        if (scanner.raw_in_chunk()) {
            EXPECT_EQ(
                scanner.raw().data() + scanner.raw().size(), bytes.data() + scanner.position()
            );
        } else {
            EXPECT_EQ(done, 0u) << "only the first message of a chunk can have begun before it";
            forwarded += scanner.raw();
            done = scanner.position();
        }
        seen.push_back(
            what == event::header
                ? std::string(1, scanner.type()) + " " + std::to_string(scanner.body_length())
                : std::string(1, scanner.type()) + "=" + std::string(scanner.body())
        );
        EXPECT_EQ(scanner.raw().front(), scanner.type());
        if (what == event::message) {
            EXPECT_EQ(scanner.raw().substr(header_size), scanner.body());
            EXPECT_EQ(scanner.body().size(), scanner.body_length());
        } else {
            EXPECT_EQ(scanner.raw().size(), header_size);
        }
    }
};

const std::string sample = frame('T', "row description") + frame('D', "a row") + frame('D', "") +
                           frame('C', std::string("SELECT 1\0", 9)) + frame('S', "") +
                           frame('1', "") + frame('Z', "I");

const std::vector<std::string> sample_seen = {
    "T 15", "D 5", "D 0", std::string("C=SELECT 1\0", 11), "S=", "1 0", "Z=I"};

TEST(FrameTest, OneChunkGivesEveryMessageInOrder) {
    run all;
    all.chunk(sample);
    EXPECT_EQ(all.seen, sample_seen);
    EXPECT_EQ(all.forwarded, sample);
    EXPECT_TRUE(all.scanner.at_boundary());
    EXPECT_EQ(all.scanner.position(), sample.size());
}

TEST(FrameTest, EverySplitInTwoGivesTheSame) {
    for (std::size_t cut = 0; cut <= sample.size(); ++cut) {
        run all;
        all.chunk(std::string_view(sample).substr(0, cut));
        EXPECT_EQ(all.forwarded.size() + all.scanner.kept(), cut);
        all.chunk(std::string_view(sample).substr(cut));
        EXPECT_EQ(all.seen, sample_seen) << "cut at " << cut;
        EXPECT_EQ(all.forwarded, sample) << "cut at " << cut;
        EXPECT_TRUE(all.scanner.at_boundary());
    }
}

TEST(FrameTest, ByteByByteGivesTheSame) {
    run all;
    for (std::size_t at = 0; at < sample.size(); ++at) {
        all.chunk(std::string_view(sample).substr(at, 1));
        EXPECT_EQ(all.forwarded.size() + all.scanner.kept(), at + 1);
    }
    EXPECT_EQ(all.seen, sample_seen);
    EXPECT_EQ(all.forwarded, sample);
}

TEST(FrameTest, RandomStreamsInRandomChunksAreForwardedUnchanged) {
    std::mt19937 random(7);
    const auto pick = [&random](std::size_t below) { return random() % below; };
    for (int round = 0; round < 2000; ++round) {
        std::string stream;
        for (std::size_t count = pick(30); count > 0; --count) {
            stream +=
                frame("ZECSDdT1"[pick(8)], std::string(pick(4) == 0 ? pick(900) : pick(6), 'x'));
        }
        run all;
        for (std::size_t at = 0; at < stream.size();) {
            const std::size_t size = pick(3) == 0 ? 1 + pick(3) : 1 + pick(1000);
            all.chunk(std::string_view(stream).substr(at, size));
            at += size;
        }
        ASSERT_EQ(all.forwarded, stream);
        ASSERT_TRUE(all.scanner.at_boundary());
        ASSERT_FALSE(all.malformed);
    }
}

TEST(FrameTest, CutHeaderIsReportedFromTheScannersBuffer) {
    const std::string row = frame('D', "0123456789");
    frame_scanner scanner(whole_types, whole_limit, length_limit);
    scanner.feed(std::string_view(row).substr(0, 3));
    EXPECT_EQ(scanner.next(), event::end);
    EXPECT_EQ(scanner.position(), 0u);
    EXPECT_EQ(scanner.kept(), 3u);
    EXPECT_FALSE(scanner.at_boundary());

    scanner.feed(std::string_view(row).substr(3));
    ASSERT_EQ(scanner.next(), event::header);
    EXPECT_FALSE(scanner.raw_in_chunk());
    EXPECT_EQ(scanner.raw(), row.substr(0, 5));
    EXPECT_EQ(scanner.position(), 2u);
    EXPECT_EQ(scanner.kept(), 0u) << "what was reported is not kept any more";
    EXPECT_TRUE(scanner.in_body());
    EXPECT_EQ(scanner.next(), event::end);
    EXPECT_EQ(scanner.position(), row.size() - 3);
    EXPECT_FALSE(scanner.in_body());
}

TEST(FrameTest, CutWholeMessageIsReportedFromTheScannersBuffer) {
    const std::string text = frame('C', "SELECT 1") + frame('Z', "T");
    frame_scanner scanner(whole_types, whole_limit, length_limit);
    scanner.feed(std::string_view(text).substr(0, 7));
    EXPECT_EQ(scanner.next(), event::end);
    scanner.feed(std::string_view(text).substr(7));
    ASSERT_EQ(scanner.next(), event::message);
    EXPECT_FALSE(scanner.raw_in_chunk());
    EXPECT_EQ(scanner.body(), "SELECT 1");
    EXPECT_EQ(scanner.position(), 6u);
    EXPECT_TRUE(scanner.at_boundary());
    ASSERT_EQ(scanner.next(), event::message);
    EXPECT_TRUE(scanner.raw_in_chunk());
    EXPECT_EQ(scanner.body(), "T");
}

TEST(FrameTest, EndOfAChunkIsReportedAgainWhenAskedAgain) {
    const std::string text = frame('Z', "I") + "Z";
    frame_scanner scanner(whole_types, whole_limit, length_limit);
    scanner.feed(text);
    EXPECT_EQ(scanner.next(), event::message);
    for (int again = 0; again < 3; ++again) {
        EXPECT_EQ(scanner.next(), event::end);
        EXPECT_EQ(scanner.position(), 6u);
        EXPECT_EQ(scanner.kept(), 1u);
    }
}

TEST(FrameTest, BodyOfAHeaderEventPassesThroughWithoutBeingKept) {
    const std::string begin = header('d', 4 + 500000);
    run all;
    all.chunk(begin);
    EXPECT_TRUE(all.scanner.in_body());
    const std::string part(100000, 'x');
    for (int count = 0; count < 5; ++count) {
        EXPECT_FALSE(all.scanner.at_boundary());
        all.chunk(part);
        EXPECT_EQ(all.scanner.kept(), 0u);
    }
    EXPECT_TRUE(all.scanner.at_boundary());
    EXPECT_EQ(all.seen, std::vector<std::string>{"d 500000"});
}

TEST(FrameTest, LengthBelowFourIsMalformed) {
    for (std::uint32_t length : {0u, 1u, 2u, 3u}) {
        for (char type : {'D', 'Z'}) {
            run all;
            all.chunk(frame('Z', "I") + header(type, length) + "more");
            EXPECT_TRUE(all.malformed);
            EXPECT_EQ(all.forwarded, frame('Z', "I")) << "nothing of the bad message goes on";
            EXPECT_FALSE(all.scanner.at_boundary());
        }
    }
}

TEST(FrameTest, LengthAboveTheLimitIsMalformedBeforeAnyByteOfTheBody) {
    for (std::uint32_t length : {length_limit + 1, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
        run all;
        all.chunk(header('D', length));
        EXPECT_TRUE(all.malformed);
    }
    run exact;
    exact.chunk(header('D', length_limit));
    EXPECT_FALSE(exact.malformed);
}

TEST(FrameTest, WholeMessageAboveItsLimitIsMalformedBeforeAnyByteIsKept) {
    run above;
    above.chunk(header('Z', 4 + whole_limit + 1));
    EXPECT_TRUE(above.malformed);
    run exact;
    exact.chunk(header('Z', 4 + whole_limit));
    exact.chunk(std::string(whole_limit, 'x'));
    EXPECT_EQ(exact.seen.size(), 1u);
    EXPECT_FALSE(exact.malformed);
}

TEST(FrameTest, BadLengthThatIsCutAnywhereIsMalformed) {
    const std::string bad = header('Z', 3);
    for (std::size_t cut = 0; cut <= bad.size(); ++cut) {
        run all;
        all.chunk(std::string_view(bad).substr(0, cut));
        all.chunk(bad.substr(cut));
        EXPECT_TRUE(all.malformed);
        EXPECT_EQ(all.forwarded, "");
        EXPECT_EQ(all.scanner.position(), 0u);
    }
}

TEST(FrameTest, MalformedIsFinal) {
    run all;
    all.chunk(header('Z', 0));
    all.malformed = false;
    all.chunk(frame('Z', "I"));
    EXPECT_TRUE(all.malformed);
    EXPECT_TRUE(all.seen.empty());
}

TEST(FrameTest, LargestLengthFitsWithoutALimit) {
    frame_scanner scanner(whole_types, 0xffffffff, 0xffffffff);
    const std::string huge = header('D', 0xffffffff);
    scanner.feed(huge);
    ASSERT_EQ(scanner.next(), event::header);
    EXPECT_EQ(scanner.body_length(), 0xfffffffbu);
    EXPECT_EQ(scanner.next(), event::end);
    EXPECT_TRUE(scanner.in_body());
}

TEST(FrameTest, KeptMemoryGrowsWithWhatArrivedNotWithWhatWasAnnounced) {
    frame_scanner scanner(whole_types, length_limit, length_limit);
    const std::string begin = header('Z', length_limit) + "ab";
    scanner.feed(begin);
    EXPECT_EQ(scanner.next(), event::end);
    EXPECT_EQ(scanner.kept(), begin.size());
    EXPECT_EQ(scanner.position(), 0u);
}

// Messages of which only the beginning is looked at.

constexpr type_set headed_types("Z", "B");

/// A relay that looks at the beginning of B, and wants those whole that begin with a w.
struct head_run {
    frame_scanner scanner{headed_types, whole_limit, length_limit};
    std::vector<std::string> seen;
    std::string forwarded;

    void chunk(std::string_view bytes) {
        scanner.feed(bytes);
        std::size_t done = 0;
        for (;;) {
            const event what = scanner.next();
            if (what == event::end || what == event::malformed) {
                forwarded += bytes.substr(done, scanner.position() - done);
                return;
            }
            if (what == event::head && scanner.body().starts_with("w") &&
                scanner.want_whole(whole_limit)) {
                done = scanner.raw_in_chunk() ? done : scanner.position();
                continue;
            }
            record(what);
            if (!scanner.raw_in_chunk()) {
                EXPECT_LE(done, scanner.position());
                forwarded += scanner.raw();
                done = scanner.position();
            }
        }
    }

    void record(event what) {
        const std::string kind = what == event::header ? " " : what == event::head ? "~" : "=";
        const std::string body = what == event::header ? "" : std::string(scanner.body());
        seen.push_back(std::string(1, scanner.type()) + kind + body);
    }
};

const std::string headed_sample = frame('B', "short") + frame('D', "row") +
                                  frame('B', std::string(head_limit + 100, 'x')) +
                                  frame('B', "whole " + std::string(700, 'y')) + frame('Z', "I") +
                                  frame('B', std::string(head_limit, 'z')) + frame('Z', "I");

const std::vector<std::string> headed_seen = {
    "B~short",
    "D ",
    "B~" + std::string(head_limit, 'x'),
    "B=whole " + std::string(700, 'y'),
    "Z=I",
    "B~" + std::string(head_limit, 'z'),
    "Z=I"};

TEST(FrameTest, HeadsAreHandedOutWithTheFirstBytesOfTheBody) {
    head_run all;
    all.chunk(headed_sample);
    EXPECT_EQ(all.seen, headed_seen);
    EXPECT_EQ(all.forwarded, headed_sample);
}

TEST(FrameTest, HeadsInEverySplitGiveTheSame) {
    for (std::size_t cut = 0; cut <= headed_sample.size(); ++cut) {
        head_run all;
        all.chunk(std::string_view(headed_sample).substr(0, cut));
        EXPECT_EQ(all.forwarded.size() + all.scanner.kept(), cut);
        all.chunk(std::string_view(headed_sample).substr(cut));
        ASSERT_EQ(all.seen, headed_seen) << "cut at " << cut;
        ASSERT_EQ(all.forwarded, headed_sample) << "cut at " << cut;
    }
}

TEST(FrameTest, HeadsByteByByteGiveTheSame) {
    head_run all;
    for (std::size_t at = 0; at < headed_sample.size(); ++at) {
        all.chunk(std::string_view(headed_sample).substr(at, 1));
    }
    EXPECT_EQ(all.seen, headed_seen);
    EXPECT_EQ(all.forwarded, headed_sample);
}

TEST(FrameTest, AMessageAboveTheLimitIsNotWantedWhole) {
    const std::string text = frame('B', std::string(900, 'x'));
    frame_scanner scanner(headed_types, whole_limit, length_limit);
    scanner.feed(text);
    ASSERT_EQ(scanner.next(), event::head);
    EXPECT_FALSE(scanner.want_whole(899));
    EXPECT_EQ(scanner.next(), event::end);
    EXPECT_TRUE(scanner.at_boundary());
}

TEST(FrameTest, AMessageThatWasBegunWholeStaysWholeWhenTheSetChanges) {
    const std::string text = frame('B', std::string(head_limit + 500, 'x'));
    frame_scanner scanner(all_types, 4 * head_limit, length_limit);
    scanner.feed(std::string_view(text).substr(0, head_limit + 100));
    EXPECT_EQ(scanner.next(), event::end);
    scanner.set_whole(headed_types);
    scanner.feed(std::string_view(text).substr(head_limit + 100));
    ASSERT_EQ(scanner.next(), event::message);
    EXPECT_EQ(scanner.raw(), text);
}

}  // namespace
}  // namespace pgweir::protocol
