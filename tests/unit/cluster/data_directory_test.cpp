#include "cluster/data_directory.hpp"

#include "cluster/files.hpp"

#include <gtest/gtest.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::cluster {
namespace {

class DataDirectoryTest : public testing::Test {
protected:
    DataDirectoryTest() {
        std::string name = testing::TempDir() + "pgweir-data-XXXXXX";
        folder_ = ::mkdtemp(name.data());
    }

    ~DataDirectoryTest() override { std::filesystem::remove_all(folder_); }

    void write(const std::string& name, std::string_view text) {
        ASSERT_TRUE(write_text(folder_ / name, text, 0600));
    }

    std::filesystem::path folder_;
};

TEST_F(DataDirectoryTest, AServerRunsWhileItsProcessLives) {
    EXPECT_FALSE(server_runs(folder_));
    const auto before = std::filesystem::current_path();
    write("postmaster.pid", std::to_string(::getpid()) + "\n/data\n");
    std::filesystem::current_path(folder_);
    EXPECT_TRUE(server_runs(folder_));
    std::filesystem::current_path(before);
    EXPECT_FALSE(server_runs(folder_)) << "the number belongs to another program by now";
    write("postmaster.pid", "not a number\n");
    EXPECT_FALSE(server_runs(folder_));
}

TEST_F(DataDirectoryTest, ADeadProcessIsNoServer) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
    write("postmaster.pid", std::to_string(child) + "\n");
    EXPECT_FALSE(server_runs(folder_));
}

TEST_F(DataDirectoryTest, AProcessOfAnotherUserIsNoServer) {
    if (::geteuid() != 0) {
        write("postmaster.pid", "1\n");  // whose folder cannot be seen
        EXPECT_FALSE(server_runs(folder_));
        return;
    }
    std::array<int, 2> ready{};
    ASSERT_EQ(::pipe(ready.data()), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const bool there = ::chdir(folder_.c_str()) == 0 && ::setuid(12345) == 0;
        ::_exit(there && ::write(ready[1], "x", 1) == 1 ? ::pause() : 1);
    }
    char byte{};
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    write("postmaster.pid", std::to_string(child) + "\n");
    EXPECT_FALSE(server_runs(folder_));
    ASSERT_EQ(::chown(folder_.c_str(), 12345, 12345), 0);
    EXPECT_TRUE(server_runs(folder_));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST_F(DataDirectoryTest, AStandbyHasItsSignalFile) {
    write("standby.signal", "");
    EXPECT_FALSE(is_standby_data(folder_)) << "without PG_VERSION it is no data directory";
    write("PG_VERSION", "15\n");
    EXPECT_TRUE(is_standby_data(folder_));
    std::filesystem::remove(folder_ / "standby.signal");
    EXPECT_TRUE(is_data_directory(folder_));
    EXPECT_FALSE(is_standby_data(folder_));
}

TEST_F(DataDirectoryTest, OnlyFinishedBackupsCount) {
    namespace fs = std::filesystem;
    for (const char* name :
         {"20261127T075800Z",
          "20261126T075800Z",
          "20261125T075800Z",
          "before-upgrade",
          "20261127T075800Z.kept",
          "2026",
          "20261124T075800Z.incoming",
          "mine.incoming"}) {
        fs::create_directory(folder_ / name);
        if (std::string_view(name) != "20261125T075800Z") {
            write(std::string(name) + "/backup_manifest", "");
        }
    }
    const std::vector<fs::path> expected{
        folder_ / "20261126T075800Z", folder_ / "20261127T075800Z"};
    EXPECT_EQ(backups_in(folder_), expected);
    EXPECT_EQ(
        unfinished_backups_in(folder_), std::vector<fs::path>{folder_ / "20261124T075800Z.incoming"}
    );
    EXPECT_TRUE(backups_in(folder_ / "none").empty());
}

TEST_F(DataDirectoryTest, TheIdentifierIsTheBeginningOfPgControl) {
    EXPECT_FALSE(system_identifier(folder_));
    std::filesystem::create_directory(folder_ / "global");
    write("global/pg_control", "short");
    EXPECT_FALSE(system_identifier(folder_));
    const std::uint64_t expected = 7300000000000000001ULL;
    std::string bytes(16, '\0');
    std::memcpy(bytes.data(), &expected, sizeof(expected));
    write("global/pg_control", bytes);
    EXPECT_EQ(system_identifier(folder_), expected);
}

TEST(ApplicationNameTest, TheLastConninfoCounts) {
    EXPECT_EQ(
        application_name_in("primary_conninfo = 'user=r application_name=old port=1'\n"
                            "primary_conninfo = 'user=r application_name=standby1 port=1'\n"),
        "standby1"
    );
}

TEST(ApplicationNameTest, QuotesInsideAreUnderstood) {
    EXPECT_EQ(
        application_name_in("primary_conninfo = 'application_name=''east'' port=1'\n"), "east"
    );
    EXPECT_EQ(application_name_in("primary_conninfo = 'application_name=east'"), "east");
}

TEST(ApplicationNameTest, WithoutOneItIsEmpty) {
    EXPECT_EQ(application_name_in(""), "");
    EXPECT_EQ(application_name_in("primary_conninfo = 'user=r'\n"), "");
    EXPECT_EQ(application_name_in("# application_name=x\n"), "");
}

TEST(ServerLogTest, OnlyTheLastStartCounts) {
    const std::string log =
        "1 postmaster LOG:  starting PostgreSQL 15.3\n"
        "2 postmaster PANIC:  old\n"
        "3 postmaster LOG:  starting PostgreSQL 15.3\n"
        "4 postmaster LOG:  ready\n";
    EXPECT_EQ(bad_log_lines(log_since_start(log)), "");
    EXPECT_NE(bad_log_lines(log), "");
    EXPECT_EQ(log_since_start("no start in here\n"), "no start in here\n");
}

TEST(ServerLogTest, PanicAlwaysCounts) {
    EXPECT_NE(bad_log_lines("x [1] client backend a@b PANIC:  could not write\n"), "");
}

TEST(ServerLogTest, TheServersOwnFatalsCount) {
    EXPECT_NE(bad_log_lines("x [1] postmaster FATAL:  could not create lock file\n"), "");
    EXPECT_NE(bad_log_lines("x [1] startup FATAL:  requested timeline 2 is not a child\n"), "");
}

TEST(ServerLogTest, FatalsOfClientsAndOfAnExpectedStopDoNotCount) {
    for (const char* line : {
             "x [1] client backend a@b FATAL:  password authentication failed\n",
             "x [1] walsender replicator@[unknown] FATAL:  password authentication failed\n",
             "x [1] walreceiver FATAL:  terminating walreceiver process due to administrator "
             "command\n",
             "x [1] walreceiver FATAL:  could not receive data from WAL stream: closed\n",
             "x [1] startup LOG:  the word FATAL in a text\n",
         }) {
        EXPECT_EQ(bad_log_lines(line), "");
    }
}

}  // namespace
}  // namespace pgweir::cluster

