#include "session/segment.hpp"

#include "unit/session/routing_support.hpp"

#include <gtest/gtest.h>

#include <string>

namespace pgweir::session {
namespace {

using namespace test;
using router::reason;

constexpr std::size_t limit = 64 * 1024;

class SegmentTest : public testing::Test {
protected:
    segment read(std::string_view bytes, std::size_t at_most = limit) {
        return read_segment(bytes, at_most, court_.get());
    }

    court court_;
};

TEST_F(SegmentTest, QueryIsASegment) {
    const std::string bytes = query("SELECT 1") + query("UPDATE");
    const segment found = read(bytes);
    EXPECT_EQ(found.what, segment::form::query);
    EXPECT_EQ(found.length, query("SELECT 1").size());
    EXPECT_TRUE(found.reads);
    EXPECT_TRUE(found.harmless);
    EXPECT_EQ(found.why, reason::read);
    EXPECT_EQ(found.text, "SELECT 1");
}

TEST_F(SegmentTest, AllUpToSyncIsASegment) {
    const std::string first = extended("SELECT 1");
    const std::string bytes = first + extended("UPDATE");
    const segment found = read(bytes);
    EXPECT_EQ(found.what, segment::form::extended);
    EXPECT_EQ(found.length, first.size());
    EXPECT_TRUE(found.reads);
    EXPECT_EQ(found.text, "SELECT 1");
}

TEST_F(SegmentTest, EveryPrefixIsIncomplete) {
    for (const std::string& bytes :
         {query("SELECT 1"), extended("SELECT 1"), parse("a", "SELECT 1") + sync()}) {
        for (std::size_t i = 0; i < bytes.size(); i++) {
            EXPECT_EQ(read(std::string_view(bytes).substr(0, i)).what, segment::form::incomplete)
                << i;
        }
        EXPECT_NE(read(bytes).what, segment::form::incomplete);
    }
}

TEST_F(SegmentTest, OneWriteMakesAWrite) {
    const segment found = read(
        parse("", "SELECT 1") + bind("") + execute() + parse("", "UPDATE") + bind("") + execute() +
        sync()
    );
    EXPECT_FALSE(found.reads);
    EXPECT_FALSE(found.harmless);
    EXPECT_EQ(found.why, reason::writes);
    EXPECT_TRUE(found.text.empty());
}

TEST_F(SegmentTest, ReadThatIsNotHarmlessMakesAllOfItSo) {
    const segment found =
        read(parse("", "SELECT 1") + bind("") + parse("", "SELECT stable") + bind("") + sync());
    EXPECT_TRUE(found.reads);
    EXPECT_FALSE(found.harmless);
}

TEST_F(SegmentTest, NamedStatementIsJudgedByItsText) {
    court_.statements = {{"r", "SELECT 1"}, {"w", "UPDATE"}};
    EXPECT_TRUE(read(bind("r") + execute() + sync()).reads);
    EXPECT_FALSE(read(bind("w") + execute() + sync()).reads);
    EXPECT_FALSE(read(bind("unknown") + execute() + sync()).reads);
    EXPECT_FALSE(read(bind("") + execute() + sync()).reads) << "of an earlier segment";
    EXPECT_FALSE(read(bind("r") + execute() + bind("w") + execute() + sync()).reads);
}

TEST_F(SegmentTest, NamedStatementIsJudgedOnceInAnEpoch) {
    court_.statements = {{"r", "/* pgweir: standby */ SELECT 1"}, {"w", "UPDATE"}};
    const std::string both = bind("r") + execute() + bind("w") + execute() + sync();
    for (int i = 0; i < 3; i++) {
        EXPECT_TRUE(read(bind("r") + execute() + sync()).reads);
        EXPECT_FALSE(read(both).reads);
        EXPECT_EQ(read(both).hint, config::routing::standby) << "it is kept, too";
        EXPECT_EQ(court_.judge.asked, 2);
    }
    court_.judge.now++;
    EXPECT_TRUE(read(bind("r") + execute() + sync()).reads);
    EXPECT_EQ(court_.judge.asked, 3);
    court_.statements["r"] = "UPDATE";
    EXPECT_FALSE(read(bind("r") + execute() + sync()).reads) << "another statement of the name";
}

TEST_F(SegmentTest, StatementOfTheSegmentIsJudgedOnce) {
    court_.statements = {{"a", "UPDATE"}};
    EXPECT_TRUE(
        read(close('S', "a") + parse("a", "SELECT 1") + bind("a") + execute() + sync()).reads
    );
    EXPECT_EQ(court_.judge.asked, 1);
}

TEST_F(SegmentTest, RowLimitFlushAndNothingAreNoReads) {
    const std::string begin = parse("", "SELECT 1") + bind("");
    EXPECT_FALSE(read(begin + execute(1) + sync()).reads);
    EXPECT_FALSE(read(begin + message('H')).reads) << "an answer is wanted before the Sync";
    EXPECT_EQ(read(begin + message('H')).what, segment::form::extended);
    EXPECT_FALSE(read(sync()).reads);
    EXPECT_FALSE(read(close('P', "") + sync()).reads);
}

TEST_F(SegmentTest, StatementThatIsForLaterIsReadWhereItCanBeUsed) {
    EXPECT_FALSE(read(parse("", "SELECT 1") + describe('S') + sync()).reads);
    EXPECT_FALSE(read(
                     extended("SELECT 1").substr(0, extended("SELECT 1").size() - 5) +
                     parse("", "SELECT 2") + sync()
    )
                     .reads);
    EXPECT_TRUE(read(parse("a", "SELECT 1") + describe('S', "a") + sync()).reads);
    segment_court only_here = court_.get();
    only_here.keeps_names = false;
    EXPECT_FALSE(read_segment(parse("a", "SELECT 1") + sync(), limit, only_here).reads);
    const std::string whole = parse("a", "SELECT 1") + bind("a") + execute() + sync();
    EXPECT_TRUE(read_segment(whole, limit, only_here).reads);
    segment_court full = court_.get();
    full.room_for_names = false;
    EXPECT_FALSE(read_segment(whole, limit, full).reads) << "the client stays where it is";
    EXPECT_TRUE(read_segment(extended("SELECT 1"), limit, full).reads);
    EXPECT_TRUE(read_segment(query("SELECT 1"), limit, full).reads);
    std::string many;
    for (int i = 0; i < 9; i++) {
        many += parse("", "SELECT 1") + bind("") + execute();
    }
    EXPECT_FALSE(read(many + sync()).reads) << "more than are remembered";
}

TEST_F(SegmentTest, TextIsThatOfWhatIsExecutedOnce) {
    const std::string begun = parse("", "BEGIN") + bind("");
    EXPECT_EQ(read(begun + execute() + sync()).text, "BEGIN");
    EXPECT_EQ(read(parse("", "BEGIN") + describe('S') + sync()).text, "");
    EXPECT_EQ(read(begun + sync()).text, "");
    EXPECT_EQ(read(begun + execute() + execute() + sync()).text, "");
    EXPECT_EQ(read(begun + execute() + bind("") + execute() + sync()).text, "");
}

TEST_F(SegmentTest, QueryBehindMessagesWithoutSyncIsThePrimarys) {
    const segment found = read(parse("", "SELECT 1") + query("SELECT 2"));
    EXPECT_EQ(found.what, segment::form::extended);
    EXPECT_FALSE(found.reads);
}

TEST_F(SegmentTest, OthersGoTheOrdinaryWay) {
    for (const char type : {'X', 'd', 'c', 'f', 'F', 'p', 'z'}) {
        EXPECT_EQ(read(message(type)).what, segment::form::other) << type;
    }
    EXPECT_EQ(read(std::string_view("Q\0\0\0\3x", 6)).what, segment::form::other);
}

TEST_F(SegmentTest, LongOneIsNotWaitedFor) {
    const std::string bytes = query("SELECT " + std::string(limit, '1'));
    const segment found = read(std::string_view(bytes).substr(0, 100));
    EXPECT_EQ(found.what, segment::form::query);
    EXPECT_FALSE(found.reads);
    EXPECT_EQ(found.length, 100U);
    EXPECT_TRUE(read(query("SELECT 1")).reads);
    EXPECT_FALSE(read(bytes).reads) << "it is here, and is too long to be sent again";
    const std::string many = parse("", "SELECT 1") + bind("") + execute();
    EXPECT_EQ(read(many, many.size() - 1).what, segment::form::extended);
    EXPECT_FALSE(read(many, many.size() - 1).reads);
}

TEST_F(SegmentTest, HintOfAnyTextCounts) {
    EXPECT_EQ(read(query("/* pgweir: primary */ SELECT 1")).hint, config::routing::primary);
    EXPECT_EQ(
        read(parse("", "/* pgweir: standby */ SELECT 1") + bind("") + execute() + sync()).hint,
        config::routing::standby
    );
    court_.statements = {{"h", "/* pgweir: primary */ SELECT 1"}};
    EXPECT_EQ(read(bind("h") + execute() + sync()).hint, config::routing::primary);
}

TEST_F(SegmentTest, CutMessagesAreNoReads) {
    std::string cut;
    protocol::message_writer(cut, 'P').bytes("no zero byte");
    EXPECT_FALSE(read(cut + sync()).reads);
    std::string short_bind;
    protocol::message_writer(short_bind, 'B').cstring("");
    EXPECT_FALSE(read(short_bind + sync()).reads);
    std::string empty_query;
    protocol::message_writer(empty_query, 'Q').bytes("");
    EXPECT_FALSE(read(empty_query).reads);
}

}  // namespace
}  // namespace pgweir::session
