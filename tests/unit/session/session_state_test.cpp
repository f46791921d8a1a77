#include "session/session_state.hpp"

#include "session/followed_settings.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace pgweir::session {
namespace {

using protocol::transaction_status;

std::string show(const std::vector<effect>& steps) {
    std::string out;
    for (const effect& step : steps) {
        out += out.empty() ? "" : " ";
        out += step.what == effect::kind::reset_all ? "*"
               : step.what == effect::kind::discard_all
                   ? "**"
                   : step.to.name + (step.to.value ? "=" + *step.to.value : "!");
    }
    return out;
}

class SessionStateTest : public testing::Test {
protected:
    /// A Query whose statements are all answered with these tags.
    void query(std::string_view sql, std::initializer_list<const char*> tags) {
        const effects_ptr effects = read_effects(sql, sql::backslash::plain);
        if (effects) {
            state.sent(number, effects);
        }
        for (const char* tag : tags) {
            note(state.on_tag(tag, number));
        }
    }

    void ready(char status, bool failed = false) {
        number++;
        note(state.on_ready(static_cast<transaction_status>(status), failed, number));
    }

    void ask(std::string_view sql, std::initializer_list<const char*> tags, char status) {
        query(sql, tags);
        ready(status);
    }

    void fail(std::string_view sql, char status) {
        query(sql, {});
        ready(status, true);
    }

    void note(std::optional<leak> found) {
        if (found) {
            left = found;
        }
    }

    std::string committed() { return show(state.take_committed()); }

