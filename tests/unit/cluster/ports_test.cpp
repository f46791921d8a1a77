#include "cluster/ports.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace pgweir::cluster {
namespace {

constexpr const char* table =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n"
    "   0: 0100007F:1538 0100007F:C001 01 00000000:00000000 00:00000000 00000000   107  0 555 1\n"
    "   1: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   106  0 777 1\n"
    "garbage\n";

TEST(FindListenerTest, TheListeningSocketIsFoundNotAConnection) {
    const auto found = find_listener(table, 5432);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->user, 106U);
    EXPECT_EQ(found->inode, "777");
}

TEST(FindListenerTest, OtherPortsAndNonsenseAreNothing) {
    EXPECT_FALSE(find_listener(table, 5433));
    EXPECT_FALSE(find_listener("", 5432));
    EXPECT_FALSE(find_listener("1: x 2 0A 4 5 6 7 8 9\n1: :zz 2 0A 4 5 6 7 8 9\n", 5432));
}

class PortProblemTest : public testing::Test {
protected:
    PortProblemTest() {
        handle_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(address);
        auto* generic = reinterpret_cast<sockaddr*>(&address);
        EXPECT_EQ(::bind(handle_, generic, size), 0);
        EXPECT_EQ(::listen(handle_, 1), 0);
        EXPECT_EQ(::getsockname(handle_, generic, &size), 0);
        port_ = ntohs(address.sin_port);
    }

    ~PortProblemTest() override { release(); }

    void release() {
        if (handle_ >= 0) {
            ::close(handle_);
            handle_ = -1;
        }
    }

    int handle_ = -1;
    std::uint16_t port_ = 0;
};

TEST_F(PortProblemTest, ATakenPortIsNamedWithItsHolder) {
    const auto problem = port_problem("127.0.0.1", port_);
    ASSERT_TRUE(problem);
    EXPECT_NE(problem->find("port " + std::to_string(port_)), std::string::npos) << *problem;
    EXPECT_NE(problem->find("taken by a program of user"), std::string::npos) << *problem;
    EXPECT_NE(problem->find("process " + std::to_string(::getpid())), std::string::npos)
        << *problem;
}

TEST_F(PortProblemTest, AFreePortIsNoProblem) {
    release();
    EXPECT_FALSE(port_problem("127.0.0.1", port_));
    EXPECT_FALSE(port_problem("localhost", port_));
}

TEST_F(PortProblemTest, AnAddressOfAnotherMachineIsSaid) {
    const auto problem = port_problem("192.0.2.1", port_);
    ASSERT_TRUE(problem);
    EXPECT_NE(problem->find("no address of this machine"), std::string::npos) << *problem;
}

TEST_F(PortProblemTest, AHostNameIsLeftToPostgres) {
    EXPECT_FALSE(port_problem("db.example", port_));
}

}  // namespace
}  // namespace pgweir::cluster
