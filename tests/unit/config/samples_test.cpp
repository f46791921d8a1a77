// The files in conf/ teach, so they must be right: they load without a warning and say what the
// README says of them. The tests run in the folder tests/.

#include "config/load.hpp"
#include "config/userlist.hpp"

#include <gmock/gmock.h>

namespace pgweir::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(SamplesTest, ConfigurationLoadsWithoutAWarning) {
    const auto loaded = load("../conf/pgweir.ini");
    ASSERT_TRUE(loaded) << loaded.error().message;
    const configuration& all = **loaded;
    EXPECT_THAT(all.warnings, IsEmpty());
    ASSERT_TRUE(all.databases.contains("connect"));
    ASSERT_TRUE(all.databases.contains("connect_standby"));
    EXPECT_EQ(all.databases.at("connect").port, 5432);
    EXPECT_EQ(all.databases.at("connect_standby").port, 5433);
    EXPECT_EQ(all.databases.at("connect_standby").dbname, "connect");
    EXPECT_EQ(all.global.pool_mode, pool_mode::transaction);
    EXPECT_EQ(all.global.default_pool_size, 25);
    EXPECT_EQ(all.global.max_client_conn, 1000);
    EXPECT_EQ(all.global.reserve_pool_size, 5);
    EXPECT_EQ(all.global.reserve_pool_timeout, seconds(3));
    EXPECT_EQ(all.global.auth_type, auth_type::scram_sha_256);
    EXPECT_THAT(all.global.admin_users, ElementsAre("pgweir_admin"));
}

TEST(SamplesTest, UserListLoadsAndHoldsNoPasswordOfOurs) {
    const auto list = load_user_list("../conf/userlist.txt");
    ASSERT_TRUE(list) << list.error().message;
    EXPECT_GT((*list)->size(), 0U);
    for (const auto& [name, stored] : (*list)->users()) {
        EXPECT_EQ(stored.value.view(), "CHANGE_ME") << name;
    }
}

}  // namespace
}  // namespace pgweir::config