namespace pgweir::cluster {
namespace {

TEST(ReplicationSourceTest, OldLinesGoAndOthersStay) {
    const auto text = with_replication_source(
        "# comment\nprimary_conninfo = 'old'\nwork_mem = '8MB'\nprimary_slot_name = 'old'\n",
        "host='127.0.0.1' port=5433",
        "east_slot"
    );
    EXPECT_EQ(
        text,
        "# comment\nwork_mem = '8MB'\n"
        "primary_conninfo = 'host=''127.0.0.1'' port=5433'\n"
        "primary_slot_name = 'east_slot'\n"
    );
    EXPECT_EQ(with_replication_source(text, "host='127.0.0.1' port=5433", "east_slot"), text);
}

TEST(ControlValueTest, ALineIsFoundByItsWholeName) {
    const std::string text =
        "Latest checkpoint location:           0/3000028\n"
        "Latest checkpoint's REDO location:    0/3000027\n"
        "Database cluster state:               shut down\n";
    EXPECT_EQ(control_value(text, "Latest checkpoint location"), "0/3000028");
    EXPECT_EQ(control_value(text, "Database cluster state"), "shut down");
    EXPECT_EQ(control_value(text, "Latest checkpoint"), "");
}

TEST(HistoryTest, TimelineEndsWhereTheNextOneBegins) {
    const char* history =
        "1\t0/3000158\tno recovery target specified\n\n2\t1/10\tno recovery target specified\n";
    EXPECT_EQ(end_of_timeline(history, 1), 0x3000158U);
    EXPECT_EQ(end_of_timeline(history, 2), 0x100000010U);
    EXPECT_FALSE(end_of_timeline(history, 3));
    EXPECT_FALSE(end_of_timeline("", 1));
    EXPECT_FALSE(end_of_timeline("1\n1 x y\n", 1));
}

TEST(BackupLabelTest, TheFirstSegmentIsNamed) {
    EXPECT_EQ(
        first_segment_of("START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nX: y\n"),
        "000000010000000000000002"
    );
    EXPECT_EQ(first_segment_of(""), "");
    EXPECT_EQ(first_segment_of("START WAL LOCATION: 0/2000028 (file "), "");
}

TEST(ServerLogTest, AWalReceiverThatLosesItsPrimaryIsExpected) {
    EXPECT_EQ(
        bad_log_lines("x [1] walreceiver FATAL:  could not send data to WAL stream: server closed "
                      "the connection unexpectedly\n"),
        ""
    );
    EXPECT_EQ(
        bad_log_lines("x [1] walreceiver FATAL:  could not send end-of-streaming message to "
                      "primary: server closed the connection\n"),
        ""
    );
}

}  // namespace
}  // namespace pgweir::cluster
