#include "handover/channel.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <string>
#include <thread>

namespace pgweir::handover {
namespace {

/// More than any test needs; none waits for it.
constexpr seconds patience{60};

class ChannelTest : public testing::Test {
protected:
    ChannelTest() {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        raw_ = ends[0];
        here_.emplace(descriptor(ends[0]));
        there_.emplace(descriptor(ends[1]));
    }

    std::string error_of(const std::string& bytes) {
        EXPECT_EQ(::send(raw_, bytes.data(), bytes.size(), 0), ssize_t(bytes.size()));
        ::shutdown(raw_, SHUT_WR);
        auto got = there_->receive(patience);
        return got ? "" : got.error().message;
    }

    int raw_ = -1;
    std::optional<channel> here_;
    std::optional<channel> there_;
};

bool same_file(int a, int b) {
    struct ::stat first {};

    struct ::stat second {};

    return ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 && first.st_ino == second.st_ino &&
           first.st_dev == second.st_dev;
}

TEST_F(ChannelTest, AMessageArrivesWithItsDescriptors) {
    int pipes[2];
    ASSERT_EQ(::pipe2(pipes, O_CLOEXEC), 0);
    const descriptor first(pipes[0]);
    const descriptor second(pipes[1]);
    ASSERT_TRUE(here_->send(put_refusal("first"), patience, {first.get(), second.get()}));
    ASSERT_TRUE(here_->send(put(kind::done), patience));
    auto got = there_->receive(patience);
    ASSERT_TRUE(got);
    EXPECT_EQ(get_refusal(got->what.body), "first");
    ASSERT_EQ(got->descriptors.size(), 2);
    EXPECT_TRUE(same_file(got->descriptors[0].get(), first.get()));
    EXPECT_NE(::fcntl(got->descriptors[1].get(), F_GETFD) & FD_CLOEXEC, 0);
    auto next = there_->receive(patience);
    ASSERT_TRUE(next);
    EXPECT_EQ(next->what.what, kind::done);
    EXPECT_TRUE(next->descriptors.empty());
}

TEST_F(ChannelTest, AsManyDescriptorsAsTheKernelTakes) {
    const descriptor one(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const std::vector<int> most(most_descriptors, one.get());
    ASSERT_TRUE(here_->send(put(kind::done), patience, most));
    auto got = there_->receive(patience);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->descriptors.size(), most_descriptors);
    EXPECT_FALSE(here_->send(put(kind::done), patience, std::vector<int>(most_descriptors + 1, 0)));
}

TEST_F(ChannelTest, LargerThanTheSocketsBuffer) {
    const message large{kind::hello, std::string(5 * 1024 * 1024, 'x')};
    auto sent = std::async(std::launch::async, [&] { return bool(here_->send(large, patience)); });
    auto got = there_->receive(patience);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->what.body, large.body);
    EXPECT_TRUE(sent.get());
}

TEST_F(ChannelTest, NobodyWaitsForEver) {
    EXPECT_FALSE(there_->receive(milliseconds(1)));
    const message large{kind::hello, std::string(5 * 1024 * 1024, 'x')};
    EXPECT_FALSE(here_->send(large, milliseconds(1)));
}

TEST_F(ChannelTest, AnInterruptEndsAWait) {
    interrupt stop;
    there_->use(&stop);
    std::thread other([&] { stop.set(); });
    EXPECT_FALSE(there_->receive(microseconds::max()));
    other.join();
    EXPECT_TRUE(stop.is_set());
}

TEST_F(ChannelTest, TheEndIsAnError) {
    EXPECT_EQ(error_of(""), "the other process has gone");
}

TEST_F(ChannelTest, HalfAMessageIsAnError) {
    EXPECT_EQ(error_of(std::string("\0\0\0\5\1abcd", 9)), "the other process has gone");
}

TEST_F(ChannelTest, AnEndlessMessageIsAnError) {
    EXPECT_EQ(error_of("\xff\xff\xff\xff\1"), "the other process says something that is too long");
}

TEST_F(ChannelTest, KnowsWhoIsThere) {
    EXPECT_EQ(here_->peer_process(), ::getpid());
    EXPECT_TRUE(here_->check_peer());
}

class DoorTest : public testing::Test {
protected:
    DoorTest() {
        std::string name = std::filesystem::temp_directory_path() / "pgweir-door-XXXXXX";
        folder_ = ::mkdtemp(name.data());
        name_ = door::name_for(folder_, 6432, 0);
    }

