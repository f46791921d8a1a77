// What a guard lets through, holds and takes back, for replies that are cut at any byte.

#include "session/repair.hpp"

#include "protocol/message.hpp"
#include "protocol/statement_messages.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace pgweir::session {
namespace {

using namespace std::string_literals;
using verdict = reply_guard::verdict;

std::string message(char type, std::string_view body = {}) {
    std::string out;
    protocol::message_writer(out, type).bytes(body);
    return out;
}

std::string error(std::string_view sqlstate, std::string_view routine = "somewhere") {
    std::string body = "SERROR\0VERROR\0"s;
    body += "C" + std::string(sqlstate) + '\0' + "Mno\0R"s + std::string(routine) + "\0\0"s;
    return message('E', body);
}

std::string notice() {
    return message('N', "SNOTICE\0\0"s);
}

std::string parameter() {
    std::string out;
    protocol::put_parameter_status(out, "TimeZone", "UTC");
    return out;
}

std::string ready() {
    std::string out;
    protocol::put_ready_for_query(out, protocol::transaction_status::idle);
    return out;
}

const std::string prologue =
    message('1') + message('2') + message('T', std::string(300, 'c')) + notice() + parameter();

/// What the client gets, and has got when the decision fell.
struct outcome {
    std::string given;
    bool held_anything = false;
    bool refused = false;
    std::string sqlstate;
};

/// Feeds the replies in two pieces. A refusal is dropped or not.
outcome feed(reply_guard& guard, const std::string& replies, std::size_t cut, bool drops) {
    outcome all;
    for (const std::string& piece : {replies.substr(0, cut), replies.substr(cut)}) {
        switch (guard.feed(piece)) {
            case verdict::pass:
                all.given += piece;
                break;
            case verdict::hold:
                all.held_anything = true;
                break;
            case verdict::release:
                all.given += guard.end() + piece;
                break;
            case verdict::refused:
                all.refused = true;
                all.sqlstate = guard.why().sqlstate;
                if (drops) {
                    guard.drop();
                } else {
                    all.given += guard.end();
                }
                break;
        }
    }
    return all;
}

TEST(ReplyGuardTest, IsNothingUntilItBegins) {
    reply_guard guard;
    EXPECT_TRUE(guard.off());
    EXPECT_EQ(guard.feed(error("25006")), verdict::pass);
}

TEST(ReplyGuardTest, ResultInTheFirstChunkIsNotCopied) {
    reply_guard guard;
    guard.begin();
    ASSERT_TRUE(guard.keep("requests"));
    EXPECT_EQ(guard.feed(prologue + message('D', "row") + error("25006")), verdict::release);
    EXPECT_EQ(guard.end(), "");
    EXPECT_TRUE(guard.off());
}

TEST(ReplyGuardTest, EveryFirstWordOfAResultDecides) {
    for (char type : "DCIsGHWVZdc"s) {
        const std::string result = message(type, "I") + error("25006") + ready();
        for (std::size_t cut = 0; cut <= prologue.size() + result.size(); cut++) {
            reply_guard guard;
            guard.begin();
            const outcome seen = feed(guard, prologue + result, cut, true);
            ASSERT_EQ(seen.given, prologue + result) << type << " cut at " << cut;
            ASSERT_FALSE(seen.refused);
            ASSERT_TRUE(guard.off());
        }
    }
}

TEST(ReplyGuardTest, NothingIsGivenBeforeTheDecision) {
    reply_guard guard;
    guard.begin();
    for (char byte : prologue) {
        ASSERT_EQ(guard.feed({&byte, 1}), verdict::hold);
    }
    EXPECT_TRUE(guard.watching());
    EXPECT_EQ(guard.feed(message('D')), verdict::release);
    EXPECT_EQ(guard.end(), prologue);
}

TEST(ReplyGuardTest, RefusalIsDroppedAndTheRequestsComeBack) {
    const std::string replies = prologue + error("25006") + parameter() + ready();
    for (std::size_t cut = 0; cut <= replies.size(); cut++) {
        reply_guard guard;
        guard.begin();
        ASSERT_TRUE(guard.keep("some "));
        ASSERT_TRUE(guard.keep("requests"));
        const outcome seen = feed(guard, replies, cut, true);
        ASSERT_TRUE(seen.refused) << "cut at " << cut;
        ASSERT_EQ(seen.sqlstate, "25006");
        ASSERT_EQ(seen.given, "");
        ASSERT_TRUE(guard.dropping());
        std::string told;
        ASSERT_EQ(guard.again(told), "some requests");
        ASSERT_EQ(told, parameter() + parameter());
        ASSERT_TRUE(guard.off());
        ASSERT_EQ(guard.feed(ready()), verdict::pass);
    }
}

TEST(ReplyGuardTest, RefusalThatIsTheClientsIsGivenWhole) {
    const std::string replies = prologue + error("22012") + ready();
    for (std::size_t cut = 0; cut <= replies.size(); cut++) {
        reply_guard guard;
        guard.begin();
        const outcome seen = feed(guard, replies, cut, false);
        ASSERT_TRUE(seen.refused);
        ASSERT_EQ(seen.given, replies) << "cut at " << cut;
        ASSERT_TRUE(guard.off());
    }
}

TEST(ReplyGuardTest, WhatComesWhileTheCallerDecidesIsKept) {
    reply_guard guard;
    guard.begin();
    EXPECT_EQ(guard.feed(error("40001")), verdict::refused);
    EXPECT_EQ(guard.feed(ready()), verdict::hold);
    EXPECT_EQ(guard.end(), error("40001") + ready());
}

TEST(ReplyGuardTest, RowsAreDroppedBehindARefusalWhateverTheirSize) {
    reply_guard guard;
    guard.begin();
    ASSERT_EQ(guard.feed(error("25006")), verdict::refused);
    guard.drop();
    const std::string row = message('D', std::string(1000, 'x'));
    for (std::size_t at = 0; at < row.size(); at += 100) {
        ASSERT_EQ(guard.feed(std::string_view(row).substr(at, 100)), verdict::hold);
    }
    ASSERT_EQ(guard.feed(message('A', "notification")), verdict::hold);
    std::string told;
    guard.again(told);
    EXPECT_EQ(told, message('A', "notification"));
}

TEST(ReplyGuardTest, LongSegmentsAreNotKept) {
    reply_guard guard;
    guard.begin();
    ASSERT_TRUE(guard.keep(std::string(reply_guard::request_limit, 'x')));
    ASSERT_EQ(guard.feed(message('1')), verdict::hold);
    EXPECT_FALSE(guard.keep("x"));
    EXPECT_TRUE(guard.off());
    EXPECT_EQ(guard.end(), message('1'));
}

TEST(ReplyGuardTest, LongPrologueIsTheClients) {
    const std::string notices = message('N', std::string(reply_guard::reply_limit, 'n'));
    for (std::size_t cut = 0; cut <= 10; cut++) {
        reply_guard guard;
        guard.begin();
        const outcome seen = feed(guard, message('1') + notices, cut, true);
        ASSERT_EQ(seen.given, message('1') + notices) << "cut at " << cut;
        ASSERT_TRUE(guard.off());
    }
}

TEST(ReplyGuardTest, LongErrorIsTheClients) {
    const std::string huge = message('E', std::string(reply_guard::reply_limit, 'e'));
    reply_guard guard;
    guard.begin();
    EXPECT_EQ(guard.feed(huge.substr(0, 1000)), verdict::release);
}

TEST(ReplyGuardTest, GuardsOneSegmentAfterAnother) {
    reply_guard guard;
    for (int i = 0; i < 3; i++) {
        guard.begin();
        ASSERT_TRUE(guard.keep(std::string(1000, 'r')));
        ASSERT_EQ(guard.feed(prologue), verdict::hold);
        ASSERT_EQ(guard.feed(error("25006") + ready()), verdict::refused);
        guard.drop();
        std::string told;
        ASSERT_EQ(guard.again(told).size(), 1000u);
        guard.begin();
        ASSERT_EQ(guard.feed(prologue), verdict::hold);
        ASSERT_EQ(guard.feed(message('C', "SELECT 1")), verdict::release);
        ASSERT_EQ(guard.end(), prologue);
    }
}

TEST(ReplyGuardTest, ErrorSaysWhatItSays) {
    const std::string whole = error("0A000", "RevalidateCachedQuery");
    const refusal found = read_refusal(whole);
    EXPECT_EQ(found.sqlstate, "0A000");
    EXPECT_EQ(found.message, "no");
    EXPECT_TRUE(is_outdated_plan(found));
    EXPECT_FALSE(is_outdated_plan(read_refusal(error("0A000"))));
    EXPECT_FALSE(is_outdated_plan(read_refusal(error("26000", "RevalidateCachedQuery"))));
}

TEST(ReplyGuardTest, ErrorWithoutFieldsSaysNothing) {
    for (const std::string& body : {""s, "\0"s, "C"s, "C25006"s}) {
        const std::string whole = message('E', body);
        reply_guard guard;
        guard.begin();
        ASSERT_EQ(guard.feed(whole), verdict::refused);
        EXPECT_EQ(guard.why().sqlstate, "");
        EXPECT_EQ(guard.end(), whole);
    }
}

TEST(ReplyGuardTest, StandbysErrorsAreKnownByTheirClass) {
    for (const char* code : {"25006", "0A000", "55000", "XX000", "42P01", "57P01", "40001"}) {
        EXPECT_TRUE(may_be_the_standbys(code)) << code;
    }
    for (const char* code : {"57014", "22012", "23505", "26000", "P0001", ""}) {
        EXPECT_FALSE(may_be_the_standbys(code)) << code;
    }
}

}  // namespace
}  // namespace pgweir::session