    session_state state;
    std::uint64_t number = 100;
    std::optional<leak> left;
};

TEST_F(SessionStateTest, WhatIsConfirmedCounts) {
    query("set a.b = 'x'", {"SET"});
    EXPECT_TRUE(state.active());
    EXPECT_EQ(committed(), "");
    ready('I');
    EXPECT_EQ(committed(), "a.b=x");
    EXPECT_EQ(committed(), "");
    EXPECT_FALSE(state.active());
}

TEST_F(SessionStateTest, AnErrorChangesNothing) {
    fail("set a = 'x'", 'I');
    EXPECT_EQ(committed(), "");
    EXPECT_FALSE(state.active());
    query("set a = 'x'; select 1/0", {"SET"});
    ready('I', true);
    EXPECT_EQ(committed(), "");
}

TEST_F(SessionStateTest, TransactionsKeepAtCommitAndUndoAtRollback) {
    ask("begin", {"BEGIN"}, 'T');
    ask("set a = 1", {"SET"}, 'T');
    EXPECT_EQ(committed(), "");
    ask("commit", {"COMMIT"}, 'I');
    EXPECT_EQ(committed(), "a=1");
    ask("set a = 2", {"SET"}, 'T');
    ask("rollback", {"ROLLBACK"}, 'I');
    EXPECT_EQ(committed(), "");
    EXPECT_FALSE(state.active());
}

TEST_F(SessionStateTest, CommitOfAFailedTransactionIsARollback) {
    ask("set a = 1", {"SET"}, 'T');
    fail("select 1/0", 'E');
    ask("commit", {"ROLLBACK"}, 'I');
    EXPECT_EQ(committed(), "");
    EXPECT_EQ(left, std::nullopt);
}

TEST_F(SessionStateTest, Savepoints) {
    ask("set a = 1", {"SET"}, 'T');
    ask("savepoint s", {"SAVEPOINT"}, 'T');
    ask("set a = 2", {"SET"}, 'T');
    ask("savepoint S", {"SAVEPOINT"}, 'T');
    ask("set a = 3", {"SET"}, 'T');
    ask("rollback to s", {"ROLLBACK"}, 'T');
    ask("release s", {"RELEASE"}, 'T');
    ask("set b = 1", {"SET"}, 'T');
    ask("rollback to s", {"ROLLBACK"}, 'T');
    ask("commit", {"COMMIT"}, 'I');
    EXPECT_EQ(committed(), "a=1");
}

TEST_F(SessionStateTest, ASavepointThatIsNotKnownWasBeforeEverything) {
    ask("set a = 1", {"SET"}, 'T');
    ask("savepoint t", {"SAVEPOINT"}, 'T');
    ask("release s", {"RELEASE"}, 'T');
    ask("rollback to s", {"ROLLBACK"}, 'T');
    ask("commit", {"COMMIT"}, 'I');
    EXPECT_EQ(committed(), "");
}

TEST_F(SessionStateTest, CommitWithinATextKeepsWhatIsBeforeIt) {
    query("set a = 1; commit; set a = 2; select 1/0", {"SET", "COMMIT", "SET"});
    ready('I', true);
    EXPECT_EQ(committed(), "a=1");
}

TEST_F(SessionStateTest, CommitAndChain) {
    ask("set a = 1", {"SET"}, 'T');
    ask("commit and chain", {"COMMIT"}, 'T');
    EXPECT_EQ(committed(), "a=1");
    EXPECT_FALSE(state.active());
}

TEST_F(SessionStateTest, StepsOfUnknownTextsAreTakenByTheirTags) {
    ask("set a = 1", {"SET"}, 'T');
    ask("", {"COMMIT"}, 'I');
    EXPECT_EQ(committed(), "a=1");
    ask("set a = 2", {"SET"}, 'T');
    ask("", {"ROLLBACK"}, 'I');
    EXPECT_EQ(committed(), "");
    EXPECT_EQ(left, std::nullopt);
    ask("set a = 3", {"SET"}, 'T');
    ask("", {"ROLLBACK"}, 'T');
    EXPECT_EQ(left, leak::unread) << "to which savepoint?";
    EXPECT_FALSE(state.active());
}

TEST_F(SessionStateTest, ATagThatNothingExplainsLeavesTheUnknown) {
    state.sent(number, read_effects("set a = 1", sql::backslash::plain));
    note(state.on_tag("SELECT 1", number));
    EXPECT_EQ(left, leak::unread);
    left.reset();
    ready('I');
    note(state.on_tag("SET", number));
    EXPECT_EQ(left, leak::unread);
}

TEST_F(SessionStateTest, OtherRequestsBetweenAreNotMistaken) {
    state.sent(number + 2, read_effects("set a = 1", sql::backslash::plain));
    note(state.on_tag("SELECT 1", number));
    note(state.on_tag("SELECT 1", number + 1));
    note(state.on_tag("SET", number + 2));
    number += 2;
    ready('I');
    EXPECT_EQ(committed(), "a=1");
    EXPECT_EQ(left, std::nullopt);
}

TEST_F(SessionStateTest, WhatStaysIsToldWhenItIsConfirmed) {
    query("listen a", {});
    EXPECT_EQ(left, std::nullopt);
    note(state.on_tag("LISTEN", number));
    EXPECT_EQ(left, leak::listen);
}

TEST_F(SessionStateTest, ResetAllAndDiscardAll) {
    ask("set a = 1; reset all; set b = 2", {"SET", "RESET", "SET"}, 'I');
    EXPECT_EQ(committed(), "a=1 * b=2");
    ask("discard all", {"DISCARD ALL"}, 'I');
    EXPECT_EQ(committed(), "**");
}

TEST_F(SessionStateTest, NothingIsKeptOfALeaseThatIsOver) {
    ask("set a = 1", {"SET"}, 'T');
    state.sent(number, read_effects("set a = 2", sql::backslash::plain));
    state.lease_over();
    EXPECT_FALSE(state.active());
    ready('I');
    EXPECT_EQ(committed(), "");
}

TEST_F(SessionStateTest, NamedStatementsAndTheirPortals) {
    const effects_ptr set = read_effects("set a = 1", sql::backslash::plain);
    EXPECT_TRUE(state.named("s", set));
    state.bound("p", "s");
    state.bound("", "other");
    EXPECT_EQ(state.of_portal("p"), set);
    EXPECT_EQ(state.of_portal(""), nullptr);
    state.named("s", nullptr);
    EXPECT_EQ(state.of_portal("p"), set) << "it was bound before";
    state.bound("p", "s");
    EXPECT_EQ(state.of_portal("p"), nullptr);
    EXPECT_FALSE(state.knows_names());
}

TEST_F(SessionStateTest, MemoryIsBounded) {
    const effects_ptr set = read_effects("set a = 1", sql::backslash::plain);
    for (int i = 0; i < 5000; i++) {
        ask("set a = 1", {"SET"}, 'T');
    }
    EXPECT_EQ(left, leak::too_many);
    bool all = true;
    for (int i = 0; i < 5000; i++) {
        all = state.named(std::to_string(i), set) && all;
    }
    EXPECT_FALSE(all);
}

// Effects.

std::string effects_of(std::string_view sql) {
    const effects_ptr all = read_effects(sql, sql::backslash::plain);
    if (!all) {
        return "none";
    }
    std::string out;
    for (const statement_effects& one : *all) {
        out += "[" + std::string(one.tag) + ":";
        for (const effect& step : one.effects) {
            out += step.what == effect::kind::leaves ? std::string(text_of(step.why).what)
                                                     : show({step});
        }
        out += "]";
    }
    return out;
}

TEST(SessionEffectsTest, Settings) {
    EXPECT_EQ(effects_of("select 1"), "none");
    EXPECT_EQ(effects_of("begin; insert into t values (1)"), "none");
    EXPECT_EQ(effects_of("set a = 1"), "[SET:a=1]");
    EXPECT_EQ(effects_of("select 1; reset a"), "[:][RESET:a!]");
    EXPECT_EQ(effects_of("set local a = 1"), "[SET:]");
    EXPECT_EQ(effects_of("set transaction read only"), "[:]");
    EXPECT_EQ(effects_of("set transaction_isolation = serializable"), "[SET:]");
    EXPECT_EQ(effects_of("set role none"), "[SET:role=none]");
    EXPECT_EQ(
        effects_of("select set_config('a', 'b', false), set_config('c', 'd', false)"), "[:a=bc=d]"
    );
    EXPECT_EQ(effects_of("set a = U&'x'"), "[SET:a setting that cannot be followed]");
    EXPECT_EQ(effects_of("set session authorization x"), "[:SET SESSION AUTHORIZATION]");
    EXPECT_EQ(effects_of("set session_authorization = x"), "[SET:SET SESSION AUTHORIZATION]");
    EXPECT_EQ(effects_of("do $$ begin execute x; end $$"), "[:what a DO block may change]");
}

TEST(SessionEffectsTest, EveryLeakHasAHint) {
    for (int i = 0; i <= static_cast<int>(leak::unread); i++) {
        EXPECT_FALSE(text_of(static_cast<leak>(i)).what.empty());
        EXPECT_FALSE(text_of(static_cast<leak>(i)).hint.empty());
    }
}

// From steps to parameters.

class FollowedSettingsTest : public testing::Test {
protected:
    pool::parameter_set_ptr apply(std::string_view sql, const pool::parameter_set_ptr& base) {
        std::vector<effect> steps;
        const effects_ptr all = read_effects(sql, sql::backslash::plain);
        for (const statement_effects& one : *all) {
            steps.insert(steps.end(), one.effects.begin(), one.effects.end());
        }
        return apply_settings(store, steps, *base, *defaults, *reported);
    }