    ~DoorTest() override { std::filesystem::remove_all(folder_); }

    std::string folder_;
    std::string name_;
};

TEST_F(DoorTest, HasANameForEachProcess) {
    EXPECT_EQ(name_, folder_ + "/.s.pgweir-restart.6432");
    EXPECT_EQ(door::name_for("/x", 6432, 7), "/x/.s.pgweir-restart.6432.7");
    EXPECT_TRUE(door::name_for("", 6432, 0).starts_with("@pgweir-restart-"));
    EXPECT_EQ(door::name_for("@x", 6432, 0), "@x/.s.pgweir-restart.6432");
}

TEST_F(DoorTest, IsForItsUserAlone) {
    auto made = door::open(name_);
    ASSERT_TRUE(made);
    EXPECT_EQ(int(std::filesystem::status(name_).permissions()), 0600);
}

TEST_F(DoorTest, LetsInWhoKnocks) {
    const interrupt stop;
    auto made = door::open(name_);
    ASSERT_TRUE(made);
    auto caller = knock(name_);
    ASSERT_TRUE(caller && *caller);
    auto let_in = (*made)->accept(stop);
    ASSERT_TRUE(let_in);
    ASSERT_TRUE((*caller)->send(put(kind::ready), patience));
    EXPECT_EQ(let_in->receive(patience)->what.what, kind::ready);
}

TEST_F(DoorTest, AbstractOnesToo) {
    const std::string name = "@" + folder_;
    auto made = door::open(name);
    ASSERT_TRUE(made);
    auto caller = knock(name);
    ASSERT_TRUE(caller && *caller);
    EXPECT_TRUE((*caller)->check_peer());
    EXPECT_FALSE(door::open(name)) << "it is taken";
}

TEST_F(DoorTest, NobodyBehindItIsNoError) {
    auto nobody = knock(name_);
    ASSERT_TRUE(nobody);
    EXPECT_FALSE(*nobody);
}

TEST_F(DoorTest, OneThatIsLeftOverGivesWay) {
    auto made = door::open(name_);
    ASSERT_TRUE(made);
    (*made)->own_file(false);
    made->reset();
    EXPECT_TRUE(std::filesystem::exists(name_));
    auto nobody = knock(name_);
    ASSERT_TRUE(nobody);
    EXPECT_FALSE(*nobody);
    EXPECT_TRUE(door::open(name_));
    EXPECT_FALSE(std::filesystem::exists(name_)) << "who owns the file removes it";
}

TEST_F(DoorTest, OneThatIsInUseStays) {
    auto made = door::open(name_);
    ASSERT_TRUE(made);
    EXPECT_FALSE(door::open(name_));
    EXPECT_TRUE(*knock(name_));
}

TEST_F(DoorTest, AnInterruptEndsTheWait) {
    interrupt stop;
    stop.set();
    auto made = door::open(name_);
    ASSERT_TRUE(made);
    EXPECT_FALSE((*made)->accept(stop));
}

TEST_F(DoorTest, OneThatIsHandedOverListens) {
    auto made = door::open(name_);
    ASSERT_TRUE(made);
    auto other = door::inherited(descriptor(::dup((*made)->number())), name_);
    ASSERT_TRUE(other);
    other->reset();
    EXPECT_TRUE(std::filesystem::exists(name_)) << "the file is not its own yet";
    EXPECT_FALSE(door::inherited(descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)), name_));
}

TEST_F(DoorTest, AnImpossibleNameIsAnError) {
    EXPECT_FALSE(door::open(folder_ + std::string(200, 'x')));
    EXPECT_FALSE(door::open(""));
    EXPECT_FALSE(door::open(folder_ + "/no/such/folder"));
}

}  // namespace
}  // namespace pgweir::handover
