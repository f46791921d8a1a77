#include "pool/statement_store.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

namespace pgweir::pool {
namespace {

using namespace std::string_literals;

struct StatementStoreTest : testing::Test {
    parameter_store parameters{{}};
    statement_store store{parameters};
    int scope = 0;
    int other_scope = 0;
    parameter_set_ptr iso = with("DateStyle", "ISO, MDY");
    parameter_set_ptr german = with("DateStyle", "German, DMY");

    parameter_set_ptr with(std::string_view name, std::string_view value) {
        return parameters.with(parameters.empty(), parameters.index_of(name).value(), value);
    }

    statement_ptr find(std::string_view definition, const parameter_set_ptr& settings) {
        return store.find_or_make(&scope, definition, settings);
    }
};

const std::string plain = "select $1 + 1\0\0\0"s;
const std::string dated = "select date '01/02/2023'\0\0\0"s;

TEST_F(StatementStoreTest, SameTextAndTypesAreOneStatement) {
    const statement_ptr one = find(plain, iso);
    EXPECT_EQ(one, find(plain, iso));
    EXPECT_EQ(one->definition(), plain);
    EXPECT_EQ(one->name(), "PGWEIR_" + std::to_string(one->number()));
}

TEST_F(StatementStoreTest, OtherTypesAreAnotherStatement) {
    EXPECT_NE(find("select $1\0\0\1\0\0\0\x17"s, iso), find("select $1\0\0\1\0\0\0\x19"s, iso));
    EXPECT_NE(find("select $1\0\0\1\0\0\0\x17"s, iso), find("select $1\0\0\0"s, iso));
}

TEST_F(StatementStoreTest, AnotherPoolHasItsOwn) {
    EXPECT_NE(find(plain, iso), store.find_or_make(&other_scope, plain, iso));
}

TEST_F(StatementStoreTest, LiteralsAreSharedUnderEqualSettingsOnly) {
    const statement_ptr one = find(dated, iso);
    EXPECT_NE(one, find(dated, german));
    EXPECT_EQ(one, find(dated, iso));
    EXPECT_EQ(one->settings(), iso);
    for (const std::string name :
         {"client_encoding", "IntervalStyle", "TimeZone", "standard_conforming_strings"}) {
        EXPECT_NE(find(dated, with(name, "x")), find(dated, with(name, "y"))) << name;
    }
    EXPECT_EQ(
        find(dated, with("application_name", "x")), find(dated, with("application_name", "y"))
    );
}

TEST_F(StatementStoreTest, WithoutLiteralsSettingsDoNotMatter) {
    EXPECT_EQ(find(plain, iso), find(plain, german));
    EXPECT_EQ(find(plain, iso)->settings(), nullptr);
}

TEST_F(StatementStoreTest, KnowsWhatDependsOnSettings) {
    for (const std::string text :
         {"select 'x'",
          "select E'\\n'",
          "select $$x$$",
          "select $tag$x$tag$",
          "select \"\xc3\xbc\""}) {
        EXPECT_TRUE(depends_on_settings(text)) << text;
    }
    for (const std::string text : {"select 1", "select $1, $22", "select \"a\"", ""}) {
        EXPECT_FALSE(depends_on_settings(text)) << text;
    }
}

TEST_F(StatementStoreTest, IsForgottenWithTheLastReference) {
    statement_ptr one = find(plain, iso);
    statement_ptr again = one;
    const std::uint64_t number = one->number();
    one.reset();
    EXPECT_EQ(store.size(), 1u);
    EXPECT_EQ(store.bytes(), plain.size() + statement_store::overhead);
    again.reset();
    EXPECT_EQ(store.size(), 0u);
    EXPECT_EQ(store.bytes(), 0u);
    EXPECT_NE(find(plain, iso)->number(), number);
}

TEST_F(StatementStoreTest, NothingNewIsSharedBeyondTheLimit) {
    const std::size_t each = plain.size() + statement_store::overhead;
    store.set_limit(each);
    statement_ptr one = find(plain, iso);
    ASSERT_NE(one, nullptr);
    EXPECT_EQ(find(plain, german), one) << "what is there is still shared";
    EXPECT_EQ(find(dated, iso), nullptr);
    EXPECT_EQ(store.find_or_make(&scope, plain, iso, statement_store::sharing::alone), nullptr);
    EXPECT_EQ(store.size(), 1u);
    one.reset();
    store.set_limit(dated.size() + statement_store::overhead - 1);
    EXPECT_EQ(find(dated, iso), nullptr);
    store.set_limit(0);
    EXPECT_NE(find(dated, iso), nullptr);
}

TEST_F(StatementStoreTest, WhoCannotDoWithoutHasTwiceTheRoom) {
    const std::size_t each = plain.size() + statement_store::overhead;
    store.set_limit(each);
    EXPECT_TRUE(store.has_room(each));
    EXPECT_FALSE(store.has_room(each + 1));
    const auto more = [&] {
        return store.find_or_make(
            &scope,
            plain,
            iso,
            statement_store::sharing::alone,
            statement_form::message,
            statement_store::room::twice
        );
    };
    const statement_ptr one = more();
    EXPECT_FALSE(store.has_room(1));
    const statement_ptr two = more();
    EXPECT_NE(one, nullptr);
    EXPECT_NE(two, nullptr);
    EXPECT_EQ(more(), nullptr);
    store.set_limit(0);
    EXPECT_TRUE(store.has_room(each));
    EXPECT_NE(more(), nullptr);
}

TEST_F(StatementStoreTest, WhatAClientHasAlreadyIsKeptBeyondTheLimit) {
    store.set_limit(1);
    const statement_ptr made = store.find_or_make(
        &scope,
        plain,
        iso,
        statement_store::sharing::shared,
        statement_form::message,
        statement_store::room::made
    );
    ASSERT_NE(made, nullptr);
    EXPECT_EQ(find(plain, iso), made);
    EXPECT_EQ(find(dated, iso), nullptr);
}

TEST_F(StatementStoreTest, NamesOfOursAreFoundInErrors) {
    const auto found = find_statement_name("prepared statement \"PGWEIR_42\" does not exist");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->text, "PGWEIR_42");
    EXPECT_EQ(found->number, 42u);
    EXPECT_EQ(find_statement_name("PGWEIR_7")->number, 7u);
    for (const char* other : {"", "\"PGWEIR_42_\"", "PGWEIR_", "PGWEIR_none", "PGWEIR", "a_1"}) {
        EXPECT_FALSE(find_statement_name(other)) << other;
    }
}

TEST_F(StatementStoreTest, TurnsGrow) {
    const std::uint64_t first = store.next_turn();
    EXPECT_GT(first, 0u);
    EXPECT_GT(store.next_turn(), first);
}

TEST_F(StatementStoreTest, RetiredStatementLivesOnForThoseWhoHaveIt) {
    const statement_ptr old = find(plain, iso);
    old->retire();
    old->retire();
    const statement_ptr young = find(plain, iso);
    EXPECT_NE(old, young);
    EXPECT_EQ(store.size(), 2u);
    EXPECT_EQ(old->definition(), young->definition());
}

TEST_F(StatementStoreTest, AloneIsSharedWithNobody) {
    const statement_ptr shared = find(dated, iso);
    const statement_ptr alone =
        store.find_or_make(&scope, dated, iso, statement_store::sharing::alone);
    EXPECT_NE(shared, alone);
    EXPECT_EQ(find(dated, iso), shared);
}

TEST_F(StatementStoreTest, DifferencesAreThoseThatLiteralsDependOn) {
    std::vector<std::string> seen;
    const auto note = [&](const std::string& name, const std::string& value) {
        seen.push_back(name + "=" + value);
    };
    store.for_each_difference(*iso, *german, note);
    store.for_each_difference(*iso, *with("application_name", "x"), note);
    EXPECT_EQ(seen, std::vector<std::string>{"DateStyle=German, DMY"});
}

TEST_F(StatementStoreTest, ThreadsShareAndForgetAtTheSameTime) {
    std::vector<std::thread> threads;
    for (unsigned seed = 0; seed < 4; seed++) {
        threads.emplace_back([this, seed] {
            std::mt19937 random(seed);
            std::vector<statement_ptr> held(8);
            for (int i = 0; i < 20'000; i++) {
                const std::string text = "select " + std::to_string(random() % 8) + "\0\0\0"s;
                statement_ptr& slot = held[random() % held.size()];
                slot = find(text, iso);
                ASSERT_EQ(slot->definition(), text);
                if (random() % 50 == 0) {
                    slot->retire();
                }
                if (random() % 4 == 0) {
                    held[random() % held.size()].reset();
                }
            }
        });
    }
    for (std::thread& each : threads) {
        each.join();
    }
    EXPECT_EQ(store.size(), 0u);
}

}  // namespace
}  // namespace pgweir::pool
