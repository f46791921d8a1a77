#include "cluster/schedule.hpp"

#include <gtest/gtest.h>

#include <string>

namespace pgweir::cluster {
namespace {

scheduled_check sample() {
    return {
        "shop",
        {"/usr/bin/pgweirctl", "--config", "/etc/pg weir/cluster.ini", "lag", "--warn", "50%"},
        "postgres",
        "/var/log/pg/lag.log",
        "/usr/lib/postgresql/15/bin"};
}

void expect_in(const std::string& part, const std::string& text) {
    EXPECT_NE(text.find(part), text.npos) << "\"" << part << "\" is not in:\n" << text;
}

TEST(ScheduleTest, CronHasAPathAUserAndNoUnescapedPercent) {
    const auto file = cron_entry(sample());
    EXPECT_EQ(file.name, "pgweir-lag-shop");
    expect_in("PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:", file.text);
    expect_in(
        "*/5 * * * * postgres /usr/bin/pgweirctl --config '/etc/pg weir/cluster.ini'", file.text
    );
    expect_in("'50\\%'", file.text);
    expect_in(">> /var/log/pg/lag.log 2>&1\n", file.text);
}

TEST(ScheduleTest, SystemdHasAServiceAndATimerThatNamesIt) {
    const auto units = systemd_units(sample());
    ASSERT_EQ(units.size(), 2U);
    EXPECT_EQ(units[0].name, "pgweir-lag-shop.service");
    EXPECT_EQ(units[1].name, "pgweir-lag-shop.timer");
    expect_in("User=postgres\n", units[0].text);
    expect_in("\"/etc/pg weir/cluster.ini\"", units[0].text);
    expect_in("\"50%%\"", units[0].text);
    expect_in("OnCalendar=*:0/5\n", units[1].text);
}

TEST(ScheduleTest, AWarningIsNoFailureOfTheUnit) {
    expect_in("SuccessExitStatus=1 2\n", systemd_units(sample())[0].text);
}

TEST(ScheduleTest, TheShellTakesEveryWordUnchanged) {
    EXPECT_EQ(shell_quoted("/a/b-c.d"), "/a/b-c.d");
    EXPECT_EQ(shell_quoted(""), "''");
    EXPECT_EQ(shell_quoted("a b"), "'a b'");
    EXPECT_EQ(shell_quoted("it's"), "'it'\\''s'");
    EXPECT_EQ(shell_quoted("$x"), "'$x'");
}

}  // namespace
}  // namespace pgweir::cluster
