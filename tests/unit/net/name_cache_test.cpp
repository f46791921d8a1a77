#include "net/name_cache.hpp"

#include "net/loop.hpp"

#include <boost/asio/error.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pgweir::net {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::error_code unknown = boost::system::error_code(boost::asio::error::host_not_found);
const std::error_code busy =
    boost::system::error_code(boost::asio::error::host_not_found_try_again);

class NameCacheTest : public testing::Test {
protected:
    NameCacheTest() {
        names_.on_gone([this](const std::string& name) { gone_.push_back(name); });
        names_.set_terms({seconds(10), seconds(2)});
    }

    name_cache::answer learn(std::vector<std::string> addresses) {
        names_.learn("db", {std::move(addresses), {}}, now_);
        return names_.next("db");
    }

    name_cache::answer fail(std::error_code why) {
        names_.learn("db", {{}, why}, now_);
        return names_.next("db");
    }

    steady_time now_{seconds(1000)};
    name_cache names_;
    std::vector<std::string> gone_;
};

TEST_F(NameCacheTest, AnswerHoldsForItsTime) {
    EXPECT_FALSE(names_.find("db", now_));
    EXPECT_THAT(learn({"10.0.0.1"}).addresses, ElementsAre("10.0.0.1"));
    EXPECT_THAT(names_.find("db", now_ + seconds(9))->addresses, ElementsAre("10.0.0.1"));
    EXPECT_FALSE(names_.find("db", now_ + seconds(10)));
    EXPECT_FALSE(names_.find("other", now_));
}

TEST_F(NameCacheTest, WithoutATimeNothingHolds) {
    names_.set_terms({seconds(0), seconds(0)});
    learn({"10.0.0.1"});
    EXPECT_FALSE(names_.find("db", now_));
}

TEST_F(NameCacheTest, AddressesAreUsedInTurn) {
    EXPECT_THAT(learn({"10.0.0.2", "10.0.0.1"}).addresses, ElementsAre("10.0.0.1", "10.0.0.2"));
    EXPECT_THAT(names_.find("db", now_)->addresses, ElementsAre("10.0.0.2", "10.0.0.1"));
    EXPECT_THAT(names_.find("db", now_)->addresses, ElementsAre("10.0.0.1", "10.0.0.2"));
    EXPECT_THAT(learn({"10.0.0.1", "10.0.0.2"}).addresses, ElementsAre("10.0.0.2", "10.0.0.1"))
        << "the turn goes on in the next answer";
}

TEST_F(NameCacheTest, AddressThatIsGoneIsTold) {
    learn({"10.0.0.1", "10.0.0.2"});
    EXPECT_THAT(gone_, ElementsAre("db")) << "servers of a process before may be elsewhere";
    gone_.clear();
    learn({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
    EXPECT_THAT(gone_, IsEmpty());
    learn({"10.0.0.3", "10.0.0.1"});
    EXPECT_THAT(gone_, ElementsAre("db"));
    EXPECT_TRUE(names_.may_mean("db", "10.0.0.3"));
    EXPECT_FALSE(names_.may_mean("db", "10.0.0.2"));
    EXPECT_TRUE(names_.may_mean("never asked for", "10.0.0.2"));
}

TEST_F(NameCacheTest, NameThatThereIsNotIsNotAskedForAgainForItsTime) {
    EXPECT_EQ(fail(unknown).why, unknown);
    EXPECT_EQ(names_.find("db", now_ + seconds(1))->why, unknown);
    EXPECT_FALSE(names_.find("db", now_ + seconds(2)));
    EXPECT_THAT(learn({"10.0.0.1"}).addresses, ElementsAre("10.0.0.1"));
}

TEST_F(NameCacheTest, WhatWasKnownGoesOnWhileNobodyAnswers) {
    learn({"10.0.0.1"});
    gone_.clear();
    EXPECT_THAT(fail(busy).addresses, ElementsAre("10.0.0.1"));
    EXPECT_FALSE(names_.find("db", now_ + seconds(2))) << "it is asked again soon";
    EXPECT_THAT(gone_, IsEmpty());
    EXPECT_EQ(fail(unknown).why, unknown) << "there is no such name any more";
    EXPECT_THAT(gone_, IsEmpty()) << "servers that are there are not the worse for it";
}

TEST_F(NameCacheTest, RowsSayWhatIsKnown) {
    learn({"10.0.0.1"});
    names_.learn("nowhere", {{}, unknown}, now_);
    const auto rows = names_.rows(now_ + seconds(1));
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].name, "db");
    EXPECT_EQ(rows[0].left, seconds(9));
    EXPECT_THAT(rows[0].addresses, ElementsAre("10.0.0.1"));
    EXPECT_EQ(rows[1].left, seconds(1));
    EXPECT_THAT(rows[1].addresses, IsEmpty());
    EXPECT_THAT(names_.names(), ElementsAre("db", "nowhere"));
}

TEST(NameLookupTest, TheSystemIsAskedOnceForAllWhoWantTheSame) {
    loop asker;
    loop other;
    name_cache names;
    int answers = 0;
    for (loop* each : {&asker, &asker, &other}) {
        names.look_up(*each, "localhost", [&answers, each](const name_cache::answer& found) {
            EXPECT_THAT(found.addresses, testing::Not(IsEmpty()));
            if (++answers > 1) {
                each->stop();
            }
        });
    }
    EXPECT_EQ(names.under_way(), 1U);
    asker.run();
    EXPECT_EQ(answers, 2);
    EXPECT_EQ(names.under_way(), 0U);
    EXPECT_TRUE(names.find("localhost", loop::now()));
    other.run();
    EXPECT_EQ(answers, 3) << "each is answered on its own loop";
}

}  // namespace
}  // namespace pgweir::net