    static std::string extra(const pool::parameter_set_ptr& set, std::string_view name) {
        const auto found = set->extras().find(name);
        return found == set->extras().end() ? "none" : found->second;
    }

    pool::parameter_store store{{}};
    pool::parameter_set_ptr defaults = store.empty();
    pool::parameter_set_ptr reported =
        store.with(store.empty(), *store.index_of("timezone"), "UTC");
};

TEST_F(FollowedSettingsTest, ReportedParametersAreTheServersToTell) {
    EXPECT_EQ(apply("set timezone = 'CET'", store.empty()), store.empty());
    const auto path = apply("set search_path = a", store.empty());
    EXPECT_EQ(path->values()[*store.index_of("search_path")], "a");
}

TEST_F(FollowedSettingsTest, ResetsGiveTheDefaults) {
    defaults = store.intern(store.empty()->values(), {{"x.y", "start"}});
    const auto other = apply("set x.y = 'other'; set z.z = 1; set search_path = a", store.empty());
    EXPECT_EQ(extra(other, "x.y"), "other");
    EXPECT_EQ(extra(apply("reset x.y", other), "x.y"), "start");
    EXPECT_EQ(extra(apply("reset z.z", other), "z.z"), "none");
    EXPECT_EQ(apply("reset all", other), defaults);
    EXPECT_EQ(apply("discard all", other), defaults);
}

TEST_F(FollowedSettingsTest, OnlyDiscardAllResetsTheRole) {
    const auto other = apply("set role r; set z.z = 1", store.empty());
    const auto reset = apply("reset all", other);
    EXPECT_EQ(extra(reset, "role"), "r");
    EXPECT_EQ(extra(reset, "z.z"), "none");
    EXPECT_EQ(apply("discard all", other), defaults);
    defaults = store.intern(store.empty()->values(), {{"role", "at_login"}});
    EXPECT_EQ(extra(apply("reset all", store.empty()), "role"), "none") << "RESET ROLE came before";
    EXPECT_EQ(extra(apply("discard all", store.empty()), "role"), "at_login");
}

TEST_F(FollowedSettingsTest, ThereIsALimit) {
    std::string sql;
    for (int i = 0; i < 100; i++) {
        sql += "set a.x" + std::to_string(i) + " = 1;";
    }
    EXPECT_EQ(apply(sql, store.empty()), nullptr);
}

TEST_F(FollowedSettingsTest, OtherEncodingsAreFollowedInAsciiOnly) {
    const auto latin = store.with(store.empty(), *store.index_of("client_encoding"), "LATIN1");
    EXPECT_EQ(apply("set a.x = '\xe4'", latin), nullptr);
    EXPECT_NE(apply("set a.x = 'a'", latin), nullptr);
    EXPECT_NE(apply("set a.x = '\xc3\xa4'", store.empty()), nullptr);
}

}  // namespace
}  // namespace pgweir::session
