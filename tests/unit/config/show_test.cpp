#include "config/show.hpp"

#include "config/keys.hpp"
#include "support.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::config {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

config_row row(const settings& set, std::string_view name) {
    for (const config_row& r : show_config(set)) {
        if (r.key == name) {
            return r;
        }
    }
    ADD_FAILURE() << "no key " << name;
    return {};
}

TEST(ShowTest, KeysAreInPgBouncersOrder) {
    std::vector<std::string> names;
    for (const config_row& r : show_config({})) {
        names.push_back(r.key);
    }
    const auto pool_mode = std::find(names.begin(), names.end(), "pool_mode");
    ASSERT_NE(pool_mode, names.end());
    ASSERT_EQ(*(pool_mode + 1), "pool_idle_timeout");
    names.erase(pool_mode + 1);
    EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
    EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end()) << "a key stands twice";
}

TEST(ShowTest, ValuesArePrintedAsPgBouncerDoes) {
    settings set;
    set.pool_mode = pool_mode::transaction;
    set.server_lifetime = milliseconds(1500);
    set.admin_users = {"ann", "bob"};
    set.log_stats = false;
    EXPECT_EQ(row(set, "pool_mode").value, "transaction");
    EXPECT_EQ(row(set, "pool_mode").default_value, "session");
    EXPECT_EQ(row(set, "server_lifetime").value, "1.5");
    EXPECT_EQ(row(set, "server_lifetime").default_value, "3600");
    EXPECT_EQ(row(set, "admin_users").value, "ann, bob");
    EXPECT_EQ(row(set, "log_stats").value, "0");
    EXPECT_EQ(row(set, "log_stats").default_value, "1");
    EXPECT_EQ(row(set, "max_client_conn").value, "100");
    EXPECT_EQ(row(set, "unix_socket_mode").value, "0777");
    EXPECT_EQ(row(set, "workers").value, "auto");
    EXPECT_EQ(row(set, "server_check_query").value, "<empty>");
}

TEST(ShowTest, AccessRightsAreOctalWithTheirZero) {
    settings set;
    for (const int mode : {0, 07, 0777, 01770, 07777}) {
        set.unix_socket_mode = mode;
        const auto again = parse_number(row(set, "unix_socket_mode").value, 0, 07777);
        ASSERT_TRUE(again);
        EXPECT_EQ(*again, mode);
    }
}

TEST(ShowTest, SecretsAreNeverPrinted) {
    settings set;
    set.auth_ldap_options = secret("ldapbindpasswd=hush");
    EXPECT_THAT(row(set, "auth_ldap_options").value, Not(HasSubstr("hush")));
}

TEST(ShowTest, WhatIsPrintedIsReadBackAsTheSame) {
    const settings defaults;
    for (const config_row& r : show_config(defaults)) {
        if (r.key == "auth_ldap_options") {
            continue;
        }
        settings parsed;
        const key* known = find_key(r.key);
        ASSERT_NE(known, nullptr);
        const auto done = known->value.parse(parsed, r.value);
        ASSERT_TRUE(done) << r.key << ": " << done.error().message;
        EXPECT_EQ(known->value.show(parsed), r.value) << r.key;
    }
}

TEST(ShowTest, EachKeySetsAMemberOfItsOwn) {
    // A row that names another key's member would show there too, or not at all.
    for (const key& changed : keys()) {
        const std::string before = changed.value.show({});
        settings set;
        for (const std::string_view value :
             {"7",
              "1",
              "0",
              "changed",
              "statement",
              "plain",
              "disable",
              "allow",
              "epoll",
              "user",
              "primary"}) {
            settings tried;
            if (changed.value.parse(tried, value) && changed.value.show(tried) != before) {
                set = tried;
                break;
            }
        }
        EXPECT_NE(changed.value.show(set), before) << changed.name << " cannot be changed";
        for (const key& other : keys()) {
            if (&other != &changed) {
                EXPECT_EQ(other.value.show(set), other.value.show({}))
                    << changed.name << " also changes " << other.name;
            }
        }
    }
}

TEST(ShowTest, DefaultsAreThoseOfPgBouncer) {
    const std::vector<std::pair<std::string_view, std::string_view>> expected = {
        {"listen_port", "6432"},
        {"unix_socket_dir", "/tmp"},
        {"max_client_conn", "100"},
        {"default_pool_size", "20"},
        {"min_pool_size", "0"},
        {"reserve_pool_size", "0"},
        {"reserve_pool_timeout", "5"},
        {"auth_type", "md5"},
        {"stats_period", "60"},
        {"server_check_delay", "30"},
        {"server_idle_timeout", "600"},
        {"query_wait_timeout", "120"},
        {"server_connect_timeout", "15"},
        {"server_login_retry", "15"},
        {"client_login_timeout", "60"},
        {"cancel_wait_timeout", "10"},
        {"suspend_timeout", "10"},
        {"dns_max_ttl", "15"},
        {"listen_backlog", "128"},
        {"max_packet_size", "2147483647"},
        {"tcp_keepalive", "1"},
        {"scram_iterations", "4096"},
        {"server_reset_query", "DISCARD ALL"},
        {"verbose", "0"},
        {"track_extra_parameters", "IntervalStyle"},
        {"max_prepared_statements", "200"},
        {"max_prepared_memory", "268435456"},
        {"cache_unnamed_statements", "1"},
        {"server_tls_sslmode", "prefer"},
        {"client_tls_sslmode", "disable"},
        {"routing", "off"},  // ours, and a list of hosts is PgBouncer's until it is set
        {"listen_port_primary", "0"},
        {"listen_port_standby", "0"},
    };
    for (const auto& [name, value] : expected) {
        EXPECT_EQ(row({}, name).default_value, value) << name;
    }
}

TEST(ShowTest, WhatNeedsARestartIsNotChangeable) {
    EXPECT_FALSE(row({}, "listen_port").changeable);
    EXPECT_TRUE(row({}, "pool_mode").changeable);
    EXPECT_THAT(restart_only_keys(), Contains("workers"));
    EXPECT_THAT(restart_only_keys(), Not(Contains("pool_mode")));
}

TEST(ShowTest, LimitsOfLagHaveTheirUnits) {
    EXPECT_EQ(row({}, "max_standby_lag").value, "10MB");
    EXPECT_EQ(row({}, "max_standby_lag_time").value, "5");
    EXPECT_EQ(row({}, "read_wait_timeout").value, "0.01");
    EXPECT_EQ(row({}, "primary_wait_timeout").value, "1");
    EXPECT_EQ(row({}, "topology_interval").value, "0.1");
}

TEST(ShowTest, SettingIsChangedInACopy) {
    const settings before;
    const auto after = with_setting(before, "default_pool_size", "33");
    ASSERT_TRUE(after);
    EXPECT_EQ(after->default_pool_size, 33);
    EXPECT_EQ(before.default_pool_size, 20);
}

TEST(ShowTest, SettingThatNeedsARestartIsLeftAsItIs) {
    const auto after = with_setting({}, "listen_port", "1");
    ASSERT_TRUE(after);
    EXPECT_EQ(after->listen_port, 6432);
    EXPECT_FALSE(with_setting({}, "listen_port", "x"));
}

TEST(ShowTest, BadSettingIsRefused) {
    EXPECT_THAT(
        with_setting({}, "default_pool_sise", "1").error().message,
        HasSubstr("did you mean \"default_pool_size\"?")
    );
    EXPECT_THAT(
        with_setting({}, "default_pool_size", "x").error().message,
        HasSubstr("default_pool_size: bad")
    );
}

}  // namespace
}  // namespace pgweir::config
