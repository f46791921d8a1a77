#include "config/dangers.hpp"

#include "unit/config/support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pgweir::config {
namespace {

using test::good;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> dangers(
    std::string pgbouncer, std::string databases = "db =\n", unsigned long descriptors = 0
) {
    std::vector<std::string> found;
    const auto all =
        good("[databases]\n" + std::move(databases) + "[pgbouncer]\n" + std::move(pgbouncer));
    for (const finding& one : dangers_of(*all, descriptors)) {
        if (one.how == severity::danger) {
            found.push_back(one.text);
        }
    }
    return found;
}

TEST(DangersTest, DefaultsAreHarmless) {
    EXPECT_THAT(dangers(""), IsEmpty());
    EXPECT_THAT(dangers("listen_addr = *\nauth_type = scram-sha-256\n"), IsEmpty());
}

TEST(DangersTest, NoPasswordWhereOthersCanCome) {
    for (const std::string type : {"trust", "any"}) {
        EXPECT_THAT(
            dangers("listen_addr = 127.0.0.1,10.0.0.5\nauth_type = " + type + "\n"),
            ElementsAre(AllOf(HasSubstr("auth_type = " + type), HasSubstr("10.0.0.5")))
        );
        EXPECT_THAT(
            dangers("listen_addr = 127.0.0.1, localhost, ::1\nauth_type = " + type + "\n"),
            IsEmpty()
        );
    }
    EXPECT_THAT(dangers("auth_type = trust\n"), IsEmpty()) << "no TCP at all";
}

TEST(DangersTest, PasswordsInClear) {
    const std::string open = "listen_addr = *\nauth_type = plain\n";
    EXPECT_THAT(dangers(open), ElementsAre(HasSubstr("in clear")));
    EXPECT_THAT(dangers(open + "client_tls_sslmode = prefer\n"), ElementsAre(HasSubstr("clear")));
    EXPECT_THAT(dangers(open + "client_tls_sslmode = require\n"), IsEmpty());
}

TEST(DangersTest, SettingsThatCannotDoWhatTheyAreFor) {
    EXPECT_THAT(dangers("query_wait_timeout = 0\n"), ElementsAre(HasSubstr("for ever")));
    EXPECT_THAT(dangers("server_lifetime = 0\n"), ElementsAre(HasSubstr("used once")));
    EXPECT_THAT(
        dangers("reserve_pool_size = 5\nreserve_pool_timeout = 0\n"),
        ElementsAre(HasSubstr("never used"))
    );
    EXPECT_THAT(
        dangers("reserve_pool_size = 5\nreserve_pool_timeout = 3\nquery_wait_timeout = 3\n"),
        ElementsAre(HasSubstr("not below query_wait_timeout"))
    );
    EXPECT_THAT(dangers("", ""), ElementsAre(HasSubstr("no database")));
    EXPECT_THAT(dangers("", "* =\n"), IsEmpty());
}

TEST(DangersTest, LimitsThatContradictEachOther) {
    EXPECT_THAT(
        dangers("max_client_conn = 1000\n", "db =\n", 1024), ElementsAre(HasSubstr("open files"))
    );
    EXPECT_THAT(dangers("max_client_conn = 1000\n", "db =\n", 4096), IsEmpty());
    EXPECT_THAT(
        dangers("", "db = pool_size=10 max_db_connections=5 min_pool_size=7\n"),
        ElementsAre(
            HasSubstr("pool_size 10 is above its max_db_connections 5"),
            HasSubstr("min_pool_size 7 is above its max_db_connections 5")
        )
    );
    EXPECT_THAT(
        dangers("", "db = pool_size=3 min_pool_size=7\n"),
        ElementsAre(HasSubstr("min_pool_size 7 is above its pool_size 3"))
    );
}

}  // namespace
}  // namespace pgweir::config
