#include "pool/parameters.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace pgweir::pool {
namespace {

class ParametersTest : public testing::Test {
protected:
    /// What changes a session without any value into one with this value.
    std::string set(std::string_view name, std::string_view value) {
        const auto wanted = store.with(store.empty(), *store.index_of(name), value);
        return store.change(*store.empty(), *wanted);
    }

    parameter_store store{{"IntervalStyle", "myapp.tenant"}};
};

TEST_F(ParametersTest, NamesAreFoundWhateverTheirCase) {
    const auto index = store.index_of("datestyle");
    ASSERT_TRUE(index);
    EXPECT_EQ(store.index_of("DATESTYLE"), index);
    EXPECT_EQ(store.name_of(*index), "DateStyle");
    EXPECT_FALSE(store.index_of("work_mem"));
    EXPECT_FALSE(store.index_of(""));
    EXPECT_FALSE(store.index_of("DateStyles"));
}

TEST_F(ParametersTest, ExtraNamesAreTrackedOnce) {
    EXPECT_TRUE(store.index_of("MyApp.Tenant"));
    const parameter_store without({});
    EXPECT_EQ(store.empty()->values().size(), without.empty()->values().size() + 1)
        << "IntervalStyle is tracked anyway";
}

TEST_F(ParametersTest, EqualValuesAreTheSameSet) {
    const auto index = *store.index_of("TimeZone");
    const auto a = store.with(store.empty(), index, "UTC");
    const auto b = store.with(store.with(store.empty(), index, "CET"), index, "UTC");
    EXPECT_EQ(a, b);
    EXPECT_EQ(store.intern(a->values()), a);
    EXPECT_NE(store.with(store.empty(), index, "CET"), a);
    EXPECT_EQ(store.with(a, index, "UTC"), a);
}

TEST_F(ParametersTest, EmptyValueIsNotAnUnsetOne) {
    const auto index = *store.index_of("application_name");
    EXPECT_NE(store.with(store.empty(), index, ""), store.empty());
    EXPECT_EQ(set("application_name", ""), "SET application_name='';");
}

TEST_F(ParametersTest, SetsThatNobodyHasAreForgottenAndMadeAnew) {
    const auto index = *store.index_of("application_name");
    std::weak_ptr<const parameter_set> gone = store.with(store.empty(), index, "x");
    EXPECT_TRUE(gone.expired());
    for (int i = 0; i < 5'000; i++) {
        const auto made = store.with(store.empty(), index, std::to_string(i));
        ASSERT_EQ(store.intern(made->values()), made);
    }
}

TEST_F(ParametersTest, ThreadsGetTheSameSet) {
    const auto index = *store.index_of("TimeZone");
    std::vector<parameter_set_ptr> got(4);
    std::vector<std::thread> threads;
    for (auto& slot : got) {
        threads.emplace_back([&] {
            for (int i = 0; i < 200; i++) {
                slot = store.with(store.empty(), index, std::to_string(i));
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    for (const auto& each : got) {
        EXPECT_EQ(each, got.front());
    }
}

TEST_F(ParametersTest, NothingIsChangedBetweenEqualSets) {
    EXPECT_EQ(store.change(*store.empty(), *store.empty()), "");
}

TEST_F(ParametersTest, QuotesAreDoubled) {
    EXPECT_EQ(set("application_name", "it's"), "SET application_name='it''s';");
    EXPECT_EQ(set("application_name", "';DROP"), "SET application_name=''';DROP';");
}

TEST_F(ParametersTest, BackslashesStandBetweenDollars) {
    EXPECT_EQ(set("application_name", "a\\'b"), "SET application_name=$p$a\\'b$p$;");
}

TEST_F(ParametersTest, DollarTagIsNotInTheValue) {
    EXPECT_EQ(set("application_name", "\\$p$"), "SET application_name=$p0$\\$p$$p0$;");
    EXPECT_EQ(set("application_name", "\\$p$ $p0$"), "SET application_name=$p1$\\$p$ $p0$$p1$;");
}

TEST_F(ParametersTest, ValueThatEndsLikeTheBeginningOfTheTagDoesNotCloseIt) {
    const std::string sql = set("application_name", "\\$p");
    const auto tag_end = sql.find('$', sql.find('$') + 1);
    const std::string tag = sql.substr(sql.find('$'), tag_end - sql.find('$') + 1);
    // Where a reader finds the tag next must be the end of the literal.
    EXPECT_EQ(sql.find(tag, tag_end + 1), sql.size() - 1 - tag.size()) << sql;
}

TEST_F(ParametersTest, SearchPathIsTheListItIs) {
    EXPECT_EQ(
        set("search_path", "\"$user\", public"),
        "SELECT pg_catalog.set_config('search_path','\"$user\", public',false);"
    );
}

TEST_F(ParametersTest, UnsetValueIsReset) {
    const auto from = store.with(store.empty(), *store.index_of("TimeZone"), "UTC");
    EXPECT_EQ(store.change(*from, *store.empty()), "RESET TimeZone;");
}

TEST_F(ParametersTest, TheIndexOfStandardConformingStrings) {
    EXPECT_EQ(store.index_of("standard_conforming_strings"), parameter_store::conforming_strings);
}

class ExtrasTest : public ParametersTest {
protected:
    parameter_set_ptr set_of(extra_values extras) {
        return store.intern(store.empty()->values(), std::move(extras));
    }

    std::string change(extra_values from, extra_values to) {
        return store.change(*set_of(std::move(from)), *set_of(std::move(to)));
    }
};

TEST_F(ExtrasTest, SetsDifferByThem) {
    EXPECT_EQ(set_of({{"a.b", "x"}}), set_of({{"a.b", "x"}}));
    EXPECT_NE(set_of({{"a.b", "x"}}), store.empty());
    EXPECT_EQ(set_of({}), store.empty());
    const auto index = *store.index_of("TimeZone");
    EXPECT_EQ(store.with(set_of({{"a", "x"}}), index, "UTC")->extras().size(), 1u);
}

TEST_F(ExtrasTest, WhatDiffersIsSetOrReset) {
    EXPECT_EQ(
        change({{"a", "1"}, {"b", "2"}}, {{"b", "2"}, {"c", "it's"}}),
        "RESET \"a\";SET \"c\"='it''s';"
    );
    EXPECT_EQ(change({{"a", "1"}}, {{"a", "2"}}), "SET \"a\"='2';");
    EXPECT_EQ(change({{"a", "1"}}, {{"a", "1"}}), "");
    EXPECT_EQ(change({}, {{"a\"b", ""}}), "SET \"a\"\"b\"='';");
}

TEST_F(ExtrasTest, ListsAreSetAsLists) {
    EXPECT_EQ(
        change({}, {{"temp_tablespaces", "a, \"B\""}}),
        "SELECT pg_catalog.set_config('temp_tablespaces','a, \"B\"',false);"
    );
}

TEST_F(ExtrasTest, TheRoleIsSetLastAndLeftFirst) {
    EXPECT_EQ(change({}, {{"role", "r"}, {"z", "1"}}), "SET \"z\"='1';SET \"role\"='r';");
    EXPECT_EQ(
        change({{"role", "r"}, {"a", "1"}}, {{"z", "1"}}),
        "RESET \"role\";RESET \"a\";SET \"z\"='1';"
    );
    EXPECT_EQ(
        change({{"role", "r"}}, {{"role", "r"}, {"z", "1"}}),
        "RESET \"role\";SET \"z\"='1';SET \"role\"='r';"
    );
    EXPECT_EQ(change({{"role", "r"}}, {{"role", "s"}}), "RESET \"role\";SET \"role\"='s';");
    EXPECT_EQ(change({{"role", "r"}}, {{"role", "r"}}), "");
}

TEST_F(ExtrasTest, ARoleMustBeConfirmed) {
    const auto role = set_of({{"role", "r"}});
    EXPECT_TRUE(parameter_store::must_be_confirmed(*store.empty(), *role));
    EXPECT_TRUE(parameter_store::must_be_confirmed(*role, *store.empty()));
    EXPECT_FALSE(parameter_store::must_be_confirmed(*set_of({{"a", "1"}}), *store.empty()));
}

TEST_F(ExtrasTest, WhatIsNotAsciiIsSentInHexadecimalDigits) {
    EXPECT_EQ(
        change({}, {{"a", "\xc3\xa4'"}}),
        "SELECT pg_catalog.set_config('a',pg_catalog.convert_from("
        "pg_catalog.decode('c3a427','hex'),'UTF8'),false);"
    );
}

TEST_F(ParametersTest, SeveralChangesAreOneString) {
    auto to = store.with(store.empty(), *store.index_of("TimeZone"), "UTC");
    to = store.with(to, *store.index_of("client_encoding"), "UTF8");
    EXPECT_EQ(store.change(*store.empty(), *to), "SET client_encoding='UTF8';SET TimeZone='UTC';");
}

TEST(ParameterNamesTest, ASetIsFoundAgainByTheNamesOfItsValues) {
    parameter_store store({"search_path"});
    auto values = store.empty()->values();
    values[*store.index_of("timezone")] = "UTC";
    values[*store.index_of("search_path")] = "a, b";
    const auto set = store.intern(values, {{"app.user", "7"}});
    const extra_values named = store.by_name(*set);
    EXPECT_EQ(named.size(), 3U);
    EXPECT_EQ(store.intern_named(named), set);
    parameter_store other({});  // which does not track search_path
    EXPECT_EQ(other.by_name(*other.intern_named(named)), named);
    EXPECT_EQ(store.intern_named({}), store.empty());
}

}  // namespace
}  // namespace pgweir::pool
