#include "pool/server_login.hpp"

#include "protocol/message.hpp"
#include "protocol/startup.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace pgweir::pool {
namespace {

using namespace std::string_literals;
using outcome = server_login::outcome;

/// One message with its header: what put_...() writes, taken apart.
struct message {
    char type;
    std::string body;
};

template <typename Put>
message made(Put put) {
    std::string out;
    put(out);
    return {out[0], out.substr(5)};
}

message authentication_ok() {
    return made([](std::string& out) { protocol::put_authentication_ok(out); });
}

message cleartext() {
    return made([](std::string& out) { protocol::put_authentication_cleartext(out); });
}

message parameter(std::string_view name, std::string_view value) {
    return made([&](std::string& out) { protocol::put_parameter_status(out, name, value); });
}

message key() {
    return made([](std::string& out) { protocol::put_backend_key_data(out, 7, -9); });
}

message ready() {
    return made([](std::string& out) {
        protocol::put_ready_for_query(out, protocol::transaction_status::idle);
    });
}

class ServerLoginTest : public testing::Test {
protected:
    outcome feed(const message& m) {
        out.clear();
        return login.on_message(m.type, m.body, out);
    }

    static login_request request() {
        login_request made;
        made.startup = {{"user", "u"}, {"database", "d"}};
        made.credentials.user = "u";
        made.credentials.password = secret("pw");
        return made;
    }

    parameter_store store{{}};
    server_login login{request(), store, nullptr};
    std::string out;
};

TEST_F(ServerLoginTest, BeginsWithTheStartupMessage) {
    login.start(out);
    const auto read = protocol::read_startup(out);
    ASSERT_TRUE(read.packet);
    EXPECT_EQ(read.packet->find("user"), "u");
    EXPECT_EQ(read.packet->find("database"), "d");
}

TEST_F(ServerLoginTest, LogInFromTheFirstToTheLastMessage) {
    EXPECT_EQ(feed(cleartext()), outcome::wait);
    EXPECT_EQ(out, "p\0\0\0\7pw\0"s);
    EXPECT_EQ(feed(authentication_ok()), outcome::wait);
    EXPECT_EQ(feed(parameter("timezone", "CET")), outcome::wait);
    EXPECT_EQ(feed(parameter("server_version", "15.9")), outcome::wait);
    EXPECT_EQ(feed(key()), outcome::wait);
    EXPECT_EQ(feed(ready()), outcome::ready);
    EXPECT_EQ(login.key().process_id, 7);
    EXPECT_EQ(login.key().secret_key, -9);
    EXPECT_EQ(login.parameters(), store.with(store.empty(), *store.index_of("TimeZone"), "CET"));
    std::string both;
    protocol::put_parameter_status(both, "timezone", "CET");
    protocol::put_parameter_status(both, "server_version", "15.9");
    EXPECT_EQ(login.welcome(), both);
}

TEST_F(ServerLoginTest, ErrorAtEveryStepFailsInTheServersWords) {
    const std::vector<message> steps{cleartext(), authentication_ok(), parameter("a", "b"), key()};
    for (std::size_t before = 0; before <= steps.size(); before++) {
        server_login each(request(), store, nullptr);
        for (std::size_t i = 0; i < before; i++) {
            ASSERT_EQ(each.on_message(steps[i].type, steps[i].body, out), outcome::wait);
        }
        const message error = made([](std::string& to) {
            protocol::put_error(to, protocol::severity::fatal, "53300", "too many clients");
        });
        EXPECT_EQ(each.on_message(error.type, error.body, out), outcome::failed) << before;
        EXPECT_EQ(each.why(), "too many clients");
        EXPECT_EQ(each.sqlstate(), "53300");
    }
}

TEST_F(ServerLoginTest, ErrorWithoutFieldsIsAnErrorTooButNoAnswerOfTheServers) {
    EXPECT_EQ(feed({'E', "\0"s}), outcome::failed);
    EXPECT_EQ(login.why(), "an error without a text");
    EXPECT_EQ(login.sqlstate(), "");
    server_login empty(request(), store, nullptr);
    EXPECT_EQ(empty.on_message('E', "", out), outcome::failed);
    EXPECT_FALSE(empty.why().empty());
}

TEST_F(ServerLoginTest, NoticesAreOverheard) {
    const message notice = made([](std::string& to) { protocol::put_notice(to, "00000", "hi"); });
    EXPECT_EQ(feed(notice), outcome::wait);
    EXPECT_EQ(feed(authentication_ok()), outcome::wait);
    EXPECT_EQ(feed(notice), outcome::wait);
    EXPECT_EQ(feed(ready()), outcome::ready);
}

TEST_F(ServerLoginTest, NothingButAuthenticationComesFirst) {
    for (const message& early : {parameter("a", "b"), key(), ready(), message{'T', ""}}) {
        server_login each(request(), store, nullptr);
        EXPECT_EQ(each.on_message(early.type, early.body, out), outcome::failed) << early.type;
        EXPECT_EQ(each.sqlstate(), "");
    }
}

TEST_F(ServerLoginTest, SecondAuthenticationFails) {
    ASSERT_EQ(feed(authentication_ok()), outcome::wait);
    EXPECT_EQ(feed(cleartext()), outcome::failed);
    EXPECT_EQ(out, "") << "no password for whoever asks twice";
}

TEST_F(ServerLoginTest, MessagesThatAreBrokenOrHaveNoPlaceHereFail) {
    for (const message& bad :
         {message{'S', "name without value"},
          message{'K', "short"},
          message{'D', "row"},
          message{'?', ""}}) {
        server_login each(request(), store, nullptr);
        const message ok = authentication_ok();
        ASSERT_EQ(each.on_message(ok.type, ok.body, out), outcome::wait);
        EXPECT_EQ(each.on_message(bad.type, bad.body, out), outcome::failed) << bad.type;
        EXPECT_FALSE(each.why().empty());
    }
}

TEST_F(ServerLoginTest, ServerMayNotReportForEver) {
    ASSERT_EQ(feed(authentication_ok()), outcome::wait);
    const message long_one = parameter("a", std::string(1000, 'x'));
    int taken = 0;
    while (taken < 1'000 && feed(long_one) == outcome::wait) {
        taken++;
    }
    EXPECT_GT(taken, 15);
    EXPECT_LT(taken, 100);
}

TEST_F(ServerLoginTest, PasswordThatIsNotKnownFailsHere) {
    login_request without = request();
    without.credentials.password = secret();
    server_login each(without, store, nullptr);
    const message ask = cleartext();
    EXPECT_EQ(each.on_message(ask.type, ask.body, out), outcome::failed);
    EXPECT_FALSE(each.why().empty());
    EXPECT_EQ(each.sqlstate(), "") << "it was not the server that refused";
}

}  // namespace
}  // namespace pgweir::pool
