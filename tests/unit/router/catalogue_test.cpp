#include "router/catalogue.hpp"

#include "unit/router/small_database.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace pgweir::router {
namespace {

using test::small_database;

class CatalogueTest : public ::testing::Test {
protected:
    judgement judged(std::string_view text, const name_scope& scope = {1, "app", {}, {}}) {
        const catalogue_ptr names = database.build();
        return names == nullptr ? judgement{false, reason::refused, false}
                                : test::judge(*names, text, scope);
    }

    void expect_read(std::string_view text) {
        const judgement verdict = judged(text);
        EXPECT_TRUE(verdict.read) << text << ": " << name_of(verdict.why);
    }

    void expect_reason(std::string_view text, reason why) {
        const judgement verdict = judged(text);
        EXPECT_FALSE(verdict.read) << text;
        EXPECT_EQ(verdict.why, why) << text << ": " << name_of(verdict.why);
    }

    small_database database;
};

TEST_F(CatalogueTest, QueriesOfKnownNamesAreReads) {
    expect_read("select lower(a) from t join u on t.a = u.a where b = 1 and c = now()");
    expect_read("select count(*), count(a) from public.t");
    expect_read("select 1::int4, '2020-01-01'::date");
    expect_read("select * from pg_class");
    expect_read("select date('2020-01-01')");
    expect_read("select extract(year from now())");
    EXPECT_TRUE(judged("select count(*) from t where a = 1").harmless);
}

TEST_F(CatalogueTest, UnknownNamesGoToThePrimary) {
    expect_reason("select * from nowhere", reason::unknown_name);
    expect_reason("select nothing(1)", reason::unknown_name);
    expect_reason("select 1 <#> 2", reason::unknown_name);
    expect_reason("select 1::nothing", reason::unknown_name);
    expect_reason("select * from elsewhere.t", reason::unknown_name);
    expect_reason("select lower(1, 2)", reason::unknown_name);
}

TEST_F(CatalogueTest, VolatileFunctionsOfUsersAreNotReads) {
    database.function("public", "charge", 1, 'v');
    expect_reason("select charge(1)", reason::function);
    expect_reason("select * from charge(1)", reason::function);
    expect_reason("select 1 from t where a = charge(1)", reason::function);
    expect_reason("select public.charge(1)", reason::function);
}

TEST_F(CatalogueTest, OtherFunctionsOfUsersAreReadsButNotHarmless) {
    database.function("public", "price", 1, 's');
    const judgement verdict = judged("select price(1)");
    EXPECT_TRUE(verdict.read);
    EXPECT_FALSE(verdict.harmless);
}

TEST_F(CatalogueTest, EveryOverloadThatANameCanReachCounts) {
    database.function("public", "f", 1, 's');
    expect_read("select f(1)");
    database.function("public", "f", 1, 'v');
    expect_reason("select f(1)", reason::function);
}

TEST_F(CatalogueTest, OverloadsWithOtherNumbersOfArgumentsDoNotCount) {
    database.function("public", "f", 1, 's');
    database.function("public", "f", 2, 'v');
    expect_read("select f(1)");
    expect_reason("select f(1, 2)", reason::function);
    database.function("public", "f", 3, 'v', {.defaults = 2});
    expect_reason("select f(1)", reason::function);
}

TEST_F(CatalogueTest, AFunctionWithoutArgumentsHidesThoseOfLaterSchemas) {
    database.function("public", "random", 0, 'v');
    database.function("public", "ticket", 0, 's');
    database.function("evil", "ticket", 0, 'v');
    expect_read("select random()");
    EXPECT_TRUE(judged("select ticket()", {1, "app", {}, "public, evil"}).read);
    EXPECT_FALSE(judged("select ticket()", {1, "app", {}, "evil, public"}).read);
    EXPECT_FALSE(judged("select random()", {1, "app", {}, "public, pg_catalog"}).read);
}

TEST_F(CatalogueTest, VariadicFunctionsTakeAnyNumber) {
    database.function("public", "f", 2, 'v', {.variadic = true});
    expect_reason("select f(1)", reason::function);
    expect_reason("select f(1, 2, 3, 4, 5)", reason::function);
    expect_reason("select f(1, variadic array[2])", reason::function);
}

TEST_F(CatalogueTest, TheSearchPathSaysWhatAnUnqualifiedNameReaches) {
    database.function("evil", "price", 1, 'v');
    database.function("public", "price", 1, 's');
    expect_read("select price(1)");
    EXPECT_FALSE(judged("select price(1)", {1, "app", {}, "evil"}).read);
    EXPECT_FALSE(judged("select price(1)", {1, "app", {}, "public, evil"}).read);
    EXPECT_FALSE(judged("select price(1)", {1, "evil", {}, {}}).read) << "$user";
    EXPECT_TRUE(judged("select price(1)", {1, "app", {}, "public"}).read);
}

TEST_F(CatalogueTest, AnUnknownSearchPathGoesToThePrimary) {
    EXPECT_EQ(judged("select 1", {1, "app", {}, {}, false}).why, reason::unknown_name);
    EXPECT_EQ(judged("select 1", {1, "app", {}, "a b"}).why, reason::unknown_name);
}

TEST_F(CatalogueTest, UsersHaveDefaultsOfTheirOwn) {
    database.function("evil", "price", 1, 'v');
    database.function("public", "price", 1, 's');
    database.search_path("careless", "evil, public");
    expect_read("select price(1)");
    EXPECT_FALSE(judged("select price(1)", {1, "careless", {}, {}}).read);
    EXPECT_TRUE(judged("select price(1)", {1, "careless", "app", {}}).read) << "after SET ROLE";
    EXPECT_FALSE(judged("select price(1)", {1, "app", "careless", {}}).read);
    EXPECT_TRUE(judged("select price(1)", {1, "careless", {}, "public"}).read);
    database.search_path("", "evil");
    EXPECT_FALSE(judged("select price(1)").read);
}

TEST_F(CatalogueTest, CuratedFunctionsOfPostgres) {
    expect_read("select random()");
    expect_reason("select nextval('s')", reason::writes);
    expect_reason("select pg_notify('a', 'b')", reason::writes);
    expect_reason("select lo_create(0)", reason::writes);
    expect_reason("select pg_advisory_lock(1)", reason::locks);
    expect_reason("select pg_backend_pid()", reason::session_state);
    expect_reason("select set_config('a', 'b', true)", reason::session_state);
    expect_reason("select query_to_xml('delete from t', true, false, '')", reason::function);
    expect_reason("select pg_catalog.nextval('s')", reason::writes);
    expect_reason("select \"nextval\"('s')", reason::writes);
    expect_reason("select NextVal('s')", reason::writes);
}

TEST_F(CatalogueTest, OwnParametersAreTheSessionsOnEveryServer) {
    expect_read("select current_setting('app.user')");
    expect_read("select pg_catalog.current_setting('app.user'::text)");
    expect_reason("select current_setting('transaction_read_only')", reason::session_state);
    expect_reason("select current_setting($1)", reason::session_state);
    database.function("mine", "current_setting", 1, 'v');
    expect_reason("select mine.current_setting('app.user')", reason::function);
}

TEST_F(CatalogueTest, SequencesStatisticsAndUnloggedTablesAreOfOneServer) {
    database.relation("public", "s", "S");
    database.relation("public", "unlogged", "r", "u");
    database.relation("public", "foreign_one", "f");
    expect_reason("select last_value from s", reason::server_state);
    expect_reason("select * from unlogged", reason::server_state);
    expect_reason("select * from pg_stat_activity", reason::server_state);
    expect_reason("select pg_stat_get_activity(1)", reason::server_state);
    expect_reason("select * from foreign_one", reason::function);
}

TEST_F(CatalogueTest, PartitionsCountWithTheirTable) {
    const auto parent = database.relation("public", "parent", "p");
    const auto middle = database.relation("public", "middle", "p");
    const auto leaf = database.relation("public", "leaf", "f");
    database.child(parent, middle);
    database.child(middle, leaf);
    expect_reason("select * from parent", reason::function);
}

TEST_F(CatalogueTest, ATemporaryChildMakesATableTheSessions) {
    const auto parent = database.relation("public", "parent", "r");
    database.child(parent, "999999");
    expect_reason("select * from parent", reason::session_state);
}

TEST_F(CatalogueTest, AViewIsWhatItsDefinitionIs) {
    database.function("public", "charge", 1, 'v');
    database.view("public", "fine", "SELECT t.a FROM public.t");
    database.view("public", "bad", "SELECT public.charge(1) AS charge");
    database.view("public", "worse", "SELECT bad.charge FROM public.bad");
    database.view("public", "numbered", "SELECT nextval('public.s'::regclass) AS n");
    database.view("public", "locking", "SELECT t.a FROM public.t FOR UPDATE OF t");
    database.view("public", "strange", "SELECT WITH NEW SYNTAX");
    expect_read("select * from fine");
    EXPECT_TRUE(judged("select * from fine").harmless);
    expect_reason("select * from bad", reason::function);
    expect_reason("select * from worse", reason::function);
    expect_reason("select * from numbered", reason::writes);
    expect_reason("select * from locking", reason::locks);
    expect_reason("select * from strange", reason::not_understood);
}

TEST_F(CatalogueTest, AViewThatIsNotShownIsNotUnderstood) {
    database.view("public", "hidden", "");
    expect_reason("select * from hidden", reason::not_understood);
}

TEST_F(CatalogueTest, PoliciesCountWithTheirTable) {
    database.function("public", "audit", 1, 'v');
    const auto table = database.relation("public", "secret", "r");
    expect_read("select * from secret");
    database.policy(table, "(owner = current_user)");
    expect_read("select * from secret");
    database.policy(table, "(tenant = current_setting('app.tenant'::text))");
    expect_read("select * from secret");
    database.policy(table, "(tenant = current_setting('role'::text))");
    expect_reason("select * from secret", reason::session_state);
}

TEST_F(CatalogueTest, APolicyWithAVolatileFunctionIsNoRead) {
    database.function("public", "audit", 1, 'v');
    database.policy(database.relation("public", "secret", "r"), "public.audit(id)");
    expect_reason("select * from secret", reason::function);
}

TEST_F(CatalogueTest, OperatorsAreTheirFunctions) {
    const auto harmful = database.function("public", "harmful", 2, 'v');
    const auto near = database.function("public", "near", 2, 'i');
    database.user_operator("public", "###", 2, harmful);
    database.user_operator("public", "<->", 2, near);
    expect_reason("select 1 ### 2", reason::function);
    expect_reason("select 1 operator(public.###) 2", reason::function);
    expect_read("select 1 <-> 2");
    EXPECT_FALSE(judged("select 1 <-> 2").harmless);
    expect_reason("select ### 2", reason::unknown_name);
}

TEST_F(CatalogueTest, AggregatesAreTheirParts) {
    const auto step = database.function("public", "step", 2, 'v');
    database.function("public", "collect", 1, 'i', {.made_of = step + " 0 0"});
    expect_reason("select collect(a) from t", reason::function);
}

TEST_F(CatalogueTest, TypesAreWhatTheyCall) {
    const auto harmful = database.function("public", "harmful", 1, 'v');
    const auto odd = database.type("public", "odd");
    database.type_function(odd, harmful);
    const auto domain = database.type("public", "checked", odd);
    const auto table = database.relation("public", "odd_ones", "r");
    database.column(table, domain);
    expect_reason("select '1'::odd", reason::function);
    expect_reason("select odd('1')", reason::function);
    expect_reason("select '1'::checked", reason::function);
    expect_reason("select * from odd_ones", reason::function);
}

TEST_F(CatalogueTest, ConstraintsOfDomainsCount) {
    database.function("public", "audit", 1, 'v');
    const auto domain = database.type("public", "small", "0");
    database.constraint(domain, "(VALUE < 10)");
    expect_read("select 1::small");
    database.constraint(domain, "public.audit(VALUE)");
    expect_reason("select 1::small", reason::function);
}

TEST_F(CatalogueTest, ACastOfAUsersTypeLeavesTheOtherTypeHarmless) {
    const auto cast = database.function("public", "to_mine", 1, 'i');
    database.type_function("107", cast);  // one of PostgreSQL's own
    EXPECT_TRUE(judged("select 1::int4, 1::int8, 'x'::text, true::bool").harmless);
}

TEST_F(CatalogueTest, AStableFunctionIsAlsoWhatItsCodeCalls) {
    database.function("public", "charge", 1, 'v');
    const auto with_code = [&](const char* name, const char* code) {
        database.function("public", name, 0, 's', {.code = code});
    };
    with_code("fine", "select count(*) from t where upper(a) = 'nextval of charge'");
    with_code("counts", "select nextval('s')");
    with_code("charges", "select public.charge(1)");
    with_code("indirect", "select charges()");
    with_code("dynamic", "begin execute 'select charge(1)'; end");
    with_code("watches", "select count(*) from pg_stat_activity");
    with_code("tenant", "select current_setting('app.tenant')");
    database.function("evil", "lower", 1, 'v');
    database.function("public", "charge_row", 1, 'v', {.takes_row = true});
    with_code("qualified", "select pg_catalog.lower(a), t.charge from t");
    with_code("unqualified", "select lower(a) from t");
    with_code("field", "select t.charge_row from t");
    expect_read("select qualified()");
    expect_reason("select unqualified()", reason::function);
    expect_reason("select field()", reason::function);
    with_code("late", "select later()");
    with_code("later", "select \"nextval\"('s')");
    expect_read("select fine()");
    expect_read("select tenant()");
    expect_reason("select counts()", reason::writes);
    expect_reason("select charges()", reason::function);
    expect_reason("select indirect()", reason::function);
    expect_reason("select dynamic()", reason::function);
    expect_reason("select watches()", reason::server_state);
    expect_reason("select late()", reason::writes);
}

TEST_F(CatalogueTest, FunctionsThatRunTheirArgumentsAreNoReads) {
    database.function("public", "crosstab", 1, 's');
    database.function("public", "connectby", 6, 's');
    expect_reason("select * from crosstab('select nextval(1)') as c(a int4)", reason::function);
    expect_reason("select * from connectby('a', 'b', 'c', 'd', 0, 'e')", reason::function);
}

TEST_F(CatalogueTest, LongChainsOfFunctionsAreFollowedEitherWay) {
    constexpr int length = 300;
    const auto chain = [&](const std::string& name, int step) {
        const std::string bad = name + std::to_string(step > 0 ? 0 : length);
        for (int i = 0; i <= length; i++) {
            const std::string own = name + std::to_string(i);
            const std::string called = name + std::to_string(i - step);
            const std::string code = own == bad ? "nextval('s')" : called + "()";
            database.function("public", own, 0, 's', {.code = "select " + code});
        }
    };
    chain("up", 1);
    chain("down", -1);
    expect_reason("select up300()", reason::writes);
    expect_reason("select down0()", reason::writes);
}

TEST_F(CatalogueTest, AFieldMayBeAFunctionOfTheRow) {
    database.function("public", "charge_row", 1, 'v', {.takes_row = true});
    expect_read("select t.a from t");
    expect_reason("select t.charge_row from t", reason::function);
    expect_reason("select (t).charge_row from t", reason::function);
    expect_read("select charge_row from t");
}

TEST_F(CatalogueTest, ATableOfACommonTablesNameIsNotForgotten) {
    database.relation("public", "hits", "r", "u");
    expect_read("with hits as (select 1) select * from hits");
    expect_reason("with hits as (select * from hits) select * from hits", reason::server_state);
}

TEST_F(CatalogueTest, EqualRowsHaveEqualDigests) {
    const auto one = database.build()->digest();
    EXPECT_EQ(one, database.build()->digest());
    database.function("public", "f", 0, 'v');
    EXPECT_NE(one, database.build()->digest());
}

TEST(CatalogueBuilderTest, IncompleteOrStrangeRowsMakeNoCatalogue) {
    catalogue_builder nothing;
    EXPECT_EQ(nothing.build(), nullptr);
    small_database database;
    database.add(catalogue_part::constraints, {"1", "true"});
    EXPECT_NE(database.build(), nullptr);
    for (std::size_t query = 0; query < catalogue_queries().size(); query++) {
        catalogue_builder wrong;
        const std::string_view few[] = {"x"};
        EXPECT_FALSE(wrong.add(query, few));
        EXPECT_EQ(wrong.build(), nullptr);
    }
    const std::string_view row[] = {"x", "pg_catalog", "=", "2"};
    for (std::size_t query = 0; query < catalogue_queries().size(); query++) {
        if (catalogue_queries()[query].part == catalogue_part::types) {
            catalogue_builder wrong;
            EXPECT_FALSE(wrong.add(query, row)) << "the first is no number";
        }
    }
    catalogue_builder beyond;
    EXPECT_FALSE(beyond.add(99, {}));
}

TEST(CatalogueBuilderTest, EachStatementIsOneAndReadsOnly) {
    with_large_stack([] {
        for (const catalogue_query& one : catalogue_queries()) {
            const text_facts facts = analyse(one.sql, sql::backslash::plain);
            const bool returns_rows = one.part != catalogue_part::nothing;
            EXPECT_EQ(facts.why == reason::read, returns_rows) << one.sql;
            EXPECT_EQ(one.columns > 0, returns_rows) << one.sql;
        }
    });
}

}  // namespace
}  // namespace pgweir::router
